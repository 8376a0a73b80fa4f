"""What every use case is made of: a step on an open transaction, and that step in a transaction of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy.ext.asyncio import AsyncSession

from midstream.errors import Invalid, RequestError
from midstream.store.schema import Table
from midstream.store.session import Sessions, changing

P = ParamSpec("P")
T = TypeVar("T")
Row = TypeVar("Row", bound=Table)

MAX_NAME = 120  # characters of a display name, contract §1


def alone(
    step: Callable[Concatenate[AsyncSession, P], Awaitable[T]],
) -> Callable[Concatenate[Sessions, P], Coroutine[Any, Any, T]]:
    """Turn a step into a use case: it takes the session factory instead, commits, and counts the revision up."""

    @wraps(step)
    async def use_case(sessions: Sessions, /, *args: P.args, **kwargs: P.kwargs) -> T:
        async with changing(sessions) as session:
            return await step(session, *args, **kwargs)

    return use_case


async def get(session: AsyncSession, table: type[Row], key: str) -> Row:
    """Fetch a row by id; a 404 when there is none."""
    row = await session.get(table, key)
    if row is None:
        raise RequestError(404, "not_found", f"no {table.__tablename__} with id {key}")
    return row


def assign(row: Table, **values: Any) -> tuple[str, ...]:
    """Set the columns that are given (not None) and differ; return their names."""
    changed = tuple(name for name, value in values.items() if value is not None and getattr(row, name) != value)
    for name in changed:
        setattr(row, name, values[name])
    return changed


def check_name(name: str, where: str | None = None) -> None:
    """Refuse a display name that is empty, too long, or could not be shown on one line."""
    if not name.strip() or len(name) > MAX_NAME or not name.isprintable():
        raise Invalid(f"expected a name of 1 to {MAX_NAME} printable characters, got {len(name)} characters", where)
