"""Times as Segment writes and reads them."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
from msgspec import UnsetType

_json = msgspec.json.Encoder().encode


def iso(moment: datetime) -> str:
    """Write a time as Segment does: UTC, milliseconds, Z."""
    return in_bytes(moment if moment.tzinfo is UTC else moment.astimezone(UTC)).decode()


def in_bytes(moment: datetime) -> bytes:
    """Write a time of UTC as Segment does."""
    # msgspec writes microseconds, or none where they are 0, and does it in a twentieth of what isoformat takes.
    written = _json(moment)
    return written[1:24] + b"Z" if len(written) > _WITHOUT else written[1:20] + b".000Z"


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
