"""Functions: what they are called, which hosts they may ask, how their batches are formed, and where they run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Select, delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from midstream.control.act import Act, Writes, use_case, use_case_on
from midstream.control.parts import ALL, Part, among, part
from midstream.control.transaction import assign, check_name, check_slug
from midstream.control.versions import (
    add_version,
    author_of,
    function_resource,
    latest_version,
    latest_versions,
)
from midstream.domain.access import Permission
from midstream.domain.audit import Action
from midstream.domain.function import BATCH_EVENTS, BATCH_WAIT, Forming
from midstream.domain.hosts import Hosts
from midstream.domain.settings import Definition, definitions
from midstream.domain.slugs import slug_of, unlike
from midstream.errors import Invalid, RequestError
from midstream.store.ids import new_id
from midstream.store.schema import DestinationRow, FunctionRow, InstanceRow, VersionRow


class Connection(msgspec.Struct, frozen=True):
    """Where a function runs, and which of its versions."""

    instance_id: str
    name: str
    destination_id: str
    destination: str  # its display name
    version_id: str
    version: int
    enabled: bool
    deployed_at: datetime | None


class FunctionItem(msgspec.Struct, frozen=True):
    """A function as a list shows it. `deployed_at` is when one of its instances was last given a version."""

    id: str
    slug: str
    name: str
    description: str
    logo_url: str
    created_by: str
    created_at: datetime
    updated_at: datetime
    deployed_at: datetime | None


class FunctionView(FunctionItem, frozen=True):
    """A function with its latest version, and where it runs."""

    hosts: tuple[str, ...]
    forming: Forming
    version: int
    version_id: str
    code: str
    schema: tuple[Definition, ...]
    connections: tuple[Connection, ...]

    @property
    def is_latest(self) -> bool:
        """Whether all that runs of it is its latest version."""
        return all(each.version == self.version for each in self.connections)


async def add_function(
    act: Act,
    *,
    slug: str,
    name: str,
    description: str = "",
    logo_url: str = "",
    hosts: Sequence[str] = (),
    forming: Forming = Forming(),  # noqa: B008 # frozen
) -> FunctionRow:
    """Add an insert function, which has no version yet."""
    check_name(name, "displayName")
    check_running(hosts, forming)
    await check_slug(act.session, FunctionRow.slug, slug, FunctionRow.workspace_id == act.workspace_id, "function")
    row = FunctionRow(
        id=new_id("ifnd"),
        workspace_id=act.workspace_id,
        slug=slug,
        name=name,
        description=description,
        logo_url=logo_url,
        created_by=act.caller.id,
        hosts=list(hosts),
        batch_max_count=forming.max_count,
        batch_max_wait=forming.max_wait,
        created_at=act.at,
        updated_at=act.at,
    )
    act.session.add(row)
    await act.session.flush()
    act.note(Action.FUNCTION_CREATED, function_resource(row))
    return row


async def create(
    act: Act,
    *,
    code: str,
    name: str,
    slug: str | None = None,
    schema: Sequence[Definition] = (),
    description: str = "",
    logo_url: str = "",
    hosts: Sequence[str] = (),
    forming: Forming = Forming(),  # noqa: B008 # frozen
    message: str = "",
) -> FunctionView:
    """Add an insert function with its first version. Without a slug it gets one made of its name."""
    taken = await act.session.scalars(select(FunctionRow.slug).where(FunctionRow.workspace_id == act.workspace_id))
    row = await add_function(
        act,
        slug=slug or unlike(slug_of(name, "function"), taken),
        name=name,
        description=description,
        logo_url=logo_url,
        hosts=hosts,
        forming=forming,
    )
    await add_version(act, row, code=code, schema=schema, author=author_of(act), message=message)
    return await show(act, row)


async def change_function(
    act: Act,
    row: FunctionRow,
    *,
    name: str | None = None,
    description: str | None = None,
    logo_url: str | None = None,
    hosts: Sequence[str] | None = None,
    forming: Forming | None = None,
) -> tuple[str, ...]:
    """Change what is given; return what changed. Code and settings are a new version's.

    Which hosts it may ask and how its batches are formed holds for all that runs of it at once, whatever the version.
    """
    if name is not None:
        check_name(name, "displayName")
    check_running(hosts or (), forming or Forming())
    changed = assign(
        row,
        name=name,
        description=description,
        logo_url=logo_url,
        hosts=None if hosts is None else list(hosts),
        batch_max_count=forming and forming.max_count,
        batch_max_wait=forming and forming.max_wait,
    )
    if changed:
        row.updated_at = act.at
        act.note(Action.FUNCTION_MODIFIED, function_resource(row), *changed)
    return changed


async def change(
    act: Act,
    row: FunctionRow,
    *,
    code: str | None = None,
    schema: Sequence[Definition] | None = None,
    message: str = "",
    name: str | None = None,
    description: str | None = None,
    logo_url: str | None = None,
    hosts: Sequence[str] | None = None,
    batch_max_count: int | None = None,
    batch_max_wait: float | None = None,
) -> FunctionView:
    """Save what is given. Code or settings that differ from the latest version's make a new one; what runs goes on."""
    count = row.batch_max_count if batch_max_count is None else batch_max_count
    wait = row.batch_max_wait if batch_max_wait is None else batch_max_wait
    await change_function(
        act,
        row,
        name=name,
        description=description,
        logo_url=logo_url,
        hosts=hosts,
        forming=Forming(count, wait),
    )
    latest = await latest_version(act.session, row.id)
    code = code if code is not None else latest.code if latest else None
    wanted = definitions(latest.settings_schema) if schema is None and latest else tuple(schema or ())
    differs = latest is None or latest.code != code or definitions(latest.settings_schema) != wanted
    if code is not None and differs:
        await add_version(act, row, code=code, schema=wanted, author=author_of(act), message=message)
    return await show(act, row)


