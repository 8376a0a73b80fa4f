"""What a schema of settings allows."""

from __future__ import annotations

from typing import Any

import pytest

from midstream.domain.settings import Definition, check_values
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
