from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from midstream.control.settings import Definition, check_json, check_values, from_environment, is_literal
from midstream.errors import Invalid

SCHEMA = (
    Definition("salt", "Salt", "", "STRING", required=True, sensitive=True),
    Definition("dryRun", "Dry run", "", "BOOLEAN", required=False, sensitive=False),
    Definition("fields", "Fields", "", "ARRAY", required=False, sensitive=False),
    Definition("renames", "Renames", "", "TEXT_MAP", required=False, sensitive=False),
)


def test_values_of_the_right_types_pass() -> None:
    check_values(SCHEMA, {"salt": "x", "dryRun": False, "fields": ["email"], "renames": {"a": "b"}})
    check_values(SCHEMA, {"salt": "x"})


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "setting 'salt' is required: give it a value"),
        ({"salt": ""}, "setting 'salt' is required: give it a value"),
        ({"salt": "x", "dryrun": True}, "unknown setting 'dryrun'; did you mean 'dryRun'?"),
        ({"salt": "x", "zzz": True}, "unknown setting 'zzz'; known: dryRun, fields, renames, salt"),
        ({"salt": 12345}, "setting 'salt': expected a string, got a number"),
        ({"salt": "x", "dryRun": "true"}, "setting 'dryRun': expected true or false, got a string"),
        ({"salt": "x", "fields": ["a", 1]}, "setting 'fields': expected an array of strings, got an array"),
        ({"salt": "x", "renames": {"a": 1}}, "setting 'renames': expected a table of strings, got a table"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_by_name_and_not_repeated(values: dict[str, Any], said: str) -> None:
    with pytest.raises(Invalid) as caught:
        check_values(SCHEMA, values)
    assert str(caught.value) == said


@pytest.mark.parametrize("value", [date(2026, 1, 1), float("nan"), [float("inf")]])
def test_what_json_cannot_say_is_refused(value: Any) -> None:
    with pytest.raises(Invalid, match="setting 'x': dates, inf and nan cannot be kept"):
        check_json({"x": value})


def test_environment_variables_are_read_wherever_they_stand() -> None:
    value = {"Authorization": {"env": "TOKEN"}, "X-Plain": "plain", "list": [{"env": "TOKEN"}]}
    read = from_environment(value, {"TOKEN": "s3cret"})
    assert read == {"Authorization": "s3cret", "X-Plain": "plain", "list": ["s3cret"]}


@pytest.mark.parametrize("environ", [{}, {"TOKEN": ""}])
def test_a_variable_that_is_not_set_is_named(environ: dict[str, str]) -> None:
    with pytest.raises(Invalid, match="the environment variable TOKEN is not set"):
        from_environment({"env": "TOKEN"}, environ)


def test_secrets_in_the_clear_are_told_from_references() -> None:
    assert is_literal("s3cret")
    assert is_literal({"Authorization": "s3cret"})
    assert not is_literal({"env": "TOKEN"})
    assert not is_literal({"Authorization": {"env": "TOKEN"}})
    assert not is_literal("")
