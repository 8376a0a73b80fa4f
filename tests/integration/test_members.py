"""Who belongs to a workspace, what each may do there, and what ends when they leave; on both databases."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import func, select

from midstream.control import grants, groups, invites, members, sources
from midstream.control.act import Act, Call, Writes, acting
from midstream.control.grants import Granted, Target
from midstream.control.invites import Invitation
from midstream.domain.access import Caller, Grant, Permission, Role
from midstream.errors import Invalid, RequestError
from midstream.secrets import Vault
from midstream.store import trail
from midstream.store.people import GrantRow, SignInRow, TokenRow, UserRow
from midstream.store.session import Sessions
from midstream.store.trail import AuditRow
from tests.integration.database import database_url, postgres_server, postgres_url, sessions, vault
from tests.integration.office import call_in

__all__ = ["database_url", "postgres_server", "postgres_url", "sessions", "vault"]

OWNER, MEMBER = Granted("workspace_owner"), Granted("workspace_member")


@pytest.fixture
async def call(sessions: Sessions, vault: Vault) -> Call:
    return await call_in(sessions, vault)


def everything(call: Call, role: Role) -> Granted:
    return Granted(role, (Target(call.caller.workspace_id, "WORKSPACE"),))


async def entries(call: Call) -> list[tuple[str, str, tuple[str, ...]]]:
    async with call.sessions() as session:
        rows = await session.scalars(select(AuditRow).order_by(AuditRow.sequence))
        return [(row.action, row.resource_name, tuple(row.changed or ())) for row in rows]


async def effective(call: Call, user_id: str) -> set[Grant]:
    async with call.sessions() as session:
        user = await session.get_one(UserRow, user_id)
        return set(await grants.effective_grants(session, call.caller.workspace_id, user))


async def kept(call: Call, table: type[GrantRow | SignInRow | TokenRow | UserRow]) -> int:
    async with call.sessions() as session:
        return await session.scalar(select(func.count()).select_from(table)) or 0


async def test_the_first_member_is_the_owner_and_the_next_is_not(call: Call) -> None:
    ann = await members.create_member(call, email=" Ann@Example.com", name="Ann")
    bob = await members.create_member(call, email="bob@example.com")
    assert (ann.email, ann.name, bob.name) == ("ann@example.com", "Ann", "bob@example.com")
    assert ann.permissions == (everything(call, Role.WORKSPACE_OWNER),)
    assert bob.permissions == (everything(call, Role.WORKSPACE_MEMBER),)
    assert [each.email for each in await members.members(call)] == ["ann@example.com", "bob@example.com"]
    assert await members.get_member(call, bob.id) == bob
    assert (await entries(call))[1:] == [
        ("User Created", "ann@example.com", ("Workspace Owner",)),
        ("User Created", "bob@example.com", ("Workspace Member",)),
    ]


async def test_nobody_is_a_member_twice(call: Call) -> None:
    await members.create_member(call, email="ann@example.com")
    with pytest.raises(RequestError, match="is a member of the workspace already") as caught:
        await members.create_member(call, email="ANN@example.com")
    assert (caught.value.status, caught.value.field) == (409, "email")


async def test_a_person_may_belong_to_two_workspaces_and_is_granted_things_in_each(call: Call) -> None:
    elsewhere = await call_in(call.sessions, call.vault, "other")
    here = await members.create_member(call, email="ann@example.com", name="Ann")
    there = await members.create_member(elsewhere, email="ann@example.com", permissions=[MEMBER])
    assert (here.id, here.name) == (there.id, there.name)
    assert await effective(call, here.id) == {Grant(Role.WORKSPACE_OWNER)}
    assert await effective(elsewhere, here.id) == {Grant(Role.WORKSPACE_MEMBER)}
    await members.remove_members(elsewhere, [here.id])
    assert await members.members(elsewhere) == []
    assert [each.id for each in await members.members(call)] == [here.id]
    assert await effective(elsewhere, here.id) == set()


async def test_permissions_are_added_to_and_replaced(call: Call) -> None:
    await members.create_member(call, email="ann@example.com")
    bob = await members.create_member(call, email="bob@example.com", permissions=[])
    one, two = [(await sources.create_source(call, slug=slug, name=slug)).id for slug in ("one", "two")]
    narrow = Granted("source_admin", (Target(one, "SOURCE"),))
    assert await members.add_member_permissions(call, bob.id, [narrow]) == (narrow,)
    # Segment's clients may send ids without their prefix.
    bare = Granted("source_admin", (Target(two.removeprefix("src_"), "SOURCE"),))
    both = Granted("source_admin", tuple(Target(each, "SOURCE") for each in sorted([one, two])))
    assert await members.add_member_permissions(call, bob.id, [bare]) == (both,)
    assert await effective(call, bob.id) == {Grant(Role.SOURCE_ADMIN, frozenset({one, two}))}
    wide = everything(call, Role.SOURCE_ADMIN)
    assert await members.add_member_permissions(call, bob.id, [wide]) == (wide,)
    assert await members.add_member_permissions(call, bob.id, [narrow]) == (wide,)
    reader = everything(call, Role.FUNCTIONS_READ_ONLY)
    assert await members.replace_member_permissions(call, bob.id, [reader, MEMBER]) == (
        reader,
        everything(call, Role.WORKSPACE_MEMBER),
    )
    assert (await entries(call))[-1] == (
        "User Policy Updated",
        "bob@example.com",
        ("Functions Read-only", "Workspace Member"),
    )
    before = await entries(call)
    await members.replace_member_permissions(call, bob.id, [MEMBER, reader])
    assert await entries(call) == before


async def test_an_address_that_is_too_long_for_a_name_lends_what_is_before_its_at(call: Call) -> None:
    local, domain = "a" * 60, f"{'b' * 60}.example.com"
    ann = await members.create_member(call, email=f"{local}@{domain}")
    assert (ann.email, ann.name) == (f"{local}@{domain}", local)


async def test_a_permission_that_does_not_hold_names_its_field(call: Call) -> None:
    bob = await members.create_member(call, email="bob@example.com", permissions=[])
    elsewhere = await call_in(call.sessions, call.vault, "other")
    foreign = (await sources.create_source(elsewhere, slug="web", name="Web")).id
    here = call.caller.workspace_id
    for wanted, field in (
        (Granted("king", (Target(here, "WORKSPACE"),)), r"permissions\[0\]\.roleId: there is no role 'king'"),
        (Granted("source_admin"), r"permissions\[0\]\.resources: name each source"),
        (Granted("source_admin", (Target("ifnd_1", "FUNCTION"),)), r"resources\[0\]\.type: Source Admin is granted on"),
        (Granted("workspace_owner", (Target(foreign, "SOURCE"),)), r"resources\[0\]\.type: Workspace Owner is granted"),
        (Granted("source_admin", (Target(foreign, "SOURCE"),)), r"resources\[0\]\.id: there is no source"),
        (Granted("functions_admin", (Target("ifnd_1", "FUNCTION"),)), r"resources\[0\]\.id: there is no function"),
        (
            Granted("source_admin", (Target(elsewhere.caller.workspace_id, "WORKSPACE"),)),
            rf"resources\[0\]\.id: this is not the workspace's id, which is {here}",
        ),
    ):
        with pytest.raises(Invalid, match=field):
            await members.add_member_permissions(call, bob.id, [wanted])
    assert (await members.get_member(call, bob.id)).permissions == ()


async def test_what_was_deleted_is_not_shown_and_grants_nothing(call: Call) -> None:
    source = await sources.create_source(call, slug="web", name="Web")
    narrow = Granted("source_admin", (Target(source.id, "SOURCE"),))
    bob = await members.create_member(call, email="bob@example.com", permissions=[narrow])
    assert bob.permissions == (narrow,)
    await sources.delete_source(call, source.id)
    assert (await members.get_member(call, bob.id)).permissions == ()


async def test_groups_add_to_what_their_members_may(call: Call) -> None:
    await members.create_member(call, email="ann@example.com")
    bob = await members.create_member(call, email="bob@example.com")
    group = await groups.create_group(call, name="Shop")
    await groups.add_group_permissions(call, group.id, [everything(call, Role.FUNCTIONS_ADMIN)])
    await groups.add_to_group(call, group.id, ["Bob@example.com"])
    assert await effective(call, bob.id) == {Grant(Role.WORKSPACE_MEMBER), Grant(Role.FUNCTIONS_ADMIN)}
    assert [each.name for each in await members.groups_of_member(call, bob.id)] == ["Shop"]
    elsewhere = await call_in(call.sessions, call.vault, "other")
    await members.create_member(elsewhere, email="bob@example.com", permissions=[])
    assert await effective(elsewhere, bob.id) == set()


@pytest.mark.parametrize("by", ["removal", "replacing", "group", "emptying", "narrowing"])
async def test_the_last_owner_stays(call: Call, by: str) -> None:
    in_group = by in ("group", "emptying", "narrowing")
    ann = await members.create_member(call, email="ann@example.com", permissions=[MEMBER] if in_group else [OWNER])
    bob = await members.create_member(call, email="bob@example.com", permissions=[MEMBER])
    group = await groups.create_group(call, name="Owners")
    if in_group:
        await groups.add_group_permissions(call, group.id, [OWNER])
        await groups.add_to_group(call, group.id, ["ann@example.com"])

    async def take_away() -> None:
        match by:
            case "removal":
                await members.remove_members(call, [ann.id])
            case "replacing":
                await members.replace_member_permissions(call, ann.id, [MEMBER])
            case "group":
                await groups.delete_group(call, group.id)
            case "emptying":
                await groups.replace_in_group(call, group.id, [])
            case _:
                await groups.replace_group_permissions(call, group.id, [MEMBER])

    with pytest.raises(RequestError, match="without a Workspace Owner: make another member one first") as caught:
        await take_away()
    assert caught.value.status == 409
    assert Grant(Role.WORKSPACE_OWNER) in await effective(call, ann.id)
    await members.add_member_permissions(call, bob.id, [OWNER])
    await take_away()


async def test_two_owners_cannot_remove_each_other_at_once(call: Call) -> None:
    ids = [(await members.create_member(call, email=f"{name}@example.com", permissions=[OWNER])).id for name in "ab"]
    results = await asyncio.gather(*(members.remove_members(call, [each]) for each in ids), return_exceptions=True)
    assert sorted(type(each).__name__ for each in results) == ["NoneType", "RequestError"]
    assert len(await members.members(call)) == 1


async def sign_in(act: Act, user_id: str) -> None:
    """Give a user a session and a token that may read sources."""
    later = act.at.replace(year=act.at.year + 1)
    act.session.add(
        SignInRow(
            id="ses_1",
            user_id=user_id,
            hash="1",
            origin="",
            agent="",
            created_at=act.at,
            seen_at=act.at,
            expires_at=later,
        )
    )
    act.session.add(
        TokenRow(
            id="tok_1",
            workspace_id=act.workspace_id,
            creator_id=user_id,
            name="CI",
            hash="2",
            last4="abcd",
            created_at=act.at,
            expires_at=None,
        )
    )
    await act.session.flush()
    await grants.give(act, "tok_1", [Grant(Role.SOURCE_READ_ONLY)])


async def test_who_is_removed_takes_tokens_sessions_and_grants_along(call: Call) -> None:
    await members.create_member(call, email="ann@example.com")
    bob = await members.create_member(call, email="bob@example.com")
    group = await groups.create_group(call, name="Shop")
    await groups.add_to_group(call, group.id, ["bob@example.com"])
    async with acting(call, Writes.PEOPLE) as act:
        await sign_in(act, bob.id)
        await act.session.commit()
    await members.remove_members(call, [bob.id, bob.id])
    assert [await kept(call, table) for table in (TokenRow, SignInRow, UserRow, GrantRow)] == [0, 0, 1, 1]
    assert (await groups.get_group(call, group.id)).member_count == 0
    assert [action for action, *_ in (await entries(call))[-2:]] == ["Access Token Deleted", "User Removed"]
    with pytest.raises(RequestError, match="there is no user with the id"):
        await members.get_member(call, bob.id)
    back = await members.create_member(call, email="bob@example.com")
    assert await members.groups_of_member(call, back.id) == []
    assert await trail.verify(call.sessions) is None


async def test_one_that_is_not_there_keeps_all_from_being_removed(call: Call) -> None:
    await members.create_member(call, email="ann@example.com")
    bob = await members.create_member(call, email="bob@example.com")
    with pytest.raises(RequestError, match="there is no user with the id 'usr_x'"):
        await members.remove_members(call, [bob.id, "usr_x"])
    assert len(await members.members(call)) == 2


async def test_adding_somebody_who_was_invited_takes_the_invite_back(call: Call) -> None:
    await invites.create_invites(call, [Invitation("bob@example.com", (OWNER,))])
    bob = await members.create_member(call, email="bob@example.com", permissions=[MEMBER])
    assert await invites.invites(call) == []
    assert await effective(call, bob.id) == {Grant(Role.WORKSPACE_MEMBER)}


async def test_only_owners_see_and_change_who_may_do_what(call: Call) -> None:
    bob = await members.create_member(call, email="bob@example.com")
    group = await groups.create_group(call, name="Shop")
    admin = (Grant(Role.FUNCTIONS_ADMIN), Grant(Role.SOURCE_ADMIN), Grant(Role.WORKSPACE_MEMBER))
    outsider = replace(call, caller=Caller(bob.id, call.caller.workspace_id, admin))
    for refused in (
        members.members(outsider),
        members.get_member(outsider, bob.id),
        members.create_member(outsider, email="eve@example.com"),
        members.remove_members(outsider, [bob.id]),
        members.add_member_permissions(outsider, bob.id, [OWNER]),
        groups.groups(outsider),
        groups.add_to_group(outsider, group.id, ["bob@example.com"]),
        groups.replace_group_permissions(outsider, group.id, [OWNER]),
        invites.create_invites(outsider, [Invitation("eve@example.com")]),
    ):
        with pytest.raises(RequestError, match=Permission.ACCESS_MANAGE) as caught:
            await refused
        assert caught.value.status == 403
    assert [each.id for each in await grants.roles(outsider)] == list(Role)
