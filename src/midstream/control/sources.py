"""Sources, their write keys, and the workspace they are in."""

from __future__ import annotations

import secrets
import string
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec
from sqlalchemy import delete, select

from midstream.control.act import Act, Writes, use_case, use_case_on
from midstream.control.parts import ALL, Part, among, part
from midstream.control.transaction import assign, check_name, check_slug
from midstream.domain.access import Permission, operator
from midstream.domain.audit import Action, Resource
from midstream.domain.bearer import hash_of
from midstream.errors import Invalid, RequestError
from midstream.secrets import Vault
from midstream.store.ids import new_id
from midstream.store.people import SourceLabelRow
from midstream.store.schema import DestinationRow, SourceRow, WorkspaceRow, WriteKeyRow
from midstream.store.session import Sessions, changing, reading

COMMAND_LINE = "command line"  # where such a change came from, in the audit trail
_SHORTEST_KEY, _LONGEST_KEY = 8, 128


class SourceView(msgspec.Struct, frozen=True):
    """A source. Of its write keys only the ends are known, but `made` holds the one that was made just now, whole."""

    id: str
    workspace_id: str
    slug: str
    name: str
    enabled: bool
    write_keys: tuple[str, ...]  # masked: wk_••••abcd
    labels: tuple[tuple[str, str], ...]
    created_at: datetime
    updated_at: datetime
    made: str | None = None


def new_write_key() -> str:
    """Make a write key: `wk_` and 190 random bits."""
    return "wk_" + "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(32))


def resource(row: SourceRow) -> Resource:
    """Name a source for the audit trail."""
    return Resource("source", row.id, row.name)


async def enter_workspace(act: Act, *, slug: str, name: str | None) -> tuple[WorkspaceRow, bool]:
    """Make an operator's act one in this workspace, which is added when there is none; say whether it was."""
    row = await act.session.scalar(select(WorkspaceRow).where(WorkspaceRow.slug == slug))
    created = row is None
    if row is None:
        check_name(name or slug)
        row = WorkspaceRow(id=new_id("ws"), slug=slug, name=name or slug, created_at=act.at)
        act.session.add(row)
        await act.session.flush()
        act.note(Action.WORKSPACE_CREATED, Resource("workspace", row.id, row.name))
    act.caller = operator(row.id, act.caller.email)
    return row, created


async def found_workspace(sessions: Sessions, vault: Vault, *, slug: str, name: str | None = None, author: str) -> str:
    """Return the id of a workspace, added when there is none of this slug: a command on the data dir begins here."""
    async with changing(sessions) as session:
        act = Act(session, vault, operator("", author), COMMAND_LINE)
        await enter_workspace(act, slug=slug, name=name)
        await act.finish()
        return act.workspace_id


async def workspaces(sessions: Sessions) -> dict[str, str]:
    """Return the id of each workspace, by slug."""
    async with reading(sessions) as session:
        rows = await session.scalars(select(WorkspaceRow).order_by(WorkspaceRow.slug))
        return {row.slug: row.id for row in rows}


async def change_workspace(act: Act, *, name: str) -> tuple[str, ...]:
    """Rename the workspace; return what changed."""
    check_name(name)
    row = await act.session.get_one(WorkspaceRow, act.workspace_id)
    changed = assign(row, name=name)
    if changed:
        act.note(Action.WORKSPACE_MODIFIED, Resource("workspace", row.id, row.name), *changed)
    return changed


async def show_workspace(act: Act) -> WorkspaceRow:
    """Return the caller's workspace."""
    return await act.session.get_one(WorkspaceRow, act.workspace_id)


async def add_source(act: Act, *, slug: str, name: str, enabled: bool = True) -> SourceRow:
    """Add a source, which has no write key yet."""
    check_name(name)
    await check_slug(act.session, SourceRow.slug, slug, SourceRow.workspace_id == act.workspace_id, "source")
    row = SourceRow(
        id=new_id("src"),
        workspace_id=act.workspace_id,
        slug=slug,
        name=name,
        enabled=enabled,
        created_at=act.at,
        updated_at=act.at,
    )
    act.session.add(row)
    await act.session.flush()
    act.note(Action.SOURCE_CREATED, resource(row))
    return row


async def create(act: Act, *, slug: str, name: str | None = None, enabled: bool = True) -> SourceView:
    """Add a source with one write key, which is shown this once."""
    row = await add_source(act, slug=slug, name=name or slug, enabled=enabled)
    made = new_write_key()
    await add_write_key(act, row, made)
    return await _view(act, row, made)


async def change_source(
    act: Act, row: SourceRow, *, name: str | None = None, slug: str | None = None, enabled: bool | None = None
) -> tuple[str, ...]:
    """Change what is given; return what changed."""
    if name is not None:
        check_name(name)
    if slug is not None and slug != row.slug:
        await check_slug(act.session, SourceRow.slug, slug, SourceRow.workspace_id == act.workspace_id, "source")
    changed = assign(row, name=name, slug=slug, enabled=enabled)
    if changed:
        row.updated_at = act.at
    if "enabled" in changed:
        act.note(Action.SOURCE_ENABLED if row.enabled else Action.SOURCE_DISABLED, resource(row))
    if others := [each for each in changed if each != "enabled"]:
        act.note(Action.SOURCE_MODIFIED, resource(row), *others)
    return changed


async def change(act: Act, row: SourceRow, *, name: str | None, slug: str | None, enabled: bool | None) -> SourceView:
    """Change what is given."""
    await change_source(act, row, name=name, slug=slug, enabled=enabled)
    return await _view(act, row)


