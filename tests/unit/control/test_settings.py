from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from midstream.control.settings import check_json, from_environment, is_literal
from midstream.errors import Invalid


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
