"""Segment's events: what a valid one is, and the form in which it enters the log.

Enters: the JSON a client sent, as `Raw` pieces that are never parsed further than needed. Leaves: newline-free bytes,
normalised as segment.md §4.4 says, or a `Rejection` with Segment's reason (§8.5). Also `Head`, the few fields the event
path reads.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import msgspec
from msgspec import Raw

from midstream.domain.wellformed import mended

TYPES = ("identify", "track", "page", "screen", "group", "alias", "delete")
SHORT_FORMS = {"i": "identify", "t": "track", "p": "page", "s": "screen", "g": "group", "a": "alias"}

# segment.md §4.2
EVENT_BYTES = 32 * 1024
BATCH_BYTES = 500 * 1024
BATCH_EVENTS = 2500
MESSAGE_ID_CHARS = 100

Fields = dict[str, Raw]

_fields = msgspec.json.Decoder(Fields)
_text = msgspec.json.Decoder(str)
_json = msgspec.json.Encoder()
_NULL = Raw(b"null")
_TEXT_OR_NULL = (str, type(None))


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why an event was not accepted: Segment's reason code, the field at fault, and what to do about it."""

    reason: str
    detail: str
    field: str | None = None


class Accepted(msgspec.Struct, frozen=True, gc=False):
    """An event in the form the log holds."""

    type: str
    message_id: str
    raw: bytes


@dataclass(frozen=True)
class Arrival:
    """What the server knows about the request an event came with. One serves all events of a batch."""

    project_id: str
    received_at: datetime
    new_message_id: Callable[[], str]
    ip: str | None = None
    type: str | None = None  # from the path, for single events
    sent_at: Raw | None = None
    context: Fields | None = None
    integrations: Fields | None = None

    @cached_property
    def received(self) -> str:
        """`received_at` as Segment writes it."""
        return iso(self.received_at)

    @cached_property
    def sent(self) -> datetime | None:
        """When the client says it sent the request."""
        return _moment(text(self.sent_at))


class _Known(msgspec.Struct, gc=False):
    """The fields that have rules, with whatever a client may have put there. Read in one go: that is most of the speed."""

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
    properties: Raw = _NULL
    traits: Raw = _NULL
    context: Raw = _NULL
    integrations: Raw = _NULL


class Head(msgspec.Struct, frozen=True, gc=False):
    """The fields of a logged event that the event path itself looks at."""

    type: str = ""
    messageId: str = ""
    event: Raw = Raw(b"null")
    name: Raw = Raw(b"null")
    integrations: Raw = Raw(b"null")
    receivedAt: str = ""

    @property
    def label(self) -> str:
        """The event's name as Event Delivery groups by it: a track's event, a page's or screen's name, else empty."""
        raw = bytes(self.event if self.type == "track" else self.name if self.type in ("page", "screen") else b"")
        return _text.decode(raw) if raw.startswith(b'"') else ""


head = msgspec.json.Decoder(Head).decode
_known = msgspec.json.Decoder(_Known).decode


def accept(item: bytes | Raw, arrival: Arrival) -> Accepted | Rejection:
    """Check one event as its client sent it, and put it into the form the log holds."""
    try:
        fields: dict[str, Any] = _fields.decode(item)
        known = _known(item)
    except (msgspec.MsgspecError, RecursionError):
        return Rejection("bad_request", "an event must be a JSON object")
    if arrival.type is not None:
        fields["type"] = known.type = arrival.type
    fields.pop("writeKey", None)
    fault = _fault_of(known)
    if fault is not None:
        return fault
    if not known.messageId:
        fields["messageId"] = known.messageId = arrival.new_message_id()
    raw = _normalised(fields, known, arrival)
    if len(raw) > EVENT_BYTES + _STAMPS:
        return Rejection("bad_request", f"the event is {len(raw):,} bytes; the limit is {EVENT_BYTES:,}", None)
    return Accepted(known.type, known.messageId, raw)


# What normalising itself adds (ids, five times, version …) is not charged to the client.
_STAMPS = 1024


def tried(event: Mapping[str, Any], arrival: Arrival) -> tuple[bytes, Rejection | None]:
    """Put an event written for a trial into the form a function sees, and say why `accept` would refuse it, if so.

    What the event has stays as it is, since it may be a sample of one that arrived before; what is missing is added.
    """
    identified = event if event.get("messageId") else {**event, "messageId": arrival.new_message_id()}
    sent = mended(json.dumps(identified).encode())
    judged = accept(sent, arrival)
    rejection = judged if isinstance(judged, Rejection) else None
    try:
        own = _fields.decode(sent)
        own.pop("writeKey", None)
        added = _fields.decode(_normalised(dict(own), _known(sent), arrival))
    except (msgspec.MsgspecError, RecursionError):
        return sent, rejection
    return _json.encode(added | {name: value for name, value in own.items() if bytes(value) != b"null"}), rejection


def text(raw: Raw | None) -> str | None:
    """Return a JSON string's value; None for anything else."""
    return _text.decode(raw) if raw is not None and _first(raw) in b'"' else None


def _first(raw: Raw) -> int:
    return memoryview(raw)[0]


