from __future__ import annotations

from typing import Any

import pytest

from midstream.domain.filters import FilterSection, Rule, actions_as_written, actions_of, held
from midstream.errors import Invalid

DROP = {"type": "DROP"}
ALL_FOUR = [
    {"type": "DROP"},
    {"type": "SAMPLE", "percent": 0.05, "path": "userId"},
    {"type": "DROP_PROPERTIES", "fields": {"": ["userId"], "context": ["ip"], "properties.products": ["price"]}},
    {"type": "ALLOW_PROPERTIES", "fields": {"properties": ["plan"]}},
]


def test_actions_have_the_shape_of_segments_api() -> None:
    rule = held(Rule, {"if": "all", "actions": ALL_FOUR})
    written = actions_as_written(rule.actions)
    assert written == ALL_FOUR
    assert actions_of(written) == rule.actions


def test_a_null_is_a_field_that_is_not_there() -> None:
    action = {"type": "SAMPLE", "percent": 1, "path": None, "fields": None}
    assert actions_as_written(held(Rule, {"if": "all", "actions": [action]}).actions) == [
        {"type": "SAMPLE", "percent": 1}
    ]


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (
            {"if": "a<5", "actions": [DROP]},
            "if: a field cannot be followed by '<': a space belongs between them, at character 2",
        ),
        (
            {"if": "a = '" + "x" * 5120 + "'", "actions": [DROP]},
            "if: expected at most 5,120 bytes, got 5,126, at character 1",
        ),
        ({"iff": "all", "actions": [DROP]}, "unknown key 'iff'; did you mean 'if'?"),
        ({"actions": [DROP]}, "if: this key is missing"),
        ({"if": "all", "actions": []}, "actions: expected one action at least"),
        (
            {"if": "all", "actions": [{"type": "drop"}]},
            "actions[0]: input tag 'drop' found using 'type' does not match any of the expected tags: "
            "'DROP', 'SAMPLE', 'DROP_PROPERTIES', 'ALLOW_PROPERTIES'",
        ),
        (
            {"if": "all", "actions": [{"type": "SAMPLE", "percent": 5}]},
            "actions[0].SAMPLE.percent: input should be less than or equal to 1",
        ),
        (
            {"if": "all", "actions": [{"type": "SAMPLE", "percent": -0.1}]},
            "actions[0].SAMPLE.percent: input should be greater than or equal to 0",
        ),
        (
            {"if": "all", "actions": [{"type": "SAMPLE", "percent": "0.5"}]},
            "actions[0].SAMPLE.percent: input should be a valid number",
        ),
        ({"if": "all", "actions": [DROP, {"type": "SAMPLE"}]}, "actions[1].SAMPLE.percent: this key is missing"),
        (
            {"if": "all", "actions": [{"type": "DROP", "fields": {"a": ["b"]}}]},
            "actions[0].DROP: unknown key 'fields'; known: type",
        ),
        (
            {"if": "all", "actions": [{"type": "ALLOW_PROPERTIES", "fields": {}}]},
            "actions[0].ALLOW_PROPERTIES.fields: dictionary should have at least 1 item after validation, not 0",
        ),
    ],
)
def test_what_does_not_hold_is_told_with_its_place(written: dict[str, Any], message: str) -> None:
    with pytest.raises(Invalid) as caught:
        held(Rule, written)
    assert str(caught.value) == message


@pytest.mark.parametrize(("title", "count"), [("", 0), ("  ", 2), ("x" * 65, 65), ("two\nlines", 9)])
def test_a_title_is_short_and_can_be_shown(title: str, count: int) -> None:
    with pytest.raises(Invalid, match=f"title: expected a title of 1 to 64 printable characters, got {count}"):
        held(FilterSection, {"if": "all", "actions": [DROP], "title": title})
    held(FilterSection, {"if": "all", "actions": [DROP], "title": "ü" * 64})


def test_a_filter_has_so_many_actions_and_paths() -> None:
    drop = {"type": "DROP_PROPERTIES", "fields": {f"p{number}": ["x"] for number in range(50)}}
    assert held(Rule, {"if": "all", "actions": [drop, drop]})
    for actions, said in (
        ([drop] * 3, "actions: expected at most 100 paths, got 150"),
        ([{"type": "SAMPLE", "percent": 0.5}] * 101, "actions: expected at most 100 actions, got 101"),
    ):
        with pytest.raises(Invalid, match=said):
            held(Rule, {"if": "all", "actions": actions})
