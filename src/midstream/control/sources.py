"""Sources, their write keys, and the workspace they are in."""

from __future__ import annotations

import hashlib
import secrets
import string
from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from midstream.control.transaction import alone, assign, check_name, get
from midstream.errors import Invalid, RequestError
from midstream.store.ids import new_id
from midstream.store.schema import SourceRow, WorkspaceRow, WriteKeyRow

_SHORTEST_KEY, _LONGEST_KEY = 8, 128


def new_write_key() -> str:
    """Make a write key: `wk_` and 190 random bits."""
    return "wk_" + "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(32))


def hash_of(write_key: str) -> str:
    """Return what is stored of a write key. It is random enough that a plain hash cannot be turned back."""
    return hashlib.sha256(write_key.encode()).hexdigest()


async def add_workspace(session: AsyncSession, *, slug: str, name: str) -> str:
    """Add a workspace and return its id."""
    check_name(name)
    row = WorkspaceRow(id=new_id("ws"), slug=slug, name=name, created_at=datetime.now(UTC))
    session.add(row)
    await session.flush()
    return row.id


async def change_workspace(session: AsyncSession, workspace_id: str, *, name: str) -> tuple[str, ...]:
    """Rename a workspace; return what changed."""
    check_name(name)
    return assign(await get(session, WorkspaceRow, workspace_id), name=name)


async def add_source(session: AsyncSession, *, workspace_id: str, slug: str, name: str, enabled: bool = True) -> str:
    """Add a source, which has no write key yet, and return its id."""
    check_name(name)
    taken = select(SourceRow.id).where(SourceRow.workspace_id == workspace_id, SourceRow.slug == slug)
    if await session.scalar(taken):
        raise RequestError(409, "slug_taken", f"there is a source {slug!r} already", "slug")
    now = datetime.now(UTC)
    row = SourceRow(
        id=new_id("src"),
        workspace_id=workspace_id,
        slug=slug,
        name=name,
        enabled=enabled,
        created_at=now,
        updated_at=now,
    )
    session.add(row)
    await session.flush()
    return row.id


async def change_source(
    session: AsyncSession, source_id: str, *, name: str | None = None, enabled: bool | None = None
) -> tuple[str, ...]:
    """Change what is given; return what changed."""
    if name is not None:
        check_name(name)
    row = await get(session, SourceRow, source_id)
    changed = assign(row, name=name, enabled=enabled)
    if changed:
        row.updated_at = datetime.now(UTC)
    return changed


async def add_write_key(session: AsyncSession, source_id: str, key: str) -> bool:
    """Let a source be written to with this key as well; False when it could be already."""
    check_key(key)
    known = await session.get(WriteKeyRow, hash_of(key))
    if known is not None and known.source_id != source_id:
        raise Invalid(f"the write key …{key[-4:]} belongs to another source: give each source its own")
    if known is not None:
        return False
    session.add(WriteKeyRow(hash=hash_of(key), source_id=source_id, last4=key[-4:], created_at=datetime.now(UTC)))
    await session.flush()
    return True


def check_key(key: str) -> None:
    """Refuse a write key that could not be sent as a Basic auth user, or could be guessed."""
    sendable = key.isascii() and key.isprintable() and not set(key) & {":", " "}
    if not sendable or not _SHORTEST_KEY <= len(key) <= _LONGEST_KEY:
        raise Invalid(
            f"a write key has {_SHORTEST_KEY} to {_LONGEST_KEY} ASCII characters without spaces and colons; "
            "leave write_keys out to have one made"
        )


create_workspace = alone(add_workspace)
update_workspace = alone(change_workspace)
create_source = alone(add_source)
update_source = alone(change_source)
create_write_key = alone(add_write_key)
