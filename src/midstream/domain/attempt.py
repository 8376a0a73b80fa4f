"""What the event path says happened, one `Attempt` an event and destination; metrics and Event Delivery read the same.

Enters: published by deliver and settle. Leaves: counted by `store.attempts`. Some attempts bring a `Sample` along.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec


class Attempt(msgspec.Struct, frozen=True):
    """One try to bring one event to one destination. `destination_id` is "" when it was rejected at ingest."""

    destination_id: str
    source_id: str
    at: int  # epoch, milliseconds
    message_id: str
    type: str
    event: str  # a track's event, a page's or screen's name, else ""
    outcome: str  # delivered, filtered, discarded, retrying, quarantined or rejected
    stage: str  # a `domain.outcome.Stage`
    reason: str
    attempt: int  # 1 is the first
    latency_ms: float  # from receipt to this outcome
    version_ids: tuple[str, ...] = ()  # the function versions that ran, in order
    app_version: str = ""  # context.app.version


class Sample(msgspec.Struct, frozen=True):
    """One event that was not delivered, kept whole enough to be looked at."""

    destination_id: str
    source_id: str
    reason: str
    at: int  # epoch, milliseconds
    message_id: str
    type: str
    event: str
    attempt: int
    body: dict[str, Any]  # already redacted by whoever made it


class Record(msgspec.Struct, frozen=True):
    """What one settled batch left behind: one line on the log's outcomes subject."""

    attempts: Sequence[Attempt] = ()
    samples: Sequence[Sample] = ()


OUTCOMES = "outcomes"  # the subject

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Record).decode


def written(record: Record) -> bytes:
    """Return a record as a newline-free line."""
    return _encode(record)


def read(payload: bytes) -> list[Record]:
    """Return the records of one log message."""
    return [_decode(line) for line in payload.split(b"\n")]
