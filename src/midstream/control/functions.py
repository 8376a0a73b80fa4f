"""Functions and their versions: these never change, saving code adds one; what runs is the instance's affair."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import msgspec
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from midstream.control.transaction import alone, assign, check_name, get
from midstream.domain.function import BATCH_EVENTS, BATCH_WAIT, Forming, Limits
from midstream.domain.hosts import Hosts
from midstream.domain.settings import Definition
from midstream.errors import Invalid, RequestError
from midstream.store.ids import new_id
from midstream.store.schema import FunctionRow, VersionRow


class Version(NamedTuple):
    """A version by id, and by the number its author knows it by."""

    id: str
    number: int


async def add_function(
    session: AsyncSession,
    *,
    workspace_id: str,
    slug: str,
    name: str,
    description: str = "",
    hosts: Sequence[str] = (),
    forming: Forming = Forming(),  # noqa: B008 # frozen
) -> str:
    """Add an insert function, which has no version yet, and return its id."""
    check_name(name)
    check_running(hosts, forming)
    taken = select(FunctionRow.id).where(FunctionRow.workspace_id == workspace_id, FunctionRow.slug == slug)
    if await session.scalar(taken):
        raise RequestError(409, "slug_taken", f"there is a function {slug!r} already", "slug")
    now = datetime.now(UTC)
    row = FunctionRow(
        id=new_id("ifnd"),
        workspace_id=workspace_id,
        slug=slug,
        name=name,
        description=description,
        hosts=list(hosts),
        batch_max_count=forming.max_count,
        batch_max_wait=forming.max_wait,
        created_at=now,
        updated_at=now,
    )
    session.add(row)
    await session.flush()
    return row.id


async def change_function(
    session: AsyncSession,
    function_id: str,
    *,
    name: str | None = None,
    description: str | None = None,
    hosts: Sequence[str] | None = None,
    forming: Forming | None = None,
) -> tuple[str, ...]:
    """Change what is given; return what changed. Code and settings are a new version's.

    Which hosts it may ask and how its batches are formed holds for all that runs of it at once, whatever the version.
    """
    if name is not None:
        check_name(name)
    check_running(hosts or (), forming or Forming())
    row = await get(session, FunctionRow, function_id)
    changed = assign(
        row,
        name=name,
        description=description,
        hosts=None if hosts is None else list(hosts),
        batch_max_count=forming and forming.max_count,
        batch_max_wait=forming and forming.max_wait,
    )
    if changed:
        row.updated_at = datetime.now(UTC)
    return changed


async def add_version(
    session: AsyncSession,
    function_id: str,
    *,
    code: str,
    schema: Sequence[Definition] = (),
    author: str = "",
    message: str = "",
) -> Version:
    """Save code and settings schema as the next version. Nothing runs it until an instance is pinned to it."""
    check_code(code)
    for definition in schema:
        definition.check()
    function = await get(session, FunctionRow, function_id)
    last = await session.scalar(select(func.max(VersionRow.number)).where(VersionRow.function_id == function_id))
    row = VersionRow(
        id=new_id("ver"),
        function_id=function_id,
        number=(last or 0) + 1,
        code=code,
        settings_schema=msgspec.to_builtins(schema),
        author=author,
        message=message,
        created_at=datetime.now(UTC),
    )
    session.add(row)
    function.updated_at = row.created_at
    await session.flush()
    return Version(row.id, row.number)


def check_code(code: str, where: str | None = None) -> None:
    """Refuse code that is too long to run, or that no text column can keep."""
    limit = Limits().code_bytes
    if len(code.encode()) > limit:
        raise Invalid(f"the code is longer than {limit} bytes", where)
    if "\0" in code:
        raise Invalid("the code contains a NUL character; write it as \\0 in a string", where)


def check_running(hosts: Sequence[str], forming: Forming) -> None:
    """Refuse hosts that cannot be read, and batches that contract §3 does not allow."""
    Hosts.of("", hosts)
    if not 1 <= forming.max_count <= BATCH_EVENTS:
        raise Invalid(f"batch_max_count: expected 1 to {BATCH_EVENTS} events, got {forming.max_count}")
    if not 0 <= forming.max_wait <= BATCH_WAIT:
        raise Invalid(f"batch_max_wait: expected 0 to {BATCH_WAIT:g} seconds, got {forming.max_wait:g}")


async def latest_version(session: AsyncSession, function_id: str) -> VersionRow | None:
    """Return the version with the highest number."""
    query = select(VersionRow).where(VersionRow.function_id == function_id).order_by(VersionRow.number.desc()).limit(1)
    return await session.scalar(query)


create_function = alone(add_function)
update_function = alone(change_function)
create_version = alone(add_version)
