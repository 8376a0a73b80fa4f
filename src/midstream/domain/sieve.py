"""A destination's filters, compiled once, and what they make of an event (segment.md §3.1–3.2).

Enters: events as bytes. Leaves: the same bytes, or others without some properties, or why the event does not go on. All
conditions are asked about the event as it came; then come sampling, dropping, dropping properties, allowing properties.
Nothing here depends on chance or on the time, so that a retry meets the same decision.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypedDict, cast

import msgspec
from msgspec import Raw

from midstream.domain.condition import Condition, Event, compiled, field_of, unanswerable
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
        self._roots = {root for part in self._parts for root in part.roots}
        # Of the event only the fields that are looked at are decoded; the rest is skipped, which takes a fraction.
        kind = TypedDict("_Roots", dict.fromkeys(self._roots, Any), total=False)  # type: ignore[misc] # made at run time
        self._read: Callable[[bytes], Event] = msgspec.json.Decoder(kind).decode

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
        if not self._roots:
            return {}
        try:
            return self._read(raw)
        except msgspec.DecodeError:  # JSON may well hold a number larger than a float
            return cast("Event", json.loads(raw, parse_int=_whole))


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
    roots: frozenset[str] = field(default_factory=frozenset)


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
        condition.roots | {keys_of(action.path)[0] for action in samples if action.path},
    )


def _sampling(action: Sample, filter_id: str) -> _Sampling:
    return _Sampling(action.percent, field_of(keys_of(action.path)) if action.path else None, filter_id)


def _cuts(actions: Iterator[DropProperties] | Iterator[AllowProperties]) -> Iterator[_Cut]:
    for action in actions:
        for path, keys in action.fields.items():
            yield _Cut(keys_of(path) if path else (), frozenset(keys), isinstance(action, AllowProperties))


def _applied(matched: Sequence[_Part], raw: bytes, event: Event, message_id: str) -> bytes | Filtered:
    for part in matched:
        if not all(sampling.keeps(event, message_id) for sampling in part.samplings):
            return Filtered(RULES, f"not in the sample of filter {part.title!r}")
    for part in matched:
        if part.drops:
            return Filtered(RULES, f"dropped by filter {part.title!r}")
    for cut in (*(cut for part in matched for cut in part.losing), *(cut for part in matched for cut in part.keeping)):
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
    match bytes(memoryview(raw)[:1]), path:
        case b"{", ():
            fields = _object(raw)
            kept = cut.of(fields)
            return _encode(kept) if len(kept) < len(fields) else None
        case b"{", (key, *rest):
            fields = _object(raw)
            changed = _changed(fields[key], tuple(rest), cut) if key in fields else None
            return _encode({**fields, key: Raw(changed)}) if changed is not None else None
        case b"[", ():
            return _changed_each(_list(raw), cut)
        case _:
            return None


def _changed_each(items: list[Raw], cut: _Cut) -> bytes | None:
    """Make the cut in each object of a list."""
    # Not of lists within lists: those are not objects of the list that was named.
    changed = [_changed(item, (), cut) if bytes(memoryview(item)[:1]) == b"{" else None for item in items]
    if all(each is None for each in changed):
        return None
    return _encode([item if new is None else Raw(new) for item, new in zip(items, changed, strict=True)])