async def remove_source(act: Act, row: SourceRow) -> None:
    """Delete a source and its write keys; 409 while destinations are connected to it."""
    names = list(await act.session.scalars(select(DestinationRow.name).where(DestinationRow.source_id == row.id)))
    if names:
        raise RequestError(409, "conflict", f"the source has destinations; delete these first: {', '.join(names)}")
    await act.session.execute(delete(WriteKeyRow).where(WriteKeyRow.source_id == row.id))
    await act.session.execute(delete(SourceLabelRow).where(SourceLabelRow.source_id == row.id))
    await act.session.delete(row)
    act.note(Action.SOURCE_DELETED, resource(row))


async def add_write_key(act: Act, row: SourceRow, key: str) -> bool:
    """Let a source be written to with this key as well; False when it could be already."""
    check_key(key)
    known = await act.session.get(WriteKeyRow, hash_of(key))
    if known is not None and known.source_id != row.id:
        raise Invalid(f"the write key …{key[-4:]} belongs to another source: give each source its own")
    if known is not None:
        return False
    act.session.add(WriteKeyRow(hash=hash_of(key), source_id=row.id, last4=key[-4:], created_at=act.at))
    row.updated_at = act.at
    await act.session.flush()
    act.note(Action.WRITE_KEY_CREATED, resource(row), f"write key …{key[-4:]}")
    return True


async def make_write_key(act: Act, row: SourceRow) -> SourceView:
    """Make another write key, shown this once. The old ones go on until they are removed: that is how keys rotate."""
    made = new_write_key()
    await add_write_key(act, row, made)
    return await _view(act, row, made)


async def remove_write_key(act: Act, row: SourceRow, key: str) -> SourceView:
    """Take a write key away; it is named whole, or by its last four characters where these are of one key only."""
    keys = (await act.session.scalars(select(WriteKeyRow).where(WriteKeyRow.source_id == row.id))).all()
    named = [each for each in keys if each.hash == hash_of(key)] or [each for each in keys if each.last4 == key[-4:]]
    if len(named) != 1:
        raise RequestError(404, "not-found", f"the source has no write key that ends in {key[-4:]!r}")
    await act.session.delete(named[0])
    row.updated_at = act.at
    act.note(Action.WRITE_KEY_DELETED, resource(row), f"write key …{named[0].last4}")
    await act.session.flush()
    return await _view(act, row)


def check_key(key: str) -> None:
    """Refuse a write key that could not be sent as a Basic auth user, or could be guessed."""
    sendable = key.isascii() and key.isprintable() and not set(key) & {":", " "}
    if not sendable or not _SHORTEST_KEY <= len(key) <= _LONGEST_KEY:
        raise Invalid(
            f"a write key has {_SHORTEST_KEY} to {_LONGEST_KEY} ASCII characters without spaces and colons; "
            "leave write_keys out to have one made"
        )


async def show_source(act: Act, row: SourceRow) -> SourceView:
    """Return one source."""
    return await _view(act, row)


async def list_sources(act: Act, place: slice = ALL) -> Part[SourceView]:
    """List the sources the caller may read, by slug."""
    seen = among(SourceRow.id, act.caller.sees(Permission.SOURCE_READ))
    query = select(SourceRow).where(SourceRow.workspace_id == act.workspace_id, seen).order_by(SourceRow.slug)
    rows = await part(act.session, query, place)
    return rows.of(await _views(act, rows))


async def _view(act: Act, row: SourceRow, made: str | None = None) -> SourceView:
    [view] = await _views(act, [row])
    return msgspec.structs.replace(view, made=made) if made else view


async def _views(act: Act, rows: Sequence[SourceRow]) -> list[SourceView]:
    keys: Mapping[str, list[str]] = defaultdict(list)
    labels: Mapping[str, list[tuple[str, str]]] = defaultdict(list)
    ids = [row.id for row in rows]
    for key in await act.session.scalars(
        select(WriteKeyRow).where(WriteKeyRow.source_id.in_(ids)).order_by(WriteKeyRow.created_at, WriteKeyRow.hash)
    ):
        keys[key.source_id].append(f"wk_••••{key.last4}")
    for label in await act.session.scalars(
        select(SourceLabelRow)
        .where(SourceLabelRow.source_id.in_(ids))
        .order_by(SourceLabelRow.key, SourceLabelRow.value)
    ):
        labels[label.source_id].append((label.key, label.value))
    return [
        SourceView(
            id=row.id,
            workspace_id=row.workspace_id,
            slug=row.slug,
            name=row.name,
            enabled=row.enabled,
            write_keys=tuple(keys[row.id]),
            labels=tuple(labels[row.id]),
            created_at=row.created_at,
            updated_at=row.updated_at,
        )
        for row in rows
    ]


get_workspace = use_case(show_workspace, Permission.WORKSPACE_READ)
create_source = use_case(create, Permission.SOURCE_CREATE, writes=Writes.TOPOLOGY)
update_source = use_case_on(SourceRow, change, Permission.SOURCE_EDIT, writes=Writes.TOPOLOGY)
delete_source = use_case_on(SourceRow, remove_source, Permission.SOURCE_EDIT, writes=Writes.TOPOLOGY)
get_source = use_case_on(SourceRow, show_source, Permission.SOURCE_READ)
# Nobody needs to hold a permission on all sources to see those they may read.
sources = use_case(list_sources, Permission.WORKSPACE_READ)
create_write_key = use_case_on(SourceRow, make_write_key, Permission.SOURCE_EDIT, writes=Writes.TOPOLOGY)
delete_write_key = use_case_on(SourceRow, remove_write_key, Permission.SOURCE_EDIT, writes=Writes.TOPOLOGY)
