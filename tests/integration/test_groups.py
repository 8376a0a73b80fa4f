"""Groups of members and of those who are only invited yet, on both databases."""

from __future__ import annotations

import pytest

from midstream.control import groups, invites, members
from midstream.control.act import Call
from midstream.control.grants import Granted, Target
from midstream.control.invites import Invitation
from midstream.errors import Invalid, RequestError
from midstream.secrets import Vault
from midstream.store.session import Sessions
from tests.integration.database import database_url, postgres_server, postgres_url, sessions, vault
from tests.integration.office import call_in
from tests.integration.test_members import entries

__all__ = ["database_url", "postgres_server", "postgres_url", "sessions", "vault"]


@pytest.fixture
async def call(sessions: Sessions, vault: Vault) -> Call:
    return await call_in(sessions, vault)


async def test_a_group_is_made_renamed_and_deleted(call: Call) -> None:
    made = await groups.create_group(call, name="Shop")
    assert (made.name, made.member_count, made.permissions) == ("Shop", 0, ())
    assert (await groups.update_group(call, made.id, name="Store")).name == "Store"
    before = await entries(call)
    await groups.update_group(call, made.id, name="Store")
    assert await entries(call) == before
    await groups.delete_group(call, made.id)
    assert await groups.groups(call) == []
    with pytest.raises(RequestError, match="there is no user group"):
        await groups.get_group(call, made.id)
    assert [entry[:2] for entry in (await entries(call))[1:]] == [
        ("User Group Created", "Shop"),
        ("User Group Modified", "Store"),
        ("User Group Deleted", "Store"),
    ]


async def test_two_groups_cannot_share_a_name(call: Call) -> None:
    await groups.create_group(call, name="Shop")
    other = await groups.create_group(call, name="Store")
    for refused in (groups.create_group(call, name="Shop"), groups.update_group(call, other.id, name="Shop")):
        with pytest.raises(RequestError, match="there is a user group 'Shop' already") as caught:
            await refused
        assert (caught.value.status, caught.value.field) == (409, "name")
    elsewhere = await call_in(call.sessions, call.vault, "other")
    await groups.create_group(elsewhere, name="Shop")
    assert [each.name for each in await groups.groups(call)] == ["Shop", "Store"]


async def test_people_are_put_in_exchanged_and_taken_out(call: Call) -> None:
    ann = await members.create_member(call, email="ann@example.com", name="Ann")
    await members.create_member(call, email="bob@example.com")
    await invites.create_invites(call, [Invitation("eve@example.com")])
    group = await groups.create_group(call, name="Shop")
    assert (await groups.add_to_group(call, group.id, ["ANN@example.com", "eve@example.com"])).member_count == 1
    assert await groups.people_of_group(call, group.id) == [groups.PersonView(ann.id, "Ann", "ann@example.com")]
    assert await groups.invited_to_group(call, group.id) == ["eve@example.com"]
    await groups.replace_in_group(call, group.id, ["bob@example.com", "ann@example.com"])
    assert await groups.invited_to_group(call, group.id) == []
    assert (await entries(call))[-1] == (
        "User Group Members Updated",
        "Shop",
        ("+bob@example.com", "-eve@example.com"),
    )
    before = await entries(call)
    await groups.remove_from_group(call, group.id, ["eve@example.com"])
    assert await entries(call) == before
    left = await groups.remove_from_group(call, group.id, ["ann@example.com"])
    assert left.member_count == 1


async def test_who_is_neither_a_member_nor_invited_cannot_be_put_in(call: Call) -> None:
    group = await groups.create_group(call, name="Shop")
    elsewhere = await call_in(call.sessions, call.vault, "other")
    await members.create_member(elsewhere, email="ann@example.com")
    await members.create_member(call, email="bob@example.com")
    with pytest.raises(Invalid, match=r"emails\[1\]: ann@example.com is neither a member nor invited"):
        await groups.add_to_group(call, group.id, ["bob@example.com", "ann@example.com"])
    with pytest.raises(Invalid, match=r"emails\[0\]: expected an e-mail address"):
        await groups.replace_in_group(call, group.id, ["ann"])
    assert await groups.people_of_group(call, group.id) == []


async def test_a_deleted_group_grants_nothing(call: Call) -> None:
    await members.create_member(call, email="ann@example.com")
    group = await groups.create_group(call, name="Shop")
    wide = Granted("source_admin", (Target(call.caller.workspace_id, "WORKSPACE"),))
    assert await groups.add_group_permissions(call, group.id, [wide]) == (wide,)
    assert (await groups.get_group(call, group.id)).permissions == (wide,)
    await groups.add_to_group(call, group.id, ["ann@example.com"])
    await groups.delete_group(call, group.id)
    again = await groups.create_group(call, name="Shop")
    assert (again.member_count, again.permissions) == (0, ())
