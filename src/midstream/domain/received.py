"""How many events of which kind a message of the log holds: what its appender counted, told in a header of the message.

Counts travel with the events they are of, so they are exactly as durable as these. Names come from strangers: what is
written is ASCII without line ends, and of bounded size whatever they are.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

# An event's type, its name (a track's event, a page's or screen's name, else "") and context.app.version, else "".
# A plain tuple: one is made of every event.
Kind = tuple[str, str, str]

HEADER = "Midstream-Received"
NAME_CHARACTERS = 120  # of a name or version; all that differs only behind them is counted as one
_BYTES = 16 * 1024  # the log takes headers of up to 64 KB in all
_KINDS = 200  # at most: more different names than this in a message of 1,000 events are ids rather than names

_decode = msgspec.json.Decoder(list[tuple[str, str, str, int]]).decode


def written(kinds: Iterable[Kind]) -> str:
    """Return the header's value. Where there are too many kinds, the rarest are told by their type alone."""
    counts = Counter(kinds)
    kept = min(len(counts), _KINDS)
    while len(text := _text(counts, kept)) > _BYTES:
        kept //= 2
    return text


def read(value: str) -> Counter[Kind]:
    """Return what a header's value tells; what was not written here tells nothing."""
    try:
        rows = _decode(value)
    except msgspec.MsgspecError:
        return Counter()
    counts: Counter[Kind] = Counter()
    for type_, event, version, count in rows:
        counts[type_, event, version] += count
    return counts


def _text(counts: Counter[Kind], kept: int) -> str:
    ranked: Sequence[tuple[Kind, int]] = list(counts.items()) if kept == len(counts) else counts.most_common()
    rows = [
        (type_, event[:NAME_CHARACTERS], version[:NAME_CHARACTERS], count)
        for (type_, event, version), count in ranked[:kept]
    ]
    rest: Counter[str] = Counter()
    for (type_, *_), count in ranked[kept:]:
        rest[type_] += count
    rows += [(type_, "", "", count) for type_, count in rest.items()]
    return json.dumps(rows, separators=(",", ":"))
