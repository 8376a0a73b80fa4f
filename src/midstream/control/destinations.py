"""Destinations: where a source's events go, with settings that the catalog defines."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import delete, select

from midstream import destinations as catalog
from midstream.control import settings as values
from midstream.control.act import Act, Writes, use_case, use_case_on
from midstream.control.parts import ALL, Part, among, part
from midstream.control.transaction import assign, at, check_name, check_slug
from midstream.domain.access import Permission
from midstream.domain.audit import Action, Resource
from midstream.domain.provenance import origin_of
from midstream.domain.slugs import slug_of, unlike
from midstream.domain.written import nearest
from midstream.errors import Invalid, RequestError
from midstream.store.ids import new_id
from midstream.store.schema import DestinationRow, FilterRow, InstanceRow, SourceRow
from midstream.store.session import Sessions, reading


class DestinationView(msgspec.Struct, frozen=True):
    """A destination. `sensitive` names the settings that are set and never shown."""

    id: str
    slug: str
    name: str
    type: str
    source_id: str
    source: str  # its slug
    enabled: bool
    settings: dict[str, Any]
    sensitive: tuple[str, ...]
    created_at: datetime
    updated_at: datetime


def resource(row: DestinationRow) -> Resource:
    """Name a destination for the audit trail."""
    return Resource("destination", row.id, row.name)


def kind_of(slug: str, where: str | None = None) -> catalog.Kind:
    """Look a destination type up in the catalog."""
    if slug not in catalog.CATALOG:
        raise Invalid(f"unknown destination type {slug!r}{nearest(slug, catalog.CATALOG)}", where)
    return catalog.CATALOG[slug]


async def add_destination(
    act: Act,
    source: SourceRow,
    *,
    slug: str,
    type: str,  # noqa: A002 # it is what the catalog, the table and the API call it
    name: str,
    settings: Mapping[str, Any],
    enabled: bool = True,
) -> DestinationRow:
    """Add a destination to a source."""
    check_name(name)
    in_workspace = DestinationRow.workspace_id == act.workspace_id
    await check_slug(act.session, DestinationRow.slug, slug, in_workspace, "destination")
    row = DestinationRow(
        id=new_id("dst"),
        workspace_id=act.workspace_id,
        source_id=source.id,
        slug=slug,
        type=type,
        name=name,
        enabled=enabled,
        settings={},
        secrets={},
        created_at=act.at,
        updated_at=act.at,
        enabled_at=act.at,
        disabled_at=None if enabled else act.at,
    )
    _put(act, row, settings)
    act.session.add(row)
    await act.session.flush()
    act.note(Action.DESTINATION_CREATED, resource(row), f"source {source.id}")
    return row


async def create(
    act: Act,
    source: SourceRow,
    *,
    type: str,  # noqa: A002 # as above
    name: str | None,
    settings: Mapping[str, Any],
    enabled: bool = True,
) -> DestinationView:
    """Add a destination to a source; its slug is made from its name."""
    query = select(DestinationRow.slug).where(DestinationRow.workspace_id == act.workspace_id)
    slug = unlike(slug_of(name or kind_of(type).name, "destination"), await act.session.scalars(query))
    name = name or kind_of(type).name
    given = {key: value for key, value in settings.items() if value is not None}  # as when they are changed
    row = await add_destination(act, source, slug=slug, type=type, name=name, settings=given, enabled=enabled)
    return await show(act, row)


async def change_destination(
    act: Act,
    row: DestinationRow,
    *,
    name: str | None = None,
    enabled: bool | None = None,
    settings: Mapping[str, Any] | None = None,
) -> tuple[str, ...]:
    """Change what is given; return what changed. `settings` replaces all of them; source and type stay for ever."""
    if name is not None:
        check_name(name)
    changed = assign(row, name=name, enabled=enabled)
    if settings is not None:
        changed += _put(act, row, settings)
    if "enabled" in changed and row.enabled:
        row.enabled_at = act.at
    elif "enabled" in changed:
        row.disabled_at = act.at
    if changed:
        row.updated_at = act.at
    if "enabled" in changed:
        act.note(Action.DESTINATION_ENABLED if row.enabled else Action.DESTINATION_DISABLED, resource(row))
    if others := [each for each in changed if each != "enabled"]:
        act.note(Action.DESTINATION_MODIFIED, resource(row), *others)
    return changed


async def change(
    act: Act,
    row: DestinationRow,
    *,
    name: str | None = None,
    enabled: bool | None = None,
    settings: Mapping[str, Any] | None = None,
) -> DestinationView:
    """Change what is given. Settings that are not named stay as they are; null takes one away."""
    if settings is None:
        await change_destination(act, row, name=name, enabled=enabled)
    else:
        before, kept = row.settings, values.kept(row, settings)
        whole = values.merged(row, before | dict(settings), act.vault)
        await change_destination(act, row, name=name, enabled=enabled, settings=whole)
        _check_place(kind_of(row.type), kept, before, row.settings)
    return await show(act, row)


async def remove(act: Act, row: DestinationRow) -> None:
    """Delete a destination with its filters; 409 while functions are connected to it. Events that wait for it are not delivered."""
    names = list(await act.session.scalars(select(InstanceRow.name).where(InstanceRow.destination_id == row.id)))
    if names:
        raise RequestError(
            409, "conflict", f"functions are connected to the destination; disconnect these first: {', '.join(names)}"
        )
    act.note(Action.DESTINATION_DELETED, resource(row))
    await act.session.execute(delete(FilterRow).where(FilterRow.destination_id == row.id))
    await act.session.delete(row)


def _put(act: Act, row: DestinationRow, settings: Mapping[str, Any]) -> tuple[str, ...]:
    kind = kind_of(row.type)
    with at("settings"):
        catalog.validated(kind, settings)
        values.check_json(settings)
    return values.put(row, settings, kind.sensitive, act.vault)


def _check_place(
    kind: catalog.Kind, kept: Collection[str], before: Mapping[str, Any], after: Mapping[str, Any]
) -> None:
    """Refuse to send a secret elsewhere on behalf of somebody who need not know it."""
    for name, place in kind.sent_to:
        old, new = origin_of(before[place]), origin_of(after[place])
        if name in kept and old != new:
            raise RequestError(
                422,
                "input-validation",
                f"the {name} that are kept were given for {old}; give them again for {new}, or null to take them away",
                f"settings.{name}",
            )


async def show(act: Act, row: DestinationRow) -> DestinationView:
    """Return one destination."""
    [view] = await _views(act, [row])
    return view


async def list_destinations(act: Act, place: slice = ALL, *, source_id: str | None = None) -> Part[DestinationView]:
    """List the destinations of the sources the caller may read, by slug."""
    where = (
        DestinationRow.workspace_id == act.workspace_id,
        among(DestinationRow.source_id, act.caller.sees(Permission.SOURCE_READ)),
    )
    query = select(DestinationRow).where(*where).order_by(DestinationRow.slug)
    if source_id is not None:
        query = query.where(DestinationRow.source_id == source_id)
    rows = await part(act.session, query, place)
    return rows.of(await _views(act, rows))


async def connected(act: Act, row: SourceRow, place: slice = ALL) -> Part[DestinationView]:
    """List the destinations of one source."""
    return await list_destinations(act, place, source_id=row.id)


async def slugs(sessions: Sessions) -> dict[str, str]:
    """Return the slug of every destination by id, of all workspaces: for who has the data dir anyway."""
    async with reading(sessions) as session:
        rows = await session.execute(select(DestinationRow.id, DestinationRow.slug).order_by(DestinationRow.slug))
        return {key: slug for key, slug in rows}  # noqa: C416 # a Row is no pair to mypy


async def type_of(sessions: Sessions, destination_id: str) -> str:
    """Return a destination's type, of whatever workspace; empty where there is no such destination."""
    async with reading(sessions) as session:
        query = select(DestinationRow.type).where(DestinationRow.id == destination_id)
        return await session.scalar(query) or ""


