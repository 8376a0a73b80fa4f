"""Each ending of an invocation means what contract §2 says."""

from __future__ import annotations

import pytest

from midstream.domain.function import Ending, ErrorInfo, Invocation, outcome_of
from midstream.domain.outcome import Discarded, Filtered, Outcome, Retrying, Stage

AT = Stage.FILTERED
FUNCTION = "Filtered at insert function"


@pytest.mark.parametrize(
    ("ending", "name", "outcome"),
    [
        (Ending.NOTHING, "", Filtered(FUNCTION, "why")),
        (Ending.UNUSABLE, "", Discarded("bad_request", "why", AT)),
        (Ending.NO_HANDLER, "", Discarded("unsupported_event_type", "why", AT)),
        (Ending.TIMEOUT, "", Retrying("gateway_timeout", "why", AT)),
        (Ending.OUT_OF_MEMORY, "", Retrying("out_of_memory", "why", AT)),
        (Ending.CRASHED, "", Retrying("internal", "why", AT)),
        (Ending.UNLOADABLE, "", Retrying("invalid_settings", "why", AT)),
        (Ending.THREW, "DropEvent", Filtered(FUNCTION, "why")),
        (Ending.THREW, "EventNotSupported", Discarded("unsupported_event_type", "why", AT)),
        (Ending.THREW, "InvalidEventPayload", Discarded("message_rejected", "why", AT)),
        (Ending.THREW, "ValidationError", Discarded("message_rejected", "why", AT)),
        (Ending.THREW, "RetryError", Retrying("retry", "why", AT)),
        (Ending.THREW, "TypeError", Discarded("bad_request", "TypeError: why", AT)),
    ],
)
def test_an_ending_becomes_its_outcome(ending: Ending, name: str, outcome: Outcome) -> None:
    assert outcome_of(Invocation(ending, error=ErrorInfo(name, "why"))) == outcome


def test_a_handler_that_returned_nothing_needs_no_reason() -> None:
    assert outcome_of(Invocation(Ending.NOTHING)) == Filtered(FUNCTION, "handler returned nothing")


def test_a_returned_event_goes_on() -> None:
    assert outcome_of(Invocation(Ending.RETURNED, b"{}")) is None
