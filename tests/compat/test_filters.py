"""Segment's tsub, the port of its server's filters to JavaScript, against ours, where segment.md holds it for a measure.

That is not so for missing fields, for bytes and types by name, for nested calls, and for sampling (appendix A.2 and A.3).
"""

from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from midstream.domain.condition import compiled
from midstream.domain.filters import DestinationFilter, Rule, held
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
    String,
    parse,
)
from midstream.domain.fql import (
    Path as Field,
)
from midstream.domain.sieve import Sieve
from tests.compat.installed import node
from tests.unit.domain.test_condition import EVENT

__all__ = ["node"]

CASES = 3000
FIELDS = {
    "text": ["type", "event", "userId", "properties.url", "properties.s", "properties.empty", "context.page.path"],
    "number": ["properties.total", "properties.items"],
    "other": ["properties.coupon", "properties.flag", "properties.off", "properties.tags", "properties.nested"],
}
TEXTS = ["track", "Order Completed", "u-42", "/shop/cart/1", "5", "", "/login", "Order", "vip", "o"]
LITERALS = [
    *(String(text) for text in TEXTS),
    Number("3"),
    Number("19.5"),
    Number("-4"),
    Constant(True),
    Constant(False),
    Constant(None),
]


def asked(node: Path, cases: list[dict[str, Any]]) -> list[Any]:
    said = subprocess.run(
        ["node", "filters.mjs"],
        cwd=node,
        input="".join(f"{json.dumps(case)}\n" for case in cases),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert said.returncode == 0, said.stderr
    return [json.loads(line) for line in said.stdout.splitlines()]


def ir(tree: Expression) -> Any:  # noqa: PLR0911 # one for each kind
    """Return a condition as tsub takes it (segment.md §3.3)."""
    match tree:
        case Field(keys):
            return ".".join(keys)
        case String() | Number() | Constant():
            return {"value": tree.value}
        case List(items):
            return {"value": [ir(item) for item in items]}
        case Compared(operator, left, right):
            return [operator, ir(left), ir(right)]
        case Membership(left, right):
            return ["in", ir(left), ir(right)]
        case Not(term):
            return ["!", ir(term)]
        case And(terms):
            return ["and", *map(ir, terms)]
        case Or(terms):
            return ["or", *map(ir, terms)]
        case Call(name, arguments):
            return [name, *map(ir, arguments)]


def field(draw: random.Random, *kinds: str) -> Field:
    return Field(tuple(draw.choice([each for kind in kinds or FIELDS for each in FIELDS[kind]]).split(".")))


def glob(draw: random.Random) -> str:
    return "".join(
        draw.choices([*"ab/-]^\\", "*", "*", "?", "[ab]", "[^a]", "[a-b]", "[", "Order", "shop"], k=draw.randint(0, 6))
    )


CLAUSES: list[Callable[[random.Random], Expression]] = [
    lambda draw: Compared(draw.choice(["=", "!="]), field(draw), draw.choice(LITERALS)),
    lambda draw: Compared(draw.choice(["=", "!="]), field(draw), field(draw)),
    lambda draw: Compared(draw.choice(["<", "<=", ">", ">="]), field(draw), draw.choice(LITERALS)),
    lambda draw: Membership(field(draw), List(tuple(draw.sample(LITERALS, draw.randint(0, 4))))),
    lambda draw: Call("contains", (field(draw), String(draw.choice(TEXTS)))),
    lambda draw: Call("match", (field(draw), String(glob(draw)))),
    lambda draw: Compared(
        "=",
        Call("lowercase", (field(draw),)),
        draw.choice([String("order completed"), String("track"), Constant(None)]),
    ),
    lambda draw: Compared(draw.choice(["<", "=", ">="]), Call("length", (Field(("properties", "tags")),)), Number("2")),
    lambda draw: Compared("=", Call("length", (field(draw, "text"),)), Number(str(draw.randint(0, 15)))),
    lambda draw: Compared(
        "=", Call("typeof", (field(draw, "text", "number"),)), String(draw.choice(["string", "number"]))
    ),
    lambda draw: Call(
        "semver",
        tuple(String(draw.choice(each)) for each in (VERSIONS, ["<", "<=", "=", "!=", ">", ">=", "~"], VERSIONS)),
    ),
    field,
]
VERSIONS = ["1", "1.2", "1.2.0", "1.10", "2.0.1", "1.x", "x", "1.2.3.4", "", "1.2-beta"]


def expression(draw: random.Random, depth: int = 3) -> Expression:
    kind = draw.random() if depth else 1
    if kind < 0.15:
        return Not(expression(draw, depth - 1))
    if kind < 0.45:
        terms = tuple(expression(draw, depth - 1) for _ in range(draw.randint(2, 3)))
        return draw.choice([And, Or])(terms)
    return draw.choice(CLAUSES)(draw)


def test_conditions_hold_where_segments_do(node: Path) -> None:
    draw = random.Random(4)
    trees = [expression(draw) for _ in range(CASES)]
    theirs = asked(node, [{"event": EVENT, "ir": ir(tree)} for tree in trees])
    ours = [compiled(str(tree)).holds(EVENT) for tree in trees]
    assert [(str(tree), them, us) for tree, them, us in zip(trees, theirs, ours, strict=True) if them is not us] == []
    assert 0.2 < sum(theirs) / CASES < 0.8


def test_globs_match_where_segments_do(node: Path) -> None:
    draw = random.Random(5)
    pairs = [("".join(draw.choices("ab/-", k=draw.randint(0, 6))), glob(draw)) for _ in range(CASES)]
    theirs = asked(node, [{"event": {"t": text}, "ir": ["match", "t", {"value": pattern}]} for text, pattern in pairs])
    match = compiled("match(t, pattern)")
    ours = [match.holds({"t": text, "pattern": pattern}) for text, pattern in pairs]
    assert [(pair, them, us) for pair, them, us in zip(pairs, theirs, ours, strict=True) if them is not us] == []
    assert sum(theirs) > CASES / 20


@pytest.mark.parametrize(("action", "transformer"), [("DROP_PROPERTIES", "drop"), ("ALLOW_PROPERTIES", "allow")])
def test_properties_are_dropped_and_allowed_as_segments_are(node: Path, action: str, transformer: str) -> None:
    draw = random.Random(6)
    events = [
        {
            "a": draw.choice([{"b": 1, "c": {"b": 2, "d": 3}}, [{"b": 1}, {"c": 2}, 5], "text", None, 7]),
            "b": {"c": {"d": 1, "e": 2}},
            "c": 3,
        }
        for _ in range(CASES)
    ]
    fields = [
        {
            path: draw.sample("bcde", draw.randint(0, 3))
            for path in draw.sample(["", "a", "a.c", "b", "b.c", "q", "b.c.d"], 2)
        }
        for _ in events
    ]
    theirs = asked(
        node,
        [
            {"event": event, "transformers": [{"type": action.lower(), "config": {transformer: each}}]}
            for event, each in zip(events, fields, strict=True)
        ],
    )
    ours = [left(event, {"type": action, "fields": each}) for event, each in zip(events, fields, strict=True)]
    assert ours == theirs


def left(event: dict[str, Any], action: dict[str, Any]) -> Any:
    rule = held(Rule, {"if": "all", "actions": [action]})
    found = Sieve([DestinationFilter("flt_1", "it", rule.if_, rule.actions)]).sift(json.dumps(event).encode(), "m")
    return json.loads(found) if isinstance(found, bytes) else None


def test_what_is_compared_is_what_was_drawn() -> None:
    draw = random.Random(4)
    for _ in range(200):
        tree = expression(draw)
        assert parse(str(tree)) == tree
