"""The functions of FQL, and when a value comes before another (segment.md §3.4–3.5).

Enters: decoded JSON. Leaves: an answer, or `NoAnswerError`. A function that asks answers false where its question makes no
sense; one that converts may have no answer.
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from midstream.domain import glob
from midstream.domain.fql import FQL_BYTES


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


def _match(text: Any, pattern: Any) -> bool:
    """Match by a pattern that comes from the event. One longer than FQL may be is not looked at."""
    if not isinstance(text, str) or not isinstance(pattern, str) or len(pattern) > FQL_BYTES:
        return False
    ready = glob.compiled(pattern)
    return ready is not None and ready.matches(text)


def _contains(text: Any, part: Any) -> bool:
    return isinstance(text, str) and isinstance(part, str) and part in text


def _length(value: Any) -> int:
    match value:
        case None:
            return 0
        case str():
            return len(value.encode("utf-8", "surrogatepass"))
        case list():
            return len(value)
        case _:
            raise NoAnswerError(f"length takes a list or a string, got {_typeof(value)}")


def _typeof(value: Any) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "bool"
        case str():
            return "string"
        case int() | float():
            return "number"
        case list():
            return "list"
        case _:
            return "object"


def _recased(change: Callable[[str], str]) -> Callable[[Any], str | None]:
    return lambda value: change(value) if isinstance(value, str) else None


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
            return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _number(value: Any) -> int | float | None:
    if value is None or is_number(value):
        return value  # type: ignore[no-any-return] # one of these, as was just seen
    if isinstance(value, str):
        try:
            return msgspec.json.decode(value.strip(), type=int | float)
        except (msgspec.MsgspecError, UnicodeEncodeError):
            raise NoAnswerError("number cannot read this string as one") from None
    raise NoAnswerError(f"number takes a number or a string, got {_typeof(value)}")


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


OF_ONE: Mapping[str, Callable[[Any], Any]] = {
    "bool": _bool,
    "kebabcase": _recased(lambda text: text.replace(" ", "-")),
    "length": _length,
    "lowercase": _recased(str.lower),
    "number": _number,
    "snakecase": _recased(lambda text: text.replace(" ", "_")),
    "string": _string,
    "titlecase": _recased(_titled),
    "typeof": _typeof,
    "uppercase": _recased(str.upper),
}
OF_SEVERAL: Mapping[str, Callable[..., Any]] = {"contains": _contains, "match": _match, "semver": _semver}
