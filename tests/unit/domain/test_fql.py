"""What is FQL and what is not, and that a tree printed is read again as the same tree."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from midstream.domain.fql import (
    DEPTH,
    FQL_BYTES,
    FUNCTIONS,
    And,
    Call,
    Compared,
    Constant,
    Expression,
    List,
    Membership,
    Not,
    Number,
    Operator,
    Or,
    Path,
    String,
    keys_of,
    parse,
)
from midstream.errors import FqlError


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("type = 'track'", "type = 'track'"),
        ("a=5", "a = 5"),
        ("a\n\t=\n+5.50", "a = +5.50"),
        ("((a))", "a"),
        ("a or b and c", "a or b and c"),
        ("a and (b or c) and d", "a and (b or c) and d"),
        ("a and (b and c)", "a and (b and c)"),
        ("!a = 5 and b", "!(a = 5) and b"),
        ("!(a or b)", "!(a or b)"),
        ('x = "it\'s"', 'x = "it\'s"'),
        ("x='a\nb'", "x = 'a\nb'"),
        ("x in ['a',1,null,[b]]", "x in ['a', 1, null, [b]]"),
        ("'vip' in properties.tags", "'vip' in properties.tags"),
        ("contains( lowercase( event ) ,'order')", "contains(lowercase(event), 'order')"),
        (r"properties.product\ 1.x\.y", r"properties.product\ 1.x\.y"),
        (r"properties.\1-2", r"properties.\1-2"),
        ("properties.and.or.in.null.true", "properties.and.or.in.null.true"),
        (r"\and = 1", r"\and = 1"),
        ("nullable = null", "nullable = null"),
        ("länge > 1", "länge > 1"),
    ],
)
def test_a_condition_is_read_and_printed(text: str, printed: str) -> None:
    tree = parse(text)
    assert str(tree) == printed
    assert parse(printed) == tree


def test_and_binds_tighter_than_or() -> None:
    a, b, c, d = (Path((name,)) for name in "abcd")
    assert parse("a or b and c or d") == Or((a, And((b, c)), d))
    assert parse("(a or b) and c") == And((Or((a, b)), c))


@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        ("", 0, "expected a field or a value, got the end"),
        ("a =", 3, "expected a field or a value, got the end"),
        ("a = 'x", 4, "the text that begins here has no closing quote"),
        ("a<5", 1, "a field cannot be followed by '<': a space belongs between them"),
        ("a@b", 1, "a field cannot be followed by '@'"),
        ("a == 5", 3, "expected a field or a value, got '=': equal is a single '='"),
        ("a && b", 2, "expected an operator, 'and', 'or' or the end, got '&&': write 'and'"),
        ("a || b", 2, "expected an operator, 'and', 'or' or the end, got '||': write 'or'"),
        ("a AND b", 2, "expected an operator, 'and', 'or' or the end, got 'AND': the word is 'and'"),
        ("! a", 0, "expected a field or a value, got '!': '!' stands directly before a field or '('"),
        ("!!a", 0, "expected a field or a value, got '!!': '!' stands directly before a field or '('"),
        ("a\r\n= 5", 1, "a field cannot be followed by '\\r': lines end with a line feed only"),
        ("a = `x`", 4, "expected a field or a value, got '`': texts stand in single or double quotes"),
        ("a = 1e5", 5, "expected 'and', 'or' or the end, got 'e5'"),
        ("a = 'b' = 'c'", 8, "expected 'and', 'or' or the end, got '='"),
        ("(a = b) = c", 8, "expected 'and', 'or' or the end, got '='"),
        ("properties.", 11, "expected the name of a field, got the end"),
        ("[1, 2", 5, "expected ',' or ']', got the end"),
        ("(a", 2, "expected ')', got the end"),
        ("a)", 1, "expected the end, got ')'"),
        ("a in [1] and contain(b, 'c')", 13, "unknown function 'contain'; did you mean 'contains'?"),
        ("contains(a)", 0, "expected 2 arguments for contains, got 1"),
        ("length()", 0, "expected 1 argument for length, got 0"),
        ("a = $ or b", 4, "expected a field or a value, got '$'"),
        ("a = '\ud800'", 5, "expected text, got half of a character"),
        ("x = 1 or " + "a." * 32 + "b", 9, "expected at most 32 keys in a field, got 33"),
    ],
)
def test_what_is_no_condition_is_told_with_its_place(text: str, position: int, message: str) -> None:
    with pytest.raises(FqlError) as caught:
        parse(text)
    assert (caught.value.position, str(caught.value)) == (position, message)


@pytest.mark.parametrize(("opening", "closing"), [("(", ")"), ("!(", ")"), ("[", "]"), ("lowercase(", ")")])
def test_brackets_may_be_nested_so_deep_and_no_deeper(opening: str, closing: str) -> None:
    parse(opening * DEPTH + "a" + closing * DEPTH)
    with pytest.raises(FqlError, match=f"expected at most {DEPTH} brackets within each other"):
        parse(opening * (DEPTH + 1) + "a" + closing * (DEPTH + 1))
    with pytest.raises(FqlError):
        parse(opening * (FQL_BYTES // len(opening)))


def test_a_condition_may_be_so_long_and_no_longer() -> None:
    assert len(parse(f"a = '{'x' * (FQL_BYTES - 6)}'").right.value) == FQL_BYTES - 6  # type: ignore[union-attr]
    with pytest.raises(FqlError, match=r"expected at most 5,120 bytes, got 5,121"):
        parse(f"a = '{'x' * (FQL_BYTES - 5)}'")
    with pytest.raises(FqlError, match="got 5,121"):
        parse("a = '" + "ア" * ((FQL_BYTES - 6) // 3) + "xxx'")


def test_a_chain_as_long_as_a_condition_may_be_is_read_quickly_and_flat() -> None:
    tree = parse(" or ".join(["a=1"] * 700))
    assert isinstance(tree, Or)
    assert len(tree.terms) == 700


def test_a_number_with_more_digits_than_python_reads_is_a_number() -> None:
    assert Number("1" * 5000).value == float("inf")
    assert Number("-12").value == -12


@pytest.mark.parametrize(
    ("path", "keys"),
    [
        ("userId", ("userId",)),
        ("a.b.c", ("a", "b", "c")),
        (r"a\.b.c", ("a.b", "c")),
        ("a b.c", ("a b", "c")),
        ("a\\", ("a\\",)),
        ("a..b", ("a", "", "b")),
    ],
)
def test_a_dotted_path_is_taken_apart(path: str, keys: tuple[str, ...]) -> None:
    assert keys_of(path) == keys


# -- trees, drawn at random --

# On a machine that does other things too, drawing trees takes its time, and so does reading the grammar the first time.
patiently = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

keys = st.text(min_size=1, max_size=6) | st.sampled_from(
    ["and", "or", "in", "null", "true", "false", "a b", "a.b", "-", "9"]
)
numbers = st.builds(
    lambda sign, whole, rest: Number(sign + whole + rest),
    st.sampled_from(["", "+", "-"]),
    st.from_regex(r"\A[0-9]{1,20}\Z"),
    st.from_regex(r"\A(\.[0-9]{1,9})?\Z"),
)
strings = st.text(max_size=10).filter(lambda text: not ("'" in text and '"' in text)).map(String)
leaves = (
    st.lists(keys, min_size=1, max_size=3).map(lambda each: Path(tuple(each)))
    | strings
    | numbers
    | st.sampled_from([None, True, False]).map(Constant)
)


def calls(arguments: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    def call(name: str) -> st.SearchStrategy[Expression]:
        return st.tuples(*[arguments] * FUNCTIONS[name]).map(lambda given: Call(name, given))

    return st.sampled_from(sorted(FUNCTIONS)).flatmap(call)


operands = st.recursive(
    leaves, lambda inner: calls(inner) | st.lists(inner, max_size=3).map(lambda each: List(tuple(each))), max_leaves=4
)
clauses = (
    operands
    | st.builds(Compared, st.sampled_from(get_args(Operator)), operands, operands)
    | st.builds(Membership, operands, operands)
)
expressions = st.recursive(
    clauses,
    lambda inner: (
        inner.map(Not)
        | st.lists(inner, min_size=2, max_size=3).map(lambda each: And(tuple(each)))
        | st.lists(inner, min_size=2, max_size=3).map(lambda each: Or(tuple(each)))
    ),
    max_leaves=6,
)


@patiently
@given(expressions)
def test_a_tree_that_is_printed_is_read_as_the_same_tree(tree: Expression) -> None:
    assert parse(str(tree)) == tree


@patiently
@given(st.text("ab.'\"()[]!=<> ,\\\n0-andor", max_size=40))
def test_any_text_is_a_condition_or_told_to_be_none(text: str) -> None:
    try:
        tree, position = parse(text), 0
    except FqlError as error:
        tree, position = None, error.position
    assert 0 <= position <= len(text)
    assert tree is None or parse(str(tree)) == tree
