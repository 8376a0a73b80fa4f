"""What became of an event at one destination: a closed union, matched with `assert_never`.

Reasons and stages are the ones Event Delivery shows; the table is contract §2.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class Stage(StrEnum):
    """Where in Delivery Overview an outcome is counted (segment.md §8.2)."""

    INGEST = "failed-on-ingest"
    FILTERED = "filtered-at-destination"
    FAILED = "failed-delivery"
    DELIVERED = "successful-delivery"


@dataclass(frozen=True, slots=True)
class Delivered:
    """The destination took it."""

    detail: str = ""
    stage: Stage = Stage.DELIVERED


@dataclass(frozen=True, slots=True)
class Filtered:
    """Somebody's rule said no: `integrations`, a filter, or a function. Not a failure."""

    reason: str
    detail: str = ""
    stage: Stage = Stage.FILTERED


@dataclass(frozen=True, slots=True)
class Discarded:
    """It will not be delivered. `exhausted` when it was worth retrying but its tries are used up."""

    reason: str
    detail: str
    stage: Stage
    exhausted: bool = False


@dataclass(frozen=True, slots=True)
class Retrying:
    """It will be tried again. `retry_after` is what the destination asked for."""

    reason: str
    detail: str
    stage: Stage
    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Quarantined:
    """Discarded, but kept whole so that it can be run again (`on_error = "quarantine"`)."""

    reason: str
    detail: str
    stage: Stage
    exhausted: bool = False


Outcome = Delivered | Filtered | Discarded | Retrying | Quarantined
