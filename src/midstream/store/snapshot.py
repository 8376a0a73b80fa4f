"""Builds the frozen picture of what is connected to what, which is all the event path reads.

Enters: the tables and the vault. Leaves: a `domain.topology.Snapshot` with settings in the clear, kept in memory only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Text, cast, exists, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from midstream.domain.filters import DestinationFilter, actions_of
from midstream.domain.function import Forming, FunctionSpec, Sealed
from midstream.domain.settings import strings
from midstream.domain.topology import Destination, Instance, OnError, Snapshot, Source
from midstream.errors import Invalid
from midstream.secrets import Closed, Vault
from midstream.store.schema import (
    DestinationRow,
    FilterRow,
    FunctionRow,
    InstanceRow,
    RevisionRow,
    SourceRow,
    VersionRow,
    WriteKeyRow,
)
from midstream.store.session import Sessions, reading


async def revision(sessions: Sessions) -> int:
    """Return how often the topology has changed. One small query, made to be polled."""
    async with reading(sessions) as session:
        return await _revision(session)


async def load(sessions: Sessions, vault: Vault | Closed) -> Snapshot:
    """Read everything at one moment, over all workspaces. What cannot be decrypted is in it with its `fault`."""
    async with reading(sessions) as session:
        number = await _revision(session)
        sources = await _sources(session)
        chains = await _chains(session, vault)
        filters = await _filters(session)
        rows = (await session.scalars(select(DestinationRow).order_by(DestinationRow.id))).all()
    destinations = [_destination(row, chains.get(row.id, ()), tuple(filters.get(row.id, ())), vault) for row in rows]
    return Snapshot.of(number, sources, destinations)


async def holds_secrets(sessions: Sessions) -> bool:
    """Say whether anything is sealed in the database: if so, a missing master key must not be made anew."""
    sealed = or_(
        exists().where(_not_empty(DestinationRow.secrets)),
        exists().where(_not_empty(InstanceRow.secrets)),
    )
    async with reading(sessions) as session:
        return bool(await session.scalar(select(sealed)))


def _not_empty(column: Any) -> ColumnElement[bool]:
    return cast(column, Text) != "{}"


async def _revision(session: AsyncSession) -> int:
    return await session.scalar(select(RevisionRow.number)) or 0


async def _sources(session: AsyncSession) -> Sequence[Source]:
    hashes: dict[str, set[str]] = defaultdict(set)
    for key in await session.scalars(select(WriteKeyRow)):
        hashes[key.source_id].add(key.hash)
    rows = await session.scalars(select(SourceRow).order_by(SourceRow.id))
    return [Source(row.id, row.name, row.slug, row.enabled, frozenset(hashes[row.id])) for row in rows]


async def _chains(session: AsyncSession, vault: Vault | Closed) -> Mapping[str, Sequence[Instance]]:
    """Return the enabled instances of each destination id, in the order in which they run."""
    chains: dict[str, list[Instance]] = defaultdict(list)
    rows = await session.execute(
        select(InstanceRow, VersionRow, FunctionRow)
        .join(VersionRow, VersionRow.id == InstanceRow.version_id)
        .join(FunctionRow, FunctionRow.id == InstanceRow.function_id)
        .where(InstanceRow.enabled)
        .order_by(InstanceRow.destination_id, InstanceRow.position, InstanceRow.id)
    )
    for instance, version, function in rows:
        chains[instance.destination_id].append(_instance(instance, version, function, vault))
    return chains


async def _filters(session: AsyncSession) -> Mapping[str, Sequence[DestinationFilter]]:
    """Return the enabled filters of each destination id."""
    filters: dict[str, list[DestinationFilter]] = defaultdict(list)
    query = select(FilterRow).where(FilterRow.enabled).order_by(FilterRow.created_at, FilterRow.id)
    for row in await session.scalars(query):
        filters[row.destination_id].append(DestinationFilter(row.id, row.title, row.condition, actions_of(row.actions)))
    return filters


def _instance(row: InstanceRow, version: VersionRow, function: FunctionRow, vault: Vault | Closed) -> Instance:
    spec, fault = None, ""
    try:
        settings = visible(row, version, vault)
    except Invalid as error:
        fault = str(error)
    else:
        sensitive = {item["name"] for item in version.settings_schema if item["sensitive"]} | row.secrets.keys()
        hidden = tuple(sorted(set(strings(settings[name] for name in settings.keys() & sensitive))))
        hosts = {item["name"]: tuple(item.get("sealed", ())) for item in version.settings_schema}
        spec = FunctionSpec(
            row.id,
            version.id,
            version.code,
            settings={name: value for name, value in settings.items() if not hosts[name]},
            secrets=hidden,
            forming=Forming(function.batch_max_count, function.batch_max_wait),
            hosts=tuple(function.hosts or ()),
            sealed=tuple(Sealed(name, settings[name], hosts[name]) for name in settings if hosts[name]),
        )
    return Instance(row.id, row.name, row.function_id, OnError(row.on_error), spec, fault)


def visible(row: InstanceRow, version: VersionRow, vault: Vault | Closed) -> dict[str, Any]:
    """Return the settings that code of this version sees: those its schema names. `Invalid` when one will not open."""
    values: dict[str, Any] = {}
    for name in (item["name"] for item in version.settings_schema):
        if name in row.secrets:
            values[name] = vault.unseal(row.secrets[name], owner=row.id, name=name)
        elif name in row.settings:
            values[name] = row.settings[name]
    return values


def _destination(
    row: DestinationRow, chain: Sequence[Instance], filters: Sequence[DestinationFilter], vault: Vault | Closed
) -> Destination:
    settings: dict[str, Any] | None = None
    hidden: tuple[str, ...] = ()
    fault = ""
    try:
        opened = {name: vault.unseal(text, owner=row.id, name=name) for name, text in row.secrets.items()}
    except Invalid as error:
        fault = str(error)
    else:
        settings = row.settings | opened
        hidden = tuple(sorted(set(strings(opened.values()))))
    every = tuple(sorted({*hidden, *(secret for each in chain if each.spec for secret in each.spec.secrets)}))
    return Destination(
        id=row.id,
        source_id=row.source_id,
        type=row.type,
        name=row.name,
        enabled=row.enabled,
        created_at=row.created_at,
        enabled_at=row.enabled_at,
        disabled_at=row.disabled_at,
        settings=settings,
        secrets=every,
        instances=tuple(_hiding(each, every) for each in chain),
        filters=filters,
        fault=fault,
    )


def _hiding(instance: Instance, secrets: tuple[str, ...]) -> Instance:
    return replace(instance, spec=replace(instance.spec, secrets=secrets)) if instance.spec else instance
