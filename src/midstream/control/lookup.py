"""What there is: sources, destinations and functions, as lists show them. No secret value comes out here.

Enters: the tables, at one moment. Leaves: frozen structs, ready to be printed or encoded.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import msgspec
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from midstream.store.schema import DestinationRow, FunctionRow, InstanceRow, SourceRow, VersionRow, WriteKeyRow
from midstream.store.session import Sessions, reading


class SourceView(msgspec.Struct, frozen=True):
    """A source. Of its write keys only the ends are known."""

    id: str
    slug: str
    name: str
    enabled: bool
    write_keys: tuple[str, ...]
    created_at: datetime


class InstanceView(msgspec.Struct, frozen=True):
    """A function connected to a destination, both by slug."""

    id: str
    name: str
    function_id: str
    function: str
    destination_id: str
    destination: str
    version: int
    enabled: bool
    on_error: str
    position: int


class DestinationView(msgspec.Struct, frozen=True):
    """A destination with its chain in order. `sensitive` names the settings that are set and not shown."""

    id: str
    slug: str
    name: str
    type: str
    source: str
    enabled: bool
    settings: dict[str, object]
    sensitive: tuple[str, ...]
    instances: tuple[InstanceView, ...]


class FunctionView(msgspec.Struct, frozen=True):
    """A function, the number of its latest version, and where it runs."""

    id: str
    slug: str
    name: str
    description: str
    version: int
    updated_at: datetime
    instances: tuple[InstanceView, ...]


async def sources(sessions: Sessions) -> list[SourceView]:
    """List the sources by slug."""
    async with reading(sessions) as session:
        keys: dict[str, list[str]] = defaultdict(list)
        for key in await session.scalars(select(WriteKeyRow).order_by(WriteKeyRow.created_at, WriteKeyRow.hash)):
            keys[key.source_id].append(f"…{key.last4}")
        rows = await session.scalars(select(SourceRow).order_by(SourceRow.slug, SourceRow.id))
        return [
            SourceView(row.id, row.slug, row.name, row.enabled, tuple(keys[row.id]), row.created_at) for row in rows
        ]


async def destinations(sessions: Sessions) -> list[DestinationView]:
    """List the destinations by slug."""
    async with reading(sessions) as session:
        chains = _grouped((view.destination_id, view) for view in await _instances(session))
        rows = await session.execute(
            select(DestinationRow, SourceRow.slug)
            .join(SourceRow, SourceRow.id == DestinationRow.source_id)
            .order_by(DestinationRow.slug, DestinationRow.id)
        )
        return [
            DestinationView(
                id=row.id,
                slug=row.slug,
                name=row.name,
                type=row.type,
                source=source,
                enabled=row.enabled,
                settings=dict(row.settings),
                sensitive=tuple(sorted(row.secrets)),
                instances=chains.get(row.id, ()),
            )
            for row, source in rows
        ]


async def functions(sessions: Sessions) -> list[FunctionView]:
    """List the functions by slug."""
    async with reading(sessions) as session:
        connections = _grouped((view.function_id, view) for view in await _instances(session))
        latest = select(func.max(VersionRow.number)).where(VersionRow.function_id == FunctionRow.id).scalar_subquery()
        rows = await session.execute(select(FunctionRow, latest).order_by(FunctionRow.slug, FunctionRow.id))
        return [
            FunctionView(
                id=row.id,
                slug=row.slug,
                name=row.name,
                description=row.description,
                version=number or 0,
                updated_at=row.updated_at,
                instances=connections.get(row.id, ()),
            )
            for row, number in rows
        ]


async def _instances(session: AsyncSession) -> Sequence[InstanceView]:
    rows = await session.execute(
        select(InstanceRow, FunctionRow.slug, DestinationRow.slug, VersionRow.number)
        .join(FunctionRow, FunctionRow.id == InstanceRow.function_id)
        .join(DestinationRow, DestinationRow.id == InstanceRow.destination_id)
        .join(VersionRow, VersionRow.id == InstanceRow.version_id)
        .order_by(DestinationRow.slug, InstanceRow.position, InstanceRow.id)
    )
    return [
        InstanceView(
            id=row.id,
            name=row.name,
            function_id=row.function_id,
            function=function,
            destination_id=row.destination_id,
            destination=destination,
            version=number,
            enabled=row.enabled,
            on_error=row.on_error,
            position=row.position,
        )
        for row, function, destination, number in rows
    ]


def _grouped(views: Iterable[tuple[str, InstanceView]]) -> Mapping[str, tuple[InstanceView, ...]]:
    groups: dict[str, list[InstanceView]] = defaultdict(list)
    for key, view in views:
        groups[key].append(view)
    return {key: tuple(group) for key, group in groups.items()}
