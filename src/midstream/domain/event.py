"""Segment's events: what a valid one is, and the form in which it enters the log.

Enters: the JSON a client sent, as `Raw` pieces that are never parsed further than needed. Leaves: newline-free bytes,
normalised as segment.md §4.4 says, or a `Rejection` with Segment's reason (§8.5). Also `Head`, the few fields the event
path reads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
from msgspec import Raw

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


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why an event was not accepted: Segment's reason code, the field at fault, and what to do about it."""

    reason: str
    detail: str
    field: str | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """An event in the form the log holds."""

    type: str
    message_id: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class Arrival:
    """What the server knows about the request an event came with."""

    project_id: str
    received_at: datetime
    new_message_id: Callable[[], str]
    ip: str | None = None
    type: str | None = None  # from the path, for single events
    sent_at: Raw | None = None
    context: Fields | None = None
    integrations: Fields | None = None


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


def accept(item: bytes | Raw, arrival: Arrival) -> Accepted | Rejection:
    """Check one event as its client sent it, and put it into the form the log holds."""
    try:
        fields = _fields.decode(item)
    except (msgspec.MsgspecError, RecursionError):
        return Rejection("bad_request", "an event must be a JSON object")
    if arrival.type is not None:
        fields["type"] = Raw(_json.encode(arrival.type))
    fields.pop("writeKey", None)
    type_ = text(fields.get("type"))
    if type_ not in TYPES:
        return Rejection("bad_request", f"type must be one of {', '.join(TYPES)}", "type")
    fault = _fault_of(type_, fields)
    if fault is not None:
        return fault
    raw = _normalised(fields, arrival)
    if len(raw) > EVENT_BYTES + _STAMPS:
        return Rejection("bad_request", f"the event is {len(raw):,} bytes; the limit is {EVENT_BYTES:,}", None)
    message_id = text(fields["messageId"]) or ""
    return Accepted(type_, message_id, raw)


# What normalising itself adds (ids, five times, version …) is not charged to the client.
_STAMPS = 1024


def text(raw: Raw | None) -> str | None:
    """Return a JSON string's value; None for anything else."""
    return _text.decode(raw) if raw is not None and _opens_with(raw, '"') else None


def _opens_with(raw: Raw | None, character: str) -> bool:
    return raw is not None and memoryview(raw)[0] == ord(character)


def _fault_of(type_: str, fields: Fields) -> Rejection | None:
    for name in ("userId", "anonymousId", "groupId", "previousId", "messageId"):
        if not _null(fields.get(name)) and text(fields.get(name)) is None:
            return Rejection("id_not_string", f"{name} must be a string", name)
    if not (text(fields.get("userId")) or text(fields.get("anonymousId"))):
        return Rejection("no_user_anon_id", "either userId or anonymousId is required", "userId")
    if len(text(fields.get("messageId")) or "") > MESSAGE_ID_CHARS:
        return Rejection("bad_request", f"messageId must be at most {MESSAGE_ID_CHARS} characters", "messageId")
    return _OF_TYPE[type_](fields) or _objects(fields, "context", "integrations")


def _track(fields: Fields) -> Rejection | None:
    event = fields.get("event")
    if _null(event) or bytes(event or b"") == b'""':
        return Rejection("event_not_defined", "a track needs an event name", "event")
    if text(event) is None:
        return Rejection("event_not_string", "event must be a string", "event")
    return _objects(fields, "properties")


def _page(fields: Fields) -> Rejection | None:
    for name in ("name", "category"):
        if not _null(fields.get(name)) and text(fields.get(name)) is None:
            return Rejection(f"{name}_not_string", f"{name} must be a string", name)
    return _objects(fields, "properties")


def _identify(fields: Fields) -> Rejection | None:
    return _objects(fields, "traits")


