"""A batch of events: read and taken all at once where it is right in all, as nearly every one is.

Enters: the body of a batch request. Leaves: its events in the form the log holds, or nothing where each has to be looked at
by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, NamedTuple, TypeVar

import msgspec
from msgspec import Raw

from midstream.domain.arrival import Arrival
from midstream.domain.event import made_ready, unfit
from midstream.domain.pieces import Fields
from midstream.domain.received import Kind
from midstream.domain.rules import EVENT_BYTES
from midstream.domain.usual import Usual
from midstream.domain.wellformed import LEVELS, levels

T = TypeVar("T")


class Batch(msgspec.Struct, Generic[T]):
    """What a client sends at once, and what holds for all events in it."""

    batch: list[T]
    writeKey: str | None = None
    sentAt: Raw = Raw(b"null")
    context: Fields | None = None
    integrations: Fields | None = None


_encoder = msgspec.json.Encoder()
in_pieces = msgspec.json.Decoder(Batch[Raw])
_usual = msgspec.json.Decoder(Batch[Usual])


def at_once(body: bytes) -> Batch[Usual] | None:
    """Read a batch with all that is in it, if nothing in it is odd."""
    try:
        if not body.isascii():
            body.decode()  # pieces are passed on unread
        return _usual.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None


class Taken(NamedTuple):
    """Events in the form the log holds, each with its line end, and what each of them is counted as."""

    lines: bytes
    kinds: list[Kind]


def all_taken(events: Sequence[Usual], arrival: Arrival) -> Taken | None:
    """Take the events of a batch, if all are right. `accept` would take them too, and write the same (tested)."""
    kinds: list[Kind] = []
    for event in events:
        kind = made_ready(event, arrival)
        if kind is None:
            return None
        kinds.append(kind)
    if arrival.has_newlines:
        return None  # they would look like line ends
    lines = _encoder.encode_lines(events)
    return Taken(lines, kinds) if _fit(lines, len(kinds), arrival.body) else None


def _fit(lines: bytes, count: int, body: bytes) -> bool:
    """Tell whether each event, as it was sent, is as small and as flat as it has to be."""
    # What was sent besides what is written: white space, escapes, and the batch around its events.
    spare = len(body) + GROWTH * count - len(lines)
    if _short(lines, EVENT_BYTES - spare) and _flat(lines):
        return True
    return not any(unfit(bytes(piece)) for piece in in_pieces.decode(body).batch)


GROWTH = 400  # bytes that an event gets at most: five times, an id, an address … (tested)


def _short(lines: bytes, most: int) -> bool:
    """Tell whether no line is longer, from line end to line end as far apart as may be."""
    begin = 0
    while begin < len(lines):
        end = lines.rfind(b"\n", begin, begin + most + 1) if most > 0 else -1
        if end < 0:
            return False
        begin = end + 1
    return True


def _flat(lines: bytes) -> bool:
    """Tell whether no line is nested too deeply; a few are looked at together, most of which have few levels in all."""
    begin = 0
    while begin < len(lines):
        end = max(lines.rfind(b"\n", begin, begin + _TOGETHER), lines.find(b"\n", begin))
        if levels(lines[begin:end]) > LEVELS:
            return False
        begin = end + 1
    return True


_TOGETHER = 8192
