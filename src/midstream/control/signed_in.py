"""Who is signed in: a session is a row, and a secret in the person's cookie of which the row has the hash.

Enters: that secret. Leaves: a `Person`, and for a workspace the `Caller` they are there. Deleting the row ends it.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, and_, delete, not_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from midstream.control.grants import effective_grants
from midstream.domain.access import Caller
from midstream.domain.audit import Action, Resource
from midstream.domain.bearer import hash_of
from midstream.errors import RequestError
from midstream.store import trail
from midstream.store.ids import new_id
from midstream.store.people import MemberRow, SignInRow, UserRow
from midstream.store.schema import WorkspaceRow
from midstream.store.session import Sessions, reading, writing

_SEEN_EVERY = timedelta(minutes=1)  # how exactly the last use is kept: a page is not a write
_AGENT_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long a session lives: without being used, and at most."""

    idle: timedelta = timedelta(hours=12)
    whole: timedelta = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Whence:
    """Where a request came from: its address, and what the browser calls itself."""

    address: str
    agent: str = ""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did something, for the audit trail, where it is nobody who is signed in."""

    id: str
    email: str = ""


ANYBODY = Actor("__anonymous__")  # who tried and did not get in


@dataclass(frozen=True, slots=True)
class Workspace:
    """One a person is a member of."""

    id: str
    slug: str
    name: str


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who is signed in, by which session, and where they are members."""

    session_id: str
    user_id: str
    email: str
    name: str
    workspaces: tuple[Workspace, ...]
    has_password: bool  # else their provider signs them in


@dataclass(frozen=True, slots=True)
class SessionView:
    """A session as its owner sees it."""

    id: str
    address: str
    agent: str
    created_at: datetime
    seen_at: datetime
    expires_at: datetime


async def begin(session: AsyncSession, user: UserRow, whence: Whence, lifetimes: Lifetimes, at: datetime) -> str:
    """Open a session on an open transaction and return its secret, 256 random bits. The user's expired ones go."""
    await session.execute(delete(SignInRow).where(SignInRow.user_id == user.id, not_(_alive(lifetimes, at))))
    secret = secrets.token_urlsafe(32)
    row = SignInRow(
        id=new_id("ses"),
        user_id=user.id,
        hash=hash_of(secret),
        origin=whence.address,
        agent=_printable(whence.agent),
        created_at=at,
        seen_at=at,
        expires_at=at + lifetimes.whole,
    )
    session.add(row)
    await session.flush()
    return secret


async def person_of(
    sessions: Sessions, secret: str, lifetimes: Lifetimes, *, at: datetime | None = None
) -> Person | None:
    """Return whose session this is the secret of; None when it is over, was revoked or never was. It is used by that."""
    at = at or datetime.now(UTC)
    async with reading(sessions) as session:
        query = select(SignInRow, UserRow).join(UserRow).where(SignInRow.hash == hash_of(secret), _alive(lifetimes, at))
        found = (await session.execute(query)).one_or_none()
        if found is None:
            return None
        row, user = found
        workspaces = await workspaces_of(session, user.id)
    if at - row.seen_at >= _SEEN_EVERY:
        async with writing(sessions) as session:
            await session.execute(update(SignInRow).where(SignInRow.id == row.id).values(seen_at=at))
    return Person(row.id, user.id, user.email, user.name, workspaces, user.password_hash is not None)


async def caller_of(sessions: Sessions, person: Person, workspace_id: str) -> Caller:
    """Return who a person is in a workspace, with what they may there now; 404 where they are no member."""
    async with reading(sessions) as session:
        if await session.get(MemberRow, (workspace_id, person.user_id)) is None:
            raise RequestError(404, "not-found", f"there is no workspace with the id {workspace_id!r}")
        user = await session.get_one(UserRow, person.user_id)
        grants = await effective_grants(session, workspace_id, user)
    return Caller(person.user_id, workspace_id, grants, email=person.email, user_id=person.user_id)


