"""The part of applying a folder that connects: destinations to their source, filters and functions to them.

Enters: one `[destination.<slug>]` and what sources and functions there are. Leaves: rows, and `Change`s told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from midstream.control import destinations, filters, instances
from midstream.control.changes import UNKNOWN, Application
from midstream.control.folder import ChainEntry, DestinationSection
from midstream.control.transaction import at
from midstream.control.versions import Version
from midstream.domain.audit import Action
from midstream.domain.condition import doubt
from midstream.domain.filters import FilterChange
from midstream.domain.settings import Definition, SettingType, definitions
from midstream.domain.written import nearest
from midstream.errors import Invalid
from midstream.store.schema import DestinationRow, FilterRow, FunctionRow, InstanceRow, SourceRow, VersionRow

_STAND_INS: Mapping[SettingType, Any] = {
    "STRING": UNKNOWN,
    "BOOLEAN": False,
    "ARRAY": [UNKNOWN],
    "TEXT_MAP": {UNKNOWN: UNKNOWN},
}


@dataclass(frozen=True, slots=True)
class Runnable:
    """A function as its instances need it. Those of one that is not `in_folder` stay at the version they run."""

    function: FunctionRow
    latest: Version
    in_folder: bool


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
    settings, warnings = it.resolve(
        section.settings, {each: UNKNOWN if kind.is_text(each) else {} for each in kind.sensitive}, row
    )
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
    """Apply a destination's filters, which are known by their titles. Return advice on what it has besides."""
    sections = it.folder.destinations[slug].filters
    there: dict[str, FilterRow] = {}
    others = []
    for row in await it.act.session.scalars(
        select(FilterRow).where(FilterRow.destination_id == destination.id).order_by(FilterRow.created_at, FilterRow.id)
    ):
        if row.title in {each.title for each in sections} - there.keys():
            there[row.title] = row
        else:
            others.append(row)  # of two with one title, the older counts
    if it.prune:  # before others come: a destination has only so many
        for row in others:
            await filters.remove(it.act, row)
            it.tell_gone("filter", f"{slug}/{row.title}")
        others = []
    for index, section in enumerate(sections):
        found = there.get(section.title)
        changed: tuple[str, ...] = ()
        with at(it.folder.where(f"destination.{slug}", f".filters[{index}]")):
            if found is None:
                await filters.add_filter(it.act, destination, section)
            else:
                change = FilterChange.model_validate(section.model_dump(by_alias=True))
                changed = await filters.change_filter(it.act, found, change)
        odd = doubt(section.if_)
        it.tell("filter", f"{slug}/{section.title}", changed, (odd,) if odd else (), created=found is None)
    return tuple(f"it also has a filter that is not in this folder: {row.title!r}" for row in others)


async def _chain(
    it: Application, slug: str, destination: DestinationRow, runnables: Mapping[str, Runnable]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Connect a destination's functions, in order. Return whether the order changed, and what else is connected."""
    rows = await it.act.session.scalars(
        select(InstanceRow)
        .where(InstanceRow.destination_id == destination.id)
        .order_by(InstanceRow.position, InstanceRow.id)
    )
    connected = list(rows)
    wanted = []
    entries = it.folder.destinations[slug].functions
    for index, entry in enumerate(entries):
        with at(it.folder.where(f"destination.{slug}", f".functions[{index}]")):
            if entry.function not in runnables:
                raise Invalid(f"unknown function {entry.function!r}{nearest(entry.function, runnables)}")
            runnable = runnables[entry.function]
            alone = [each.function for each in entries].count(entry.function) == 1
            row = _meant(connected, runnable.function, entry, alone=alone)
            if row is not None:
                connected.remove(row)
            wanted.append(await _instance(it, slug, destination, entry, runnable, row))
    it.mentioned.update(wanted)
    moved = await instances.reorder(it.act, destination.id, wanted)
    told = () if it.prune else connected
    strays = tuple(f"also connected, though not in this folder: {row.name!r}" for row in told)
    return (("order of functions",) if moved else ()), strays


def _meant(
    connected: Sequence[InstanceRow], function: FunctionRow, entry: ChainEntry, *, alone: bool
) -> InstanceRow | None:
    """Return the instance that an entry is about: by its name, or where its function is there once, the first there is."""
    rows = [row for row in connected if row.function_id == function.id]
    named = [row for row in rows if row.name == (entry.name or function.name)]
    return next(iter(named or (rows if alone else ())), None)


async def _instance(
    it: Application,
    slug: str,
    destination: DestinationRow,
    entry: ChainEntry,
    runnable: Runnable,
    row: InstanceRow | None,
) -> str:
    """Connect one function, or change how it is connected; return the instance's id."""
    version = await _version(it, entry, runnable, row)
    schema = definitions(version.settings_schema)
    # What is sealed stays so whatever the schema says now, and so an export has a variable for it.
    stand_ins = dict.fromkeys(row.secrets if row else (), UNKNOWN)
    stand_ins |= {each.name: _STAND_INS[each.type] for each in schema if each.sensitive}
    settings, warnings = it.resolve(entry.settings, stand_ins, row)
    name = entry.name or runnable.function.name
    changed: tuple[str, ...] = ()
    created = row is None
    if row is None:
        row = await instances.add_instance(
            it.act,
            runnable.function,
            destination,
            name=name,
            settings=settings,
            enabled=entry.enabled,
            on_error=entry.on_error,
            version=version,
        )
    else:
        changed = await instances.change_instance(
            it.act,
            row,
            name=name,
            settings=_with_unspoken(it, row, settings, schema),
            enabled=entry.enabled,
            on_error=entry.on_error,
            version_id=version.id,
        )
    changed = tuple(f"version {version.number}" if what == "version_id" else what for what in changed)
    warnings += _missing_handlers(it, slug, entry.function)
    it.tell("instance", f"{slug}/{entry.function}", changed, warnings, created=created)
    return row.id


async def _version(it: Application, entry: ChainEntry, runnable: Runnable, row: InstanceRow | None) -> VersionRow:
    """Return the version an instance is to run: the one named, the folder's, the one it runs, or the latest."""
    if entry.version is not None:
        query = select(VersionRow).where(
            VersionRow.function_id == runnable.function.id, VersionRow.number == entry.version
        )
        found = await it.act.session.scalar(query)
        if found is None:
            raise Invalid(
                f"function {entry.function!r} has no version {entry.version} here: leave `version` out to run the latest"
            )
        return found
    latest = runnable.latest.id
    return await it.act.session.get_one(VersionRow, latest if row is None or runnable.in_folder else row.version_id)


def _with_unspoken(
    it: Application, row: InstanceRow, settings: dict[str, Any], schema: Sequence[Definition]
) -> dict[str, Any]:
    """Add the values that are kept for a version whose schema has them: a folder has only those of the version that runs."""
    known = settings.keys() | {each.name for each in schema}
    plain = {name: value for name, value in row.settings.items() if name not in known}
    sealed = {name: text for name, text in row.secrets.items() if name not in known}
    opened = {name: it.act.vault.unseal(text, owner=row.id, name=name) for name, text in sealed.items()}
    return plain | opened | settings


def _missing_handlers(it: Application, destination: str, function: str) -> tuple[str, ...]:
    """Warn of events that the destination takes and the function, having no handler for them, stops."""
    if function not in it.handlers:
        return ()
    kind = destinations.kind_of(it.folder.destinations[destination].type)
    missing = {f"on{event_type.capitalize()}" for event_type in kind.event_types} - set(it.handlers[function])
    if not missing:
        return ()
    return (f"no {', '.join(sorted(missing))}: such events will not be delivered to {destination!r}",)
