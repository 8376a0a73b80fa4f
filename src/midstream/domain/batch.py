"""A batch of events: read and taken all at once where it is right in all, as nearly every one is.

Enters: the body of a batch request. Leaves: its events in the form the log holds, or nothing where each has to be looked at
by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

import msgspec
from msgspec import Raw

from midstream.domain.arrival import Arrival
from midstream.domain.event import Accepted, accepted, unfit
from midstream.domain.pieces import Fields
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


def all_accepted(events: Sequence[Usual], arrival: Arrival) -> list[Accepted] | None:
    """Take the events of a batch, if all are right. `accept` would take them too, and write the same (tested)."""
    found: list[Accepted] = []
    for event in events:
        one = accepted(event, arrival)
        if one is None:
            return None
        found.append(one)
    return found if _fit(found, arrival.body) else None


def _fit(found: Sequence[Accepted], body: bytes) -> bool:
    """Tell whether each event, as it was sent, is as small and as flat as it has to be."""
    sizes = [len(each.raw) for each in found]
    # What was sent besides what is written: white space, escapes, and the batch around its events.
    spare = len(body) + GROWTH * len(found) - sum(sizes)
    if max(sizes, default=0) + spare <= EVENT_BYTES:
        return _flat([each.raw for each in found])
    return not any(unfit(bytes(piece)) for piece in in_pieces.decode(body).batch)


def _flat(lines: Sequence[bytes]) -> bool:
    """Tell whether none of the lines is nested too deeply; a few are counted together, most of which have few levels."""
    return all(
        levels(b"".join(few)) <= LEVELS or all(levels(line) <= LEVELS for line in few)
        for few in (lines[at : at + _FEW] for at in range(0, len(lines), _FEW))
    )


_FEW = 8
GROWTH = 400  # bytes that an event gets at most: five times, an id, an address … (tested)