async def _views(act: Act, rows: Sequence[DestinationRow]) -> list[DestinationView]:
    query = select(SourceRow.id, SourceRow.slug).where(SourceRow.id.in_({row.source_id for row in rows}))
    found = await act.session.execute(query)
    slugs = defaultdict(str, {key: slug for key, slug in found})  # noqa: C416 # a Row is no pair to mypy
    return [
        DestinationView(
            id=row.id,
            slug=row.slug,
            name=row.name,
            type=row.type,
            source_id=row.source_id,
            source=slugs[row.source_id],
            enabled=row.enabled,
            settings=dict(row.settings),
            sensitive=tuple(sorted(row.secrets)),
            created_at=row.created_at,
            updated_at=row.updated_at,
        )
        for row in rows
    ]


destinations = use_case(list_destinations, Permission.WORKSPACE_READ)
connected_destinations = use_case_on(SourceRow, connected, Permission.SOURCE_READ)
create_destination = use_case_on(SourceRow, create, Permission.SOURCE_EDIT, writes=Writes.TOPOLOGY)
get_destination = use_case_on(DestinationRow, show, Permission.SOURCE_READ)
update_destination = use_case_on(DestinationRow, change, Permission.SOURCE_EDIT, writes=Writes.TOPOLOGY)
delete_destination = use_case_on(DestinationRow, remove, Permission.SOURCE_EDIT, writes=Writes.TOPOLOGY)
