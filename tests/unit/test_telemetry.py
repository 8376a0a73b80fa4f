from __future__ import annotations

import io
import sys
from collections.abc import Iterator

import pytest
import structlog

from midstream import telemetry


@pytest.fixture
def as_before() -> Iterator[None]:
    before = structlog.get_config()
    yield
    structlog.configure(**before)


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
