"""What people write by hand: JSON and tables, in which a fault is told with its place and the name that was meant.

Enters: text, or a value read from it. Leaves: the value, or `Invalid`; pydantic models of `Section` refuse unknown keys.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from midstream.errors import Invalid


class Section(BaseModel):
    """A table or object that a person wrote. An unknown key is an error that names the nearest one there is."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, table: Any) -> Any:
        known = {field.alias or name for name, field in cls.model_fields.items()}
        for key in sorted(table.keys() - known) if isinstance(table, dict) else ():
            raise PydanticCustomError(
                "unknown_key", "unknown key {key}{hint}", {"key": repr(key), "hint": nearest(key, known)}
            )
        return table


def faults_of(error: ValidationError, root: str = "") -> Iterator[str]:
    """Say what is wrong, each fault with the path to it: `functions[0].settings: input should be …`.

    `root` is where the paths begin, such as the name of the table that was read.
    """
    for fault in error.errors():
        path = (root + _path(fault)).lstrip(".")
        yield f"{path}: {_said(fault)}" if path else _said(fault)


def _path(fault: ErrorDetails) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in fault["loc"])


def _said(fault: ErrorDetails) -> str:
    message = fault["msg"]
    return "this key is missing" if fault["type"] == "missing" else message[0].lower() + message[1:]


def nearest(name: str, known: Iterable[str]) -> str:
    """Say which of the known names was probably meant, as the end of a sentence."""
    names = sorted(known)
    match get_close_matches(name, names, n=1):
        case [close]:
            return f"; did you mean {close!r}?"
        case _:
            return f"; known: {', '.join(names)}" if names else "; there are none"


def decoded(text: str) -> Any:
    """Read JSON, and only JSON: Python would take NaN too. Raises ValueError, which `not_json` puts into words."""
    try:
        return json.loads(text, parse_constant=_refused)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _refused(constant: str) -> None:
    # midstream would refuse the whole batch for it.
    raise ValueError(f"{constant} is not a JSON value")


def not_json(error: ValueError, where: str, line: int | None = None) -> Invalid:
    """Say where a text stops being JSON. `line` is the number of the text's line in its file, if it is but one."""
    place = f"line {line}, " if line else ""
    if isinstance(error, json.JSONDecodeError):
        place = f"line {line or error.lineno}, column {error.colno}, "
        return Invalid(f"{place}is not valid JSON: {error.msg}", where)
    return Invalid(f"{place}is not valid JSON: {error}", where)
