"""Groups of members, who all have what their group is granted. Members are named by e-mail address, invited ones too."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from midstream.control import grants
from midstream.control.act import Act, Writes, use_case, use_case_on
from midstream.control.grants import Granted, Held
from midstream.control.parts import ALL, Part, part
from midstream.control.transaction import check_name
from midstream.domain.access import Permission
from midstream.domain.audit import Action, Resource
from midstream.domain.email import normalised
from midstream.errors import Invalid, RequestError
from midstream.store.ids import new_id
from midstream.store.people import GroupMemberRow, GroupRow, InviteRow, MemberRow, UserRow


class GroupView(msgspec.Struct, frozen=True):
    """A group. Who is only invited yet does not count as a member."""

    id: str
    name: str
    member_count: int
    permissions: tuple[Granted, ...]
    updated_at: datetime


class PersonView(msgspec.Struct, frozen=True):
    """What is needed to know a person."""

    id: str
    name: str
    email: str


def resource(row: GroupRow) -> Resource:
    """Name a group for the audit trail."""
    return Resource("user_group", row.id, row.name)


async def list_groups(act: Act, place: slice = ALL) -> Part[GroupView]:
    """List the groups, by name."""
    query = select(GroupRow).where(GroupRow.workspace_id == act.workspace_id).order_by(GroupRow.name, GroupRow.id)
    rows = await part(act.session, query, place)
    return rows.of(await _views(act, rows))


async def show(act: Act, row: GroupRow) -> GroupView:
    """Return one group."""
    [view] = await _views(act, [row])
    return view


async def create(act: Act, *, name: str) -> GroupView:
    """Add a group, which has nobody in it and is granted nothing yet."""
    await _check_name(act, name)
    row = GroupRow(id=new_id("grp"), workspace_id=act.workspace_id, name=name, created_at=act.at, updated_at=act.at)
    act.session.add(row)
    await act.session.flush()
    act.note(Action.GROUP_CREATED, resource(row))
    return await show(act, row)


async def rename(act: Act, row: GroupRow, *, name: str) -> GroupView:
    """Give a group another name."""
    if name != row.name:
        await _check_name(act, name)
        row.name, row.updated_at = name, act.at
        act.note(Action.GROUP_MODIFIED, resource(row), "name")
    return await show(act, row)


async def _check_name(act: Act, name: str) -> None:
    check_name(name)
    taken = select(GroupRow.id).where(GroupRow.workspace_id == act.workspace_id, GroupRow.name == name)
    if await act.session.scalar(taken.limit(1)):
        raise RequestError(409, "conflict", f"there is a user group {name!r} already", "name")


async def remove(act: Act, row: GroupRow) -> None:
    """Delete a group. Its members stay members, without what it granted them."""
    async with grants.keeping_an_owner(act):
        await act.session.execute(delete(GroupMemberRow).where(GroupMemberRow.group_id == row.id))
        await grants.take(act, [row.id])
        await act.session.delete(row)
        act.note(Action.GROUP_DELETED, resource(row))


async def add_permissions(act: Act, row: GroupRow, permissions: Sequence[Granted]) -> tuple[Granted, ...]:
    """Grant a group more; return all that it holds now."""
    more = await grants.checked(act, permissions)
    return await _give(act, row, grants.together(await grants.held_by(act, row.id), more))


async def replace_permissions(act: Act, row: GroupRow, permissions: Sequence[Granted]) -> tuple[Granted, ...]:
    """Grant a group this instead of what it held."""
    return await _give(act, row, await grants.checked(act, permissions))


async def _give(act: Act, row: GroupRow, held: Held) -> tuple[Granted, ...]:
    async with grants.keeping_an_owner(act):
        if await grants.let_hold(act, row.id, held):
            row.updated_at = act.at
            act.note(Action.GROUP_POLICY_UPDATED, resource(row), *grants.said(held))
    return (await grants.shown(act, [row.id]))[row.id]


async def list_people(act: Act, row: GroupRow, place: slice = ALL) -> Part[PersonView]:
    """List the members who are in a group, by e-mail address."""
    query = (
        select(UserRow)
        .join(MemberRow, MemberRow.user_id == UserRow.id)
        .join(GroupMemberRow, GroupMemberRow.email == UserRow.email)
        .where(MemberRow.workspace_id == act.workspace_id, GroupMemberRow.group_id == row.id)
        .order_by(UserRow.email)
    )
    rows = await part(act.session, query, place)
    return rows.of(PersonView(user.id, user.name, user.email) for user in rows)


async def list_invited(act: Act, row: GroupRow, place: slice = ALL) -> Part[str]:
    """List the addresses of those who will be in a group once they accept their invite."""
    query = (
        select(InviteRow.email)
        .join(GroupMemberRow, GroupMemberRow.email == InviteRow.email)
        .where(InviteRow.workspace_id == act.workspace_id, GroupMemberRow.group_id == row.id)
        .order_by(InviteRow.email)
    )
    return await part(act.session, query, place)


async def add_people(act: Act, row: GroupRow, emails: Sequence[str]) -> GroupView:
    """Put members and invited people into a group."""
    return await _let_be(act, row, await emails_of(act.session, row) | await _known(act, emails))


async def replace_people(act: Act, row: GroupRow, emails: Sequence[str]) -> GroupView:
    """Let a group hold these people and nobody else."""
    return await _let_be(act, row, await _known(act, emails))


async def remove_people(act: Act, row: GroupRow, emails: Sequence[str]) -> GroupView:
    """Take people out of a group; it is fine when they are not in it."""
    gone = {normalised(email, f"emails[{place}]") for place, email in enumerate(emails)}
    return await _let_be(act, row, await emails_of(act.session, row) - gone)


async def emails_of(session: AsyncSession, row: GroupRow) -> set[str]:
    """Return the addresses in a group."""
    return set(await session.scalars(select(GroupMemberRow.email).where(GroupMemberRow.group_id == row.id)))


async def _known(act: Act, emails: Sequence[str]) -> set[str]:
    """Return addresses as they are stored; they must be of somebody who is a member or invited."""
    named = [normalised(email, f"emails[{place}]") for place, email in enumerate(emails)]
    members = (
        select(UserRow.email)
        .join(MemberRow, MemberRow.user_id == UserRow.id)
        .where(MemberRow.workspace_id == act.workspace_id, UserRow.email.in_(named))
    )
    invited = select(InviteRow.email).where(InviteRow.workspace_id == act.workspace_id, InviteRow.email.in_(named))
    known = {*await act.session.scalars(members), *await act.session.scalars(invited)}
    for place, email in enumerate(named):
        if email not in known:
            raise Invalid(f"{email} is neither a member nor invited: invite them first", f"emails[{place}]")
    return known


async def _let_be(act: Act, row: GroupRow, wanted: set[str]) -> GroupView:
    was = await emails_of(act.session, row)
    async with grants.keeping_an_owner(act):
        where = (GroupMemberRow.group_id == row.id, GroupMemberRow.email.in_(was - wanted))
        await act.session.execute(delete(GroupMemberRow).where(*where).execution_options(synchronize_session="fetch"))
        act.session.add_all(GroupMemberRow(group_id=row.id, email=email) for email in sorted(wanted - was))
    if was != wanted:
        row.updated_at = act.at
        gone, new = (f"-{email}" for email in sorted(was - wanted)), (f"+{email}" for email in sorted(wanted - was))
        act.note(Action.GROUP_MEMBERS_UPDATED, resource(row), *new, *gone)
    return await show(act, row)


async def _views(act: Act, rows: Sequence[GroupRow]) -> list[GroupView]:
    ids = [row.id for row in rows]
    query = (
        select(GroupMemberRow.group_id, func.count())
        .join(UserRow, UserRow.email == GroupMemberRow.email)
        .join(MemberRow, MemberRow.user_id == UserRow.id)
        .where(GroupMemberRow.group_id.in_(ids), MemberRow.workspace_id == act.workspace_id)
        .group_by(GroupMemberRow.group_id)
    )
    counts = {id_: count for id_, count in await act.session.execute(query)}  # noqa: C416 # rows are no pairs to mypy
    held = await grants.shown(act, ids)
    return [GroupView(row.id, row.name, counts.get(row.id, 0), held[row.id], row.updated_at) for row in rows]


groups = use_case(list_groups, Permission.ACCESS_MANAGE)
get_group = use_case_on(GroupRow, show, Permission.ACCESS_MANAGE)
create_group = use_case(create, Permission.ACCESS_MANAGE, writes=Writes.PEOPLE)
update_group = use_case_on(GroupRow, rename, Permission.ACCESS_MANAGE, writes=Writes.PEOPLE)
delete_group = use_case_on(GroupRow, remove, Permission.ACCESS_MANAGE, writes=Writes.PEOPLE)
add_group_permissions = use_case_on(GroupRow, add_permissions, Permission.ACCESS_MANAGE, writes=Writes.PEOPLE)
replace_group_permissions = use_case_on(GroupRow, replace_permissions, Permission.ACCESS_MANAGE, writes=Writes.PEOPLE)
people_of_group = use_case_on(GroupRow, list_people, Permission.ACCESS_MANAGE)
invited_to_group = use_case_on(GroupRow, list_invited, Permission.ACCESS_MANAGE)
add_to_group = use_case_on(GroupRow, add_people, Permission.ACCESS_MANAGE, writes=Writes.PEOPLE)
replace_in_group = use_case_on(GroupRow, replace_people, Permission.ACCESS_MANAGE, writes=Writes.PEOPLE)
remove_from_group = use_case_on(GroupRow, remove_people, Permission.ACCESS_MANAGE, writes=Writes.PEOPLE)
