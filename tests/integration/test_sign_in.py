"""The ways in and how long one is in, on both databases."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from argon2 import PasswordHasher
from argon2.profiles import CHEAPEST
from sqlalchemy import select

from midstream.control.act import Call
from midstream.control.oidc import Identity
from midstream.control.passwords import Passwords
from midstream.control.reset import set_password
from midstream.control.sign_in import Refused, SignedIn, SignIn
from midstream.control.signed_in import (
    Lifetimes,
    Person,
    Whence,
    caller_of,
    forget,
    person_of,
    revoke,
    revoke_others,
    sessions_of,
    sign_out,
)
from midstream.control.throttle import Throttle
from midstream.domain.access import Grant, Role
from midstream.errors import Invalid, RequestError
from midstream.secrets import Vault
from midstream.store import trail
from midstream.store.people import GrantRow, InviteRow, MemberRow, SignInRow, UserRow
from midstream.store.session import Sessions
from tests.integration.database import database_url, postgres_server, postgres_url, sessions, vault
from tests.integration.office import call_in
from tests.integration.people import HERE, PASSWORD, WayIn, add_member, cheap_passwords, invite, trail_of, way_in

__all__ = ["database_url", "postgres_server", "postgres_url", "sessions", "vault", "way_in"]

ANN, BOB = "ann@example.com", "bob@example.com"
LIFETIMES = Lifetimes()


@pytest.fixture
async def call(sessions: Sessions, vault: Vault) -> Call:
    return await call_in(sessions, vault)


async def enter(way: SignIn, email: str = ANN, password: str = PASSWORD, whence: Whence = HERE) -> str:
    answer = await way.with_password(email, password, whence)
    assert isinstance(answer, SignedIn), answer
    return answer.secret


async def known(call: Call, secret: str) -> Person:
    person = await person_of(call.sessions, secret, LIFETIMES)
    assert person is not None
    return person


async def user(call: Call, email: str) -> UserRow:
    async with call.sessions() as session:
        return (await session.scalars(select(UserRow).where(UserRow.email == email))).one()


def vouched(email: str = ANN, *, subject: str = "s-1", verified: bool = True, issuer: str = "https://idp") -> Identity:
    return Identity(issuer, subject, email, verified, "Ann Lee")


async def test_a_password_opens_a_session_that_is_noted_and_kept_as_a_hash(call: Call, way_in: WayIn) -> None:
    ann = await add_member(call, ANN)
    secret = await enter(way_in(), " Ann@Example.com ")
    person = await known(call, secret)
    assert (person.user_id, person.email, person.name) == (ann, ANN, "Ann")
    assert [each.slug for each in person.workspaces] == ["main"]
    async with call.sessions() as session:
        row = (await session.scalars(select(SignInRow))).one()
    assert secret not in {str(value) for value in vars(row).values()}
    assert len(secret) == 43
    assert await trail_of(call, "User Signed In") == [("User Signed In", ann, ANN, ["password"])]
    assert await trail.verify(call.sessions) is None


async def test_nobody_can_tell_a_wrong_password_from_an_unknown_address(call: Call, way_in: WayIn) -> None:
    await add_member(call, ANN)
    await add_member(call, BOB, password=None, subject="https://idp s-2")
    way = way_in()
    answers = [
        await way.with_password(ANN, "wrong horse battery", HERE),
        await way.with_password("nobody@example.com", PASSWORD, HERE),
        await way.with_password(BOB, "", HERE),
    ]
    assert answers == [Refused("The e-mail address or the password is not right.")] * 3


async def test_refusals_are_in_the_trail_once_a_window(call: Call, way_in: WayIn) -> None:
    ann = await add_member(call, ANN)
    way = way_in(throttle=Throttle(account=3))
    for each in range(5):
        answer = await way.with_password(ANN, f"wrong horse battery {each}", HERE)
        assert isinstance(answer, Refused)
        assert answer.status == (401 if each < 3 else 429)
    for typed in ("hunter2 typed as an address", "nobody@example.com"):
        await way.with_password(typed, PASSWORD, HERE)
    await way.close()
    assert await trail_of(call, "User Sign In Refused") == [
        ("User Sign In Refused", "__anonymous__", ANN, ["wrong password"]),
        ("User Sign In Refused", "__anonymous__", ANN, ["throttled"]),
        ("User Sign In Refused", "__anonymous__", "", ["wrong password"]),
    ]
    assert (await user(call, ANN)).id == ann
    assert await trail.verify(call.sessions) is None


async def test_a_throttled_account_takes_not_even_the_right_password(call: Call, way_in: WayIn) -> None:
    await add_member(call, ANN)
    way = way_in(throttle=Throttle(account=2))
    for _ in range(2):
        await way.with_password(ANN, "wrong horse battery", HERE)
    answer = await way.with_password(ANN, PASSWORD, Whence("198.51.100.7"))
    assert isinstance(answer, Refused)
    assert (answer.status, answer.message) == (429, "Too many attempts. Try again in 15 minutes.")
    assert answer.wait is not None
    assert 890 < answer.wait <= 900


async def test_guesses_at_once_are_no_more_than_the_throttle_lets_through(call: Call, way_in: WayIn) -> None:
    await add_member(call, ANN)
    way = way_in(throttle=Throttle(account=3))
    answers = await asyncio.gather(*(way.with_password(ANN, f"wrong horse {each}", HERE) for each in range(20)))
    assert sum(isinstance(each, Refused) and each.status == 401 for each in answers) == 3


async def test_a_hash_with_other_parameters_is_renewed_at_sign_in(call: Call) -> None:
    await add_member(call, ANN)
    before = (await user(call, ANN)).password_hash
    cheapest = PasswordHasher.from_parameters(CHEAPEST)
    dearer = Passwords(PasswordHasher(2, cheapest.memory_cost, cheapest.parallelism))
    way = SignIn(call.sessions, dearer, Throttle(), lifetimes=LIFETIMES)
    await enter(way)
    after = (await user(call, ANN)).password_hash
    assert after is not None
    assert after != before
    assert not dearer.outdated(after)
    await enter(way)
    assert (await user(call, ANN)).password_hash == after


async def test_a_person_is_a_caller_with_what_they_may_now_where_they_are_a_member(call: Call, way_in: WayIn) -> None:
    ann = await add_member(call, ANN)
    other = await call_in(call.sessions, call.vault, "other")
    person = await known(call, await enter(way_in()))
    workspace = call.caller.workspace_id
    assert (await caller_of(call.sessions, person, workspace)).grants == ()
    grant = GrantRow(id="gra_1", workspace_id=workspace, subject_id=ann, role="source_admin", resources=["src_1"])
    async with call.sessions.begin() as session:
        session.add(grant)
    caller = await caller_of(call.sessions, person, workspace)
    assert (caller.id, caller.workspace_id, caller.email) == (ann, workspace, ANN)
    assert caller.grants == (Grant(Role.SOURCE_ADMIN, frozenset({"src_1"})),)
    with pytest.raises(RequestError, match="no workspace") as caught:
        await caller_of(call.sessions, person, other.caller.workspace_id)
    assert caught.value.status == 404


async def test_a_session_ends_when_it_is_not_used_and_at_its_age(call: Call, way_in: WayIn) -> None:
    await add_member(call, ANN)
    secret, now = await enter(way_in()), datetime.now(UTC)
    assert await person_of(call.sessions, secret, LIFETIMES, at=now + timedelta(hours=13)) is None
    for hours in range(11, 24 * 7, 11):
        assert await person_of(call.sessions, secret, LIFETIMES, at=now + timedelta(hours=hours)), hours
    assert await person_of(call.sessions, secret, LIFETIMES, at=now + timedelta(days=7, seconds=1)) is None
    assert await person_of(call.sessions, "another secret", LIFETIMES) is None


async def test_ones_sessions_are_listed_and_revoked_one_by_one_or_all(call: Call, way_in: WayIn) -> None:
    await add_member(call, ANN)
    await add_member(call, BOB)
    way = way_in()
    one, two, three = [await enter(way, whence=Whence(f"192.0.2.{each}", "Browser\x1b[2J")) for each in (1, 2, 3)]
    bob = await known(call, await enter(way, BOB))
    ann = await known(call, one)
    listed = await sessions_of(call.sessions, ann, LIFETIMES)
    assert {each.address for each in listed} == {"192.0.2.1", "192.0.2.2", "192.0.2.3"}
    assert {each.agent for each in listed} == {"Browser [2J"}
    await revoke(call.sessions, ann, (await known(call, two)).session_id, "192.0.2.1")
    assert await person_of(call.sessions, two, LIFETIMES) is None
    with pytest.raises(RequestError, match="no such session"):
        await revoke(call.sessions, ann, bob.session_id, "192.0.2.1")
    assert await revoke_others(call.sessions, ann, "192.0.2.1") == 1
    assert await person_of(call.sessions, three, LIFETIMES) is None
    await sign_out(call.sessions, ann, "192.0.2.1")
    assert await person_of(call.sessions, one, LIFETIMES) is None
    assert [entry[0] for entry in await trail_of(call, "User Signed Out")] == ["User Signed Out"] * 3
    assert await trail.verify(call.sessions) is None


async def test_expired_sessions_go_with_the_next_sign_in(call: Call) -> None:
    await add_member(call, ANN)
    way = SignIn(call.sessions, cheap_passwords(), Throttle(), lifetimes=Lifetimes(whole=timedelta(0)))
    for _ in range(3):
        await enter(way)
    async with call.sessions() as session:
        assert len((await session.scalars(select(SignInRow))).all()) == 1


async def test_sessions_of_those_who_do_not_come_back_are_forgotten(call: Call, way_in: WayIn) -> None:
    await add_member(call, ANN)
    secret, now = await enter(way_in()), datetime.now(UTC)
    await forget(call.sessions, before=now + timedelta(days=6))
    assert await person_of(call.sessions, secret, LIFETIMES)
    await forget(call.sessions, before=now + timedelta(days=8))
    async with call.sessions() as session:
        assert (await session.scalars(select(SignInRow))).all() == []


async def test_setting_a_password_ends_all_sessions(call: Call, way_in: WayIn) -> None:
    await add_member(call, ANN)
    way = way_in()
    secret = await enter(way)
    assert await set_password(call.sessions, cheap_passwords(), "Ann@example.com", "another horse 7", author="op") == 1
    assert await person_of(call.sessions, secret, LIFETIMES) is None
    assert isinstance(await way.with_password(ANN, PASSWORD, HERE), Refused)
    await enter(way, password="another horse 7")
    assert (await trail_of(call, "User Modified"))[-1] == ("User Modified", "__system__", ANN, ["password"])


async def test_a_bad_password_and_a_user_who_is_not_there_are_said(call: Call) -> None:
    with pytest.raises(Invalid, match="at least 12 characters"):
        await set_password(call.sessions, cheap_passwords(), ANN, "short", author="op")
    with pytest.raises(RequestError, match="there is no user ann@"):
        await set_password(call.sessions, cheap_passwords(), ANN, PASSWORD, author="op")


async def test_an_invite_makes_an_account_once_with_the_roles_it_promised(call: Call, way_in: WayIn) -> None:
    secret = await invite(call, ANN)
    way = way_in()
    told = await way.invited(secret)
    assert told is not None
    assert (told.email, told.workspace, told.account) == (ANN, "Main", "none")
    answer = await way.with_invite(secret, "Ann Lee", "short", HERE)
    assert isinstance(answer, Refused)
    assert (answer.status, answer.field) == (422, "password")
    answer = await way.with_invite(secret, "Ann Lee", PASSWORD, HERE)
    assert isinstance(answer, SignedIn)
    ann = await known(call, answer.secret)
    assert (ann.name, [each.slug for each in ann.workspaces]) == ("Ann Lee", ["main"])
    async with call.sessions() as session:
        grant = (await session.scalars(select(GrantRow))).one()
        assert (grant.subject_id, grant.role) == (ann.user_id, "functions_admin")
        assert (await session.scalars(select(InviteRow))).all() == []
    again = await way.with_invite(secret, "Ann Lee", PASSWORD, HERE)
    assert isinstance(again, Refused)
    assert again.status == 404
    assert [entry[0] for entry in (await trail_of(call))[-2:]] == ["User Created", "User Signed In"]


async def test_an_invite_for_an_account_needs_that_accounts_password(call: Call, way_in: WayIn) -> None:
    ann = await add_member(call, ANN)
    other = await call_in(call.sessions, call.vault, "other")
    secret = await invite(other, ANN)
    way = way_in(throttle=Throttle(account=2))
    before = (await user(call, ANN)).password_hash
    refused = await way.with_invite(secret, "Eve", "the password of eve", HERE)
    assert isinstance(refused, Refused)
    assert refused.status == 401
    assert (await user(call, ANN)).password_hash == before
    answer = await way.with_invite(secret, "Eve", PASSWORD, HERE)
    assert isinstance(answer, SignedIn)
    person = await known(call, answer.secret)
    assert (person.user_id, person.name) == (ann, "Ann")
    assert [each.slug for each in person.workspaces] == ["main", "other"]
    assert [entry[0] for entry in await trail_of(other, "User Created")] == ["User Created"]


async def test_an_expired_invite_is_none(call: Call, way_in: WayIn) -> None:
    secret = await invite(call, ANN, days=-1)
    way = way_in()
    assert await way.invited(secret) is None
    answer = await way.with_invite(secret, "Ann", PASSWORD, HERE)
    assert isinstance(answer, Refused)
    assert answer.status == 404


async def test_guessing_invites_is_throttled(call: Call, way_in: WayIn) -> None:
    way = way_in(throttle=Throttle(address=3))
    answers = [await way.with_invite(f"guess {each}", "Ann", PASSWORD, HERE) for each in range(4)]
    assert [each.status for each in answers if isinstance(each, Refused)] == [404, 404, 404, 429]


async def test_a_verified_address_links_the_account_and_the_provider_alone_decides_then(
    call: Call, way_in: WayIn
) -> None:
    ann = await add_member(call, ANN)
    way = way_in()
    old = await enter(way)
    answer = await way.with_identity(vouched(), HERE)
    assert isinstance(answer, SignedIn)
    assert (await known(call, answer.secret)).user_id == ann
    row = await user(call, ANN)
    assert (row.oidc_subject, row.password_hash) == ("https://idp s-1", None)
    assert await person_of(call.sessions, old, LIFETIMES) is None
    assert isinstance(await way.with_password(ANN, PASSWORD, HERE), Refused)
    # From now on the subject counts, whatever the address has become.
    moved = await way.with_identity(vouched("ann.lee@elsewhere.example", verified=False), HERE)
    assert isinstance(moved, SignedIn)
    assert (await known(call, moved.secret)).user_id == ann


@pytest.mark.parametrize(
    "identity",
    [
        vouched(verified=False),
        vouched("nobody@example.com"),
        vouched(BOB, subject="s-9"),  # the address is of somebody the provider knows by another subject
        vouched("eve@evil.example.org"),
    ],
)
async def test_whom_the_provider_does_not_vouch_for_or_nobody_knows_stays_out(
    call: Call, way_in: WayIn, identity: Identity
) -> None:
    await add_member(call, ANN)
    await add_member(call, BOB, password=None, subject="https://idp s-2")
    way = way_in(create_members=("example.org",))
    answer = await way.with_identity(identity, HERE)
    await way.close()
    assert isinstance(answer, Refused)
    assert answer.status == 403
    async with call.sessions() as session:
        assert len((await session.scalars(select(UserRow))).all()) == 2
        assert (await session.scalars(select(SignInRow))).all() == []
    assert [entry[3] for entry in await trail_of(call, "User Sign In Refused")] == [["not a member"]]


async def test_an_address_that_has_changed_hands_brings_nobody_in_by_an_invite_or_its_domain(
    call: Call, way_in: WayIn
) -> None:
    await add_member(call, BOB, password=None, subject="https://idp s-2")
    await invite(await call_in(call.sessions, call.vault, "other"), BOB)
    way = way_in(create_members=("example.com",))
    answer = await way.with_identity(vouched(BOB, subject="s-9"), HERE)
    assert isinstance(answer, Refused)
    assert answer.status == 403
    async with call.sessions() as session:
        assert len((await session.scalars(select(InviteRow))).all()) == 1


async def test_another_provider_may_take_over_by_the_verified_address(call: Call, way_in: WayIn) -> None:
    bob = await add_member(call, BOB, password=None, subject="https://old s-2")
    answer = await way_in().with_identity(vouched(BOB, subject="n-1"), HERE)
    assert isinstance(answer, SignedIn)
    assert (await known(call, answer.secret)).user_id == bob


async def test_an_invited_address_comes_in_through_the_provider(call: Call, way_in: WayIn) -> None:
    await invite(call, ANN)
    way = way_in()
    assert isinstance(await way.with_identity(vouched(verified=False), HERE), Refused)
    answer = await way.with_identity(vouched(), HERE)
    assert isinstance(answer, SignedIn)
    person = await known(call, answer.secret)
    assert (person.name, [each.slug for each in person.workspaces]) == ("Ann Lee", ["main"])


async def test_people_of_a_named_domain_become_plain_members(call: Call, way_in: WayIn) -> None:
    answer = await way_in(create_members=("Example.com",)).with_identity(vouched(), HERE)
    assert isinstance(answer, SignedIn)
    person = await known(call, answer.secret)
    assert [each.slug for each in person.workspaces] == ["main"]
    async with call.sessions() as session:
        grant = (await session.scalars(select(GrantRow).where(GrantRow.subject_id == person.user_id))).one()
    assert (grant.role, grant.resources) == ("workspace_member", None)


async def test_whoever_is_no_member_any_more_is_not_let_in(call: Call, way_in: WayIn) -> None:
    ann = await add_member(call, ANN)
    async with call.sessions.begin() as session:
        member = await session.get(MemberRow, (call.caller.workspace_id, ann))
        await session.delete(member)
    answer = await way_in().with_password(ANN, PASSWORD, HERE)
    assert isinstance(answer, Refused)
    assert answer.status == 403
