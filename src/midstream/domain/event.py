"""Segment's events: what a valid one is, and the form in which it enters the log.

Enters: the JSON a client sent, as `Raw` pieces that are never parsed further than needed. Leaves: newline-free bytes,
normalised as segment.md §4.4 says, or a `Rejection` with Segment's reason.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from midstream.domain.arrival import ANALYTICS_JS, Arrival, Sent
from midstream.domain.head import NAMED
from midstream.domain.pieces import NULL, Fields, context_of, fields_of, first, version_of
from midstream.domain.received import Kind
from midstream.domain.rules import EVENT_BYTES, MESSAGE_ID_CHARS, Given, Rejection, fault_of, given_of
from midstream.domain.splice import spliced
from midstream.domain.times import in_bytes, iso, moment_of
from midstream.domain.wellformed import mended

_json = msgspec.json.Encoder().encode
_TRUE = Raw(b"true")
_EMPTY = Raw(b"{}")


class Accepted(msgspec.Struct, frozen=True, gc=False):
    """An event in the form the log holds."""

    type: str
    message_id: str
    raw: bytes
    kind: Kind


class _Object(msgspec.Struct, gc=False):
    """An object with anything in it, which is skipped."""


class _App(msgspec.Struct, gc=False):
    """An app that says its version as it should."""

    version: str | None = None


class _Context(msgspec.Struct, gc=False):
    """A context with such an app, if any."""

    direct: Raw = NULL
    app: _App | UnsetType | None = UNSET


class _Known(msgspec.Struct, gc=False):
    """The fields that have rules, each of the right type. msgspec checks that as it reads, which is most of the speed."""

    type: str | None = None
    userId: str | None = None
    anonymousId: str | None = None
    groupId: str | None = None
    previousId: str | None = None
    messageId: Annotated[str, Meta(max_length=MESSAGE_ID_CHARS)] | None = None
    event: str | None = None
    name: str | None = None
    category: str | None = None
    timestamp: str | UnsetType | None = UNSET
    properties: _Object | None = None
    traits: _Object | None = None
    context: _Context | None = None
    integrations: _Object | None = None
    # What the server gives, or takes away: seldom there.
    channel: str | UnsetType | None = UNSET
    originalTimestamp: str | UnsetType | None = UNSET
    sentAt: str | UnsetType | None = UNSET
    receivedAt: Raw | UnsetType = UNSET
    version: Raw | UnsetType = UNSET
    projectId: Raw | UnsetType = UNSET
    writeKey: Raw | UnsetType = UNSET


_known = msgspec.json.Decoder(_Known).decode


def accept(item: bytes, arrival: Arrival) -> Accepted | Rejection:
    """Check one event as its client sent it, and put it into the form the log holds."""
    known = _at_first_sight(item, arrival.type)
    if known is not None and (raw := _cut_to_fit(item, known, arrival)):
        return Accepted(known.type or "", known.messageId or "", raw, _kind(known, arrival))
    return _taken_apart(item, known, arrival)


def _taken_apart(item: bytes, seen: _Known | None, arrival: Arrival) -> Accepted | Rejection:
    try:
        fields: dict[str, Any] = fields_of(item)
        known = seen or _looked_into(item, arrival.type)
    except (msgspec.MsgspecError, RecursionError):
        return Rejection("bad_request", "an event must be a JSON object")
    if isinstance(known, Rejection):
        return known
    if arrival.type is not None:
        fields["type"] = known.type = arrival.type
    fields.pop("writeKey", None)
    if not known.messageId:
        fields["messageId"] = known.messageId = arrival.new_message_id()
    raw = _normalised(fields, known, arrival)
    if len(raw) > EVENT_BYTES + _STAMPS:
        return Rejection("bad_request", f"the event is {len(raw):,} bytes; the limit is {EVENT_BYTES:,}", None)
    return Accepted(known.type or "", known.messageId, raw, _kind(known, arrival))


def _kind(known: _Known, arrival: Arrival) -> Kind:
    """Say what an event is counted as. `Head` of what is logged says the same (tested)."""
    named = known.event if known.type == "track" else known.name if known.type in NAMED else None
    app = known.context.app if known.context else UNSET
    version = arrival.app_version if app is UNSET else app.version if app else None
    return (known.type or "", named or "", version or "")


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
        own = fields_of(sent)
        own.pop("writeKey", None)
        # A context has every event that comes from an address; one for a trial comes from none.
        added = fields_of(_normalised({**own, "context": own.get("context", _EMPTY)}, _read(given_of(sent)), arrival))
    except (msgspec.MsgspecError, RecursionError):
        return sent, rejection
    return _json(added | {name: value for name, value in own.items() if bytes(value) != b"null"}), rejection


def _at_first_sight(item: bytes, type_: str | None) -> _Known | None:
    """Read an event that is right in all; None means that it may be wrong, or odd and to be taken all the same.

    That is all that most events cost. What it takes, `_looked_into` would take too, and read the same (tested).
    """
    try:
        known = _known(item)
    except (msgspec.DecodeError, RecursionError):
        return None
    needed = _NEEDED.get(type_ or known.type or "")
    if needed is None or (needed and not getattr(known, needed)):
        return None
    return known if known.userId or known.anonymousId else None


# What an event of each type must have besides an id of somebody.
_NEEDED = {
    "identify": "",
    "track": "event",
    "page": "",
    "screen": "",
    "group": "groupId",
    "alias": "previousId",
    "delete": "userId",
}


def _cut_to_fit(item: bytes, known: _Known, arrival: Arrival) -> bytes | None:
    """Put an event into its form by adding to its bytes; None means that it has to be taken apart.

    Enough for most events of servers. What it makes, `_normalised` makes too, if in another order (tested).
    """
    if not (
        arrival.adds_little
        and len(item) <= EVENT_BYTES
        and known.messageId
        and known.type == (arrival.type or known.type)
        and known.context is not None
        and known.context.direct is NULL
        and known.channel is known.originalTimestamp is known.sentAt is known.receivedAt is UNSET
        and known.version is known.projectId is known.writeKey is UNSET
    ) or (arrival.has_escapes and b"\\u" in item):
        return None
    original = moment_of(known.timestamp)
    if original is None or not known.timestamp:
        return None
    try:
        corrected = in_bytes(original + arrival.behind)
    except OverflowError:
        return None
    value = known.timestamp.encode()
    as_ours = value[4:20:3] == b"--T::." and value[23:] == b"Z"  # 2026-01-01T00:00:00.000Z, as most are
    written = value if as_ours else in_bytes(original)
    raw = spliced(item, value, written, corrected, arrival.stamps)
    return raw.replace(b"\n", b" ") if raw and arrival.has_newlines else raw


def _looked_into(item: bytes, type_: str | None) -> _Known | Rejection:
    """Read any event, and say what is wrong with it."""
    given = given_of(item)
    if type_ is not None:
        given.type = type_
    return fault_of(given) or _read(given)


def _read(given: Given) -> _Known:
    """Take what is of the type it should be; all else counts as absent."""
    return _Known(
        type=given.type,
        messageId=given.messageId,
        event=_text_of(given.event),
        name=_text_of(given.name),
        channel=_text_of(given.channel),
        timestamp=_text_of(given.timestamp),
        originalTimestamp=_text_of(given.originalTimestamp),
        sentAt=_text_of(given.sentAt),
        context=_context_of(given.context),
    )


def _context_of(given: Raw) -> _Context | None:
    if first(given) not in b"{":
        return None
    found = context_of(given)
    return _Context(found.direct, found.app if found.app is UNSET else _App(version_of(found.app)))


def _text_of(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _normalised(fields: dict[str, Any], known: _Known, arrival: Arrival) -> bytes:
    direct = known.context is not None and known.context.direct == _TRUE
    if arrival.context:
        fields["context"] = _merged(arrival.context, fields.get("context", NULL))
        direct = context_of(fields["context"]).direct == _TRUE
    if arrival.integrations:
        fields["integrations"] = _merged(arrival.integrations, fields.get("integrations", NULL))
    channel = known.channel or "server"
    if arrival.names_analytics_js and not known.channel and ANALYTICS_JS in bytes(fields.get("context", b"")):
        channel = "client"
    if arrival.ip:
        context = fields.setdefault("context", _EMPTY)
        # Segment fills the ip of browsers' events, and where it is asked for (segment.md §4.2).
        if channel == "client" or direct:
            fields["context"] = _with_ip(context, arrival.ip)
    _stamp(fields, known, arrival)
    fields["channel"] = channel
    fields["version"] = 2
    fields["projectId"] = arrival.project_id
    raw = _json(fields)
    # Only white space between tokens can hold a newline here: JSON strings cannot. Lines separate events in the log.
    return raw.replace(b"\n", b" ") if arrival.has_newlines else raw


def _stamp(fields: dict[str, Any], known: _Known, arrival: Arrival) -> None:
    """Correct the client's clock: timestamp = receivedAt - (sentAt - originalTimestamp) (segment.md §4.4)."""
    original = moment_of(known.timestamp) or moment_of(known.originalTimestamp)
    clock = moment_of(known.sentAt)
    sent = arrival.sent_at_clock(clock) if clock else arrival.sent
    received = arrival.received
    fields["originalTimestamp"] = iso(original) if original else received
    fields["sentAt"] = sent.written if sent else received
    fields["receivedAt"] = received
    fields["timestamp"] = _corrected(original, sent) or received


def _corrected(original: datetime | None, sent: Sent | None) -> str | None:
    if original is None:
        return None
    try:
        return iso(original + sent.behind if sent else original)
    except OverflowError:
        return None


def _merged(outer: Fields, inner: Raw) -> Raw:
    """Put the batch's object under the event's own: where both name a key, the event wins."""
    own = fields_of(inner) if first(inner) in b"{" else {}
    return Raw(_json({**outer, **own}))


def _with_ip(context: Raw, ip: str) -> Raw:
    """Fill context.ip unless it is there."""
    own = fields_of(context) if first(context) in b"{" else {}
    return context if "ip" in own else Raw(_json({**own, "ip": ip}))
