"""What conditions answer: the vectors of segment.md's appendix A.2, and that they never raise."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midstream.domain.condition import Fault, compiled, doubt
from midstream.domain.fql_functions import same
from midstream.errors import FqlError
from tests.unit.domain.test_fql import expressions, patiently

EVENT = {
    "type": "track",
    "event": "Order Completed",
    "userId": "u-42",
    "properties": {
        "total": 19.5,
        "items": 3,
        "coupon": None,
        "tags": ["vip", "eu"],
        "a b": 1,
        "x.y": 2,
        "flag": True,
        "off": False,
        "nested": {"k": "v"},
        "url": "/shop/cart/1",
        "s": "5",
        "empty": "",
        "kana": "アb",
    },
    "context": {"page": {"path": "/login"}},
}

VECTORS = """
T type = 'track'
F properties.items = '3'
T properties.items = 3
T properties.items != '3'
T properties.coupon = null
T properties.nope = null
F properties.nope != null
T properties.nope != 'x'
T properties.total > 19
F properties.s > 4
F properties.nope <= 4
T properties.flag
T !properties.off
T !properties.nope
F properties.s
F properties.flag and properties.nope
T properties.flag or properties.nope
T type in ['track','page']
F properties.items in ['3']
T 'vip' in properties.tags
F 'vip' in properties.nope
T properties.coupon in [null]
T contains(event,'Order')
F contains(event,'order')
F contains(properties.nope,'')
T contains(lowercase(event),'order')
T match(properties.url,'/shop/*')
F match(properties.url,'/shop/?')
F match(properties.nope,'*')
T match(properties.empty,'*')
F match(properties.empty,'?')
T match(event,'Order [A-D]*')
F match(event,'Order [^A-D]*')
T match(event,'[!O]*')
F match(event,'Order[')
T length(properties.tags) = 2
T length(properties.nope) = 0
T length(properties.coupon) = 0
T length(properties.kana) = 4
T typeof(properties.tags) = 'list'
T typeof(properties.flag) = 'bool'
T typeof(properties.nope) = 'null'
T typeof(properties.coupon) = 'null'
T typeof(properties.items) = 'number'
T lowercase(properties.nope) = null
T properties.a\\ b = 1
T properties.x\\.y = 2
"""


@pytest.mark.parametrize("vector", VECTORS.strip().splitlines())
def test_segments_reference_and_we_agree(vector: str) -> None:
    expected, _, condition = vector.partition(" ")
    assert compiled(condition).holds(EVENT) is (expected == "T")


# What segment.md leaves open; docs/filters.md says the same in words.
OURS = """
T all
T !properties.s
F properties.s and type = 'track'
T properties.s or type = 'track'
F received_at >= '2023-04-21T00:00:00Z'
F properties.flag = 1
T properties.flag = true
F 1 = properties.flag
T properties.items = 3.0
F properties.flag in [1]
T properties.items in [1, '3', 3]
F type in 'track'
T properties.tags = ['vip', 'eu']
F properties.tags = ['eu', 'vip']
T properties.nested = properties.nested
F properties.nested = 'v'
T typeof(properties.nested) = 'object'
F properties.tags.\\0 = 'vip'
F type.length = 5
T 'track' = type
T properties.items = properties.items
T properties.total < 19.6 and properties.total >= 19.5
F properties.total < properties.nope
T contains(event, properties.empty)
F contains(properties.tags, 'vip')
F contains(properties.items, '3')
T match(type, type)
F match(properties.items, '*')
T uppercase(type) = 'TRACK'
T snakecase(event) = 'Order_Completed'
T kebabcase(event) = 'Order-Completed'
T titlecase('test string') = 'Test String'
T titlecase('iPhone  x') = 'IPhone  X'
T lowercase(properties.items) = null
T bool(properties.items) = true
T bool(properties.empty) = false
T bool(properties.nope) = false
T bool(properties.tags)
T string(properties.items) = '3'
T string(properties.total) = '19.5'
T string(properties.nope) = ''
T string(properties.flag) = 'true'
T string(3.0) = '3'
T string(properties.tags) = '["vip","eu"]'
T number(properties.s) > 4
T number(properties.nope) = null
T number(' 0012.50 ') = 12.5
T number('1e3') = 1000
T semver('1.10.0', '>', '1.9')
T semver('2', '=', '2.0.0')
F semver('1.0.0-beta', '<', '1.0.0')
F semver('1.x', '=', '1.0')
F semver('1', '~', '1')
F semver(properties.nope, '=', '1')
T true
F false
F null
"""


@pytest.mark.parametrize("vector", OURS.strip().splitlines())
def test_what_the_reference_leaves_open_is_decided(vector: str) -> None:
    expected, _, condition = vector.partition(" ")
    assert compiled(condition).holds(EVENT) is (expected == "T")


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("length(properties.items) > 1", "length takes a list or a string, got number"),
        ("!(length(properties.nested) = 1)", "length takes a list or a string, got object"),
        ("number(event) = 1", "number cannot read this string as one"),
        ("number('0x10') = 16", "number cannot read this string as one"),
        ("number('nan') = 1", "number cannot read this string as one"),
        ("number('1e999') = 1", "number cannot read this string as one"),
        ("number(properties.tags) = 1", "number takes a number or a string, got list"),
        ("string(properties.nested) = ''", "string takes a list, a string or a number, got object"),
        ("bool(properties.nested)", "bool takes a list, a string or a number, got object"),
    ],
)
def test_what_has_no_answer_is_a_fault(condition: str, message: str) -> None:
    assert compiled(condition).holds(EVENT) == Fault(message)


def test_what_decides_before_it_saves_the_rest_from_faults() -> None:
    assert compiled("type = 'page' and length(properties.items) = 1").holds(EVENT) is False
    assert compiled("type = 'track' or length(properties.items) = 1").holds(EVENT) is True


def test_no_text_of_a_condition_becomes_code() -> None:
    nasty = """") or __import__("os") #\\\n{x}"""
    condition = rf"properties.x = '{nasty}' and 'constant_1' in [event, value] or properties.\'\)\;import = 1"
    code: Any = compiled(condition).test
    names = code.__code__.co_names + code.__code__.co_varnames
    ours = {"type", "get", "dict", "none", "bool", "event", "value"}
    assert {name for name in names if not re.fullmatch(r"(constant|object)_\d+|is_member", name)} == ours
    assert {type(each) for each in code.__code__.co_consts} <= {type(None), bool, int}
    assert compiled(f"properties.x = '{nasty}'").holds({"properties": {"x": nasty}}) is True
    assert compiled("event = 'value' and value = 'event'").holds({"event": "value", "value": "event"}) is True


