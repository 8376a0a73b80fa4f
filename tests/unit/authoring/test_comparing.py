"""What counts as expected, and how a difference is shown."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midstream.authoring.comparing import MISSING, aligned, diff, differences


@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        ({"a": 1, "b": [True, None]}, {"b": [True, None], "a": 1}),
        (1, 1.0),
        ("$any", {"whatever": "there is"}),
        ({"a": ["$any", 2]}, {"a": [None, 2]}),
    ],
)
def test_what_is_equal_as_json_or_anything_at_all_holds(expected: Any, actual: Any) -> None:
    assert list(differences(expected, actual)) == []
    assert aligned(expected, actual) == expected


@pytest.mark.parametrize(
    ("expected", "actual", "where"),
    [
        (1, True, [("", 1, True)]),
        (0, False, [("", 0, False)]),
        ("1", 1, [("", "1", 1)]),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, [("a.b", 1, 2)]),
        ({"a": "$any"}, {}, [("a", "$any", MISSING)]),
        ({}, {"a": None}, [("a", MISSING, None)]),
        ({"a": [1, 2]}, {"a": [1]}, [("a[1]", 2, MISSING)]),
        ([{"a": 1}], [{"a": 1}, {}], [("[1]", MISSING, {})]),
        ({"a": {}}, {"a": []}, [("a", {}, [])]),
    ],
)
def test_a_difference_is_told_with_its_path(expected: Any, actual: Any, where: list[Any]) -> None:
    assert list(differences(expected, actual)) == where


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


@given(JSON, JSON)
def test_a_value_is_like_itself_and_what_is_aligned_differs_where_the_value_did(one: Any, other: Any) -> None:
    assert list(differences(one, one)) == []
    assert aligned(one, one) == one
    told = [each.path for each in differences(one, other)]
    assert [each.path for each in differences(one, aligned(one, other))] == told
    assert bool(told) or not diff(one, other)


def test_a_diff_marks_only_what_is_not_as_expected() -> None:
    expected = {"event": {"id": "$any", "total": 5}, "logs": ["one"]}
    actual = {"logs": ["one", "two"], "event": {"total": 6.5, "id": "m-1"}}
    marked = [line for line in diff(expected, actual) if line[0] in "+-"]
    assert marked == ['-     "total": 5', '+     "total": 6.5', '-     "one"', '+     "one",', '+     "two"']


def test_a_long_diff_shows_only_the_surroundings() -> None:
    expected = {f"k{number:02}": number for number in range(50)}
    lines = diff(expected, expected | {"k25": "changed"})
    assert len(lines) == 9
    assert lines[0] == "  …"


def test_what_is_alike_has_no_diff() -> None:
    assert diff({"a": "$any"}, {"a": 1}) == []
