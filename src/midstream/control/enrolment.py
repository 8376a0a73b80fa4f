"""Beginning in a workspace: the member a token acts as, who is added when there is none of that address."""

from __future__ import annotations

from sqlalchemy import select

from midstream.control.act import Act, Call, Writes, acting
from midstream.control.grants import effective_grants, give
from midstream.control.members import join, resource
from midstream.domain.access import Grant
from midstream.domain.audit import Action
from midstream.domain.email import normalised
from midstream.store.people import MemberRow, UserRow


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
