"""A destination's filters, compiled once, and what they make of an event (segment.md §3.1–3.2).

Enters: events as bytes. Leaves: the same bytes, or others without some properties, or why the event does not go on. All
conditions are asked about the event as it came; then come sampling, dropping, dropping properties, allowing properties.
Nothing here depends on chance or on the time, so that a retry meets the same decision.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict, cast

import msgspec
from msgspec import Raw

from midstream.domain.condition import Condition, Event, Keys, compiled, field_of, unanswerable
from midstream.domain.filters import AllowProperties, DestinationFilter, Drop, DropProperties, Sample
from midstream.domain.fql import keys_of
from midstream.domain.outcome import Filtered
from midstream.errors import FqlError

RULES = "FILTERED_BY_RULES"

_encode = msgspec.json.Encoder().encode
_object = msgspec.json.Decoder(dict[str, Raw]).decode
_list = msgspec.json.Decoder(list[Raw]).decode


class Sieve:
    """The enabled filters of one destination. Without any it is false, and nobody needs to ask it."""

    def __init__(self, filters: Sequence[DestinationFilter]) -> None:
        self._parts = [_part(each) for each in filters if each.enabled]
        paths = {path for part in self._parts for path in part.paths}
        self._read: Callable[[bytes], Event] | None = msgspec.json.Decoder(_shape(paths)).decode if paths else None

    def __bool__(self) -> bool:
        return bool(self._parts)

    def sift(self, raw: bytes, message_id: str) -> bytes | Filtered:
        """Say what goes on of an event, or why nothing does."""
        try:
            event = self._event(raw)
        except (ValueError, RecursionError):
            return Filtered(RULES, "the filters cannot read this event")
        matched = []
        for part in self._parts:
            holds = part.condition.holds(event)
            if holds is True:
                matched.append(part)
            elif holds is not False:
                return Filtered(RULES, f"filter {part.title!r} has no answer: {holds.message}")
        return _applied(matched, raw, event, message_id) if matched else raw

    def _event(self, raw: bytes) -> Event:
        if self._read is None:
            return {}
        try:
            return self._read(raw)
        except msgspec.ValidationError:  # something else where an object is expected, or a number larger than a float
            return cast("Event", json.loads(raw, parse_int=_whole))


def _shape(paths: set[Keys]) -> Any:
    """Return a type with these fields only, for decoding: all others are skipped, which takes a fraction."""
    if () in paths:
        return Any
    inner: dict[str, set[Keys]] = {}
    for key, *rest in paths:
        inner.setdefault(key, set()).add(tuple(rest))
    shapes = {key: _shape(rests) for key, rests in inner.items()}
    kind: Any = TypedDict  # to a type checker it is none that could be made at run time
    return kind("_Event", {key: shape if shape is Any else shape | None for key, shape in shapes.items()}, total=False)


def _whole(digits: str) -> int | float:
    return int(digits) if len(digits) <= 18 else float(digits)


@dataclass(frozen=True, slots=True)
class _Cut:
    """The keys that the object at a path loses, or those that it keeps."""

    path: tuple[str, ...]
    keys: frozenset[str]
    keeps: bool

    def of(self, fields: dict[str, Raw]) -> dict[str, Raw]:
        return {key: value for key, value in fields.items() if (key in self.keys) is self.keeps}


@dataclass(frozen=True, slots=True)
class _Sampling:
    percent: float
    value: Callable[[Event], Any] | None
    salt: str

    def keeps(self, event: Event, message_id: str) -> bool:
        """Decide by the value at the path, or else by the event's id: the next try shall end as this one."""
        if self.percent <= 0 or self.percent >= 1:
            return self.percent >= 1
        return share(self.value(event) if self.value else [self.salt, message_id]) < self.percent


@dataclass(frozen=True, slots=True)
class _Part:
    """One filter. A condition that cannot be read stops every event: the filter may be there to keep a secret."""

    title: str
    condition: Condition
    drops: bool
    samplings: tuple[_Sampling, ...]
    losing: tuple[_Cut, ...]
    keeping: tuple[_Cut, ...]
    paths: frozenset[Keys]


def _part(given: DestinationFilter) -> _Part:
    try:
        condition = compiled(given.if_)
    except FqlError as error:
        condition = unanswerable(str(error))
    samples = [action for action in given.actions if isinstance(action, Sample)]
    return _Part(
        given.title,
        condition,
        any(isinstance(action, Drop) for action in given.actions),
        tuple(_sampling(action, given.id) for action in samples),
        tuple(_cuts(action for action in given.actions if isinstance(action, DropProperties))),
        tuple(_cuts(action for action in given.actions if isinstance(action, AllowProperties))),
        condition.paths | {keys_of(action.path) for action in samples if action.path},
    )


def _sampling(action: Sample, filter_id: str) -> _Sampling:
    return _Sampling(action.percent, field_of(keys_of(action.path)) if action.path else None, filter_id)


def _cuts(actions: Iterator[DropProperties] | Iterator[AllowProperties]) -> Iterator[_Cut]:
    for action in actions:
        for path, keys in action.fields.items():
            yield _Cut(keys_of(path) if path else (), frozenset(keys), isinstance(action, AllowProperties))


def _applied(matched: Sequence[_Part], raw: bytes, event: Event, message_id: str) -> bytes | Filtered:
    for part in matched:
        for sampling in part.samplings:
            if not sampling.keeps(event, message_id):
                return Filtered(RULES, f"not in the sample of filter {part.title!r}")
    for part in matched:
        if part.drops:
            return Filtered(RULES, f"dropped by filter {part.title!r}")
    for part in matched:
        for cut in part.losing:
            raw = _changed(raw, cut.path, cut) or raw
    for part in matched:
        for cut in part.keeping:
            raw = _changed(raw, cut.path, cut) or raw
    return raw


def share(value: Any) -> float:
    """Return the place of a JSON value in [0, 1): the same for one value always, and even over many (segment.md A.3)."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        value = int(value)  # JSON written by JavaScript or Go has no 7.0
    digest = hashlib.md5(_encode(value), usedforsecurity=False).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def _changed(raw: bytes | Raw, path: tuple[str, ...], cut: _Cut) -> bytes | None:
    """Return JSON with a cut made below a path, or None when that changes nothing. What is not on the path stays bytes."""
    if _is(raw, b"["):
        return None if path else _changed_each(_list(raw), cut)
    if not _is(raw, b"{"):
        return None
    fields = _object(raw)
    if not path:
        kept = cut.of(fields)
        return _encode(kept) if len(kept) < len(fields) else None
    below = fields.get(path[0])
    changed = _changed(below, path[1:], cut) if below is not None else None
    if changed is None:
        return None
    fields[path[0]] = Raw(changed)
    return _encode(fields)


def _is(raw: bytes | Raw, opening: bytes) -> bool:
    return memoryview(raw)[0] in opening


def _changed_each(items: list[Raw], cut: _Cut) -> bytes | None:
    """Make the cut in each object of a list."""
    # Not of lists within lists: those are not objects of the list that was named.
    changed = [_changed(item, (), cut) if _is(item, b"{") else None for item in items]
    if all(each is None for each in changed):
        return None
    return _encode([item if new is None else Raw(new) for item, new in zip(items, changed, strict=True)])
