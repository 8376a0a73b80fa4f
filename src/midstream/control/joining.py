"""How somebody becomes a member: by an invite, taken up with its link or by the e-mail address it was sent to.

Enters: an open transaction. Leaves: the membership with what the invite granted, noted in the trail. That uses the invite
up.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncSession

from midstream.control.signed_in import Actor, note_in
from midstream.control.transaction import MAX_NAME
from midstream.domain.access import Role
from midstream.domain.audit import Action, Resource
from midstream.domain.bearer import hash_of
from midstream.store import trail
from midstream.store.ids import new_id
from midstream.store.people import GrantRow, InviteRow, MemberRow, UserRow
from midstream.store.schema import WorkspaceRow

_LONGEST_ADDRESS = 254  # RFC 5321's path, without its angle brackets


def address_of(typed: str) -> str:
    """Return an e-mail address as it is kept: without spaces around it, in lower case."""
    return typed.strip().lower()[:_LONGEST_ADDRESS]


async def invite_of(session: AsyncSession, secret: str, at: datetime) -> InviteRow | None:
    """Return the invite whose link holds this secret, unless it has expired."""
    return await session.scalar(select(InviteRow).where(InviteRow.hash == hash_of(secret), InviteRow.expires_at > at))


async def invites_for(session: AsyncSession, email: str, at: datetime) -> Sequence[InviteRow]:
    """Return the invites to an address that have not expired, the oldest first."""
    query = select(InviteRow).where(InviteRow.email == email, InviteRow.expires_at > at)
    return (await session.scalars(query.order_by(InviteRow.created_at, InviteRow.id))).all()


async def user_of(session: AsyncSession, email: str) -> UserRow | None:
    """Return the account of an address."""
    return await session.scalar(select(UserRow).where(UserRow.email == email))


async def add_user(session: AsyncSession, email: str, name: str, at: datetime) -> UserRow:
    """Add an account, which cannot be signed in to yet. A name that cannot be shown becomes the address's."""
    shown = name.strip()
    fit = shown and shown.isprintable() and len(shown) <= MAX_NAME
    row = UserRow(
        id=new_id("usr"),
        email=email,
        name=shown if fit else email.partition("@")[0][:MAX_NAME],
        password_hash=None,
        oidc_subject=None,
        created_at=at,
        updated_at=at,
    )
    session.add(row)
    await session.flush()
    return row


async def take_up(session: AsyncSession, invite: InviteRow, user: UserRow, origin: str, at: datetime) -> None:
    """Make a user a member of the workspace they were invited to, with the roles that were promised."""
    await _join(session, invite.workspace_id, user, origin, at)
    await session.execute(update(GrantRow).where(GrantRow.subject_id == invite.id).values(subject_id=user.id))
    await session.delete(invite)
    await session.flush()


async def join_first(session: AsyncSession, user: UserRow, origin: str, at: datetime) -> None:
    """Make a user a plain member of the oldest workspace, if there is one."""
    if (workspace_id := await oldest_workspace(session)) is None:
        return
    await _join(session, workspace_id, user, origin, at)
    role = Role.WORKSPACE_MEMBER.value
    session.add(GrantRow(id=new_id("gra"), workspace_id=workspace_id, subject_id=user.id, role=role, resources=None))
    await session.flush()


async def oldest_workspace(session: AsyncSession) -> str | None:
    """Return the id of the workspace that was there first: the one of whoever installed midstream."""
    query = select(WorkspaceRow.id).order_by(WorkspaceRow.created_at, WorkspaceRow.id).limit(1)
    return await session.scalar(query)


async def _join(session: AsyncSession, workspace_id: str, user: UserRow, origin: str, at: datetime) -> None:
    if await session.get(MemberRow, (workspace_id, user.id)):
        return
    session.add(MemberRow(workspace_id=workspace_id, user_id=user.id, created_at=at))
    await session.flush()
    joined = trail.Note(Action.USER_CREATED, Resource("user", user.id, user.email))
    await note_in(session, workspace_id, [joined], origin, at, Actor(user.id, user.email))
