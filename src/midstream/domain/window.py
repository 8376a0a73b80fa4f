"""The time that counts are asked for: from when until when, in buckets of a minute, an hour or a day of UTC.

Enters: what a caller wrote. Leaves: a `Window` within Segment's limits, or a `RequestError` that names the field.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from midstream.errors import RequestError

INVALID = "input-validation"


class Granularity(StrEnum):
    """How long a bucket is."""

    MINUTE = "MINUTE"
    HOUR = "HOUR"
    DAY = "DAY"


@dataclass(frozen=True, slots=True)
class Limit:
    """How long a window may be, and how far back it may begin."""

    longest: timedelta
    oldest: timedelta


Limits = Mapping[Granularity, Limit]

_MINUTES = Limit(timedelta(hours=4), timedelta(hours=48))
# segment.md §8.3. Counts are kept a day longer than the oldest of these.
OVERVIEW: Limits = {
    Granularity.MINUTE: _MINUTES,
    Granularity.HOUR: Limit(timedelta(days=14), timedelta(days=30)),
    Granularity.DAY: Limit(timedelta(days=30), timedelta(days=30)),
}
METRICS: Limits = {
    Granularity.MINUTE: _MINUTES,
    Granularity.HOUR: Limit(timedelta(days=7), timedelta(days=7)),
    Granularity.DAY: Limit(timedelta(days=14), timedelta(days=14)),
}


@dataclass(frozen=True, slots=True)
class Window:
    """Counts are by whole minutes: `start` is the beginning of one; one that begins before `end` counts as a whole."""

    granularity: Granularity
    start: datetime
    end: datetime


def window(granularity: str, start: str, end: str, *, limits: Limits, now: datetime) -> Window:
    """Read a window as callers write it: ISO 8601, `start` inclusive, `end` exclusive, UTC where no zone is given."""
    size = granularity_of(granularity)
    begin, until = moment(start, "startTime"), moment(end, "endTime")
    if begin >= until:
        raise _wrong("endTime", f"endTime {end!r} must be after startTime {start!r}")
    limit = limits[size]
    if until - begin > limit.longest:
        detail = f"from startTime to endTime is more than {_spoken(limit.longest)}, the most with {size} granularity"
        raise _wrong("endTime", detail)
    # From the beginning of a bucket on: who asks for the last 30 days asked a moment ago.
    oldest = floor(now - limit.oldest, size)
    if begin < oldest:
        detail = f"startTime {start!r} is more than {_spoken(limit.oldest)} ago, the oldest with {size} granularity"
        raise _wrong("startTime", detail)
    return Window(size, floor(begin, Granularity.MINUTE), until)


def granularity_of(written: str) -> Granularity:
    """Read a granularity, in capitals or not: Segment's SDKs of different versions write both."""
    try:
        return Granularity(written.upper())
    except ValueError:
        raise _wrong("granularity", f"granularity must be MINUTE, HOUR or DAY, not {written[:40]!r}") from None


def moment(written: str, field: str) -> datetime:
    """Read a time."""
    try:
        # A plus sign that was not escaped in a query arrives as a space.
        parsed = datetime.fromisoformat(written.strip().replace(" ", "+") if "T" in written else written.strip())
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        detail = f"{field} must be an ISO 8601 time like 2026-01-31T09:00:00Z, not {written[:40]!r}"
        raise _wrong(field, detail) from None


def floor(at: datetime, size: Granularity) -> datetime:
    """Return the beginning of the bucket that a UTC time is in."""
    minute = at.replace(second=0, microsecond=0)
    match size:
        case Granularity.MINUTE:
            return minute
        case Granularity.HOUR:
            return minute.replace(minute=0)
        case Granularity.DAY:
            return minute.replace(minute=0, hour=0)


def _spoken(length: timedelta) -> str:
    hours = round(length.total_seconds() / 3600)
    return f"{hours} hours" if hours <= 48 else f"{hours // 24} days"


def _wrong(field: str, detail: str) -> RequestError:
    return RequestError(422, INVALID, detail, field)
