from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from midstream.cli import app


def check(*arguments: str, stdin: str | None = None) -> Any:
    return CliRunner().invoke(app, ["filters", "check", *arguments], input=stdin)


@pytest.fixture
def event(tmp_path: Path) -> str:
    path = tmp_path / "event.json"
    path.write_text('{"type": "track", "properties": {"total": 19.5}}', "utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("condition", "code", "answer"),
    [
        ("type = 'track' and properties.total > 19", 0, {"matches": True, "error": None}),
        ("all", 0, {"matches": True, "error": None}),
        ("type = 'page'", 1, {"matches": False, "error": None}),
        (
            "length(properties.total) = 1",
            1,
            {"matches": False, "error": {"message": "length takes a list or a string, got number", "position": None}},
        ),
        (
            "type == 'track'",
            3,
            {
                "matches": False,
                "error": {"message": "expected a field or a value, got '=': equal is a single '='", "position": 6},
            },
        ),
    ],
)
def test_a_condition_is_asked_about_an_event(event: str, condition: str, code: int, answer: Any) -> None:
    found = check(condition, "--event", event, "--json")
    assert (found.exit_code, json.loads(found.stdout)) == (code, answer)


@pytest.mark.parametrize(
    ("condition", "code", "words"),
    [
        ("type = 'track'", 0, "It holds for this event.\n"),
        ("type = 'page'", 1, "It does not hold for this event.\n"),
        (
            "number(type) = 1",
            1,
            "It has no answer for this event, which would be dropped: number cannot read this string as one.\n",
        ),
    ],
)
def test_a_person_gets_a_sentence(event: str, condition: str, code: int, words: str) -> None:
    found = check(condition, "--event", event)
    assert (found.exit_code, found.stdout) == (code, words)


def test_without_an_event_only_the_condition_is_checked() -> None:
    assert (check("a = 1").exit_code, check("a = 1").stdout) == (0, "This is FQL.\n")
    found = check("a = 1", "--json")
    assert (found.exit_code, json.loads(found.stdout)) == (0, {"matches": None, "error": None})


def test_a_condition_of_one_word_is_fql_but_warned_of(event: str) -> None:
    found = check("al", "--event", event)
    assert (found.exit_code, found.stdout) == (1, "It does not hold for this event.\n")
    assert found.stderr.startswith("warning: 'al' alone holds only where a field of this name is true")
    assert check("al", "--json").stderr == found.stderr
    assert check("all").stderr == ""


def test_the_place_that_is_no_fql_is_pointed_at() -> None:
    found = check("type = 'track'\n  and total<5")
    assert (found.exit_code, found.stdout) == (3, "")
    assert found.stderr.splitlines() == [
        "    and total<5",
        "             ^",
        "a field cannot be followed by '<': a space belongs between them.",
    ]


def test_an_event_comes_from_stdin_too() -> None:
    assert check("a = 1", "--event", "-", stdin='{"a": 1}').exit_code == 0


@pytest.mark.parametrize("content", ["[1]", "{", ""])
def test_an_event_that_cannot_be_read_is_no_answer(content: str) -> None:
    assert check("a = 1", "--event", "-", stdin=content).exit_code == 2
    assert check("a = 1", "--event", "/no/such/file").exit_code == 2
