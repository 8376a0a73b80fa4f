"""What a condition in FQL means: compiled once into closures, then asked of each event (segment.md §3.4–3.5).

Enters: FQL, or `all`. Leaves: a `Condition`, which answers true, false or a `Fault`, and never raises. A field that is
missing is null. Where a condition belongs only `true` counts as true, and everything else, like null, as false.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, assert_never

from midstream.domain import glob
from midstream.domain.fql import (
    And,
    Call,
    Compared,
    Constant,
    Expression,
    List,
    Membership,
    Not,
    Number,
    Or,
    Path,
    String,
    parse,
)
from midstream.domain.fql_functions import OF_ONE, OF_SEVERAL, ORDER, NoAnswerError, is_number

ALL = "all"  # the literal condition that holds for every event (segment.md §3.2)

Event = Mapping[str, Any]
_Value = Callable[[Event], Any]
_Test = Callable[[Event], bool]


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a condition has no answer for an event. The event must not go on."""

    message: str


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition ready for use. It looks at no other fields of an event than the `roots`."""

    roots: frozenset[str]
    test: _Test

    def holds(self, event: Event) -> bool | Fault:
        """Say whether it holds for an event, given as decoded JSON."""
        try:
            return self.test(event)
        except NoAnswerError as fault:
            return Fault(str(fault))
        except RecursionError:
            return Fault("what is compared is nested too deeply")


def compiled(text: str) -> Condition:
    """Compile a condition. Raises FqlError."""
    if text.strip() == ALL:
        return Condition(frozenset(), lambda _: True)
    expression = parse(text)
    return Condition(frozenset(_roots(expression)), _test(expression))


def unanswerable(message: str) -> Condition:
    """Return a condition that is a fault for every event."""

    def test(_: Event) -> bool:
        raise NoAnswerError(message)

    return Condition(frozenset(), test)


def _roots(expression: Expression) -> Iterator[str]:
    match expression:
        case Path(keys):
            yield keys[0]
        case Compared(_, left, right) | Membership(left, right):
            yield from _roots(left)
            yield from _roots(right)
        case Not(term):
            yield from _roots(term)
        case And(parts) | Or(parts) | List(parts) | Call(_, parts):
            for part in parts:
                yield from _roots(part)
        case String() | Number() | Constant():
            return
        case never:
            assert_never(never)


def _test(expression: Expression) -> _Test:  # noqa: PLR0911 # one for each kind
    """Compile what stands where a condition belongs."""
    match expression:
        case And(terms):
            return _all([_test(term) for term in terms])
        case Or(terms):
            return _any([_test(term) for term in terms])
        case Not(term):
            test = _test(term)
            return lambda event: not test(event)
        case Compared("=", left, right):
            return _equal(left, right)
        case Compared("!=", left, right):
            equal = _equal(left, right)
            return lambda event: not equal(event)
        case Compared(symbol, left, right):
            return _ordered(ORDER[symbol], _value(left), _value(right))
        case Membership(left, right):
            return _member(left, right)
        case _:
            value = _value(expression)
            return lambda event: value(event) is True


def _all(tests: list[_Test]) -> _Test:
    def test(event: Event) -> bool:
        for each in tests:  # noqa: SIM110 # a generator costs more than the tests do
            if not each(event):
                return False
        return True

    return test


def _any(tests: list[_Test]) -> _Test:
    def test(event: Event) -> bool:
        for each in tests:  # noqa: SIM110 # as above
            if each(event):
                return True
        return False

    return test


def _value(operand: Expression) -> _Value:  # noqa: PLR0911 # one for each kind
    """Compile what stands where a value belongs."""
    match operand:
        case Path(keys):
            return field_of(keys)
        case String() | Number() | Constant():
            constant = operand.value
            return lambda _: constant
        case List(items):
            values = [_value(item) for item in items]
            return lambda event: [value(event) for value in values]
        case Call("match", (text, String(pattern))):
            return _matching(_value(text), glob.compiled(pattern))
        case Call(name, (only,)):
            one, value = OF_ONE[name], _value(only)
            return lambda event: one(value(event))
        case Call(name, arguments):
            several, given = OF_SEVERAL[name], [_value(argument) for argument in arguments]
            return lambda event: several(*[value(event) for value in given])
        case _:
            return _test(operand)


def field_of(keys: Sequence[str]) -> Callable[[Event], Any]:
    """Return what finds a field in an event: null where it is missing. Lists have no fields."""
    root, *rest = keys

    def value(event: Event) -> Any:
        found = event.get(root)
        for key in rest:
            if type(found) is not dict:
                return None
            found = found.get(key)
        return found

    return value if rest else lambda event: event.get(root)


# -- operators --


def _equal(left: Expression, right: Expression) -> _Test:
    if isinstance(left, String):
        left, right = right, left
    first = _value(left)
    if isinstance(right, String):  # by far the most frequent, and a text equals texts only
        text = right.value
        return lambda event: bool(first(event) == text)
    second = _value(right)
    return lambda event: same(first(event), second(event))


def same(one: Any, other: Any) -> bool:
    """Say whether two JSON values are equal and of one type. Python would hold true for 1."""
    if isinstance(one, list):
        return isinstance(other, list) and len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return isinstance(other, dict) and one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    return bool(one == other) and isinstance(one, bool) == isinstance(other, bool)


def _ordered(compare: Callable[[Any, Any], bool], left: _Value, right: _Value) -> _Test:
    def test(event: Event) -> bool:
        one, other = left(event), right(event)
        return is_number(one) and is_number(other) and compare(one, other)

    return test


def _member(left: Expression, right: Expression) -> _Test:
    value = _value(left)
    if isinstance(right, List) and all(isinstance(item, String) for item in right.items):
        texts = frozenset(item.value for item in right.items if isinstance(item, String))
        return lambda event: isinstance(found := value(event), str) and found in texts
    members = _value(right)

    def test(event: Event) -> bool:
        found, among = value(event), members(event)
        return isinstance(among, list) and any(same(found, each) for each in among)

    return test


def _matching(text: _Value, pattern: glob.Glob | None) -> _Value:
    if pattern is None:
        return lambda _: False
    return lambda event: isinstance(found := text(event), str) and pattern.matches(found)
