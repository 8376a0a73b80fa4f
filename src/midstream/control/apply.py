"""Makes the database say what a folder says, in one transaction, and tells what that changed.

Enters: a `Folder`. Leaves: `Change`s. Applying twice changes nothing the second time; what the folder does not mention
is left alone, unless it is to be pruned.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from sqlalchemy import select

from midstream.control import functions, sources, versions
from midstream.control import settings as values
from midstream.control.act import Act
from midstream.control.changes import Application, Change, missing
from midstream.control.connect import Runnable, apply_destination
from midstream.control.folder import Folder, FromEnvironment, SourceSection
from midstream.control.labelling import apply_labels, label_source
from midstream.control.prune import remove_unmentioned
from midstream.control.transaction import at
from midstream.domain.access import operator
from midstream.domain.function import ErrorInfo, Forming
from midstream.domain.settings import Definition, definitions
from midstream.errors import Invalid
from midstream.secrets import Vault
from midstream.store.schema import DestinationRow, FunctionRow, SourceRow, VersionRow, WriteKeyRow
from midstream.store.session import Sessions, changing


class Checked(Protocol):
    """What loading a function told: the runtime's `Check`, or a test's."""

    @property
    def handlers(self) -> tuple[str, ...]:
        """The handlers it defines."""

    @property
    def error(self) -> ErrorInfo | None:
        """Why it does not load."""


async def plan_and_apply(
    sessions: Sessions,
    vault: Vault,
    folder: Folder,
    *,
    check: Callable[[str], Awaitable[Checked]],
    dry_run: bool = False,
    prune: bool = False,
    author: str = "",
    environ: Mapping[str, str] = os.environ,
) -> list[Change]:
    """Apply a folder, or with `dry_run` only say what would change; `Invalid`, and no change, when it does not hold.

    With `prune` what the folder does not mention is removed.
    """
    handlers = {slug: await _handlers(folder, slug, check) for slug in folder.functions}
    async with changing(sessions) as session:
        act = Act(session, vault, operator("", author), sources.COMMAND_LINE)
        application = Application(act, folder, handlers, environ, dry_run, author, prune)
        await _everything(application)
        if dry_run:
            act.notes.clear()
        await act.finish()  # which keeps nothing, and leaves the revision as it was, when nothing changed
    return application.changes


async def _handlers(folder: Folder, slug: str, check: Callable[[str], Awaitable[Checked]]) -> tuple[str, ...]:
    file = folder.functions[slug].code
    found = await check(folder.code[slug])
    if found.error is not None:
        place = ":".join(str(part) for part in (file, found.error.line, found.error.column) if part is not None)
        raise Invalid(f"{found.error.name}: {found.error.message}", place)
    if not found.handlers:
        raise Invalid("no handler found: expected a top-level function such as onTrack(event, settings)", file)
    return found.handlers


async def _everything(it: Application) -> None:
    await _workspace(it)
    await apply_labels(it)
    sources = await _sources(it)
    runnables = await _functions(it)
    existing = await it.by_slug(DestinationRow)
    for slug in it.folder.destinations:
        with at(it.folder.where(f"destination.{slug}")):
            await apply_destination(it, slug, existing.get(slug), sources, runnables)
    if it.prune:
        await remove_unmentioned(it)


async def _workspace(it: Application) -> None:
    slug, name = it.folder.workspace.slug, it.folder.workspace.name
    changed: tuple[str, ...] = ()
    with at(it.folder.where("workspace")):
        row, created = await sources.enter_workspace(it.act, slug=slug, name=name)
        if not created:
            changed = await sources.change_workspace(it.act, name=name or row.name)
    it.tell("workspace", slug, changed, created=created)


async def _sources(it: Application) -> dict[str, SourceRow]:
    """Apply the sources; return all there are, by slug."""
    found = await it.by_slug(SourceRow)
    for slug, section in it.folder.sources.items():
        changed: tuple[str, ...] = ()
        name = section.name or slug
        created = slug not in found
        with at(it.folder.where(f"source.{slug}")):
            if created:
                found[slug] = await sources.add_source(it.act, slug=slug, name=name, enabled=section.enabled)
            else:
                changed = await sources.change_source(it.act, found[slug], name=name, enabled=section.enabled)
            keys, advice = await _write_keys(it, found[slug], section)
            labels = await label_source(it, found[slug], section.labels)
        it.tell("source", slug, changed + keys + labels, advice, created=created)
    return found


async def _write_keys(
    it: Application, source: SourceRow, section: SourceSection
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Add the write keys that are not there yet; return what changed, and which could not be read and need not be."""
    told, unread = [], []
    for key in section.write_keys or ():
        if isinstance(key, FromEnvironment) and not it.environ.get(key.env):
            if await _has_key(it, source.id):
                unread.append(f"its write keys stay as they are: {key.env} is not set")
                continue
            if it.dry_run:
                unread.append(missing(key.env))
                continue
        text = values.from_environment(key.model_dump(), it.environ) if isinstance(key, FromEnvironment) else key
        if await sources.add_write_key(it.act, source, text):
            told.append(f"write key …{text[-4:]}")
    if section.write_keys is not None or await _has_key(it, source.id):
        return tuple(told), tuple(unread)
    if it.dry_run:
        return ("a write key will be made",), ()
    made = sources.new_write_key()
    await sources.add_write_key(it.act, source, made)
    return (f"write key {made} (shown only now)",), ()


