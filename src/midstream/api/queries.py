"""Reads query strings as Segment's clients write them: `pagination[count]=10`, `groupBy[0]=a`, `filter[x].0=b`.

Enters: the raw query. Leaves: a mapping of names to a string, a list of strings, or a mapping of these. FastAPI's own
reader knows none of these forms.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from midstream.errors import RequestError

Query = Mapping[str, Any]

_MOST = 1000  # parameters


def read(raw: str) -> Query:
    """Read a query string. Brackets and dots are the same; empty values count as not given."""
    try:
        pairs = parse_qsl(raw, keep_blank_values=False, strict_parsing=False, max_num_fields=_MOST, errors="strict")
    except ValueError:
        raise RequestError(422, "input-validation", f"the query is not UTF-8, or has over {_MOST} parameters") from None
    if any("\0" in value for _, value in pairs):
        raise RequestError(
            422, "input-validation", "the query holds a NUL character"
        )  # which PostgreSQL cannot compare
    found: dict[str, Any] = {}
    for name, value in pairs:
        path = [part for part in re.split(r"\[|\]\[|\]|\.", name) if part] or [name]
        _put(found, path, value, listed=name.endswith("[]"))
    return found


def _put(found: dict[str, Any], path: list[str], value: str, *, listed: bool) -> None:
    *outer, last = path
    if last.isdecimal() and outer:
        *outer, last = outer
        listed = True
    at: Any = found
    for part in outer:
        inner = at.setdefault(part, {})
        if not isinstance(inner, dict):
            raise RequestError(422, "input-validation", f"{part!r} is given as a value and as an object", part)
        at = inner
    before = at.get(last)
    if isinstance(before, dict):
        raise RequestError(422, "input-validation", f"{last!r} is given as a value and as an object", last)
    if isinstance(before, list):
        before.append(value)
    elif before is not None:
        at[last] = [before, value]
    else:
        at[last] = [value] if listed else value


def text(query: Query, name: str) -> str | None:
    """Return one value; 422 when there are several."""
    match query.get(name):
        case None:
            return None
        case str() as value:
            return value
        case [str() as value]:
            return value
        case _:
            raise RequestError(422, "input-validation", f"expected one value of {name}", name)


def required(query: Query, name: str) -> str:
    """Return one value; 422 when there is none."""
    value = text(query, name)
    if value is None:
        raise RequestError(422, "input-validation", f"the query parameter {name} is missing", name)
    return value


def texts(query: Query, name: str) -> list[str]:
    """Return the values of a list, however it is written; Segment's pages call it comma-delimited."""
    match query.get(name):
        case None:
            return []
        case str() as value:
            return [part for part in value.split(",") if part]
        case list() as values:
            return [str(value) for value in values]
        case _:
            raise RequestError(422, "input-validation", f"expected a list of {name}", name)


def required_texts(query: Query, name: str) -> list[str]:
    """Return the values of a list; 422 when there are none."""
    values = texts(query, name)
    if not values:
        raise RequestError(422, "input-validation", f"the query parameter {name} is missing", name)
    return values


def moment(query: Query, name: str) -> datetime | None:
    """Return a time; 422 for what is none. Without a zone it is UTC."""
    value = text(query, name)
    if value is None:
        return None
    try:
        found = datetime.fromisoformat(value)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise RequestError(
            422, "input-validation", "expected a time in ISO 8601, such as 2026-01-31T08:00:00Z", name
        ) from None


def inner(query: Query, name: str) -> Query:
    """Return the members of an object; none when it is not given."""
    match query.get(name):
        case dict() as members:
            return members
        case None:
            return {}
        case _:
            raise RequestError(422, "input-validation", f"expected {name}[…]", name)
