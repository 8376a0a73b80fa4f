"""Segment's Filter Query Language: what a filter's condition looks like (segment.md §3.3–3.5).

Enters: text. Leaves: a tree of frozen dataclasses, or `FqlError` with the place; `str` of a tree is text again. What a
tree means is in `condition.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

from midstream.domain.written import nearest
from midstream.errors import FqlError

if TYPE_CHECKING:
    from lark import Lark, Token, UnexpectedInput

FQL_BYTES = 5 * 1024  # segment.md §3.1
DEPTH = 32  # brackets within each other, or keys in a field; Segment names no bound, ours keeps clear of Python's

Operator = Literal["=", "!=", "<", "<=", ">", ">="]
FUNCTIONS: Mapping[str, int] = {  # and how many arguments each takes
    "bool": 1,
    "contains": 2,
    "kebabcase": 1,
    "length": 1,
    "lowercase": 1,
    "match": 2,
    "number": 1,
    "semver": 3,
    "snakecase": 1,
    "string": 1,
    "titlecase": 1,
    "typeof": 1,
    "uppercase": 1,
}


@dataclass(frozen=True, slots=True)
class Path:
    """A field, by the keys that lead to it."""

    keys: tuple[str, ...]

    def __str__(self) -> str:
        return ".".join(_escaped(key, first=index == 0) for index, key in enumerate(self.keys))


@dataclass(frozen=True, slots=True)
class String:
    """A text in quotes; it holds one kind of quotes at most."""

    value: str

    def __str__(self) -> str:
        return f'"{self.value}"' if "'" in self.value else f"'{self.value}'"


@dataclass(frozen=True, slots=True)
class Number:
    """A number, as it was written."""

    written: str

    @property
    def value(self) -> int | float:
        """Return what it stands for; more digits than an integer of 64 bits has are rounded."""
        return float(self.written) if "." in self.written or len(self.written) > 18 else int(self.written)

    def __str__(self) -> str:
        return self.written


@dataclass(frozen=True, slots=True)
class Constant:
    """`true`, `false` or `null`."""

    value: bool | None

    def __str__(self) -> str:
        return {True: "true", False: "false", None: "null"}[self.value]


@dataclass(frozen=True, slots=True)
class List:
    """A list of operands."""

    items: tuple[Operand, ...]

    def __str__(self) -> str:
        return f"[{', '.join(map(str, self.items))}]"


@dataclass(frozen=True, slots=True)
class Call:
    """A function and its arguments."""

    function: str
    arguments: tuple[Operand, ...]

    def __str__(self) -> str:
        return f"{self.function}({', '.join(map(str, self.arguments))})"


@dataclass(frozen=True, slots=True)
class Compared:
    """Two operands and what is between them."""

    operator: Operator
    left: Operand
    right: Operand

    def __str__(self) -> str:
        return f"{self.left} {self.operator} {self.right}"


@dataclass(frozen=True, slots=True)
class Membership:
    """`left in right`."""

    left: Operand
    right: Operand

    def __str__(self) -> str:
        return f"{self.left} in {self.right}"


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite."""

    term: Expression

    def __str__(self) -> str:
        return f"!({self.term})"


@dataclass(frozen=True, slots=True)
class And:
    """All of two or more."""

    terms: tuple[Expression, ...]

    def __str__(self) -> str:
        return " and ".join(f"({term})" if isinstance(term, And | Or) else str(term) for term in self.terms)


@dataclass(frozen=True, slots=True)
class Or:
    """One at least of two or more."""

    terms: tuple[Expression, ...]

    def __str__(self) -> str:
        return " or ".join(f"({term})" if isinstance(term, Or) else str(term) for term in self.terms)


Operand: TypeAlias = Path | String | Number | Constant | List | Call
Expression: TypeAlias = Operand | Compared | Membership | Not | And | Or


