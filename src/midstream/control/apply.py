"""Makes the database say what a folder says, in one transaction, and tells what that changed.

Enters: a `Folder`. Leaves: `Change`s. Applying twice changes nothing the second time; what the folder does not mention
is left alone.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from sqlalchemy import select

from midstream.control import functions, sources
from midstream.control import settings as values
from midstream.control.changes import Application, Change, at
from midstream.control.connect import Runnable, apply_destination
from midstream.control.folder import Folder, FromEnvironment, SourceSection
from midstream.domain.function import ErrorInfo, Forming
from midstream.domain.settings import Definition, definitions
from midstream.errors import Invalid
from midstream.secrets import Vault
from midstream.store.schema import DestinationRow, FunctionRow, SourceRow, VersionRow, WorkspaceRow, WriteKeyRow
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
    author: str = "",
    environ: Mapping[str, str] = os.environ,
) -> list[Change]:
    """Apply a folder, or with `dry_run` only say what would change; `Invalid`, and no change, when it does not hold."""
    handlers = {slug: await _handlers(folder, slug, check) for slug in folder.functions}
    async with changing(sessions) as session:
        application = Application(session, vault, folder, handlers, environ, dry_run, author)
        await _everything(application)
        changes = application.changes
        if dry_run or all(change.kind == "unchanged" for change in changes):
            await session.rollback()  # and the revision stays as it was
    return changes


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
    source_ids = await _sources(it)
    runnables = await _functions(it)
    existing = await it.by_slug(DestinationRow)
    for slug in it.folder.destinations:
        with at(it.folder.where(f"destination.{slug}")):
            await apply_destination(it, slug, existing.get(slug), source_ids, runnables)


async def _workspace(it: Application) -> None:
    slug, name = it.folder.workspace.slug, it.folder.workspace.name
    row = await it.session.scalar(select(WorkspaceRow).where(WorkspaceRow.slug == slug))
    changed: tuple[str, ...] = ()
    with at(it.folder.where("workspace")):
        if row is None:
            it.workspace_id = await sources.add_workspace(it.session, slug=slug, name=name or slug)
        else:
            it.workspace_id = row.id
            changed = await sources.change_workspace(it.session, row.id, name=name or row.name)
    it.tell("workspace", slug, changed, created=row is None)


async def _sources(it: Application) -> dict[str, str]:
    """Apply the sources; return the ids of all there are, by slug."""
    existing = await it.by_slug(SourceRow)
    ids = {slug: row.id for slug, row in existing.items()}
    for slug, section in it.folder.sources.items():
        changed: tuple[str, ...] = ()
        name = section.name or slug
        with at(it.folder.where(f"source.{slug}")):
            if slug in existing:
                changed = await sources.change_source(it.session, ids[slug], name=name, enabled=section.enabled)
            else:
                ids[slug] = await sources.add_source(
                    it.session, workspace_id=it.workspace_id, slug=slug, name=name, enabled=section.enabled
                )
            changed += await _write_keys(it, ids[slug], section)
        it.tell("source", slug, changed, created=slug not in existing)
    return ids


async def _write_keys(it: Application, source_id: str, section: SourceSection) -> tuple[str, ...]:
    told = []
    for key in section.write_keys or ():
        text = values.from_environment(key.model_dump(), it.environ) if isinstance(key, FromEnvironment) else key
        if await sources.add_write_key(it.session, source_id, text):
            told.append(f"write key …{text[-4:]}")
    if section.write_keys is not None or await _has_key(it, source_id):
        return tuple(told)
    if it.dry_run:
        return (*told, "a write key will be made")
    made = sources.new_write_key()
    await sources.add_write_key(it.session, source_id, made)
    return (*told, f"write key {made} (shown only now)")


async def _has_key(it: Application, source_id: str) -> bool:
    query = select(WriteKeyRow.hash).where(WriteKeyRow.source_id == source_id).limit(1)
    return await it.session.scalar(query) is not None


async def _functions(it: Application) -> dict[str, Runnable]:
    """Apply the functions; return all there are, by slug, with the version that the folder's instances run."""
    existing = await it.by_slug(FunctionRow)
    found: dict[str, Runnable] = {}
    for slug, row in existing.items():
        latest = await functions.latest_version(it.session, row.id)
        if latest is not None:
            found[slug] = Runnable(row.id, row.name, definitions(latest.settings_schema))
    for slug in it.folder.functions:
        with at(it.folder.where(f"function.{slug}")):
            found[slug] = await _function(it, slug, existing.get(slug))
    return found


async def _function(it: Application, slug: str, row: FunctionRow | None) -> Runnable:
    section = it.folder.functions[slug]
    name, description = section.name or slug, section.description
    forming = Forming(section.batch_max_count, section.batch_max_wait)
    changed: tuple[str, ...] = ()
    latest: VersionRow | None = None
    if row is None:
        function_id = await functions.add_function(
            it.session,
            workspace_id=it.workspace_id,
            slug=slug,
            name=name,
            description=description,
            hosts=section.hosts,
            forming=forming,
        )
    else:
        function_id = row.id
        changed = await functions.change_function(
            it.session, function_id, name=name, description=description, hosts=section.hosts, forming=forming
        )
        latest = await functions.latest_version(it.session, function_id)
    schema = section.definitions()
    version, saved = await _version(it, function_id, latest, it.folder.code[slug], schema)
    it.tell("function", slug, changed + saved, created=row is None)
    return Runnable(function_id, name, schema, version)


async def _version(
    it: Application, function_id: str, latest: VersionRow | None, code: str, schema: tuple[Definition, ...]
) -> tuple[functions.Version, tuple[str, ...]]:
    """Save a version when code or schema differ from the latest one; say what differed."""
    differs = []
    if latest is None or latest.code != code:
        differs.append("code")
    if latest is not None and definitions(latest.settings_schema) != schema:
        differs.append("settings schema")
    if latest is not None and not differs:
        return functions.Version(latest.id, latest.number), ()
    version = await functions.add_version(
        it.session, function_id, code=code, schema=schema, author=it.author, message="applied from a folder"
    )
    return version, tuple(f"{what} (version {version.number})" for what in differs)
