"""Pieces of JSON that stay the bytes their client sent."""

from __future__ import annotations

import msgspec
from msgspec import Raw

Fields = dict[str, Raw]

NULL = Raw(b"null")
fields_of = msgspec.json.Decoder(Fields).decode
_string = msgspec.json.Decoder(str).decode


def text(raw: Raw | None) -> str | None:
    """Return a JSON string's value; None for anything else."""
    return _string(raw) if raw is not None and first(raw) in b'"' else None


def first(raw: Raw) -> int:
    """Return the byte a piece begins with, which tells what it is."""
    return memoryview(raw)[0]
