"""Glob patterns, as FQL's `match` has them (segment.md §3.6): Go's path.Match with `/` as a character like any other.

Enters: a pattern. Leaves: a function that judges texts, or None for a pattern that is not well formed and matches nothing.
A match costs at most the text's length times the pattern's, whatever either of them is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass


def matcher(pattern: str) -> Callable[[str], bool] | None:
    """Return what says whether all of a text matches, or None when the pattern is not well formed."""
    try:
        chunks = _chunks(pattern)
    except _IllFormedError:
        return None
    if len(chunks) == 1:
        whole = _pattern(chunks[0].regex)
        return lambda text: whole.fullmatch(text) is not None
    if all(chunk.literal is not None for chunk in chunks):
        return _of_literals([chunk.literal or "" for chunk in chunks])
    return _of_patterns([chunk.regex for chunk in chunks])


def _of_literals(chunks: Sequence[str]) -> Callable[[str], bool]:
    first, *middle, last = chunks

    def matches(text: str) -> bool:
        place, end = len(first), len(text) - len(last)
        if place > end or not text.startswith(first) or not text.endswith(last):
            return False
        # The first place that fits leaves the most for what follows, so there is nothing to go back for.
        for chunk in middle:
            place = text.find(chunk, place, end)
            if place < 0:
                return False
            place += len(chunk)
        return True

    return matches


def _of_patterns(chunks: Sequence[str]) -> Callable[[str], bool]:
    first, *more = [_pattern(chunk) for chunk in (*chunks[:-1], rf"{chunks[-1]}\Z")]

    def matches(text: str) -> bool:
        found = first.match(text)
        for chunk in more:  # as above; the last one ends where the text does
            found = found and chunk.search(text, found.end())
        return found is not None

    return matches


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.DOTALL)


class _IllFormedError(Exception):
    """The pattern is not well formed."""


@dataclass(slots=True)
class _Chunk:
    """What stands between two stars. It has a fixed length, and is a `literal` when it can be one text only."""

    regex: str = ""
    literal: str | None = ""

    def add(self, regex: str, literal: str | None = None) -> None:
        self.regex += regex
        self.literal = None if literal is None or self.literal is None else self.literal + literal


def _chunks(pattern: str) -> list[_Chunk]:
    chunks = [_Chunk()]
    characters = iter(pattern)
    for character in characters:
        match character:
            case "*":
                chunks.append(_Chunk())
            case "?":
                chunks[-1].add(".")
            case "[":
                chunks[-1].add(_class(characters))
            case _:
                literal = _next(characters) if character == "\\" else character
                chunks[-1].add(re.escape(literal), literal)
    return chunks


def _class(characters: Iterator[str]) -> str:
    """Read a class up to its `]`."""
    character = _next(characters)
    negated = character == "^"
    if negated:
        character = _next(characters)
    ranges = ""
    while True:
        low = high = _member(character, characters)
        character = _next(characters)
        if character == "-":
            high = _member(_next(characters), characters)
            character = _next(characters)
        if low <= high:  # a range that runs backwards has no members
            ranges += f"{re.escape(low)}-{re.escape(high)}"
        if character == "]":
            break
    if not ranges:
        return "." if negated else r"(?!)"
    return f"[{'^' * negated}{ranges}]"


def _member(character: str, characters: Iterator[str]) -> str:
    if character in "-]":
        raise _IllFormedError
    return _next(characters) if character == "\\" else character


def _next(characters: Iterator[str]) -> str:
    for character in characters:
        return character
    raise _IllFormedError
