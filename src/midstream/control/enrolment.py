"""Beginning on an empty installation: a workspace's first member and their token, made by whoever has the data dir."""

from __future__ import annotations

from sqlalchemy import select

from midstream.control.act import Act, Call, Writes, acting
from midstream.control.grants import effective_grants, give
from midstream.control.sources import COMMAND_LINE, found_workspace
from midstream.domain.access import Grant, operator
from midstream.domain.audit import Action, Resource
from midstream.secrets import Vault
from midstream.store.ids import new_id
from midstream.store.people import MemberRow, UserRow
from midstream.store.session import Sessions


async def operator_call(sessions: Sessions, vault: Vault, *, workspace: str, author: str) -> Call:
    """Return the call of whoever runs a command on the data dir, in a workspace that is made when there is none."""
    workspace_id = await found_workspace(sessions, vault, slug=workspace, author=author)
    return Call(sessions, vault, operator(workspace_id, author), COMMAND_LINE)


async def enrol(call: Call, *, email: str, grant: Grant, name: str = "") -> str:
    """Return the id of a member with this address, added when there is none; the grant is given when they have none."""
    async with acting(call, Writes.PEOPLE) as act:
        user = await act.session.scalar(select(UserRow).where(UserRow.email == email.lower()))
        if user is None:
            user = UserRow(
                id=new_id("usr"), email=email.lower(), name=name or email, created_at=act.at, updated_at=act.at
            )
            act.session.add(user)
            await act.session.flush()
        if await act.session.get(MemberRow, (act.workspace_id, user.id)) is None:
            act.session.add(MemberRow(workspace_id=act.workspace_id, user_id=user.id, created_at=act.at))
            act.note(Action.USER_CREATED, Resource("user", user.id, user.email))
            await act.session.flush()
        await _give_first(act, user, grant)
        return user.id


async def _give_first(act: Act, user: UserRow, grant: Grant) -> None:
    if not await effective_grants(act.session, act.workspace_id, user):
        await give(act, user.id, [grant])
        act.note(Action.USER_POLICY_UPDATED, Resource("user", user.id, user.email), grant.role.value)
