"""Instances: a function connected to a destination, in the order in which the destination's chain runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import func, select

from midstream.control import settings as values
from midstream.control.act import Act, Writes, use_case, use_case_between, use_case_on
from midstream.control.parts import ALL, Part, among, part
from midstream.control.transaction import assign, at, check_name
from midstream.control.versions import function_resource, latest_version
from midstream.domain.access import Permission, Subject
from midstream.domain.audit import Action, Resource
from midstream.domain.settings import check_values, definitions, sensitive
from midstream.domain.topology import OnError
from midstream.errors import Invalid, RequestError
from midstream.store.ids import new_id
from midstream.store.schema import DestinationRow, FunctionRow, InstanceRow, VersionRow


class InstanceView(msgspec.Struct, frozen=True):
    """A function connected to a destination. `sensitive` names the settings that are set and never shown."""

    id: str
    name: str
    function_id: str
    function: str  # its slug
    destination_id: str
    destination: str  # its slug
    version_id: str
    version: int
    enabled: bool
    on_error: str
    position: int
    settings: dict[str, Any]
    sensitive: tuple[str, ...]
    created_at: datetime
    updated_at: datetime
    deployed_at: datetime | None


def resource(row: InstanceRow) -> Resource:
    """Name an instance for the audit trail."""
    return Resource("insert_function_instance", row.id, row.name)


async def add_instance(
    act: Act,
    function: FunctionRow,
    destination: DestinationRow,
    *,
    name: str,
    settings: Mapping[str, Any],
    enabled: bool = True,
    on_error: OnError = OnError.BLOCK,
    version: VersionRow | None = None,
) -> InstanceRow:
    """Connect a function to the end of a destination's chain, in its latest version unless another is given."""
    check_name(name)
    version = version or await latest_version(act.session, function.id)
    if version is None:
        raise Invalid(f"function {function.slug!r} has no code yet: save a version first")
    last = await act.session.scalar(
        select(func.max(InstanceRow.position)).where(InstanceRow.destination_id == destination.id)
    )
    row = InstanceRow(
        id=new_id("ifi"),
        function_id=function.id,
        destination_id=destination.id,
        version_id=version.id,
        name=name,
        settings={},
        secrets={},
        enabled=enabled,
        on_error=on_error.value,
        position=0 if last is None else last + 1,
        created_at=act.at,
        updated_at=act.at,
        deployed_at=act.at,
    )
    with at("settings"):
        _put(act, row, version, settings)
    act.session.add(row)
    await act.session.flush()
    act.note(Action.INSTANCE_CREATED, resource(row), f"function {function.id}", f"destination {destination.id}")
    return row


async def connect(
    act: Act,
    function: FunctionRow,
    destination: DestinationRow,
    *,
    name: str,
    settings: Mapping[str, Any],
    enabled: bool = False,
    on_error: OnError = OnError.BLOCK,
) -> InstanceView:
    """Connect a function to a destination. As with Segment it has to be enabled explicitly (segment.md §1.3)."""
    row = await add_instance(
        act, function, destination, name=name, settings=settings, enabled=enabled, on_error=on_error
    )
    return await show(act, row)


async def change_instance(
    act: Act,
    row: InstanceRow,
    *,
    name: str | None = None,
    settings: Mapping[str, Any] | None = None,
    enabled: bool | None = None,
    on_error: OnError | None = None,
    version_id: str | None = None,
) -> tuple[str, ...]:
    """Change what is given; return what changed. `settings` replaces all; another version is a deploy or rollback."""
    if name is not None:
        check_name(name)
    version = await act.session.get_one(VersionRow, version_id or row.version_id)
    if version.function_id != row.function_id:
        raise Invalid(f"version {version.id} belongs to another function")
    changed = assign(row, name=name, enabled=enabled, on_error=on_error and on_error.value, version_id=version_id)
    if settings is not None:
        with at("settings"):
            changed += _put(act, row, version, settings)
    elif "version_id" in changed:
        changed += _fit(act, row, version)
    if "version_id" in changed:
        row.deployed_at = act.at
    if changed:
        row.updated_at = act.at
    await _note(act, row, version, changed)
    return changed


