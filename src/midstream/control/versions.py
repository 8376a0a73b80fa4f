"""Versions of functions: they never change, saving code adds one; what runs is the instance's affair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from midstream.control.act import Act, Writes, use_case_on
from midstream.control.parts import ALL, Part, part
from midstream.domain.access import Permission
from midstream.domain.audit import Action, Resource
from midstream.domain.function import Limits
from midstream.domain.settings import Definition, check_schema, definitions
from midstream.domain.versions import diff
from midstream.errors import Invalid, RequestError
from midstream.store.ids import new_id
from midstream.store.schema import FunctionRow, InstanceRow, VersionRow


class Version(NamedTuple):
    """A version by id, and by the number its author knows it by."""

    id: str
    number: int


class VersionView(msgspec.Struct, frozen=True):
    """One version, and whether any instance runs it."""

    id: str
    function_id: str
    number: int
    code: str
    schema: tuple[Definition, ...]
    author: str
    message: str
    created_at: datetime
    deployed: bool
    deployed_at: datetime | None


def function_resource(row: FunctionRow) -> Resource:
    """Name a function for the audit trail, where its versions stand under it."""
    return Resource("function", row.id, row.name)


async def add_version(
    act: Act,
    row: FunctionRow,
    *,
    code: str,
    schema: Sequence[Definition] = (),
    author: str = "",
    message: str = "",
) -> Version:
    """Save code and settings schema as the next version. Nothing runs it until an instance is pinned to it."""
    version = await _save(act, row, code, schema, author, message)
    act.note(Action.FUNCTION_MODIFIED, function_resource(row), f"version {version.number}")
    return version


async def _save(
    act: Act, function: FunctionRow, code: str, schema: Sequence[Definition], author: str, message: str
) -> Version:
    check_code(code)
    check_schema(schema)
    query = select(func.max(VersionRow.number)).where(VersionRow.function_id == function.id)
    row = VersionRow(
        id=new_id("ver"),
        function_id=function.id,
        number=(await act.session.scalar(query) or 0) + 1,
        code=code,
        settings_schema=msgspec.to_builtins(schema),
        author=author,
        message=message,
        created_at=act.at,
    )
    act.session.add(row)
    function.updated_at = act.at
    await act.session.flush()
    return Version(row.id, row.number)


async def restore(act: Act, row: FunctionRow, *, version_id: str) -> VersionView:
    """Make an old version's code and settings the latest version, a new one. Nothing runs it until it is deployed."""
    old, _ = await act.find(VersionRow, version_id)
    if old.function_id != row.id:
        raise RequestError(404, "not-found", f"the function has no version with the id {version_id!r}", "versionId")
    message = f"restored from version {old.number}"
    saved = await _save(act, row, old.code, definitions(old.settings_schema), author_of(act), message)
    act.note(Action.VERSION_RESTORED, function_resource(row), f"version {old.number} as version {saved.number}")
    return await show_version(act, row, saved.id)


async def list_versions(act: Act, row: FunctionRow, place: slice = ALL) -> Part[VersionView]:
    """List a function's versions, the newest first."""
    query = select(VersionRow).where(VersionRow.function_id == row.id).order_by(VersionRow.number.desc())
    rows = await part(act.session, query, place)
    deployed = await _deployed(act.session, row.id)
    return rows.of(_version_view(each, deployed) for each in rows)


async def show_version(act: Act, row: FunctionRow, version_id: str) -> VersionView:
    """Return one version of a function, which `latest` may name too."""
    if version_id == "latest":
        found = await latest_version(act.session, row.id)
    else:
        found, _ = await act.find(VersionRow, version_id)
    if found is None or found.function_id != row.id:
        raise RequestError(404, "not-found", f"the function has no version with the id {version_id!r}")
    return _version_view(found, await _deployed(act.session, row.id))


async def compare(act: Act, row: FunctionRow, version_id: str, *, since: str | None = None) -> str:
    """Return what a version changed since another one, the one before it unless said, as a unified diff."""
    after = await show_version(act, row, version_id)
    if since is not None:
        before = await show_version(act, row, since)
        return diff(_sides(before), _sides(after))
    query = select(VersionRow).where(VersionRow.function_id == row.id, VersionRow.number < after.number)
    earlier = await act.session.scalar(query.order_by(VersionRow.number.desc()).limit(1))
    return diff(_sides(_version_view(earlier, {})) if earlier else None, _sides(after))


def _sides(view: VersionView) -> tuple[str, str, Sequence[Definition]]:
    return f"version {view.number}", view.code, view.schema


async def _deployed(session: AsyncSession, function_id: str) -> Mapping[str, datetime | None]:
    """Return the versions that run, and when each was last given to an instance."""
    rows = await session.execute(
        select(InstanceRow.version_id, func.max(InstanceRow.deployed_at))
        .where(InstanceRow.function_id == function_id)
        .group_by(InstanceRow.version_id)
    )
    return {version: at for version, at in rows}  # noqa: C416 # a Row is no pair to mypy


def _version_view(row: VersionRow, deployed: Mapping[str, datetime | None]) -> VersionView:
    return VersionView(
        id=row.id,
        function_id=row.function_id,
        number=row.number,
        code=row.code,
        schema=definitions(row.settings_schema),
        author=row.author,
        message=row.message,
        created_at=row.created_at,
        deployed=row.id in deployed,
        deployed_at=deployed.get(row.id),
    )


async def latest_version(session: AsyncSession, function_id: str) -> VersionRow | None:
    """Return the version with the highest number."""
    query = select(VersionRow).where(VersionRow.function_id == function_id).order_by(VersionRow.number.desc()).limit(1)
    return await session.scalar(query)


async def latest_versions(session: AsyncSession, function_ids: Sequence[str]) -> Mapping[str, VersionRow]:
    """Return the version with the highest number of each function that has one, by the function's id."""
    numbers = (
        select(VersionRow.function_id, func.max(VersionRow.number).label("number"))
        .where(VersionRow.function_id.in_(function_ids))
        .group_by(VersionRow.function_id)
        .subquery()
    )
    latest = await session.scalars(
        select(VersionRow).join(
            numbers, (VersionRow.function_id == numbers.c.function_id) & (VersionRow.number == numbers.c.number)
        )
    )
    return {version.function_id: version for version in latest}


def author_of(act: Act) -> str:
    """Say whom a version names as its author."""
    return act.caller.email or act.caller.id


def check_code(code: str, where: str | None = None) -> None:
    """Refuse code that is too long to run, or that no text column can keep."""
    limit = Limits().code_bytes
    if len(code.encode(errors="surrogatepass")) > limit:
        raise Invalid(f"the code is longer than {limit} bytes", where)
    if "\0" in code:
        raise Invalid("the code contains a NUL character; write it as \\0 in a string", where)


versions = use_case_on(FunctionRow, list_versions, Permission.FUNCTION_READ)
compare_versions = use_case_on(FunctionRow, compare, Permission.FUNCTION_READ)
get_version = use_case_on(FunctionRow, show_version, Permission.FUNCTION_READ)
restore_version = use_case_on(FunctionRow, restore, Permission.FUNCTION_EDIT, writes=Writes.TOPOLOGY)
