"""Glob patterns, as FQL's `match` has them (segment.md §3.6): Go's path.Match with `/` as a character like any other.

Enters: a pattern. Leaves: a `Glob` that judges texts, or None for a pattern that is not well formed and matches nothing.
A match costs at most the text's length times the pattern's, whatever either of them is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Glob:
    """What stands between the stars, each of a fixed length. Without any star there is a `first` only, the whole."""

    first: re.Pattern[str]
    middle: tuple[re.Pattern[str], ...]
    last: re.Pattern[str] | None

    def matches(self, text: str) -> bool:
        """Say whether all of the text matches."""
        if self.last is None:
            return self.first.fullmatch(text) is not None
        found = self.first.match(text)
        # The first place that fits leaves the most for what follows, so there is nothing to go back for.
        for chunk in self.middle:
            found = found and chunk.search(text, found.end())
        return found is not None and self.last.search(text, found.end()) is not None


def compiled(pattern: str) -> Glob | None:
    """Return the pattern ready for use, or None when it is not well formed."""
    try:
        first, *more = _chunks(pattern)
    except _IllFormedError:
        return None
    if not more:
        return Glob(_pattern(first), (), None)
    return Glob(_pattern(first), tuple(_pattern(chunk) for chunk in more[:-1] if chunk), _pattern(more[-1] + r"\Z"))


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.DOTALL)


class _IllFormedError(Exception):
    """The pattern is not well formed."""


def _chunks(pattern: str) -> list[str]:
    """Return what stands between the stars, as regular expressions without repetition."""
    chunks = [""]
    characters = iter(pattern)
    for character in characters:
        match character:
            case "*":
                chunks.append("")
            case "?":
                chunks[-1] += "."
            case "[":
                chunks[-1] += _class(characters)
            case "\\":
                chunks[-1] += re.escape(_next(characters))
            case _:
                chunks[-1] += re.escape(character)
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
