"""People to sign in, on a real database: with cheap hashes, invites, and a look at the trail.

The fixture `way_in` needs one called `call`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Protocol

import pytest
from argon2 import PasswordHasher
from argon2.profiles import CHEAPEST
from sqlalchemy import select

from midstream.control.act import Call
from midstream.control.passwords import Passwords
from midstream.control.reset import set_password
from midstream.control.sign_in import SignIn
from midstream.control.signed_in import Lifetimes, Whence
from midstream.control.throttle import Throttle
from midstream.domain.bearer import hash_of
from midstream.store.ids import new_id
from midstream.store.people import GrantRow, InviteRow, MemberRow, UserRow
from midstream.store.trail import AuditRow

PASSWORD = "correct horse battery"
HERE = Whence("192.0.2.1", "Browser/1.0")


def cheap_passwords() -> Passwords:
    """Give passwords that are quick to hash, and to guess."""
    return Passwords(PasswordHasher.from_parameters(CHEAPEST))


class WayIn(Protocol):
    """Makes the ways in to a test's database."""

    def __call__(self, *, throttle: Throttle | None = None, create_members: tuple[str, ...] = ()) -> SignIn: ...


@pytest.fixture
async def way_in(call: Call) -> AsyncIterator[WayIn]:
    """Make the ways in to a database, and close them afterwards."""
    made: list[SignIn] = []

    def make(*, throttle: Throttle | None = None, create_members: tuple[str, ...] = ()) -> SignIn:
        made.append(
            SignIn(
                call.sessions,
                cheap_passwords(),
                throttle or Throttle(),
                lifetimes=Lifetimes(),
                create_members=create_members,
            )
        )
        return made[-1]

    yield make
    for each in made:
        await each.close()


async def add_member(call: Call, email: str, password: str | None = PASSWORD, subject: str | None = None) -> str:
    """Add a member of the call's workspace; return their id."""
    now = datetime.now(UTC)
    user = UserRow(
        id=new_id("usr"),
        email=email,
        name=email.partition("@")[0].title(),
        password_hash=None,
        oidc_subject=subject,
        created_at=now,
        updated_at=now,
    )
    async with call.sessions.begin() as session:
        session.add(user)
        await session.flush()
        session.add(MemberRow(workspace_id=call.caller.workspace_id, user_id=user.id, created_at=now))
    if password is not None:
        await set_password(call.sessions, cheap_passwords(), email, password, author="tests")
    return user.id


async def invite(call: Call, email: str, role: str = "functions_admin", *, days: float = 7) -> str:
    """Invite an address to the call's workspace; return the link's secret."""
    now, key = datetime.now(UTC), new_id("inv")
    async with call.sessions.begin() as session:
        session.add(
            InviteRow(
                id=key,
                workspace_id=call.caller.workspace_id,
                email=email,
                hash=hash_of(f"secret of {key}"),
                created_at=now,
                expires_at=now + timedelta(days=days),
            )
        )
        session.add(
            GrantRow(id=new_id("gra"), workspace_id=call.caller.workspace_id, subject_id=key, role=role, resources=None)
        )
    return f"secret of {key}"


async def trail_of(call: Call, *actions: str) -> list[tuple[str, str, str, list[str] | None]]:
    """Return action, actor, resource and details of the workspace's entries, of these actions only if any are given."""
    query = select(AuditRow).where(AuditRow.workspace_id == call.caller.workspace_id).order_by(AuditRow.sequence)
    async with call.sessions() as session:
        return [
            (row.action, row.actor, row.resource_name, row.changed)
            for row in await session.scalars(query)
            if not actions or row.action in actions
        ]
