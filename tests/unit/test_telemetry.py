from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator

import pytest
import structlog

from midstream import telemetry


@pytest.fixture
def as_before() -> Iterator[None]:
    before, handlers = structlog.get_config(), logging.root.handlers[:]
    yield
    structlog.configure(**before)
    logging.root.handlers[:] = handlers


def test_what_is_said_after_a_lent_standard_error_is_closed_is_heard(
    as_before: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    lent, own = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stderr", lent)
    telemetry.configure("info", "console", "test")
    logger = telemetry.logger()
    logger.info("first")
    lent.close()
    monkeypatch.setattr(sys, "stderr", own)
    logger.info("second")
    assert "second" in own.getvalue()


def test_what_libraries_say_is_one_json_object_a_line_too(as_before: None, monkeypatch: pytest.MonkeyPatch) -> None:
    said = io.StringIO()
    monkeypatch.setattr(sys, "stderr", said)
    telemetry.configure("info", "json", "test")
    telemetry.logger().info("first")
    try:
        raise ValueError("of two\nlines")
    except ValueError:
        logging.getLogger("uvicorn.error").exception("second %s", "thing")
    first, second = map(json.loads, said.getvalue().splitlines())
    assert (first["event"], first["level"], first["process"]) == ("first", "info", "test")
    assert (second["event"], second["level"], second["process"]) == ("second thing", "error", "test")
    assert "of two\nlines" in second["exception"]
    assert second["timestamp"] >= first["timestamp"]
