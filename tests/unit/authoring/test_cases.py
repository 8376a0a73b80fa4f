"""What a case's file may hold, and what is told of one that does not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from midstream.authoring.cases import case_of, read_case, record
from midstream.errors import Invalid

EVENT = {"type": "track", "event": "x"}


def test_a_case_has_one_event_or_several() -> None:
    one = case_of({"event": EVENT, "expected": {"outcome": "returned"}}, "c.json")
    assert (one.given, one.expectations) == ([EVENT], [{"outcome": "returned"}])
    many = case_of({"events": [EVENT, EVENT], "expected": [{}, {"event": "$any"}]}, "c.json")
    assert (many.given, many.expectations) == ([EVENT, EVENT], [{}, {"event": "$any"}])
    assert case_of({"event": EVENT}, "c.json").expectations is None


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([], "c.json: expected a JSON object"),
        ({}, "c.json: a case has either an event or events"),
        ({"event": EVENT, "events": [EVENT]}, "c.json: a case has either an event or events"),
        ({"events": []}, "c.json: events is empty; give at least one"),
        ({"event": 5}, "c.json: event: input should be a valid dictionary"),
        ({"event": EVENT, "expect": {}}, "c.json: unknown key 'expect'; did you mean 'expected'?"),
        ({"event": EVENT, "fetch": [{"uri": "*"}]}, "c.json: fetch[0]: unknown key 'uri'; did you mean 'url'?"),
        ({"event": EVENT, "expected": []}, "c.json: expected must be an object"),
        (
            {"event": EVENT, "expected": {"outcom": 1}},
            "c.json: expected: unknown key 'outcom'; did you mean 'outcome'?",
        ),
        (
            {"event": EVENT, "expected": {"outcome": "return"}},
            "c.json: expected.outcome: unknown outcome 'return'; did you mean 'returned'?",
        ),
        (
            {"event": EVENT, "expected": {"error": {"nameX": "x"}}},
            "c.json: expected.error: unknown key 'nameX'; did you mean 'name'?",
        ),
        ({"event": EVENT, "expected": {"error": "x"}}, "c.json: expected.error must be an object"),
        ({"event": EVENT, "expected": {"logs": "x"}}, "c.json: expected.logs must be a list"),
        ({"event": EVENT, "expected": {"logs": [1]}}, "c.json: expected.logs[0] must be a string or an object"),
        ({"event": EVENT, "expected": {"requests": ["x"]}}, "c.json: expected.requests[0] must be an object"),
        (
            {"event": EVENT, "expected": {"requests": [{"URL": "x"}]}},
            "c.json: expected.requests[0]: unknown key 'URL'; known: body, method, url",
        ),
        (
            {"events": [EVENT, EVENT], "expected": [{}]},
            "c.json: expected must be a list of 2 objects, one for each of the events",
        ),
        ({"events": [EVENT], "expected": [{"event": {}}, 5]}, "c.json: expected must be a list of 1 objects"),
    ],
)
def test_a_faulty_case_is_told_by_its_key(content: Any, said: str) -> None:
    with pytest.raises(Invalid) as caught:
        case_of(content, "c.json")
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{\n  "event": {},\n}', "line 3, column 1, is not valid JSON: Expecting property name"),
        (b'{"event": {"x": NaN}}', "is not valid JSON: NaN is not a JSON value"),
        (b"\xff", "is not UTF-8 text (at byte 0)"),
    ],
)
def test_a_file_that_is_not_json_is_told_with_line_and_column(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "c.json"
    path.write_bytes(content)
    with pytest.raises(Invalid) as caught:
        read_case(path)
    assert str(caught.value).startswith(f"{path}: {said}")


def test_what_is_recorded_is_sorted_and_leaves_the_rest_of_the_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    path.write_text('{"fetch": [], "event": {"type": "track", "event": "Grüße"}, "description": "d"}')
    record(path, {"outcome": "returned", "event": {"b": 1, "a": [{"d": 1, "c": 2}]}})
    text = path.read_text()
    assert list(json.loads(text)) == ["fetch", "event", "description", "expected"]
    assert "Grüße" in text
    assert text.endswith('"outcome": "returned"\n  }\n}\n')
    assert list(json.loads(text)["expected"]["event"]["a"][0]) == ["c", "d"]
    record(path, json.loads(text)["expected"])
    assert path.read_text() == text
