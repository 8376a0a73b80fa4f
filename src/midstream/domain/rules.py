"""What Segment takes for an event, and the reasons it gives for what it does not take (segment.md §4.2, §8.5)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import Raw

from midstream.domain.pieces import NULL, first

TYPES = ("identify", "track", "page", "screen", "group", "alias", "delete")
SHORT_FORMS = {"i": "identify", "t": "track", "p": "page", "s": "screen", "g": "group", "a": "alias"}
# segment.md §4.2
EVENT_BYTES = 32 * 1024
BATCH_BYTES = 500 * 1024
BATCH_EVENTS = 2500
MESSAGE_ID_CHARS = 100

_TEXT_OR_NULL = (str, type(None))


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why an event was not accepted: Segment's reason code, the field at fault, and what to do about it."""

    reason: str
    detail: str
    field: str | None = None


class Given(msgspec.Struct, gc=False):
    """The same fields with whatever a client may have put there."""

    type: Any = None
    userId: Any = None
    anonymousId: Any = None
    groupId: Any = None
    previousId: Any = None
    messageId: Any = None
    event: Any = None
    name: Any = None
    category: Any = None
    channel: Any = None
    timestamp: Any = None
    originalTimestamp: Any = None
    sentAt: Any = None
    properties: Raw = NULL
    traits: Raw = NULL
    context: Raw = NULL
    integrations: Raw = NULL


given_of = msgspec.json.Decoder(Given).decode


def fault_of(given: Given) -> Rejection | None:
    """Return why Segment refuses an event, if it does."""
    if given.type not in TYPES:
        return Rejection("bad_request", f"type must be one of {', '.join(TYPES)}", "type")
    for name in ("userId", "anonymousId", "groupId", "previousId", "messageId"):
        if not isinstance(getattr(given, name), _TEXT_OR_NULL):
            return Rejection("id_not_string", f"{name} must be a string", name)
    if not (given.userId or given.anonymousId):
        return Rejection("no_user_anon_id", "either userId or anonymousId is required", "userId")
    if len(given.messageId or "") > MESSAGE_ID_CHARS:
        return Rejection("bad_request", f"messageId must be at most {MESSAGE_ID_CHARS} characters", "messageId")
    return _OF_TYPE[given.type](given) or _objects(given, "context", "integrations")


def _track(given: Given) -> Rejection | None:
    if given.event is None or given.event == "":
        return Rejection("event_not_defined", "a track needs an event name", "event")
    if not isinstance(given.event, str):
        return Rejection("event_not_string", "event must be a string", "event")
    return _objects(given, "properties")


def _page(given: Given) -> Rejection | None:
    for name in ("name", "category"):
        if not isinstance(getattr(given, name), _TEXT_OR_NULL):
            return Rejection(f"{name}_not_string", f"{name} must be a string", name)
    return _objects(given, "properties")


def _identify(given: Given) -> Rejection | None:
    return _objects(given, "traits")


def _needs(*, id_field: str, what: str) -> Callable[[Given], Rejection | None]:
    def check(given: Given) -> Rejection | None:
        if not getattr(given, id_field):
            return Rejection("id_required", f"{what} needs a {id_field}", id_field)
        return _objects(given, "traits")

    return check


_OF_TYPE: Mapping[str, Callable[[Given], Rejection | None]] = {
    "track": _track,
    "page": _page,
    "screen": _page,
    "identify": _identify,
    "group": _needs(id_field="groupId", what="a group"),
    "alias": _needs(id_field="previousId", what="an alias"),
    "delete": _needs(id_field="userId", what="a delete"),
}


def _objects(given: Given, *names: str) -> Rejection | None:
    for name in names:
        value: Raw = getattr(given, name)
        # An object or null. Older delete events carry `[]` for an empty context (segment.md §5.8).
        if first(value) in b"{n" or (name in ("context", "integrations") and bytes(value) == b"[]"):
            continue
        return Rejection(f"{name}_not_object", f"{name} must be an object", name)
    return None