def parse(text: str) -> Expression:
    """Read a condition. Raises FqlError, whose position counts characters from 0."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise FqlError("expected text, got half of a character", error.start) from None
    if size > FQL_BYTES:
        raise FqlError(f"expected at most {FQL_BYTES:,} bytes, got {size:,}", 0)
    # Not at the top: importing takes longer than most commands, and most installations have no filters.
    from lark import UnexpectedInput

    steps: Any = _parser().parse_interactive(text)  # of its methods only some have types
    depth = 0
    try:
        for token in steps.iter_parse():
            depth += _OPENING.get(token.type, 0)
            if depth > DEPTH:
                raise FqlError(f"expected at most {DEPTH} brackets within each other", _start(token))
        return cast("Expression", steps.feed_eof())
    except UnexpectedInput as unexpected:
        raise _told(unexpected, steps.accepts(), text) from None


_OPENING = {"LPAR": 1, "LSQB": 1, "RPAR": -1, "RSQB": -1}


def keys_of(path: str) -> tuple[str, ...]:
    """Return the keys of a dotted path, in which a backslash makes the next character an ordinary one."""
    return tuple(_unescaped(key) for key in re.findall(r"(?:^|\.)((?:[^.\\]|\\.|\\\Z)*)", path, re.DOTALL))


@cache
def _parser() -> Lark:
    from lark import Lark

    return Lark.open(
        "fql.lark",
        rel_to=__file__,
        parser="lalr",
        lexer="contextual",
        transformer=_Builder(),
        maybe_placeholders=False,
    )


class _Builder:
    """Makes the tree from the bottom up, as the parser finds its parts. Methods are named as in the grammar."""

    def disjunction(self, terms: list[Expression]) -> Or:
        return Or(tuple(terms))

    def conjunction(self, terms: list[Expression]) -> And:
        return And(tuple(terms))

    def negation(self, terms: list[Expression]) -> Not:
        return Not(terms[0])

    def compared(self, parts: list[Any]) -> Compared:
        left, operator, right = parts
        return Compared(cast("Operator", str(operator)), left, right)

    def membership(self, operands: list[Operand]) -> Membership:
        return Membership(*operands)

    def path(self, keys: list[Token]) -> Path:
        if len(keys) > DEPTH:
            raise FqlError(f"expected at most {DEPTH} keys in a field, got {len(keys)}", _start(keys[0]))
        return Path(tuple(_unescaped(key) for key in keys))

    def call(self, parts: list[Any]) -> Call:
        token, *arguments = parts
        name = _unescaped(token)
        if name not in FUNCTIONS:
            raise FqlError(f"unknown function {name!r}{nearest(name, FUNCTIONS)}", _start(token))
        if len(arguments) != FUNCTIONS[name]:
            wanted = "1 argument" if FUNCTIONS[name] == 1 else f"{FUNCTIONS[name]} arguments"
            raise FqlError(f"expected {wanted} for {name}, got {len(arguments)}", _start(token))
        return Call(name, tuple(arguments))

    def items(self, items: list[Operand]) -> List:
        return List(tuple(items))

    def string(self, tokens: list[Token]) -> String:
        return String(str(tokens[0][1:-1]))

    def number(self, tokens: list[Token]) -> Number:
        return Number(str(tokens[0]))

    def true(self, _: object) -> Constant:
        return Constant(True)

    def false(self, _: object) -> Constant:
        return Constant(False)

    def null(self, _: object) -> Constant:
        return Constant(None)


def _unescaped(key: str) -> str:
    return re.sub(r"\\(.)", r"\1", key, flags=re.DOTALL)


_WORDS = frozenset({"and", "or", "in", "null", "true", "false"})


def _escaped(key: str, *, first: bool) -> str:
    written = re.sub(r"[^\w-]", r"\\\g<0>", key)
    return f"\\{written}" if re.match(r"[\d-]", written) or (first and key in _WORDS) else written


# -- what is wrong, in words --

_CALLED = {
    "OPERATOR": "an operator",
    "_AND": "'and'",
    "_OR": "'or'",
    "COMMA": "','",
    "RPAR": "')'",
    "RSQB": "']'",
    "$END": "the end",
}
# What people bring from other languages, by what follows where nothing of ours fits.
_MEANT = (
    (r"&", "write 'and'"),
    (r"\|", "write 'or'"),
    (r"(?i:and)\b", "the word is 'and'"),
    (r"(?i:or)\b", "the word is 'or'"),
    (r"(?<==)=", "equal is a single '='"),
    (r"!", "'!' stands directly before a field or '('"),
    (r"`", "texts stand in single or double quotes"),
    (r"\r", "lines end with a line feed only"),
)


def _told(unexpected: UnexpectedInput, accepted: AbstractSet[str], text: str) -> FqlError:
    """Say what was expected, what came, and what was probably meant."""
    token: Token | None = getattr(unexpected, "token", None)
    position = (
        (unexpected.pos_in_stream or 0) if token is None else _start(token) if token.type != "$END" else len(text)
    )
    if text[position : position + 1] in ("'", '"'):
        return FqlError("the text that begins here has no closing quote", position)
    if token is None and (word := re.match(r"(?:\w|\\.)(?:[\w-]|\\.)*", text[position:], re.DOTALL)):
        position += word.end()  # the word itself may be a field, but for what follows it
        hint = ": a space belongs between them" if text[position] in "<>" else _hint(text, position)
        return FqlError(f"a field cannot be followed by {_came(text[position:])}{hint}", position)
    return FqlError(f"expected {_wanted(accepted)}, got {_came(text[position:])}{_hint(text, position)}", position)


def _start(token: Token) -> int:
    return token.start_pos or 0


def _wanted(accepted: AbstractSet[str]) -> str:
    if "IDENTIFIER" in accepted:
        return "a field or a value" if "STRING" in accepted else "the name of a field"
    *most, last = [phrase for terminal, phrase in _CALLED.items() if terminal in accepted]
    return f"{', '.join(most)} or {last}" if most else last


def _came(rest: str) -> str:
    word = re.match(r"\w[\w-]*|[^\w\s(]{1,2}|.", rest[:40], re.DOTALL)
    return repr(word[0]) if word else "the end"


def _hint(text: str, position: int) -> str:
    """Say what was probably meant, as the end of a sentence."""
    return next((f": {meant}" for pattern, meant in _MEANT if re.compile(pattern).match(text, position)), "")