def _fault_of(known: _Known) -> Rejection | None:
    if known.type not in TYPES:
        return Rejection("bad_request", f"type must be one of {', '.join(TYPES)}", "type")
    for name in ("userId", "anonymousId", "groupId", "previousId", "messageId"):
        if not isinstance(getattr(known, name), _TEXT_OR_NULL):
            return Rejection("id_not_string", f"{name} must be a string", name)
    if not (known.userId or known.anonymousId):
        return Rejection("no_user_anon_id", "either userId or anonymousId is required", "userId")
    if len(known.messageId or "") > MESSAGE_ID_CHARS:
        return Rejection("bad_request", f"messageId must be at most {MESSAGE_ID_CHARS} characters", "messageId")
    return _OF_TYPE[known.type](known) or _objects(known, "context", "integrations")


def _track(known: _Known) -> Rejection | None:
    if known.event is None or known.event == "":
        return Rejection("event_not_defined", "a track needs an event name", "event")
    if not isinstance(known.event, str):
        return Rejection("event_not_string", "event must be a string", "event")
    return _objects(known, "properties")


def _page(known: _Known) -> Rejection | None:
    for name in ("name", "category"):
        if not isinstance(getattr(known, name), _TEXT_OR_NULL):
            return Rejection(f"{name}_not_string", f"{name} must be a string", name)
    return _objects(known, "properties")


def _identify(known: _Known) -> Rejection | None:
    return _objects(known, "traits")


def _needs(*, id_field: str, what: str) -> Callable[[_Known], Rejection | None]:
    def check(known: _Known) -> Rejection | None:
        if not getattr(known, id_field):
            return Rejection("id_required", f"{what} needs a {id_field}", id_field)
        return _objects(known, "traits")

    return check


_OF_TYPE: Mapping[str, Callable[[_Known], Rejection | None]] = {
    "track": _track,
    "page": _page,
    "screen": _page,
    "identify": _identify,
    "group": _needs(id_field="groupId", what="a group"),
    "alias": _needs(id_field="previousId", what="an alias"),
    "delete": _needs(id_field="userId", what="a delete"),
}


def _objects(known: _Known, *names: str) -> Rejection | None:
    for name in names:
        value: Raw = getattr(known, name)
        # An object or null. Older delete events carry `[]` for an empty context (segment.md §5.8).
        if _first(value) in b"{n" or (name in ("context", "integrations") and bytes(value) == b"[]"):
            continue
        return Rejection(f"{name}_not_object", f"{name} must be an object", name)
    return None


def _normalised(fields: dict[str, Any], known: _Known, arrival: Arrival) -> bytes:
    if arrival.context:
        fields["context"] = known.context = _merged(arrival.context, known.context)
    if arrival.integrations:
        fields["integrations"] = _merged(arrival.integrations, known.integrations)
    context = bytes(known.context)
    channel = known.channel
    if not channel or not isinstance(channel, str):
        channel = "client" if b'"analytics.js"' in context else "server"
    if arrival.ip:
        fields.setdefault("context", Raw(b"{}"))
        # Most events need no look inside: segment.md §4.2 fills the ip of browsers' events, and where it is asked for.
        if channel == "client" or b"direct" in context:
            fields["context"] = _with_ip(known.context, arrival.ip, client=channel == "client")
    _stamp(fields, known, arrival)
    fields["channel"] = channel
    fields["version"] = 2
    fields["projectId"] = arrival.project_id
    raw = _json.encode(fields)
    # Only white space between tokens can hold a newline here: JSON strings cannot. Lines separate events in the log.
    return raw.replace(b"\n", b" ") if b"\n" in raw else raw


def _stamp(fields: dict[str, Any], known: _Known, arrival: Arrival) -> None:
    """Correct the client's clock: timestamp = receivedAt - (sentAt - originalTimestamp) (segment.md §4.4)."""
    original = _moment(known.timestamp) or _moment(known.originalTimestamp)
    sent = _moment(known.sentAt) or arrival.sent
    corrected = original
    if original is not None and sent is not None:
        try:
            corrected = arrival.received_at - (sent - original)
        except OverflowError:
            corrected = None
    received = arrival.received
    fields["originalTimestamp"] = iso(original) if original else received
    fields["sentAt"] = iso(sent) if sent else received
    fields["receivedAt"] = received
    fields["timestamp"] = iso(corrected) if corrected else received


def iso(moment: datetime) -> str:
    """Write a time as Segment does: UTC, milliseconds, Z."""
    # msgspec writes microseconds, or none where they are 0, and does it in a twentieth of what isoformat takes.
    written = _json.encode(moment if moment.tzinfo is UTC else moment.astimezone(UTC)).decode()
    return f"{written[1:24]}Z" if moment.microsecond else f"{written[1:20]}.000Z"


def _moment(value: object) -> datetime | None:
    if not value or not isinstance(value, str):
        return None
    try:
        parsed = datetime.fromisoformat(value)
        if parsed.tzinfo is UTC:
            return parsed
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _merged(outer: Fields, inner: Raw) -> Raw:
    """Put the batch's object under the event's own: where both name a key, the event wins."""
    own = _fields.decode(inner) if _first(inner) in b"{" else {}
    return Raw(_json.encode({**outer, **own}))


def _with_ip(context: Raw, ip: str, *, client: bool) -> Raw:
    """Fill context.ip unless it is there, for client-side events and those whose `context.direct` is true."""
    own = _fields.decode(context) if _first(context) in b"{" else {}
    if "ip" in own or not (client or bytes(own.get("direct", b"")) == b"true"):
        return context
    return Raw(_json.encode({**own, "ip": ip}))
