"""What the event path itself looks at in a logged event: its `Head`."""

from __future__ import annotations

import msgspec
from msgspec import Raw

from midstream.domain.context import context_of
from midstream.domain.pieces import NULL, text
from midstream.domain.received import NAME_CHARACTERS, Kind
from midstream.domain.rules import TYPES

NAMED = ("page", "screen")  # the types whose name is what they are counted by


class Head(msgspec.Struct, frozen=True, gc=False):
    """The fields of a logged event that the event path itself looks at."""

    type: str = ""
    messageId: str = ""
    event: Raw = NULL
    name: Raw = NULL
    integrations: Raw = NULL
    receivedAt: str = ""
    context: Raw = NULL

    @property
    def app_version(self) -> str:
        """The version of the app it came from; empty where it does not say."""
        return context_of(self.context).app.version or ""

    @property
    def label(self) -> str:
        """The event's name as Event Delivery groups by it: a track's event, a page's or screen's name, else empty."""
        named = self.event if self.type == "track" else self.name if self.type in NAMED else NULL
        return text(named) or ""


head = msgspec.json.Decoder(Head).decode


def refused_kind(item: bytes, type_: str | None) -> Kind:
    """Say what a refused event would have been counted as, as far as can be seen; `type_` is from its path."""
    try:
        seen = head(item)
        known = type_ or (seen.type if seen.type in TYPES else "")
        named = msgspec.structs.replace(seen, type=known)
        return (known, named.label[:NAME_CHARACTERS], named.app_version[:NAME_CHARACTERS])
    except (msgspec.MsgspecError, RecursionError):
        return (type_ or "", "", "")
