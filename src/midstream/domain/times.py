"""Times as Segment writes and reads them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
from msgspec import UnsetType

_json = msgspec.json.Encoder().encode


def iso(moment: datetime) -> str:
    """Write a time as Segment does: UTC, milliseconds, Z."""
    # msgspec writes microseconds, or none where they are 0, and does it in a twentieth of what isoformat takes.
    written = _json(moment if moment.tzinfo is UTC else moment.astimezone(UTC))
    return written[1:24].decode() + "Z" if len(written) > _WITHOUT else written[1:20].decode() + ".000Z"


_WITHOUT = len('"2026-01-01T00:00:00Z"')


def moment_of(value: str | UnsetType | None) -> datetime | None:
    """Read a time in any ISO form, without a zone as UTC; None for what is no time."""
    if not value:
        return None
    try:
        parsed = datetime.fromisoformat(value)
        if parsed.tzinfo is UTC:
            return parsed
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def moved(value: str, by: timedelta) -> tuple[str, str] | None:
    """Write a time as Segment does, and what it is so much later; None where that takes a closer look."""
    # `moment_of` and `iso` in one go, since calling them takes as long as what they do.
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is not UTC:
            return None
        later = _json(moment + by)
    except (ValueError, OverflowError):
        return None
    # As most are: 2026-01-01T00:00:00.000Z.
    written = value if value[4:20:3] == "--T::." and value[23:] == "Z" else iso(moment)
    return written, later[1:24].decode() + "Z" if len(later) > _WITHOUT else later[1:20].decode() + ".000Z"
