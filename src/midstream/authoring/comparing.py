"""What a case expects beside what came: pure, over JSON values.

Enters: an expectation and a value. Leaves: the differences, and both as text with one marked against the other.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

ANY = "$any"


class Missing:
    """Stands where there is nothing on one of the two sides."""

    def __repr__(self) -> str:
        return "nothing"


MISSING = Missing()


class Difference(NamedTuple):
    """One place where the two are not alike: `event.properties.total`."""

    path: str
    expected: Any
    actual: Any


def differences(expected: Any, actual: Any, path: str = "") -> Iterator[Difference]:
    """Yield where the value is not as expected."""
    match expected, actual:
        case (str(wanted), _) if wanted == ANY and actual is not MISSING:
            return
        case dict(), dict():
            for name in [*expected, *(name for name in actual if name not in expected)]:
                there = f"{path}.{name}" if path else name
                yield from differences(expected.get(name, MISSING), actual.get(name, MISSING), there)
        case list(), list():
            for index in range(max(len(expected), len(actual))):
                yield from differences(_at(expected, index), _at(actual, index), f"{path}[{index}]")
        case _:
            if not _same(expected, actual):
                yield Difference(path, expected, actual)


def aligned(expected: Any, actual: Any) -> Any:
    """Return the value with the expectation's own words wherever these hold: "$any", and numbers as they were written."""
    match expected, actual:
        case dict(), dict():
            order = [*(name for name in expected if name in actual), *(name for name in actual if name not in expected)]
            return {name: aligned(expected.get(name, MISSING), actual[name]) for name in order}
        case list(), list():
            return [aligned(_at(expected, index), each) for index, each in enumerate(actual)]
        case _:
            return actual if any(differences(expected, actual)) else expected


def diff(expected: Any, actual: Any) -> list[str]:
    """Return both as lines of JSON, those that differ marked `- ` (expected) and `+ ` (actual), with some around them."""
    lines = difflib.unified_diff(_lines(expected), _lines(aligned(expected, actual)), n=3, lineterm="")
    return [f"{line[0]} {line[1:]}" if line[0] in " +-" else "  …" for line in list(lines)[2:]]


def _lines(value: Any) -> list[str]:
    return json.dumps(value, indent=2, ensure_ascii=False).splitlines()


def _at(values: list[Any], index: int) -> Any:
    return values[index] if index < len(values) else MISSING


def _same(expected: Any, actual: Any) -> bool:
    # To Python, True is 1; to JSON it is not.
    return isinstance(expected, bool) == isinstance(actual, bool) and bool(expected == actual)
