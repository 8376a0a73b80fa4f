"""Beginning in a workspace: the member a token acts as, who is added where there is nobody yet."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import NamedTuple

from sqlalchemy import select

from midstream.control.act import Act, Call, Writes, acting, use_case
from midstream.control.grants import Granted, effective_grants, give, owners
from midstream.control.members import join, resource
from midstream.control.tokens import TokenView, make
from midstream.domain.access import Grant, Permission, Role
from midstream.domain.audit import Action
from midstream.domain.email import normalised
from midstream.errors import Invalid
from midstream.store.people import MemberRow, UserRow


class Made(NamedTuple):
    """A token, and whether the member it acts as was added for it."""

    token: TokenView
    added: bool


async def make_for(
    act: Act,
    *,
    email: str | None,
    usual: str,
    name: str,
    permissions: Sequence[Granted],
    expires_in: timedelta | None,
) -> Made | None:
    """Make a token that acts as the member with this address; in a workspace without members they become its owner.

    Where none is named it acts as the owner whose address is `usual`, or else as the only owner; None when that names
    nobody.
    """
    there = await _members(act)
    address = normalised(email or usual, "--email")
    if there:
        creator = _named(there, address) if email else _meant(await owners(act), address)
    else:
        creator = await join(act, address, None, {Role.WORKSPACE_OWNER: None})
    if creator is None:
        return None
    token = await make(act, name=name, permissions=permissions, creator_id=creator.id, expires_in=expires_in)
    return Made(token, added=not there)


async def _members(act: Act) -> Sequence[UserRow]:
    query = select(UserRow).join(MemberRow, MemberRow.user_id == UserRow.id)
    return (await act.session.scalars(query.where(MemberRow.workspace_id == act.workspace_id))).all()


def _named(there: Sequence[UserRow], address: str) -> UserRow:
    for each in there:
        if each.email == address:
            return each
    raise Invalid(f"no member has the address {address}; add them with `midstream user create {address}`", "--email")


def _meant(found: Sequence[UserRow], usual: str) -> UserRow | None:
    if len(found) == 1:
        return found[0]
    return next((each for each in found if each.email == usual), None)


async def enrol(call: Call, *, email: str, grant: Grant, name: str = "") -> str:
    """Return the id of a member with this address, added when there is none; the grant is given when they have none."""
    address = normalised(email, "email")
    async with acting(call, Writes.PEOPLE) as act:
        query = select(UserRow).join(MemberRow, MemberRow.user_id == UserRow.id)
        user = await act.session.scalar(
            query.where(MemberRow.workspace_id == act.workspace_id, UserRow.email == address)
        )
        if user is None:
            user = await join(act, address, name or None, {})
        await _give_first(act, user, grant)
        return user.id


async def _give_first(act: Act, user: UserRow, grant: Grant) -> None:
    if not await effective_grants(act.session, act.workspace_id, user):
        await give(act, user.id, [grant])
        act.note(Action.USER_POLICY_UPDATED, resource(user), grant.role.value)


create_token_for = use_case(make_for, Permission.ACCESS_MANAGE, writes=Writes.PEOPLE)