@pytest.mark.parametrize(("opening", "closing"), [("!(b and ", ")"), ("lowercase(", ")"), ("[", "]"), ("(b or ", ")")])
def test_a_condition_as_deep_as_it_may_be_is_compiled(opening: str, closing: str) -> None:
    assert compiled(opening * 32 + "a" + closing * 32).holds({"a": True}) in (True, False)


def test_a_condition_as_long_as_it_may_be_is_compiled() -> None:
    assert compiled(" or ".join(["a.b=1"] * 560)).holds({"a": {"b": 1}}) is True
    assert compiled("x in [" + ",".join(["'a'"] * 1270) + "]").holds({"x": "a"}) is True


def test_a_condition_knows_at_which_fields_it_looks() -> None:
    condition = compiled("type = 'track' and !(contains(properties.a.b, context.page) or 1 in [traits.x, userId])")
    assert condition.paths == {("type",), ("properties", "a", "b"), ("context", "page"), ("traits", "x"), ("userId",)}
    assert compiled("all").paths == frozenset()


def test_comparing_what_is_nested_too_deeply_is_a_fault() -> None:
    def deep() -> Any:
        value: Any = 1
        for _ in range(5000):
            value = [value]
        return value

    condition = compiled("a = b")
    assert condition.holds({"a": deep(), "b": deep()}) == Fault("what is compared is nested too deeply")


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
    | st.sampled_from(["a", "b"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "and", "a b"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@patiently
@given(expressions, st.dictionaries(st.sampled_from(["a", "b", "and", "a b", "a.b", "9"]), json_values))
def test_no_condition_raises_on_any_event(tree: Any, event: dict[str, Any]) -> None:
    assert isinstance(compiled(str(tree)).holds(event), bool | Fault)


@patiently
@given(json_values, json_values)
def test_values_are_the_same_when_their_json_is(one: Any, other: Any) -> None:
    def normal(value: Any) -> Any:
        if isinstance(value, float) and value.is_integer():
            return int(value)
        if isinstance(value, list):
            return [normal(each) for each in value]
        return {key: normal(each) for key, each in value.items()} if isinstance(value, dict) else value

    assert same(one, other) is (json.dumps(normal(one), sort_keys=True) == json.dumps(normal(other), sort_keys=True))


def test_a_text_that_doubles_with_each_step_ends_as_a_fault() -> None:
    text = "event"
    for _ in range(15):  # as deep as brackets go
        text = f"string([{text}])"
    found = compiled(f"{text} = 'x'").holds({"event": '"' * 30_000})  # or else a gigabyte
    assert found == Fault("string makes at most 65,536 characters of a list")


def test_a_list_with_one_field_many_times_ends_as_a_fault() -> None:
    found = compiled(f"string([{', '.join(['e'] * 1500)}]) = 'x'").holds({"e": "a" * 30_000})
    assert found == Fault("string makes at most 65,536 characters of a list")


def test_patterns_from_an_event_are_few_and_short() -> None:
    event = {"e": "a" * 27_000, "p": f"*{'?a' * 240}b*"}
    assert compiled(" or ".join(["match(e, p)"] * 10)).holds(event) is False
    with pytest.raises(FqlError, match="expected at most 10 patterns that come from the event"):
        compiled(" or ".join(["match(e, p)"] * 11))
    assert compiled(f"{' or '.join(['match(e, p)'] * 10)} or match(e, 'a*')").holds(event) is True
    assert compiled("match(e, p)").holds({"e": "aa", "p": f"aa{'*' * 511}"}) is False


def test_a_whole_event_can_be_written_as_a_string() -> None:
    tags = ["a", "b\n", None, True, 1.5] * 2000
    assert (
        compiled("string(tags) = other").holds({"tags": tags, "other": json.dumps(tags, separators=(",", ":"))}) is True
    )


def test_one_word_is_a_condition_to_doubt() -> None:
    meant = "write all for every event, or compare, as in type = 'track'"
    assert doubt("al") == f"'al' alone holds only where a field of this name is true: {meant}"
    assert doubt("'all'") == f"\"'all'\" alone holds for no event: {meant}"


@pytest.mark.parametrize("condition", [" all\n", "properties.gift", "!properties.gift", "type = 'track'", "bool(al)"])
def test_what_people_write_on_purpose_is_not_doubted(condition: str) -> None:
    assert doubt(condition) is None
