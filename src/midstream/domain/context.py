"""What is looked at in an event's context."""

from __future__ import annotations

import msgspec
from msgspec import Raw, UnsetType

from midstream.domain.pieces import NULL, first, text


class App(msgspec.Struct, frozen=True, gc=False):
    """The app an event came from, as far as it says so."""

    version: str | None = None


class Library(msgspec.Struct, frozen=True, gc=False):
    """The SDK an event came from, as far as it says so."""

    name: str | None = None


_NO_APP, _NO_LIBRARY = App(), Library()
ANALYTICS_JS = "analytics.js"


class Context(msgspec.Struct, gc=False):
    """A context as SDKs send it; msgspec checks the types."""

    direct: Raw = NULL
    app: App = _NO_APP
    library: Library = _NO_LIBRARY


def context_of(piece: Raw | UnsetType) -> Context:
    """Read a context; what is there, but not as it should be, counts as absent."""
    if isinstance(piece, UnsetType):
        return NO_CONTEXT
    try:
        return usual_context(piece)
    except msgspec.ValidationError:
        return _any(piece) if first(piece) in b"{" else NO_CONTEXT


NO_CONTEXT = Context()
usual_context = msgspec.json.Decoder(Context).decode


class _Pieces(msgspec.Struct, gc=False):
    direct: Raw = NULL
    app: Raw = NULL
    library: Raw = NULL


class _Said(msgspec.Struct, gc=False):
    version: Raw = NULL
    name: Raw = NULL


_pieces = msgspec.json.Decoder(_Pieces).decode
_said = msgspec.json.Decoder(_Said).decode


def _any(piece: Raw) -> Context:
    found = _pieces(piece)
    app, library = (_said(it) if first(it) in b"{" else _Said() for it in (found.app, found.library))
    return Context(found.direct, App(text(app.version)), Library(text(library.name)))
