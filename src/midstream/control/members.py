"""The members of a workspace: who belongs to it, what each is granted, and what ends when one leaves."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy import delete, func, select

from midstream.control import grants
from midstream.control.act import Act, Writes, use_case, use_case_on
from midstream.control.grants import Granted, Held
from midstream.control.joining import add_user, user_of
from midstream.control.parts import ALL, Part, part
from midstream.control.signed_in import end_all
from midstream.control.tokens import revoke
from midstream.control.transaction import check_name
from midstream.domain.access import Permission, Role
from midstream.domain.audit import Action, Resource
from midstream.domain.email import normalised
from midstream.errors import RequestError
from midstream.store.people import GroupMemberRow, GroupRow, InviteRow, MemberRow, TokenRow, UserRow


class MemberView(msgspec.Struct, frozen=True):
    """A member. `permissions` are their own; what their groups have is the groups'."""

    id: str
    name: str
    email: str
    permissions: tuple[Granted, ...]
    created_at: datetime
    updated_at: datetime


class GroupName(msgspec.Struct, frozen=True):
    """What is needed to know a group."""

    id: str
    name: str


def resource(row: UserRow) -> Resource:
    """Name a user for the audit trail."""
    return Resource("user", row.id, row.email)


async def list_members(act: Act, place: slice = ALL) -> Part[MemberView]:
    """List the members, by e-mail address."""
    query = (
        select(UserRow)
        .join(MemberRow, MemberRow.user_id == UserRow.id)
        .where(MemberRow.workspace_id == act.workspace_id)
        .order_by(UserRow.email)
    )
    rows = await part(act.session, query, place)
    return rows.of(await _views(act, rows))


async def show_member(act: Act, row: UserRow) -> MemberView:
    """Return one member."""
    [view] = await _views(act, [row])
    return view


async def list_groups(act: Act, row: UserRow, place: slice = ALL) -> Part[GroupName]:
    """List the groups a member is in, by name."""
    query = (
        select(GroupRow)
        .join(GroupMemberRow, GroupMemberRow.group_id == GroupRow.id)
        .where(GroupRow.workspace_id == act.workspace_id, GroupMemberRow.email == row.email)
        .order_by(GroupRow.name, GroupRow.id)
    )
    rows = await part(act.session, query, place)
    return rows.of(GroupName(group.id, group.name) for group in rows)


async def create(
    act: Act, *, email: str, name: str | None = None, permissions: Sequence[Granted] | None = None
) -> MemberView:
    """Add a member, who has no password yet. Unless told otherwise they are Workspace Owner if there is none yet."""
    if permissions is None:
        first = Role.WORKSPACE_MEMBER if await grants.has_owner(act) else Role.WORKSPACE_OWNER
        permissions = [Granted(first)]
    row = await join(act, normalised(email, "email"), name, await grants.checked(act, permissions))
    return await show_member(act, row)


async def join(act: Act, email: str, name: str | None, held: Held, *how: str) -> UserRow:
    """Make the person with this address, who may be known from another workspace, a member who holds these roles.

    An invite they had is used up by that. `email` is normalised.
    """
    if name is not None:
        check_name(name)
    row = await user_of(act.session, email) or await add_user(act.session, email, name or email, act.at)
    if await act.session.get(MemberRow, (act.workspace_id, row.id)) is not None:
        raise RequestError(409, "conflict", f"{email} is a member of the workspace already", "email")
    await drop_invite(act, email)
    act.session.add(MemberRow(workspace_id=act.workspace_id, user_id=row.id, created_at=act.at))
    await act.session.flush()
    await grants.let_hold(act, row.id, held)
    act.note(Action.USER_CREATED, resource(row), *grants.said(held), *how)
    return row