async def _note(act: Act, row: InstanceRow, version: VersionRow, changed: Sequence[str]) -> None:
    if "enabled" in changed:
        act.note(Action.INSTANCE_ENABLED if row.enabled else Action.INSTANCE_DISABLED, resource(row))
    if "version_id" in changed:
        function = await act.session.get_one(FunctionRow, row.function_id)
        act.note(Action.FUNCTION_DEPLOYED, function_resource(function), f"version {version.number}", f"to {row.id}")
    if others := [each for each in changed if each not in ("enabled", "version_id")]:
        act.note(Action.INSTANCE_MODIFIED, resource(row), *others)


async def change(
    act: Act,
    row: InstanceRow,
    *,
    name: str | None = None,
    settings: Mapping[str, Any] | None = None,
    enabled: bool | None = None,
    on_error: OnError | None = None,
    position: int | None = None,
) -> InstanceView:
    """Change what is given. Settings that are not named stay as they are; null takes one away.

    (Segment's client has to send settings even to enable an instance, and never saw the sensitive ones.)
    """
    if settings is not None:
        settings = values.merged(row, row.settings | dict(settings), act.vault)
    await change_instance(act, row, name=name, settings=settings, enabled=enabled, on_error=on_error)
    if position is not None:
        await _move(act, row, position)
    return await show(act, row)


async def _move(act: Act, row: InstanceRow, position: int) -> None:
    query = select(InstanceRow.id).where(InstanceRow.destination_id == row.destination_id, InstanceRow.id != row.id)
    others = list(await act.session.scalars(query.order_by(InstanceRow.position, InstanceRow.id)))
    others.insert(position, row.id)
    if await reorder(act, row.destination_id, others):
        row.updated_at = act.at
        act.note(Action.INSTANCE_MODIFIED, resource(row), "position")


async def remove(act: Act, row: InstanceRow) -> None:
    """Disconnect a function from a destination; its setting values go with it."""
    act.note(Action.INSTANCE_DELETED, resource(row), f"function {row.function_id}", f"destination {row.destination_id}")
    await act.session.delete(row)


async def reorder(act: Act, destination_id: str, instance_ids: list[str]) -> bool:
    """Let a destination's chain run in this order, what is not named after it as before; False if it did already."""
    query = select(InstanceRow).where(InstanceRow.destination_id == destination_id)
    rows = (await act.session.scalars(query.order_by(InstanceRow.position, InstanceRow.id))).all()
    rank = {key: index for index, key in enumerate(instance_ids)}
    wanted = sorted(rows, key=lambda row: rank.get(row.id, len(rank)))
    if wanted == list(rows):
        return False
    for position, row in enumerate(wanted):
        row.position = position
    await act.session.flush()
    return True


async def deploy(
    act: Act, function: FunctionRow, *, instance_ids: Iterable[str] | None = None, version_id: str | None = None
) -> list[InstanceView]:
    """Let instances run a version, the latest unless one is named; all of the function's instances unless some are.

    All or none: a setting that the version requires and an instance lacks refuses the whole. Besides the function it
    needs Source Admin on the source of each destination.
    """
    chosen = await _chosen(act, function, instance_ids)
    if version_id is None:
        version = await latest_version(act.session, function.id)
    else:
        version, _ = await act.find(VersionRow, version_id)
    if version is None or version.function_id != function.id:
        raise RequestError(404, "not-found", f"the function has no version {version_id or 'yet'}", "versionId")
    for row, source_id in chosen:
        act.require(Permission.SOURCE_EDIT, Subject(function.id, source_id))
        await change_instance(act, row, version_id=version.id)
    return await _views(act, [row for row, _ in chosen])


async def _chosen(
    act: Act, function: FunctionRow, instance_ids: Iterable[str] | None
) -> Sequence[tuple[InstanceRow, str]]:
    """Return the instances, each with the id of the source whose events it gets."""
    query = (
        select(InstanceRow, DestinationRow.source_id)
        .join(DestinationRow, DestinationRow.id == InstanceRow.destination_id)
        .where(InstanceRow.function_id == function.id)
        .order_by(InstanceRow.id)
    )
    known = {row.id: (row, source_id) for row, source_id in await act.session.execute(query)}
    if instance_ids is None:
        return list(known.values())
    for key in instance_ids:
        if key not in known:
            raise RequestError(404, "not-found", f"the function has no instance with the id {key!r}", "instanceIds")
    return [known[key] for key in dict.fromkeys(instance_ids)]


