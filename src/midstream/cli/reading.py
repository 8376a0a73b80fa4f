"""Reads what a person hands to a command: text, a JSON object, or events as JSON or NDJSON; from a file, or - for stdin.

Leaves: the values, or `Invalid` with the file, and the line and column where it is not as it should be.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from midstream.domain.written import decoded, not_json
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
        found = decoded(text_of(name))
    except ValueError as error:
        raise not_json(error, _called(name)) from None
    if not isinstance(found, dict):
        raise Invalid(f"expected a JSON object of {what}", _called(name))
    return found


def events_of(name: str) -> list[dict[str, Any]]:
    """Return a file's events: one JSON object, an array of them, or one a line."""
    text = text_of(name)
    try:
        whole = decoded(text)
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
            values.append(decoded(line))
        except ValueError as fault:
            # When even the first line is no value by itself, these are not lines, and the fault is where the whole has it.
            raise (not_json(fault, _called(name), number) if values else not_json(error, _called(name))) from None
    return values


def _called(name: str) -> str:
    return "stdin" if name == "-" else name