async def drop_invite(act: Act, email: str) -> InviteRow | None:
    """Take back the invite of an address, where there is one, with what it would have granted."""
    where = (InviteRow.workspace_id == act.workspace_id, InviteRow.email == email)
    row = await act.session.scalar(select(InviteRow).where(*where))
    if row is not None:
        await grants.take(act, [row.id])
        await act.session.delete(row)
        await act.session.flush()
    return row


async def remove(act: Act, user_ids: Sequence[str]) -> None:
    """Remove members, and end their tokens and sessions with it."""
    rows = {row.id: row for row in [(await act.find(UserRow, key))[0] for key in user_ids]}
    async with grants.keeping_an_owner(act):
        for row in rows.values():
            await _leave(act, row)


async def _leave(act: Act, row: UserRow) -> None:
    await _end_tokens(act, row)
    await end_all(act.session, row.id)
    await leave_groups(act, row.email)
    await grants.take(act, [row.id])
    where = (MemberRow.workspace_id == act.workspace_id, MemberRow.user_id == row.id)
    await act.session.execute(delete(MemberRow).where(*where))
    act.note(Action.USER_REMOVED, resource(row))
    elsewhere = select(func.count()).select_from(MemberRow).where(MemberRow.user_id == row.id)
    if not await act.session.scalar(elsewhere):
        await act.session.delete(row)  # a person who belongs nowhere: what is kept of them is the trail


async def _end_tokens(act: Act, row: UserRow) -> None:
    where = (TokenRow.workspace_id == act.workspace_id, TokenRow.creator_id == row.id)
    for token in (await act.session.scalars(select(TokenRow).where(*where).order_by(TokenRow.id))).all():
        await revoke(act, token)
    await act.session.flush()


async def leave_groups(act: Act, email: str) -> None:
    """Take an address out of all groups of the workspace."""
    here = select(GroupRow.id).where(GroupRow.workspace_id == act.workspace_id)
    where = (GroupMemberRow.group_id.in_(here), GroupMemberRow.email == email)
    await act.session.execute(delete(GroupMemberRow).where(*where).execution_options(synchronize_session="fetch"))


async def add_permissions(act: Act, row: UserRow, permissions: Sequence[Granted]) -> tuple[Granted, ...]:
    """Grant a member more; return all that they hold now."""
    more = await grants.checked(act, permissions)
    return await _give(act, row, grants.together(await grants.held_by(act, row.id), more))


async def replace_permissions(act: Act, row: UserRow, permissions: Sequence[Granted]) -> tuple[Granted, ...]:
    """Grant a member this instead of what they held."""
    return await _give(act, row, await grants.checked(act, permissions))


async def _give(act: Act, row: UserRow, held: Held) -> tuple[Granted, ...]:
    async with grants.keeping_an_owner(act):
        if await grants.let_hold(act, row.id, held):
            row.updated_at = act.at
            act.note(Action.USER_POLICY_UPDATED, resource(row), *grants.said(held))
    return (await grants.shown(act, [row.id]))[row.id]


async def _views(act: Act, rows: Sequence[UserRow]) -> list[MemberView]:
    held = await grants.shown(act, [row.id for row in rows])
    return [MemberView(row.id, row.name, row.email, held[row.id], row.created_at, row.updated_at) for row in rows]


members = use_case(list_members, Permission.ACCESS_MANAGE)
get_member = use_case_on(UserRow, show_member, Permission.ACCESS_MANAGE)
groups_of_member = use_case_on(UserRow, list_groups, Permission.ACCESS_MANAGE)
create_member = use_case(create, Permission.ACCESS_MANAGE, writes=Writes.PEOPLE)
remove_members = use_case(remove, Permission.ACCESS_MANAGE, writes=Writes.PEOPLE)
add_member_permissions = use_case_on(UserRow, add_permissions, Permission.ACCESS_MANAGE, writes=Writes.PEOPLE)
replace_member_permissions = use_case_on(UserRow, replace_permissions, Permission.ACCESS_MANAGE, writes=Writes.PEOPLE)
