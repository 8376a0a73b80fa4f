"""The audit trail's tables: entries, each chained to the one before it, added in the transaction of what they tell.

Enters: what happened, on an open transaction. Leaves: rows; `found`, `following` and `verify` read them again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
from sqlalchemy import BigInteger, ColumnElement, ForeignKey, Index, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from midstream.domain.audit import GENESIS, Action, Entry, Resource, Wanted, digest, first_fault
from midstream.store.ids import new_id
from midstream.store.schema import ProjectionRow, Table
from midstream.store.session import Sessions, reading, writing

_PAGE = 1000  # entries read at once
_FORWARDED = "audit"  # the name of its place among those of all that reads


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


async def found(
    session: AsyncSession, workspace_id: str, wanted: Wanted, *, before: int | None, limit: int
) -> list[Entry]:
    """Return entries of a workspace, the newest first; `before` takes up where a page ended, at its last sequence."""
    query = select(AuditRow).where(AuditRow.workspace_id == workspace_id, *_matching(wanted))
    if before is not None:
        query = query.where(AuditRow.sequence < before)
    return [entry_of(row) for row in await session.scalars(query.order_by(AuditRow.sequence.desc()).limit(limit))]


def _matching(wanted: Wanted) -> Iterator[ColumnElement[bool]]:
    if wanted.start is not None:
        yield AuditRow.at >= wanted.start
    if wanted.end is not None:
        yield AuditRow.at < wanted.end
    if wanted.resource_ids is not None:
        yield AuditRow.resource_id.in_(wanted.resource_ids)
    if wanted.resource_type is not None:
        yield AuditRow.resource_type == wanted.resource_type
    if wanted.actor is not None:
        yield or_(AuditRow.actor == wanted.actor, AuditRow.actor_email == wanted.actor)
    if wanted.action is not None:
        yield AuditRow.action == wanted.action


async def following(session: AsyncSession, after: int, *, limit: int) -> list[Entry]:
    """Return the entries after a sequence, of all workspaces, the oldest first."""
    query = select(AuditRow).where(AuditRow.sequence > after).order_by(AuditRow.sequence).limit(limit)
    return [entry_of(row) for row in await session.scalars(query)]


async def forwarded(session: AsyncSession) -> int:
    """Return the last sequence that was sent on as an event; 0 when none was."""
    return await session.scalar(select(ProjectionRow.sequence).where(ProjectionRow.name == _FORWARDED)) or 0


async def mark_forwarded(sessions: Sessions, sequence: int) -> None:
    """Keep that all up to a sequence is sent on."""
    async with writing(sessions) as session:
        moved = await session.execute(
            update(ProjectionRow).where(ProjectionRow.name == _FORWARDED).values(sequence=sequence)
        )
        if not getattr(moved, "rowcount", 0):
            session.add(ProjectionRow(name=_FORWARDED, sequence=sequence))


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
    while page := await following(session, after, limit=_PAGE):
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
