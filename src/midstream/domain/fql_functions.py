"""The functions of FQL, and how values compare (segment.md §3.4–3.5).

Enters: decoded JSON. Leaves: an answer, or `NoAnswerError`. A function that asks answers false where its question makes no
sense; one that converts may have no answer.
"""

from __future__ import annotations

import json
import math
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

from midstream.domain import glob

# In characters. No field of an event is written longer; but each `string` of a list with quotes in it doubles them.
_LONGEST_STRING = 64 * 1024
# Of one that comes from an event. To match costs its length times the text's, which each has a share of the event in.
_LONGEST_PATTERN = 512


class NoAnswerError(Exception):
    """A function was given what it has no answer for."""


ORDER: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def is_number(value: Any) -> bool:
    """Say whether a value is a number in JSON. Python would count true as one."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    """Return a comparison of numbers, which is false for anything else."""
    return lambda one, other: is_number(one) and is_number(other) and compare(one, other)


def same(one: Any, other: Any) -> bool:
    """Say whether two JSON values are equal and of one type. Python would hold true for 1."""
    if isinstance(one, list):
        return isinstance(other, list) and len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return isinstance(other, dict) and one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def is_member(value: Any, among: Any) -> bool:
    """Say whether a list has this value."""
    return isinstance(among, list) and any(same(value, each) for each in among)


def _match(text: Any, pattern: Any) -> bool:
    """Match by a pattern that comes from the event. One that is too long is not looked at."""
    if not isinstance(text, str) or not isinstance(pattern, str) or len(pattern) > _LONGEST_PATTERN:
        return False
    matches = glob.matcher(pattern)
    return matches is not None and matches(text)


def _contains(text: Any, part: Any) -> bool:
    return isinstance(text, str) and isinstance(part, str) and part in text


def _length(value: Any) -> int:
    if isinstance(value, str):
        return len(value) if value.isascii() else len(value.encode())
    if isinstance(value, list):
        return len(value)
    if value is None:
        return 0
    raise NoAnswerError(f"length takes a list or a string, got {_typeof(value)}")


_TYPES = {type(None): "null", bool: "bool", str: "string", int: "number", float: "number", list: "list"}


def _typeof(value: Any) -> str:
    return _TYPES.get(type(value), "object")


def _recased(change: Callable[[str], str]) -> Callable[[Any], str | None]:
    return lambda value: change(value) if isinstance(value, str) else None


def _lowercase(value: Any) -> str | None:
    return value.lower() if isinstance(value, str) else None


def _titled(text: str) -> str:
    return re.sub(r"(?:^|(?<= ))[^ ]", lambda found: found[0].upper(), text)


def _bool(value: Any) -> bool:
    if isinstance(value, dict):
        raise NoAnswerError("bool takes a list, a string or a number, got object")
    return bool(value)


def _string(value: Any) -> str:
    match value:
        case None:
            return ""
        case str():
            return value
        case dict():
            raise NoAnswerError("string takes a list, a string or a number, got object")
        case float() if value.is_integer() and abs(value) < 2**53:
            return str(int(value))
        case _:
            return _written(value)


_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def _written(value: Any) -> str:
    """Write JSON piece by piece, so that what is too long is never there as a whole."""
    pieces, length = [], 0
    for piece in _encoder.iterencode(value):
        length += len(piece)
        if length > _LONGEST_STRING:
            raise NoAnswerError(f"string makes at most {_LONGEST_STRING:,} characters of a list")
        pieces.append(piece)
    return "".join(pieces)


def _number(value: Any) -> int | float | None:
    match value:
        case None:
            return None
        case str():
            if (read := _read(value)) is None:
                raise NoAnswerError("number cannot read this string as one")
            return read
        case int() | float() if is_number(value):
            return value
        case _:
            raise NoAnswerError(f"number takes a number or a string, got {_typeof(value)}")


def _read(text: str) -> int | float | None:
    """Read a number as people write it: leading zeros are none of its digits."""
    if not re.fullmatch(r"\s*[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?\s*", text):
        return None
    number = float(text)
    if not math.isfinite(number):
        return None
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def _semver(version: Any, symbol: Any, other: Any) -> bool:
    """Compare versions of up to three numbers; what follows a number's digits does not count."""
    if not all(isinstance(each, str) for each in (version, symbol, other)):
        return False
    one, two = _release(version), _release(other)
    if one is None or two is None:
        return False
    if symbol in ("=", "!="):
        return (one == two) is (symbol == "=")
    return symbol in ORDER and ORDER[symbol](one, two)


def _release(version: str) -> list[int] | None:
    numbers = [re.match(r"\s*([+-]?[0-9]{1,18})", part) for part in version.split(".")]
    if len(numbers) > 3 or not all(numbers):
        return None
    return [*(int(number[1]) for number in numbers if number), 0, 0][:3]


FUNCTION_OF: Mapping[str, Callable[..., Any]] = {
    "bool": _bool,
    "contains": _contains,
    "kebabcase": _recased(lambda text: text.replace(" ", "-")),
    "length": _length,
    "lowercase": _lowercase,
    "match": _match,
    "number": _number,
    "semver": _semver,
    "snakecase": _recased(lambda text: text.replace(" ", "_")),
    "string": _string,
    "titlecase": _recased(_titled),
    "typeof": _typeof,
    "uppercase": _recased(str.upper),
}
