"""What midstream itself reads of an event: the fields that have rules. All else stays the bytes its client sent.

Enters: an event as JSON. Leaves: a `Usual`, which written again is the same event. msgspec checks types as it reads and
writes in one go, which is most of the speed.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType, field

from midstream.domain.pieces import Fields
from midstream.domain.rules import MESSAGE_ID_CHARS, Given

Text = str | UnsetType | None
Piece = Raw | UnsetType


class Usual(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """An event as SDKs send it: no other fields than these, each of the right type. What is absent is not written."""

    type: Text = UNSET
    event: Text = UNSET
    messageId: Annotated[str, Meta(max_length=MESSAGE_ID_CHARS)] | UnsetType | None = UNSET
    userId: Text = UNSET
    anonymousId: Text = UNSET
    timestamp: Text = UNSET
    properties: Piece = UNSET
    context: Piece = UNSET
    integrations: Piece = UNSET
    traits: Piece = UNSET
    name: Text = UNSET
    category: Text = UNSET
    groupId: Text = UNSET
    previousId: Text = UNSET
    metadata: Piece = field(default=UNSET, name="_metadata")
    originalTimestamp: Text = UNSET
    sentAt: Text = UNSET
    receivedAt: Piece = UNSET
    channel: Text = UNSET
    version: Piece = UNSET
    projectId: Piece = UNSET
    writeKey: Piece = UNSET


usual_of = msgspec.json.Decoder(Usual).decode

_TEXTS = (
    *("type", "event", "name", "category", "userId", "anonymousId", "groupId", "previousId"),
    *("messageId", "originalTimestamp", "timestamp", "sentAt", "channel"),
)
_PIECES = {"_metadata": "metadata", **{name: name for name in ("properties", "traits", "context", "integrations")}}
# What the server writes whatever the client did.
_STAMPS = {"messageId", "originalTimestamp", "timestamp", "sentAt", "receivedAt", "channel", "version", "projectId"}
_NEVER_KEPT = _STAMPS | {"writeKey"}


def sorted_out(fields: Fields, given: Given) -> tuple[Usual, Fields]:
    """Divide any event: what is as it should be, and all else, which goes along unread."""
    event = Usual()
    more: Fields = {}
    for name, raw in fields.items():
        if name in _PIECES:
            setattr(event, _PIECES[name], raw)
        elif name in _TEXTS and isinstance(value := getattr(given, name), str | None):
            setattr(event, name, value)
        elif name not in _NEVER_KEPT:
            more[name] = raw
    return event, more
