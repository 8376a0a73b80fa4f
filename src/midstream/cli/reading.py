"""Reads what a person hands to a command: text, a JSON object, or events as JSON or NDJSON; from a file, or - for stdin.

Leaves: the values, or `Invalid` with the file, and the line and column where it is not as it should be.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from midstream.errors import Invalid


def text_of(name: str) -> str:
    """Return a file's text."""
    try:
        return sys.stdin.read() if name == "-" else Path(name).read_text("utf-8-sig")
    except OSError as error:
        raise Invalid(f"cannot be read: {error.strerror}", _called(name)) from None
    except UnicodeDecodeError as error:
        raise Invalid(f"is not UTF-8 text (at byte {error.start})", _called(name)) from None


def object_of(name: str, what: str) -> dict[str, Any]:
    """Return a file's JSON object. `what` says what it should hold."""
    try:
        found = _decoded(text_of(name))
    except ValueError as error:
        raise _not_json(name, error) from None
    if not isinstance(found, dict):
        raise Invalid(f"expected a JSON object of {what}", _called(name))
    return found


def events_of(name: str) -> list[dict[str, Any]]:
    """Return a file's events: one JSON object, an array of them, or one a line."""
    text = text_of(name)
    try:
        whole = _decoded(text)
    except ValueError as error:
        values = _lines(name, text, error)
    else:
        values = whole if isinstance(whole, list) else [whole]
    for number, value in enumerate(values, 1):
        if not isinstance(value, dict):
            raise Invalid(f"event {number} is not a JSON object", _called(name))
    return values


def _lines(name: str, text: str, error: ValueError) -> list[Any]:
    values = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            values.append(_decoded(line))
        except ValueError as fault:
            # When even the first line is no value by itself, these are not lines, and the fault is where the whole has it.
            raise (_not_json(name, fault, number) if values else _not_json(name, error)) from None
    return values


def _decoded(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refused)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _refused(constant: str) -> None:
    # Python would read it; JSON has no such thing, and midstream would refuse the whole batch for it.
    raise ValueError(f"{constant} is not a JSON value")


def _not_json(name: str, error: ValueError, line: int | None = None) -> Invalid:
    where = f"line {line}, " if line else ""
    if isinstance(error, json.JSONDecodeError):
        where = f"line {line or error.lineno}, column {error.colno}, "
        return Invalid(f"{where}is not valid JSON: {error.msg}", _called(name))
    return Invalid(f"{where}is not valid JSON: {error}", _called(name))


def _called(name: str) -> str:
    return "stdin" if name == "-" else name