def _needs(*, id_field: str, what: str) -> Callable[[Fields], Rejection | None]:
    def check(fields: Fields) -> Rejection | None:
        if not text(fields.get(id_field)):
            return Rejection("id_required", f"{what} needs a {id_field}", id_field)
        return _objects(fields, "traits")

    return check


_OF_TYPE: Mapping[str, Callable[[Fields], Rejection | None]] = {
    "track": _track,
    "page": _page,
    "screen": _page,
    "identify": _identify,
    "group": _needs(id_field="groupId", what="a group"),
    "alias": _needs(id_field="previousId", what="an alias"),
    "delete": _needs(id_field="userId", what="a delete"),
}


def _objects(fields: Fields, *names: str) -> Rejection | None:
    for name in names:
        value = fields.get(name)
        # Older delete events carry `[]` for an empty context (segment.md §5.8).
        if (
            _null(value)
            or _opens_with(value, "{")
            or (name in ("context", "integrations") and bytes(value or b"") == b"[]")
        ):
            continue
        return Rejection(f"{name}_not_object", f"{name} must be an object", name)
    return None


def _null(value: Raw | None) -> bool:
    return value is None or bytes(value) == b"null"


def _normalised(fields: Fields, arrival: Arrival) -> bytes:
    if arrival.context:
        fields["context"] = _merged(arrival.context, fields.get("context"))
    if arrival.integrations:
        fields["integrations"] = _merged(arrival.integrations, fields.get("integrations"))
    channel = text(fields.get("channel")) or ("client" if _from_browser(fields.get("context")) else "server")
    if arrival.ip:
        fields["context"] = _with_ip(fields.get("context"), arrival.ip, client=channel == "client")
    if not text(fields.get("messageId")):
        fields["messageId"] = Raw(_json.encode(arrival.new_message_id()))
    stamps = _stamps(fields, arrival)
    stamps |= {"channel": channel, "version": 2, "projectId": arrival.project_id}
    raw = _json.encode({**fields, **stamps})
    # Only white space between tokens can hold a newline here: JSON strings cannot. Lines separate events in the log.
    return raw.replace(b"\n", b" ") if b"\n" in raw else raw


def _stamps(fields: Fields, arrival: Arrival) -> dict[str, object]:
    """Correct the client's clock: timestamp = receivedAt - (sentAt - originalTimestamp) (segment.md §4.4)."""
    received = arrival.received_at
    original = _moment(fields.get("timestamp")) or _moment(fields.get("originalTimestamp"))
    sent = _moment(fields.get("sentAt")) or _moment(arrival.sent_at)
    happened = original or received
    corrected = happened
    if original is not None and sent is not None:
        try:
            corrected = received - (sent - original)
        except OverflowError:
            corrected = received
    return {
        "originalTimestamp": iso(happened),
        "sentAt": iso(sent or received),
        "receivedAt": iso(received),
        "timestamp": iso(corrected),
    }


def iso(moment: datetime) -> str:
    """Write a time as Segment does: UTC, milliseconds, Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


def _moment(raw: Raw | None) -> datetime | None:
    value = text(raw)
    if not value:
        return None
    try:
        parsed = datetime.fromisoformat(value)
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _merged(outer: Fields, inner: Raw | None) -> Raw:
    """Put the batch's object under the event's own: where both name a key, the event wins."""
    own = _fields.decode(inner) if inner is not None and _opens_with(inner, "{") else {}
    return Raw(_json.encode({**outer, **own}))


def _from_browser(context: Raw | None) -> bool:
    return context is not None and b'"analytics.js"' in bytes(context)


def _with_ip(context: Raw | None, ip: str, *, client: bool) -> Raw:
    """Fill context.ip for client-side events and where `context.direct` asks for it (segment.md §4.2)."""
    own = _fields.decode(context) if context is not None and _opens_with(context, "{") else {}
    if "ip" in own or not (client or bytes(own.get("direct", b"")) == b"true"):
        return context if context is not None else Raw(b"{}")
    return Raw(_json.encode({**own, "ip": ip}))