async def _has_key(it: Application, source_id: str) -> bool:
    query = select(WriteKeyRow.hash).where(WriteKeyRow.source_id == source_id).limit(1)
    return await it.act.session.scalar(query) is not None


async def _functions(it: Application) -> dict[str, Runnable]:
    """Apply the functions; return all there are, by slug, with the version that the folder's instances run."""
    existing = await it.by_slug(FunctionRow)
    latest = await versions.latest_versions(it.act.session, [row.id for row in existing.values()])
    found = {
        slug: Runnable(row, versions.Version(latest[row.id].id, latest[row.id].number), in_folder=False)
        for slug, row in existing.items()
        if row.id in latest
    }
    for slug in it.folder.functions:
        row = existing.get(slug)
        with at(it.folder.where(f"function.{slug}")):
            found[slug] = await _function(it, slug, row, latest.get(row.id) if row else None)
    return found


async def _function(it: Application, slug: str, row: FunctionRow | None, latest: VersionRow | None) -> Runnable:
    section = it.folder.functions[slug]
    name, description = section.name or slug, section.description
    forming = Forming(section.batch_max_count, section.batch_max_wait)
    changed: tuple[str, ...] = ()
    created = row is None
    if row is None:
        row = await functions.add_function(
            it.act,
            slug=slug,
            name=name,
            description=description,
            logo_url=section.logo_url or "",
            hosts=section.hosts,
            forming=forming,
        )
    else:
        changed = await functions.change_function(
            it.act,
            row,
            name=name,
            description=description,
            logo_url=section.logo_url,
            hosts=section.hosts,
            forming=forming,
        )
    schema = section.definitions()
    version, saved = await _version(it, row, latest, it.folder.code[slug], schema)
    it.tell("function", slug, changed + saved, created=created)
    return Runnable(row, version, in_folder=True)


async def _version(
    it: Application, function: FunctionRow, latest: VersionRow | None, code: str, schema: tuple[Definition, ...]
) -> tuple[versions.Version, tuple[str, ...]]:
    """Save a version when code or schema differ from the latest one; say what differed."""
    differs = []
    if latest is None or latest.code != code:
        differs.append("code")
    if latest is not None and definitions(latest.settings_schema) != schema:
        differs.append("settings schema")
    if latest is not None and not differs:
        return versions.Version(latest.id, latest.number), ()
    version = await versions.add_version(
        it.act, function, code=code, schema=schema, author=it.author, message="applied from a folder"
    )
    return version, tuple(f"{what} (version {version.number})" for what in differs)
