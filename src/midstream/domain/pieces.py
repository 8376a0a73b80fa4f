"""The few pieces of an event that are read while all the rest stays the bytes its client sent."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, Raw, UnsetType

Fields = dict[str, Raw]

NULL = Raw(b"null")
fields_of = msgspec.json.Decoder(Fields).decode
_string = msgspec.json.Decoder(str).decode


class _AnyContext(msgspec.Struct, gc=False):
    """What is looked at in a context, with whatever a client may have put there."""

    direct: Raw = NULL
    app: Raw | UnsetType = UNSET


class _AnyApp(msgspec.Struct, gc=False):
    version: Raw = NULL


context_of = msgspec.json.Decoder(_AnyContext).decode
_app = msgspec.json.Decoder(_AnyApp).decode


def text(raw: Raw | None) -> str | None:
    """Return a JSON string's value; None for anything else."""
    return _string(raw) if raw is not None and first(raw) in b'"' else None


def first(raw: Raw) -> int:
    """Return the byte a piece begins with, which tells what it is."""
    return memoryview(raw)[0]


def version_of(app: Raw | UnsetType) -> str:
    """Read the version of what a client sent as its app, which nobody has checked."""
    return "" if app is UNSET or first(app) not in b"{" else text(_app(app).version) or ""