def _put(act: Act, row: InstanceRow, version: VersionRow, settings: Mapping[str, Any]) -> tuple[str, ...]:
    """Keep these values; what an earlier version's schema had, and this one's has not, may stay but not change."""
    schema = definitions(version.settings_schema)
    known = {it.name for it in schema}
    kept = {name for name in settings if name not in known and name in row.settings.keys() | row.secrets.keys()}
    check_values(schema, {name: value for name, value in settings.items() if name not in kept})
    values.check_json(settings)
    return values.put(row, settings, sensitive(schema) | (kept & row.secrets.keys()), act.vault)


def _fit(act: Act, row: InstanceRow, version: VersionRow) -> tuple[str, ...]:
    """Judge the values that are there by another version's schema, and seal what it calls sensitive."""
    try:
        return _put(act, row, version, values.opened(row, act.vault))
    except Invalid as fault:
        message = f"version {version.number} cannot run as {row.name!r} ({row.id}): {fault}"
        raise RequestError(409, "conflict", message, "instanceIds") from None


async def show(act: Act, row: InstanceRow) -> InstanceView:
    """Return one instance."""
    [view] = await _views(act, [row])
    return view


async def list_instances(
    act: Act, place: slice = ALL, *, function_id: str | None = None, destination_id: str | None = None
) -> Part[InstanceView]:
    """List the instances of which the caller may read function and source, by destination and place in its chain."""
    query = (
        select(InstanceRow)
        .join(DestinationRow, DestinationRow.id == InstanceRow.destination_id)
        .where(DestinationRow.workspace_id == act.workspace_id)
        .where(among(InstanceRow.function_id, act.caller.sees(Permission.FUNCTION_READ)))
        .where(among(DestinationRow.source_id, act.caller.sees(Permission.SOURCE_READ)))
        .order_by(DestinationRow.slug, InstanceRow.position, InstanceRow.id)
    )
    if function_id is not None:
        function, _ = await act.find(FunctionRow, function_id)
        query = query.where(InstanceRow.function_id == function.id)
    if destination_id is not None:
        destination, _ = await act.find(DestinationRow, destination_id)
        query = query.where(InstanceRow.destination_id == destination.id)
    rows = await part(act.session, query, place)
    return rows.of(await _views(act, rows))


async def _views(act: Act, rows: Sequence[InstanceRow]) -> list[InstanceView]:
    found = await act.session.execute(
        select(InstanceRow.id, FunctionRow.slug, DestinationRow.slug, VersionRow.number)
        .join(FunctionRow, FunctionRow.id == InstanceRow.function_id)
        .join(DestinationRow, DestinationRow.id == InstanceRow.destination_id)
        .join(VersionRow, VersionRow.id == InstanceRow.version_id)
        .where(InstanceRow.id.in_([row.id for row in rows]))
    )
    names = {key: (function, destination, number) for key, function, destination, number in found}
    return [
        InstanceView(
            id=row.id,
            name=row.name,
            function_id=row.function_id,
            function=names[row.id][0],
            destination_id=row.destination_id,
            destination=names[row.id][1],
            version_id=row.version_id,
            version=names[row.id][2],
            enabled=row.enabled,
            on_error=row.on_error,
            position=row.position,
            settings=dict(row.settings),
            sensitive=tuple(sorted(row.secrets)),
            created_at=row.created_at,
            updated_at=row.updated_at,
            deployed_at=row.deployed_at,
        )
        for row in rows
    ]


_NEEDS = (Permission.FUNCTION_READ, Permission.SOURCE_EDIT)

instances = use_case(list_instances, Permission.WORKSPACE_READ)
create_instance = use_case_between(FunctionRow, DestinationRow, connect, *_NEEDS, writes=Writes.TOPOLOGY)
get_instance = use_case_on(InstanceRow, show, Permission.FUNCTION_READ, Permission.SOURCE_READ)
update_instance = use_case_on(InstanceRow, change, *_NEEDS, writes=Writes.TOPOLOGY)
delete_instance = use_case_on(InstanceRow, remove, *_NEEDS, writes=Writes.TOPOLOGY)
deploy_function = use_case_on(FunctionRow, deploy, Permission.FUNCTION_READ, writes=Writes.TOPOLOGY)
