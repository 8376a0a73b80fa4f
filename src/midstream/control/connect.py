"""The part of applying a folder that connects: destinations to their source, filters and functions to them.

Enters: one `[destination.<slug>]` and what sources and functions there are. Leaves: rows, and `Change`s told.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import select

from midstream.control import destinations, filters, instances
from midstream.control.changes import Application, at
from midstream.control.folder import ChainEntry, DestinationSection
from midstream.control.functions import Version
from midstream.domain.audit import Action
from midstream.domain.filters import FilterChange
from midstream.domain.settings import Definition, definitions, sensitive
from midstream.domain.written import nearest
from midstream.errors import Invalid
from midstream.store.schema import DestinationRow, FilterRow, FunctionRow, InstanceRow, SourceRow, VersionRow


@dataclass(frozen=True, slots=True)
class Runnable:
    """A function as its instances need it. Without a `version` the folder leaves those there are where they are."""

    function: FunctionRow
    schema: tuple[Definition, ...]
    version: Version | None = None


async def apply_destination(
    it: Application,
    slug: str,
    row: DestinationRow | None,
    sources: Mapping[str, SourceRow],
    runnables: Mapping[str, Runnable],
) -> None:
    """Create or change one destination and its chain."""
    section = it.folder.destinations[slug]
    if section.source not in sources:
        raise Invalid(f"unknown source {section.source!r}{nearest(section.source, sources)}")
    kind = destinations.kind_of(section.type)
    settings, warnings = it.resolve(section.settings, kind.sensitive)
    name = section.name or slug
    changed: tuple[str, ...] = ()
    created = row is None
    if row is None:
        row = await destinations.add_destination(
            it.act,
            sources[section.source],
            slug=slug,
            type=section.type,
            name=name,
            settings=settings,
            enabled=section.enabled,
        )
    else:
        _check_same(row, section, sources)
        changed = await destinations.change_destination(
            it.act, row, name=name, enabled=section.enabled, settings=settings
        )
    place = len(it.changes)
    unmentioned = await _filters(it, slug, row)
    order, strays = await _chain(it, slug, row, runnables)
    if order and not created:
        it.act.note(Action.DESTINATION_MODIFIED, destinations.resource(row), *order)
    it.tell("destination", slug, changed + order, warnings + unmentioned + strays, created=created, place=place)


def _check_same(row: DestinationRow, section: DestinationSection, sources: Mapping[str, SourceRow]) -> None:
    """Refuse what would send the events that still wait for a destination somewhere else."""
    if row.type != section.type:
        raise Invalid(f"the type of a destination cannot change from {row.type!r} to {section.type!r}: add another one")
    if row.source_id != sources[section.source].id:
        raise Invalid("a destination stays with its source: add another destination for the other source")


async def _filters(it: Application, slug: str, destination: DestinationRow) -> tuple[str, ...]:
    """Apply a destination's filters, which are known by their titles. Return what it has besides."""
    rows = await it.act.session.scalars(
        select(FilterRow)
        .where(FilterRow.destination_id == destination.id)
        .order_by(FilterRow.created_at.desc(), FilterRow.id.desc())
    )
    there = {row.title: row for row in rows}  # of two with one title, the older counts
    for index, section in enumerate(it.folder.destinations[slug].filters):
        row = there.pop(section.title, None)
        changed: tuple[str, ...] = ()
        with at(it.folder.where(f"destination.{slug}", f".filters[{index}]")):
            if row is None:
                await filters.add_filter(it.act, destination, section)
            else:
                change = FilterChange.model_validate(section.model_dump(by_alias=True))
                changed = await filters.change_filter(it.act, row, change)
        it.tell("filter", f"{slug}/{section.title}", changed, created=row is None)
    return tuple(f"it also has a filter that is not in this folder: {title!r}" for title in there)


async def _chain(
    it: Application, slug: str, destination: DestinationRow, runnables: Mapping[str, Runnable]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Connect a destination's functions, in order. Return whether the order changed, and what else is connected."""
    rows = await it.act.session.scalars(
        select(InstanceRow)
        .where(InstanceRow.destination_id == destination.id)
        .order_by(InstanceRow.position.desc(), InstanceRow.id.desc())
    )
    connected = {row.function_id: row for row in rows}  # where a function is connected twice, its first place counts
    wanted = []
    for index, entry in enumerate(it.folder.destinations[slug].functions):
        with at(it.folder.where(f"destination.{slug}", f".functions[{index}]")):
            if entry.function not in runnables:
                raise Invalid(f"unknown function {entry.function!r}{nearest(entry.function, runnables)}")
            runnable = runnables[entry.function]
            row = connected.pop(runnable.function.id, None)
            wanted.append(await _instance(it, slug, destination, entry, runnable, row))
    moved = await instances.reorder(it.act, destination.id, wanted)
    strays = tuple(f"also connected, though not in this folder: {row.name!r}" for row in connected.values())
    return (("order of functions",) if moved else ()), strays


async def _instance(
    it: Application,
    slug: str,
    destination: DestinationRow,
    entry: ChainEntry,
    runnable: Runnable,
    row: InstanceRow | None,
) -> str:
    """Connect one function, or change how it is connected; return the instance's id."""
    schema = runnable.schema if row is None or runnable.version else await _schema_of(it, row)
    settings, warnings = it.resolve(entry.settings, sensitive(schema))
    changed: tuple[str, ...] = ()
    created = row is None
    if row is None:
        row = await instances.add_instance(
            it.act,
            runnable.function,
            destination,
            name=runnable.function.name,
            settings=settings,
            enabled=entry.enabled,
            on_error=entry.on_error,
        )
    else:
        changed = await instances.change_instance(
            it.act,
            row,
            name=runnable.function.name,
            settings=settings,
            enabled=entry.enabled,
            on_error=entry.on_error,
            version_id=runnable.version.id if runnable.version else None,
        )
    if runnable.version is not None:
        pinned = f"version {runnable.version.number}"
        changed = tuple(pinned if what == "version_id" else what for what in changed)
    warnings += _missing_handlers(it, slug, entry.function)
    it.tell("instance", f"{slug}/{entry.function}", changed, warnings, created=created)
    return row.id


async def _schema_of(it: Application, row: InstanceRow) -> tuple[Definition, ...]:
    version = await it.act.session.get_one(VersionRow, row.version_id)
    return definitions(version.settings_schema)


def _missing_handlers(it: Application, destination: str, function: str) -> tuple[str, ...]:
    """Warn of events that the destination takes and the function, having no handler for them, stops."""
    if function not in it.handlers:
        return ()
    kind = destinations.kind_of(it.folder.destinations[destination].type)
    missing = {f"on{event_type.capitalize()}" for event_type in kind.event_types} - set(it.handlers[function])
    if not missing:
        return ()
    return (f"no {', '.join(sorted(missing))}: such events will not be delivered to {destination!r}",)
