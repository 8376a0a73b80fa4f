"""Small steps that many use cases take: setting what differs, and names people can read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from midstream.errors import Invalid, RequestError
from midstream.store.schema import Table

MAX_NAME = 120  # characters of a display name, contract §1


def assign(row: Table, **values: Any) -> tuple[str, ...]:
    """Set the columns that are given (not None) and differ; return their names."""
    changed = tuple(name for name, value in values.items() if value is not None and getattr(row, name) != value)
    for name in changed:
        setattr(row, name, values[name])
    return changed


def check_name(name: str, where: str = "name") -> None:
    """Refuse a display name that is empty, too long, or could not be shown on one line."""
    if not name.strip() or len(name) > MAX_NAME or not name.isprintable():
        raise Invalid(f"expected a name of 1 to {MAX_NAME} printable characters, got {len(name)} characters", where)


@contextmanager
def at(where: str) -> Iterator[None]:
    """Say where in a folder or a body a fault is, unless it says so itself."""
    try:
        yield
    except Invalid as fault:
        if fault.where is not None and fault.where.startswith(where):
            raise
        raise Invalid(fault.detail, f"{where}.{fault.where}" if fault.where else where) from None


async def check_slug(
    session: AsyncSession, column: InstrumentedAttribute[str], slug: str, where: ColumnElement[bool], what: str
) -> None:
    """Refuse a slug that another of its kind has."""
    if await session.scalar(select(column).where(column == slug, where).limit(1)):
        raise RequestError(409, "conflict", f"there is a {what} {slug!r} already", "slug")
