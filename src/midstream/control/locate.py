"""Finds what a use case is about, in the caller's workspace only, and what a permission on it is asked on."""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from midstream.domain.access import WORKSPACE, Subject
from midstream.errors import RequestError
from midstream.store.people import GroupRow, InviteRow, MemberRow, TokenRow, UserRow
from midstream.store.schema import DestinationRow, FilterRow, FunctionRow, InstanceRow, SourceRow, Table, VersionRow

Row = TypeVar("Row", bound=Table)

# What a thing is called, in a message and in the audit trail; and the prefix of its ids, without which they are taken too:
# Segment's clients send a function's id bare (segment.md §7.3).
KINDS: dict[type[Table], tuple[str, str]] = {
    SourceRow: ("source", "src_"),
    DestinationRow: ("destination", "dst_"),
    FilterRow: ("destination filter", "flt_"),
    FunctionRow: ("function", "ifnd_"),
    VersionRow: ("function version", "ver_"),
    InstanceRow: ("insert function instance", "ifi_"),
    UserRow: ("user", "usr_"),
    GroupRow: ("user group", "grp_"),
    InviteRow: ("invite", "inv_"),
    TokenRow: ("token", "tok_"),
}


async def locate(session: AsyncSession, table: type[Row], key: str, workspace_id: str) -> tuple[Row, Subject]:
    """Return the row and what a permission on it is asked on; 404 when there is none in this workspace."""
    name, prefix = KINDS[table]
    # PostgreSQL cannot even compare with a NUL character.
    row = None if "\0" in key else await session.get(table, key) or await session.get(table, prefix + key)
    home, subject = await _home(session, row, workspace_id)
    if row is None or home != workspace_id:
        raise RequestError(404, "not-found", f"there is no {name} with the id {key!r}")
    return row, subject


async def _home(  # noqa: PLR0911 # one return a table
    session: AsyncSession, row: Any, workspace_id: str
) -> tuple[str | None, Subject]:
    """Return the workspace a row is in, and its subject."""
    match row:
        case SourceRow():
            return row.workspace_id, Subject(source_id=row.id)
        case DestinationRow():
            return row.workspace_id, Subject(source_id=row.source_id)
        case FilterRow():
            destination = await session.get_one(DestinationRow, row.destination_id)
            return destination.workspace_id, Subject(source_id=destination.source_id)
        case FunctionRow():
            return row.workspace_id, Subject(function_id=row.id)
        case VersionRow():
            function = await session.get_one(FunctionRow, row.function_id)
            return function.workspace_id, Subject(function_id=function.id)
        case InstanceRow():
            destination = await session.get_one(DestinationRow, row.destination_id)
            return destination.workspace_id, Subject(function_id=row.function_id, source_id=destination.source_id)
        case UserRow():
            query = select(MemberRow.workspace_id).where(
                MemberRow.user_id == row.id, MemberRow.workspace_id == workspace_id
            )
            return await session.scalar(query), WORKSPACE
        case GroupRow() | InviteRow() | TokenRow():
            return row.workspace_id, WORKSPACE
        case _:
            return None, WORKSPACE


def etag(row: Table) -> str:
    """Return the entity tag of what a row says now."""
    return tag_of(getattr(row, "updated_at", None) or getattr(row, "created_at"))  # noqa: B009 # not all have both


def tag_of(changed: datetime) -> str:
    """Return the entity tag of what last changed then: its time to the microsecond."""
    return f'"{int(changed.timestamp() * 1_000_000):x}"'