async def workspaces_of(session: AsyncSession, user_id: str) -> tuple[Workspace, ...]:
    """Return where a person is a member, the oldest membership first."""
    query = (
        select(WorkspaceRow)
        .join(MemberRow, MemberRow.workspace_id == WorkspaceRow.id)
        .where(MemberRow.user_id == user_id)
        .order_by(MemberRow.created_at, WorkspaceRow.id)
    )
    return tuple(Workspace(row.id, row.slug, row.name) for row in await session.scalars(query))


async def sessions_of(
    sessions: Sessions, person: Person, lifetimes: Lifetimes, *, at: datetime | None = None
) -> Sequence[SessionView]:
    """List a person's sessions, the last used first."""
    query = select(SignInRow).where(SignInRow.user_id == person.user_id, _alive(lifetimes, at or datetime.now(UTC)))
    async with reading(sessions) as session:
        rows = (await session.scalars(query.order_by(SignInRow.seen_at.desc(), SignInRow.id))).all()
    return [SessionView(row.id, row.origin, row.agent, row.created_at, row.seen_at, row.expires_at) for row in rows]


async def sign_out(sessions: Sessions, person: Person, origin: str) -> None:
    """End the session a person asks with."""
    await _end(sessions, person, SignInRow.id == person.session_id, origin)


async def revoke(sessions: Sessions, person: Person, session_id: str, origin: str) -> None:
    """End one of a person's own sessions; 404 when it is none of theirs."""
    if not await _end(sessions, person, SignInRow.id == session_id, origin):
        raise RequestError(404, "not-found", "there is no such session; it may have ended already")


async def revoke_others(sessions: Sessions, person: Person, origin: str) -> int:
    """End all of a person's sessions but the one they ask with; return how many those were."""
    return await _end(sessions, person, SignInRow.id != person.session_id, origin)


async def end_all(session: AsyncSession, user_id: str, but: str = "") -> int:
    """End every session of a user, or all but one, on an open transaction whose note tells why; return how many."""
    ended = await session.execute(delete(SignInRow).where(SignInRow.user_id == user_id, SignInRow.id != but))
    return int(getattr(ended, "rowcount", 0))


async def forget(sessions: Sessions, *, before: datetime) -> None:
    """Drop the sessions whose age ended them before a time: of those who do not come back, nobody else does."""
    async with writing(sessions) as session:
        await session.execute(delete(SignInRow).where(SignInRow.expires_at <= before))


async def note(
    session: AsyncSession,
    user: UserRow,
    notes: Sequence[trail.Note],
    origin: str,
    at: datetime,
    actor: Actor | None = None,
) -> None:
    """Note in the trail of each of a user's workspaces what they did by themselves, or another actor with them."""
    for workspace in await workspaces_of(session, user.id):
        await note_in(session, workspace.id, notes, origin, at, actor or Actor(user.id, user.email))


async def note_in(
    session: AsyncSession, workspace_id: str, notes: Sequence[trail.Note], origin: str, at: datetime, actor: Actor
) -> None:
    """Note in a workspace's trail what an actor did."""
    await trail.append(
        session, notes, workspace_id=workspace_id, actor=actor.id, actor_email=actor.email, origin=origin, at=at
    )


async def _end(sessions: Sessions, person: Person, which: ColumnElement[bool], origin: str) -> int:
    async with writing(sessions) as session:
        await trail.lock(session)
        query = select(SignInRow).where(SignInRow.user_id == person.user_id, which).order_by(SignInRow.id)
        rows = (await session.scalars(query)).all()
        if rows:
            user = await session.get_one(UserRow, person.user_id)
            notes = [trail.Note(Action.SIGNED_OUT, Resource("session", row.id, row.agent)) for row in rows]
            await note(session, user, notes, origin, datetime.now(UTC))
        for row in rows:
            await session.delete(row)
        return len(rows)


def _alive(lifetimes: Lifetimes, at: datetime) -> ColumnElement[bool]:
    return and_(SignInRow.expires_at > at, SignInRow.seen_at > at - lifetimes.idle)


def _printable(agent: str) -> str:
    return "".join(each if each.isprintable() else " " for each in agent[:_AGENT_CHARACTERS])
