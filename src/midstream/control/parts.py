"""Parts of lists: the database cuts them, so that a page loads what it shows, and says how much there is in all."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Select, func, true
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

T = TypeVar("T")
Other = TypeVar("Other")

ALL = slice(None)


class Part(list[T]):
    """Some of a list, in its order; `total` says how many there are in all of it."""

    def __init__(self, items: Iterable[T], total: int) -> None:
        super().__init__(items)
        self.total = total

    def of(self, views: Iterable[Other]) -> Part[Other]:
        """Return the same part, of what is shown for its items."""
        return Part(views, self.total)


async def part(session: AsyncSession, query: Select[T], place: slice) -> Part[T]:
    """Return the part of what a query finds that a slice would, which begins and ends where it says."""
    counting: Select[Any] = query.with_only_columns(func.count(), maintain_column_froms=True).order_by(None)
    found = await session.scalars(query.slice(place.start, place.stop))
    return Part(found, await session.scalar(counting) or 0)


def among(column: InstrumentedAttribute[str], ids: frozenset[str] | None) -> ColumnElement[bool]:
    """Return the condition that it is one of these; None means any."""
    return true() if ids is None else column.in_(ids)