async def remove(act: Act, row: FunctionRow) -> None:
    """Delete a function and its versions; 409, with the list, while it is connected."""
    connected = (await _connections(act.session, [row.id]))[row.id]
    if connected:
        names = ", ".join(f"{each.destination} ({each.instance_id})" for each in connected)
        raise RequestError(
            409, "conflict", f"the function is connected to destinations; disconnect these first: {names}"
        )
    await act.session.execute(delete(VersionRow).where(VersionRow.function_id == row.id))
    await act.session.delete(row)
    act.note(Action.FUNCTION_DELETED, function_resource(row))


async def show(act: Act, row: FunctionRow) -> FunctionView:
    """Return one function."""
    [view] = await _views(act.session, [row])
    return view


async def list_functions(act: Act, place: slice = ALL) -> Part[FunctionItem]:
    """List the functions the caller may read, by slug, without their code."""
    rows = await part(act.session, _seen(act), place)
    deployed = select(InstanceRow.function_id, func.max(InstanceRow.deployed_at)).group_by(InstanceRow.function_id)
    found = await act.session.execute(deployed.where(InstanceRow.function_id.in_([row.id for row in rows])))
    at = {function: when for function, when in found}  # noqa: C416 # a Row is no pair to mypy
    return rows.of(FunctionItem(**_facts(row), deployed_at=at.get(row.id)) for row in rows)


async def whole_functions(act: Act) -> list[FunctionView]:
    """Return the functions the caller may read, by slug, with all there is to them."""
    return await _views(act.session, list(await act.session.scalars(_seen(act))))


def _seen(act: Act) -> Select[FunctionRow]:
    seen = among(FunctionRow.id, act.caller.sees(Permission.FUNCTION_READ))
    return select(FunctionRow).where(FunctionRow.workspace_id == act.workspace_id, seen).order_by(FunctionRow.slug)


async def _views(session: AsyncSession, rows: Sequence[FunctionRow]) -> list[FunctionView]:
    ids = [row.id for row in rows]
    connections = await _connections(session, ids)
    versions = await latest_versions(session, ids)
    return [_view(row, versions.get(row.id), connections[row.id]) for row in rows]


def _facts(row: FunctionRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "slug": row.slug,
        "name": row.name,
        "description": row.description,
        "logo_url": row.logo_url,
        "created_by": row.created_by,
        "created_at": row.created_at,
        "updated_at": row.updated_at,
    }


def _view(row: FunctionRow, version: VersionRow | None, connections: Sequence[Connection]) -> FunctionView:
    return FunctionView(
        **_facts(row),
        deployed_at=max((each.deployed_at for each in connections if each.deployed_at), default=None),
        hosts=tuple(row.hosts or ()),
        forming=Forming(row.batch_max_count, row.batch_max_wait),
        version=version.number if version else 0,
        version_id=version.id if version else "",
        code=version.code if version else "",
        schema=definitions(version.settings_schema) if version else (),
        connections=tuple(connections),
    )


async def _connections(session: AsyncSession, function_ids: Sequence[str]) -> Mapping[str, list[Connection]]:
    rows = await session.execute(
        select(InstanceRow, DestinationRow.name, VersionRow.number)
        .join(DestinationRow, DestinationRow.id == InstanceRow.destination_id)
        .join(VersionRow, VersionRow.id == InstanceRow.version_id)
        .where(InstanceRow.function_id.in_(function_ids))
        .order_by(DestinationRow.slug, InstanceRow.position, InstanceRow.id)
    )
    found: dict[str, list[Connection]] = defaultdict(list)
    for row, destination, number in rows:
        found[row.function_id].append(
            Connection(
                instance_id=row.id,
                name=row.name,
                destination_id=row.destination_id,
                destination=destination,
                version_id=row.version_id,
                version=number,
                enabled=row.enabled,
                deployed_at=row.deployed_at,
            )
        )
    return found


async def try_nothing(act: Act) -> None:
    """Do nothing: code is tried by who asks, once this allowed it."""


def check_running(hosts: Sequence[str], forming: Forming) -> None:
    """Refuse hosts that cannot be read, and batches that contract §3 does not allow."""
    Hosts.of("", hosts)
    if not 1 <= forming.max_count <= BATCH_EVENTS:
        raise Invalid(f"batch_max_count: expected 1 to {BATCH_EVENTS} events, got {forming.max_count}")
    if not 0 <= forming.max_wait <= BATCH_WAIT:
        raise Invalid(f"batch_max_wait: expected 0 to {BATCH_WAIT:g} seconds, got {forming.max_wait:g}")


functions = use_case(list_functions, Permission.WORKSPACE_READ)
create_function = use_case(create, Permission.FUNCTION_CREATE, writes=Writes.TOPOLOGY)
get_function = use_case_on(FunctionRow, show, Permission.FUNCTION_READ)
update_function = use_case_on(FunctionRow, change, Permission.FUNCTION_EDIT, writes=Writes.TOPOLOGY)
delete_function = use_case_on(FunctionRow, remove, Permission.FUNCTION_EDIT, writes=Writes.TOPOLOGY)
try_code = use_case(try_nothing, Permission.FUNCTION_TRY)
