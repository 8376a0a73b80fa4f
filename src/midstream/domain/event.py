"""Segment's events: what a valid one is, and the form in which it enters the log.

Enters: the JSON a client sent. Leaves: newline-free bytes, normalised as segment.md §4.4 says, or a `Rejection` with
Segment's reason. What has no rules is never parsed further than needed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import UNSET, Raw, UnsetType

from midstream.domain.arrival import Arrival, Sent
from midstream.domain.context import ANALYTICS_JS, NO_CONTEXT, Context, context_of, usual_context
from midstream.domain.head import NAMED
from midstream.domain.pieces import NULL, Fields, fields_of, first
from midstream.domain.received import Kind
from midstream.domain.rules import EVENT_BYTES, Rejection, fault_of, given_of
from midstream.domain.times import iso, moment_of, moved
from midstream.domain.usual import Usual, sorted_out, usual_of
from midstream.domain.wellformed import LEVELS, levels, mended

_json = msgspec.json.Encoder().encode
_EMPTY = Raw(b"{}")
_TRUE = Raw(b"true")
_VERSION = Raw(b"2")
_NO_MORE: Fields = {}


class Accepted(msgspec.Struct, frozen=True, gc=False):
    """An event in the form the log holds."""

    type: str
    message_id: str
    raw: bytes
    kind: Kind


def accept(item: bytes, arrival: Arrival) -> Accepted | Rejection:
    """Check one event as its client sent it, and put it into the form the log holds."""
    if refused := unfit(item):
        return refused
    try:
        event = usual_of(item)
        kind = made_ready(event, arrival)
    except (msgspec.DecodeError, RecursionError):
        kind = None
    return _written(event, _NO_MORE, kind, arrival) if kind else _looked_into(item, arrival)


def unfit(item: bytes) -> Rejection | None:
    """Refuse what is more than those who read it later can take."""
    size = len(item)
    if size > EVENT_BYTES:
        return Rejection("bad_request", f"the event is {size:,} bytes; the limit is {EVENT_BYTES:,}")
    if levels(item) > LEVELS:
        return Rejection("bad_request", f"the event is nested more than {LEVELS} levels deep")
    return None


def made_ready(event: Usual, arrival: Arrival) -> Kind | None:
    """Complete an event that is right in all; None means that it may be wrong, or odd and to be taken all the same.

    What it completes, a closer look would take too, and write the same (tested).
    """
    if arrival.type is not None:
        event.type = arrival.type
    needed = _NEEDED.get(event.type or "")
    if (
        arrival.is_merged
        or needed is None
        or (needed and not getattr(event, needed))
        or not (event.userId or event.anonymousId)
    ):
        return None
    # One by one: a loop over them would take as long as all else here.
    if (
        (event.properties is not UNSET and memoryview(event.properties)[0] != _OPEN)
        or (event.traits is not UNSET and memoryview(event.traits)[0] != _OPEN)
        or (event.integrations is not UNSET and memoryview(event.integrations)[0] != _OPEN)
    ):
        return None
    try:
        context = NO_CONTEXT if event.context is UNSET else usual_context(event.context)
    except msgspec.ValidationError:
        return None
    return _completed(event, context, arrival)


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
(_OPEN,) = b"{"


def _looked_into(item: bytes, arrival: Arrival) -> Accepted | Rejection:
    """Take any event, or say what is wrong with it."""
    try:
        fields, given = fields_of(item), given_of(item)
    except (msgspec.MsgspecError, RecursionError):
        return Rejection("bad_request", "an event must be a JSON object")
    if arrival.type is not None:
        given.type = arrival.type
    if fault := fault_of(given):
        return fault
    event, more = sorted_out(fields, given)
    event.type = given.type
    if arrival.context:
        event.context = _merged(arrival.context, event.context)
    if arrival.integrations:
        event.integrations = _merged(arrival.integrations, event.integrations)
    found = _written(event, more, _completed(event, context_of(event.context), arrival), arrival)
    if len(found.raw) > EVENT_BYTES + _STAMPS:
        return Rejection("bad_request", f"the event is {len(found.raw):,} bytes; the limit is {EVENT_BYTES:,}")
    return found


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
        known, more = sorted_out({**own, "context": own.get("context", _EMPTY)}, given_of(sent))
        kind = _completed(known, context_of(known.context), arrival)
        added = fields_of(_written(known, more, kind, arrival).raw)
    except (msgspec.MsgspecError, RecursionError):
        return sent, rejection
    return _json(added | {name: value for name, value in own.items() if bytes(value) != b"null"}), rejection


def _completed(event: Usual, context: Context, arrival: Arrival) -> Kind:
    """Add what the server gives, and say what the event is counted as. `Head` of what is logged says the same (tested)."""
    channel = event.channel = event.channel or ("client" if context.library.name == ANALYTICS_JS else "server")
    if arrival.ip:
        # Segment fills the ip of browsers' events, and where it is asked for (segment.md §4.2).
        if channel == "client" or (context.direct is not NULL and context.direct == _TRUE):
            event.context = _with_ip(event.context, arrival.ip)
        elif event.context is UNSET:
            event.context = _EMPTY
    if not event.messageId:
        event.messageId = arrival.new_message_id()
    # The client's clock is corrected: timestamp = receivedAt - (sentAt - originalTimestamp) (segment.md §4.4).
    sent = arrival.sent_of(event.sentAt) if event.sentAt else arrival.sent
    times = moved(event.timestamp, sent.behind) if event.timestamp else None
    event.originalTimestamp, event.timestamp = times or _times(event, sent, arrival)
    event.sentAt = sent.written
    event.receivedAt = arrival.received_piece
    event.version = _VERSION
    event.projectId = arrival.project
    event.writeKey = UNSET
    type_ = event.type or ""
    named = event.event if type_ == "track" else event.name if type_ in NAMED else None
    return (type_, named or "", context.app.version or "")


def _written(event: Usual, more: Fields, kind: Kind, arrival: Arrival) -> Accepted:
    """Write it all in one line."""
    raw = _json(event)
    if more:
        raw = raw[:-1] + b"," + _json(more)[1:]
    if arrival.has_newlines:
        # Only white space between tokens can hold one here: JSON strings cannot. Lines separate events in the log.
        raw = raw.replace(b"\n", b" ")
    return Accepted(kind[0], event.messageId or "", raw, kind)


def _times(event: Usual, sent: Sent, arrival: Arrival) -> tuple[str, str]:
    """Return the originalTimestamp and the timestamp of an event whose own is missing, or of no use."""
    original = moment_of(event.timestamp) or moment_of(event.originalTimestamp)
    if original is None:
        return arrival.received, arrival.received
    try:
        return iso(original), iso(original + sent.behind)
    except OverflowError:
        return iso(original), arrival.received


def _merged(outer: Fields, inner: Raw | UnsetType) -> Raw:
    """Put the batch's object under the event's own: where both name a key, the event wins."""
    return Raw(_json({**outer, **_members(inner)}))


def _with_ip(context: Raw | UnsetType, ip: str) -> Raw | UnsetType:
    """Fill context.ip unless it is there."""
    own = _members(context)
    return context if "ip" in own else Raw(_json({**own, "ip": ip}))


def _members(piece: Raw | UnsetType) -> Fields:
    return {} if isinstance(piece, UnsetType) or first(piece) not in b"{" else fields_of(piece)
