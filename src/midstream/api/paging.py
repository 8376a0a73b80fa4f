"""Pages of lists: Segment's `pagination`, with opaque cursors that know which list they are of."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Generic, TypeVar

import msgspec
from pydantic import BaseModel, Field

from midstream.api import queries
from midstream.control.parts import Part
from midstream.errors import RequestError

T = TypeVar("T")

_USUAL, _MOST = 200, 1000  # segment.md §7.1

PARAMETERS = [
    {
        "name": "pagination",
        "in": "query",
        "style": "deepObject",
        "explode": True,
        "schema": {
            "type": "object",
            "properties": {
                "count": {"type": "integer", "minimum": 1, "maximum": _MOST, "default": _USUAL},
                "cursor": {"type": "string"},
            },
        },
    }
]


class Pagination(BaseModel):
    """Where a page is, and how to get the ones beside it."""

    current: str
    next: str | None = None
    previous: str | None = None
    totalEntries: Annotated[int | None, Field(exclude_if=lambda total: total is None)] = None


class _Cursor(msgspec.Struct, array_like=True):
    list: str
    place: int


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some of a list."""

    items: Sequence[T]
    pagination: Pagination


def asked(query: queries.Query, name: str) -> tuple[int, int]:
    """Return how many items are asked for, and the place the page begins at. `name` says which list it is of."""
    pagination = queries.inner(query, "pagination") if isinstance(query.get("pagination"), dict) else {}
    count = _count(queries.text(pagination, "count"))
    cursor = queries.text(pagination, "cursor")
    return count, 0 if cursor is None else place_of(cursor, name)


def page_of(items: Sequence[T], query: queries.Query, name: str) -> Page[T]:
    """Cut the page that is asked for out of a whole list."""
    count, start = asked(query, name)
    return Page(items[start : start + count], pagination_of(name, start, count, len(items)))


async def paged(read: Callable[[slice], Awaitable[Part[T]]], query: queries.Query, name: str) -> Page[T]:
    """Read the page that is asked for of a list in the database."""
    try:
        count, start = asked(query, name)
    except RequestError:
        await read(slice(0))  # whoever may not read the list is told that, and not what is wrong with the page
        raise
    items = await read(slice(start, start + count))
    return Page(items, pagination_of(name, start, count, items.total))


def pagination_of(name: str, start: int, count: int, total: int) -> Pagination:
    """Say where a page of `count` items that begins at the place `start` is among all of its list."""
    end = start + count
    return Pagination(
        current=cursor_of(name, start),
        next=cursor_of(name, end) if end < total else None,
        previous=cursor_of(name, max(0, start - count)) if start else None,
        totalEntries=total,
    )


def cursor_of(name: str, place: int) -> str:
    """Return the cursor of a place in a list."""
    return base64.urlsafe_b64encode(msgspec.json.encode(_Cursor(name, place))).decode().rstrip("=")


def place_of(cursor: str, name: str) -> int:
    """Return the place a cursor stands for; 422 when it is of another list, or none of ours."""
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        found = msgspec.json.decode(text, type=_Cursor)
    except (binascii.Error, ValueError, msgspec.DecodeError):
        raise _refused("it is not a cursor of ours: take `next` or `previous` of an answer as it is") from None
    if found.list != name:
        raise _refused(f"it is a cursor of another list, {found.list}")
    if not 0 <= found.place < 2**63:
        raise _refused("it points nowhere")
    return found.place


def _count(text: str | None) -> int:
    if text is None:
        return _USUAL
    try:
        count = int(float(text))  # one of Segment's clients writes it as a float
    except (ValueError, OverflowError):
        count = 0
    if not 1 <= count <= _MOST:
        raise RequestError(422, "input-validation", f"expected a count of 1 to {_MOST}", "pagination.count")
    return count


def _refused(why: str) -> RequestError:
    return RequestError(422, "input-validation", f"the cursor cannot be used: {why}", "pagination.cursor")
