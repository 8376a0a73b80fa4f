"""What a condition in FQL means: compiled once into a Python function, then asked of each event (segment.md §3.4–3.5).

Enters: FQL, or `all`. Leaves: a `Condition`, which answers true, false or a `Fault`, and never raises. A field that is
missing is null. Where a condition belongs only `true` counts as true, and everything else, like null, as false.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
from midstream.domain.fql_functions import FUNCTION_OF, ORDER, NoAnswerError, is_member, ordered, same
from midstream.errors import FqlError

ALL = "all"  # the literal condition that holds for every event (segment.md §3.2)
_FOUND_PATTERNS = 10  # in one condition, that come from the event: such a match is the dearest thing there is

Event = Mapping[str, Any]
Keys = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a condition has no answer for an event. The event must not go on."""

    message: str


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition ready for use. Of an event it looks at the fields at these `paths` only."""

    paths: frozenset[Keys]
    test: Callable[[Event], bool]

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
    code = _Code()
    test = code.test(parse(text))
    return Condition(frozenset(code.paths), code.function(test))


def doubt(text: str) -> str | None:
    """Say what is odd about a condition that is one word, and nearly always a mistake; None for every other.

    It is FQL: a field alone is a condition, as in `properties.gift`. But nothing at the top of an event is true or false.
    """
    if text.strip() == ALL:
        return None
    match parse(text):
        case Path((_,)) as word:
            holds = "only where a field of this name is true"
        case String() as word:
            holds = "for no event"
        case _:
            return None
    return f"{str(word)!r} alone holds {holds}: write {ALL} for every event, or compare, as in type = 'track'"


def unanswerable(message: str) -> Condition:
    """Return a condition that is a fault for every event."""

    def test(_: Event) -> bool:
        raise NoAnswerError(message)

    return Condition(frozenset(), test)


def field_of(keys: Keys) -> Callable[[Event], Any]:
    """Return what finds a field in an event: null where it is missing. Lists have no fields."""

    def find(event: Event) -> Any:
        found: Any = event
        for key in keys:
            found = found.get(key) if isinstance(found, dict) else None
        return found

    return find


class _Code:
    """Python for one condition.

    As closures, one within the other, a condition took five times as long. No character of a condition becomes code:
    its texts, numbers and keys are constants, and what stands in the code is their names, which are made here.
    """

    def __init__(self) -> None:
        self.paths: set[Keys] = set()
        self._found_patterns = 0
        self._objects: dict[Keys, str] = {(): "event"}  # the variable that holds the object at a path
        self._lines: list[str] = []
        self._names: dict[str, Any] = {
            "none": {},
            "same": same,
            "is_member": is_member,
            **{f"ordered_{index}": ordered(compare) for index, compare in enumerate(ORDER.values())},
            **{f"call_{name}": function for name, function in FUNCTION_OF.items()},
        }

    def function(self, test: str) -> Callable[[Event], bool]:
        """Return the function that gives this test's answer."""
        source = "\n ".join(["def test(event):", *self._lines, f"return {test}"])
        exec(source, self._names)  # noqa: S102 # as the class says, none of it was written by anybody else
        found: Callable[[Event], bool] = self._names["test"]
        return found

    def test(self, expression: Expression) -> str:  # noqa: PLR0911 # one for each kind
        """Write what stands where a condition belongs. It is true or false in Python too."""
        match expression:
            case And(terms):
                return f"({' and '.join(self.test(term) for term in terms)})"
            case Or(terms):
                return f"({' or '.join(self.test(term) for term in terms)})"
            case Not(term):
                return f"(not {self.test(term)})"
            case Compared("=", left, right):
                return self._equal(left, right)
            case Compared("!=", left, right):
                return f"(not {self._equal(left, right)})"
            case Compared(operator, left, right):
                return self._ordered(operator, left, right)
            case Membership(left, right):
                return self._member(left, right)
            case _:
                return f"({self._value(expression)} is True)"

    def _value(self, operand: Expression) -> str:  # noqa: PLR0911 # one for each kind
        """Write what stands where a value belongs."""
        match operand:
            case Path(keys):
                self.paths.add(keys)
                return self._field(keys)
            case String() | Number() | Constant():
                return self._constant(operand.value)
            case List(items):
                return f"[{', '.join(self._value(item) for item in items)}]"
            case Call("match", (text, String(pattern))):
                matches = glob.matcher(pattern)
                return self._if_text(text, f"{self._constant(matches)}(value)" if matches else "False")
            case Call("contains", (text, String(part))):
                return self._if_text(text, f"{self._constant(part)} in value")
            case Call(name, arguments):
                if name == "match":
                    self._count_pattern()
                return f"call_{name}({', '.join(self._value(argument) for argument in arguments)})"
            case And() | Or() | Not() | Compared() | Membership():
                return self.test(operand)
            case never:
                assert_never(never)

    def _count_pattern(self) -> None:
        self._found_patterns += 1
        if self._found_patterns > _FOUND_PATTERNS:
            raise FqlError(f"expected at most {_FOUND_PATTERNS} patterns that come from the event", 0)

    def _equal(self, left: Expression, right: Expression) -> str:
        if isinstance(left, String | Constant | Number):
            left, right = right, left
        one, other = self._value(left), self._value(right)
        match right:
            case String():  # equals texts only
                return f"({one} == {other})"
            case Constant():
                return f"({one} is {other})"
            case Number():  # Python would hold true for 1
                return f"((value := {one}) == {other} and type(value) is not bool)"
            case _:
                return f"same({one}, {other})"

    def _ordered(self, operator: str, left: Expression, right: Expression) -> str:
        one, other = self._value(left), self._value(right)
        if isinstance(right, Number):
            return f"((type(value := {one}) is int or type(value) is float) and value {operator} {other})"
        return f"ordered_{list(ORDER).index(operator)}({one}, {other})"

    def _member(self, left: Expression, right: Expression) -> str:
        if isinstance(right, List) and all(isinstance(item, String) for item in right.items):
            texts = frozenset(item.value for item in right.items if isinstance(item, String))
            return self._if_text(left, f"value in {self._constant(texts)}")
        return f"is_member({self._value(left)}, {self._value(right)})"

    def _if_text(self, operand: Expression, test: str) -> str:
        return f"(type(value := {self._value(operand)}) is str and {test})"

    def _field(self, keys: Keys) -> str:
        *parents, last = keys
        return f"{self._object(tuple(parents))}.get({self._constant(last)})"

    def _object(self, keys: Keys) -> str:
        """Return the variable that holds the object at a path, which is an empty one where none is."""
        if keys not in self._objects:
            found = self._field(keys)
            self._objects[keys] = variable = f"object_{len(self._objects)}"
            self._lines.append(f"{variable} = value if type(value := {found}) is dict else none")
        return self._objects[keys]

    def _constant(self, value: Any) -> str:
        name = f"constant_{len(self._names)}"
        self._names[name] = value
        return name
