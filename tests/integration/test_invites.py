"""An invite's link makes a member, once, within a week; on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from midstream.control import groups, invites, joining, members
from midstream.control.act import Call
from midstream.control.grants import Granted
from midstream.control.invites import Invitation, InviteView
from midstream.domain.access import Grant, Role
from midstream.errors import Invalid, RequestError
from midstream.secrets import Vault
from midstream.store import trail
from midstream.store.people import InviteRow, UserRow
from midstream.store.session import Sessions, writing
from midstream.store.trail import AuditRow
from tests.integration.database import database_url, postgres_server, postgres_url, sessions, vault
from tests.integration.office import call_in
from tests.integration.test_members import OWNER, effective, entries, everything

__all__ = ["database_url", "postgres_server", "postgres_url", "sessions", "vault"]


@pytest.fixture
async def call(sessions: Sessions, vault: Vault) -> Call:
    return await call_in(sessions, vault)


async def invite(call: Call, email: str, *permissions: Granted) -> InviteView:
    [made] = await invites.create_invites(call, [Invitation(email, permissions)])
    return made


async def accept(call: Call, made: InviteView, after: timedelta = timedelta(), name: str = "") -> UserRow | None:
    """Take an invite up as the page of its link does; None when the link is good for nothing."""
    at = datetime.now(UTC) + after
    async with writing(call.sessions) as session:
        await trail.lock(session)
        invite = await joining.invite_of(session, made.secret or "", at)
        if invite is None:
            return None
        user = await joining.user_of(session, invite.email) or await joining.add_user(session, invite.email, name, at)
        await joining.take_up(session, invite, user, "192.0.2.1", at)
        return user


async def test_an_invite_is_accepted_with_its_roles_and_groups(call: Call) -> None:
    made = await invite(call, "Bob@example.com", everything(call, Role.FUNCTIONS_ADMIN))
    group = await groups.create_group(call, name="Shop")
    await groups.add_to_group(call, group.id, ["bob@example.com"])
    bob = await accept(call, made, name="Bob")
    assert bob is not None
    assert (bob.email, bob.name, bob.password_hash) == ("bob@example.com", "Bob", None)
    assert await effective(call, bob.id) == {Grant(Role.FUNCTIONS_ADMIN)}
    assert [each.email for each in await groups.people_of_group(call, group.id)] == ["bob@example.com"]
    assert await groups.invited_to_group(call, group.id) == []
    assert await invites.invites(call) == []
    assert (await entries(call))[-1][:2] == ("User Created", "bob@example.com")
    async with call.sessions() as session:
        last = await session.scalar(select(AuditRow).order_by(AuditRow.sequence.desc()).limit(1))
        assert last is not None
        assert (last.actor, last.workspace_id) == (bob.id, call.caller.workspace_id)


async def test_a_link_is_good_once_and_for_a_week(call: Call) -> None:
    made = await invite(call, "bob@example.com")
    assert made.expires_at - made.created_at == timedelta(days=7)
    assert await accept(call, made, timedelta(days=7, seconds=1)) is None
    assert await accept(call, made, timedelta(days=6)) is not None
    assert await accept(call, made) is None


async def test_the_secret_is_not_kept(call: Call) -> None:
    made = await invite(call, "bob@example.com")
    assert made.secret
    async with call.sessions() as session:
        row = (await session.scalars(select(InviteRow))).one()
        assert made.secret not in f"{row.id} {row.hash} {row.email}"
    assert [each.secret for each in await invites.invites(call)] == [None]


async def test_inviting_again_makes_a_new_link_and_ends_the_old(call: Call) -> None:
    old = await invite(call, "bob@example.com", OWNER)
    new = await invite(call, "bob@example.com")
    assert [each.email for each in await invites.invites(call)] == ["bob@example.com"]
    assert await accept(call, old) is None
    bob = await accept(call, new)
    assert bob is not None
    assert await effective(call, bob.id) == {Grant(Role.WORKSPACE_MEMBER)}


async def test_an_invite_that_is_taken_back_is_good_for_nothing(call: Call) -> None:
    made = await invite(call, "bob@example.com")
    group = await groups.create_group(call, name="Shop")
    await groups.add_to_group(call, group.id, ["bob@example.com"])
    await invites.delete_invites(call, ["BOB@example.com"])
    assert await groups.invited_to_group(call, group.id) == []
    assert await accept(call, made) is None
    with pytest.raises(RequestError, match=r"there is no invite for bob@example\.com") as caught:
        await invites.delete_invites(call, ["bob@example.com"])
    assert (caught.value.status, caught.value.field) == (404, "emails[0]")


async def test_one_invitation_that_does_not_hold_keeps_all_from_being_sent(call: Call) -> None:
    await members.create_member(call, email="ann@example.com")
    for bad, complaint in (
        (Invitation("ANN@example.com"), "is a member of the workspace already"),
        (Invitation("bob@example.com"), r"invites\[1\].email: bob@example.com is listed twice"),
        (Invitation("nobody"), r"invites\[1\].email: expected an e-mail address"),
        (Invitation("eve@example.com", (Granted("king"),)), r"invites\[1\].permissions\[0\].roleId: there is no role"),
    ):
        with pytest.raises((Invalid, RequestError), match=complaint):
            await invites.create_invites(call, [Invitation("bob@example.com"), bad])
    assert await invites.invites(call) == []


async def test_who_accepts_may_be_known_from_another_workspace(call: Call) -> None:
    elsewhere = await call_in(call.sessions, call.vault, "other")
    known = await members.create_member(elsewhere, email="bob@example.com", name="Bob")
    bob = await accept(call, await invite(call, "bob@example.com"), name="Robert")
    assert bob is not None
    assert (bob.id, bob.name) == (known.id, "Bob")
    assert await effective(elsewhere, bob.id) == {Grant(Role.WORKSPACE_OWNER)}
