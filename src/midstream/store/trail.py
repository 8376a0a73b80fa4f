"""The audit trail's tables: entries, each chained to the one before it, added in the transaction of what they tell.

Enters: what happened, on an open transaction. Leaves: rows; `entries` and `verify` read them again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
from sqlalchemy import BigInteger, ForeignKey, Index, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from midstream.domain.audit import GENESIS, Action, Entry, Resource, digest, first_fault
from midstream.store.ids import new_id
from midstream.store.schema import Table
from midstream.store.session import Sessions, reading, writing

_PAGE = 1000  # entries read at once


class AuditRow(Table):
    """One entry. Ids are not foreign keys: what happened outlives what it happened to."""

    __tablename__ = "audit_event"
    __table_args__ = (
        Index(None, "workspace_id", "at"),
        Index(None, "workspace_id", "resource_id"),
    )

    sequence: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    id: Mapped[str] = mapped_column(unique=True)
    workspace_id: Mapped[str] = mapped_column(ForeignKey("workspace.id"))
    at: Mapped[datetime]
    action: Mapped[str]
    actor: Mapped[str]
    actor_email: Mapped[str]
    origin: Mapped[str]
    resource_type: Mapped[str]
    resource_id: Mapped[str]
    resource_name: Mapped[str]
    changed: Mapped[list[str] | None]
    previous: Mapped[str]
    hash: Mapped[str]


class AuditHeadRow(Table):
    """One row: the number and hash of the last entry, and how far old ones were forgotten. Who adds holds its lock."""

    __tablename__ = "audit_head"

    id: Mapped[int] = mapped_column(primary_key=True)
    sequence: Mapped[int] = mapped_column(BigInteger)
    hash: Mapped[str]
    forgotten: Mapped[int] = mapped_column(BigInteger)  # the last sequence that was dropped for its age


@dataclass(frozen=True, slots=True)
class Note:
    """What happened, before it has its place in the chain."""

    action: Action
    resource: Resource
    changed: tuple[str, ...] = ()


async def lock(session: AsyncSession) -> None:
    """Take the head's row, so that this transaction is the only one to add, and on SQLite the only one to write."""
    await session.execute(update(AuditHeadRow).values(sequence=AuditHeadRow.sequence))


async def append(
    session: AsyncSession,
    notes: Sequence[Note],
    *,
    workspace_id: str,
    actor: str,
    actor_email: str,
    origin: str,
    at: datetime,
) -> None:
    """Add entries on an open transaction, which serialises with everybody else's by the head's row."""
    await session.execute(update(AuditHeadRow).values(sequence=AuditHeadRow.sequence + len(notes)))
    head = (await session.scalars(select(AuditHeadRow).execution_options(populate_existing=True))).one()
    previous, number = head.hash, head.sequence - len(notes)
    at = at.replace(microsecond=at.microsecond // 1000 * 1000)  # what every reader of it can repeat
    for note in notes:
        number += 1
        entry = Entry(
            sequence=number,
            id=new_id("aud"),
            workspace_id=workspace_id,
            at=at,
            action=note.action.value,
            actor=actor,
            actor_email=actor_email,
            origin=origin,
            resource=note.resource,
            changed=note.changed,
            previous=previous,
            hash="",
        )
        entry = msgspec.structs.replace(entry, hash=digest(entry))
        session.add(_row(entry))
        previous = entry.hash
    head.hash = previous
    await session.flush()


def _row(entry: Entry) -> AuditRow:
    values: dict[str, Any] = msgspec.structs.asdict(entry)
    resource: Resource = values.pop("resource")
    values["changed"] = list(entry.changed)
    return AuditRow(**values, resource_type=resource.type, resource_id=resource.id, resource_name=resource.name)


def entry_of(row: AuditRow) -> Entry:
    """Read a row back as the entry it was made of."""
    return Entry(
        sequence=row.sequence,
        id=row.id,
        workspace_id=row.workspace_id,
        at=row.at,
        action=row.action,
        actor=row.actor,
        actor_email=row.actor_email,
        origin=row.origin,
        resource=Resource(row.resource_type, row.resource_id, row.resource_name),
        changed=tuple(row.changed or ()),
        previous=row.previous,
        hash=row.hash,
    )


async def verify(sessions: Sessions) -> str | None:
    """Walk the whole chain; say what is wrong with it first, None when nothing is.

    That the newest entries were not cut off is told by the head; that the oldest were not, by how far it says they were
    forgotten.
    """
    async with reading(sessions) as session:
        head = (await session.scalars(select(AuditHeadRow))).one()
        after = GENESIS if head.forgotten == 0 else None
        expected = head.forgotten + 1
        async for page in _pages(session, head.forgotten):
            if page[0].sequence != expected:
                return f"entries {expected} to {page[0].sequence - 1} are missing"
            if fault := first_fault(page, after=after):
                return fault
            after, expected = page[-1].hash, page[-1].sequence + 1
        if expected != head.sequence + 1:
            return f"entries {expected} to {head.sequence} are missing"
        if after not in (None, head.hash):
            return f"the last entry, {head.sequence}, is not the one that was written last"
    return None


async def _pages(session: AsyncSession, after: int) -> AsyncIterator[list[Entry]]:
    while True:
        query = select(AuditRow).where(AuditRow.sequence > after).order_by(AuditRow.sequence).limit(_PAGE)
        page = [entry_of(row) for row in await session.scalars(query)]
        if not page:
            return
        yield page
        session.expunge_all()
        after = page[-1].sequence


async def forget(sessions: Sessions, *, before: datetime) -> int:
    """Drop what is older; return how many entries that were. The head keeps how far, so that `verify` knows."""
    async with writing(sessions) as session:
        await session.execute(update(AuditHeadRow).values(forgotten=AuditHeadRow.forgotten))
        last = await session.scalar(select(func.max(AuditRow.sequence)).where(AuditRow.at < before.astimezone(UTC)))
        if last is None:
            return 0
        gone = await session.execute(delete(AuditRow).where(AuditRow.sequence <= last))
        await session.execute(update(AuditHeadRow).values(forgotten=last))
        return int(getattr(gone, "rowcount", 0))
