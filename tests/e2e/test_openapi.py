"""The Public API is what its OpenAPI document says, whatever is asked of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis import Case
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from midstream.api.application import document
from tests.whole import Whole, running

COMMITTED = Path(__file__).parents[2] / "docs" / "openapi.json"
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Give a whole midstream, and the header its API wants."""
    with running(tmp_path_factory.mktemp("openapi"), MIDSTREAM_API_RATE="1000000") as whole:
        token = whole.run("token", "create").stdout.strip()
        yield {"base_url": whole.base_url, "headers": {"Authorization": f"Bearer {token}"}, "whole": whole}


API = schemathesis.openapi.from_dict(document())


@API.parametrize()
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_request_makes_it_fail_or_say_what_is_not_in_the_document(case: Case, asked: dict[str, Any]) -> None:
    # It also tries what is no token; there is a test for that, and here all is to get further.
    case.headers.update(asked["headers"])
    answer = case.call(base_url=asked["base_url"])
    case.validate_response(answer, checks=CHECKS)
    if answer.status_code >= 400:
        assert answer.json()["errors"][0]["message"]


def test_nothing_of_it_went_unforeseen(asked: dict[str, Any]) -> None:
    whole: Whole = asked["whole"]
    assert "a request failed" not in whole.log()


def test_the_document_is_the_committed_one() -> None:
    """`make openapi` writes it."""
    assert json.loads(COMMITTED.read_text()) == document()
