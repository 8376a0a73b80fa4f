"""What the readers of the log share: each message's effect is stored exactly once, with how far the reader has got.

Enters: sequences of the log, on an open transaction. Leaves: whether their effect is still to be stored.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from midstream.domain.received import NAME_CHARACTERS
from midstream.store.schema import ProjectionRow
from midstream.store.session import Sessions, dialect_of, reading


async def last_applied(sessions: Sessions, stream: str) -> int:
    """Return the last sequence of `stream` that was applied; 0 when none was."""
    async with reading(sessions) as session:
        return await session.scalar(select(ProjectionRow.sequence).where(ProjectionRow.name == stream)) or 0


async def advance(session: AsyncSession, stream: str, sequence: int, first: int) -> bool:
    """Take note that the messages from `first` to `sequence` are applied; False when one of them was before."""
    insert = inserting(session)(ProjectionRow).values(name=stream, sequence=sequence)
    further = insert.on_conflict_do_update(
        index_elements=[ProjectionRow.name],
        set_={"sequence": insert.excluded.sequence},
        where=ProjectionRow.sequence < first,
    )
    return await session.scalar(further.returning(ProjectionRow.sequence)) is not None


def inserting(session: AsyncSession) -> Any:
    """Return the engine's own INSERT, which knows what to do about a row that is there."""
    return sqlite.insert if dialect_of(session) == "sqlite" else postgresql.insert


def fitting(name: str) -> str:
    """Make a name from an event fit to be stored and indexed, rather than let one event stop all counting.

    Names come from events, so from anyone, and PostgreSQL indexes at most 2,704 bytes a row.
    """
    # PostgreSQL refuses NUL, and both drivers refuse half a surrogate pair, which JSON can spell.
    return name[:NAME_CHARACTERS].replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()
