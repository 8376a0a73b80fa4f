"""Users, invites, groups, roles and labels over HTTP, in the shapes and by the paths of Segment's SDK."""

from __future__ import annotations

from typing import Any

import pytest

from midstream.domain.access import Grant, Role
from tests.integration.api.desk import Desk, desk
from tests.integration.database import database_url, postgres_server, postgres_url, sessions, vault

__all__ = ["database_url", "desk", "postgres_server", "postgres_url", "sessions", "vault"]


def everything(desk: Desk, role: str) -> dict[str, Any]:
    return {"roleId": role, "resources": [{"id": desk.call.caller.workspace_id, "type": "WORKSPACE"}]}


async def invite(desk: Desk, *emails: str) -> list[dict[str, Any]]:
    answer = await desk.ask("POST", "/invites", {"invites": [{"email": email} for email in emails]}, 201)
    return list(answer["invites"])


async def test_users_are_listed_shown_and_removed(desk: Desk) -> None:
    await desk.token(email="bob@example.com")
    listed = await desk.ask("GET", "/users")
    assert listed["pagination"]["totalEntries"] == 2
    bob = next(each for each in listed["users"] if each["email"] == "bob@example.com")
    assert bob == {
        "id": bob["id"],
        "name": "bob@example.com",
        "email": "bob@example.com",
        "permissions": [everything(desk, "workspace_owner") | {"roleName": "Workspace Owner"}],
    }
    assert (await desk.ask("GET", f"/users/{bob['id']}"))["user"] == bob
    assert (await desk.ask("GET", f"/users/{bob['id']}/groups"))["groups"] == []
    assert await desk.ask("DELETE", "/users", params={"userIds[0]": bob["id"]}) == {"status": "SUCCESS"}
    [own] = (await desk.ask("GET", "/users"))["users"]
    fault = await desk.ask("DELETE", "/users", params={"userIds[0]": own["id"]}, status=409)
    assert "without a Workspace Owner" in fault["message"]
    assert (await desk.ask("DELETE", "/users", status=422))["field"] == "userIds"


async def test_whose_member_is_removed_is_refused_with_their_token(desk: Desk) -> None:
    bob = desk.acting_as(await desk.token(email="bob@example.com"))
    assert (await bob.ask("GET", "/"))["workspace"]["slug"] == "main"
    me = next(each for each in (await bob.ask("GET", "/users"))["users"] if each["email"] == "bob@example.com")
    await desk.ask("DELETE", "/users", params={"userIds.0": me["id"]})
    assert "no such token" in (await bob.ask("GET", "/", status=401))["message"]


async def test_permissions_are_added_replaced_and_checked(desk: Desk) -> None:
    source = await desk.source()
    [ann] = (await desk.ask("GET", "/users"))["users"]
    path = f"/users/{ann['id']}/permissions"
    narrow = {"roleId": "source_admin", "resources": [{"id": source, "type": "SOURCE"}]}
    added = await desk.ask("POST", path, {"permissions": [narrow]})
    assert added["permissions"] == [
        everything(desk, "workspace_owner") | {"roleName": "Workspace Owner"},
        narrow | {"roleName": "Source Admin"},
    ]
    fault = await desk.ask("PUT", path, {"permissions": [narrow]}, 409)
    assert "without a Workspace Owner" in fault["message"]
    owner = everything(desk, "workspace_owner")
    # Segment's own client always sends the list of labels.
    owner["resources"][0]["labels"] = []
    assert len((await desk.ask("PUT", path, {"permissions": [owner]}))["permissions"]) == 1
    for permission, field in (
        (narrow | {"roleId": "king"}, "permissions[0].roleId"),
        (narrow | {"resources": [{"id": "src_\0", "type": "SOURCE"}]}, "permissions[0].resources[0].id"),
        (narrow | {"resources": [{"id": source, "type": "WAREHOUSE"}]}, "permissions[0].resources[0].type"),
        (narrow | {"labels": [{"key": "a", "value": "b"}]}, "permissions[0].labels"),
        (narrow | {"resources": [{"id": source}]}, "permissions.0.resources.0.type"),
    ):
        assert (await desk.ask("POST", path, {"permissions": [permission]}, 422))["field"] == field


async def test_a_tag_keeps_two_owners_from_overwriting_each_other(desk: Desk) -> None:
    [ann] = (await desk.ask("GET", "/users"))["users"]
    path = f"/users/{ann['id']}"
    tag = (await desk.client.get(path)).headers["etag"]
    body = {"permissions": [everything(desk, "functions_admin")]}
    await desk.ask("POST", f"{path}/permissions", body, headers={"if-match": tag})
    await desk.ask("POST", f"{path}/permissions", body, 412, headers={"if-match": tag})


async def test_people_are_invited_and_the_secret_of_the_link_is_shown_once(desk: Desk) -> None:
    [made, _] = await invite(desk, "Eve@example.com", "fay@example.com")
    assert made["email"] == "eve@example.com"
    assert made["secret"].startswith("inv_")
    listed = await desk.client.get("/invites")
    assert listed.json()["data"]["invites"] == ["eve@example.com", "fay@example.com"]
    assert made["secret"] not in listed.text
    assert (
        "is a member"
        in (
            await desk.ask(
                "POST",
                "/invites",
                {"invites": [{"email": (await desk.ask("GET", "/users"))["users"][0]["email"]}]},
                409,
            )
        )["message"]
    )
    await desk.ask("DELETE", "/invites", params={"emails[0]": "eve@example.com", "emails[1]": "fay@example.com"})
    assert (await desk.ask("GET", "/invites"))["invites"] == []
    await desk.ask("DELETE", "/invites", params={"emails[0]": "eve@example.com"}, status=404)


async def test_a_group_is_kept_by_segments_paths(desk: Desk) -> None:
    group = (await desk.ask("POST", "/groups", {"name": "Shop"}))["userGroup"]
    assert group == {"id": group["id"], "name": "Shop", "memberCount": 0, "permissions": []}
    await invite(desk, "eve@example.com")
    [ann] = (await desk.ask("GET", "/users"))["users"]
    users, one = f"/groups/{group['id']}/users", f"/group/{group['id']}/users"
    both = {"emails": [ann["email"], "eve@example.com"]}
    assert (await desk.ask("POST", users, both))["userGroup"]["memberCount"] == 1
    assert (await desk.ask("GET", users))["users"] == [{name: ann[name] for name in ("id", "name", "email")}]
    assert (await desk.ask("GET", f"/groups/{group['id']}/invites"))["emails"] == ["eve@example.com"]
    assert (await desk.ask("PUT", one, {"emails": [ann["email"]]}))["userGroup"]["memberCount"] == 1
    assert (await desk.ask("GET", f"/users/{ann['id']}/groups"))["groups"] == [{"id": group["id"], "name": "Shop"}]
    assert await desk.ask("DELETE", one, params={"emails[0]": ann["email"]}) == {"status": "SUCCESS"}
    permissions = {"permissions": [everything(desk, "functions_admin")]}
    path = f"/groups/{group['id']}"
    [held] = (await desk.ask("POST", f"{path}/permissions", permissions))["permissions"]
    assert held["roleName"] == "Functions Admin"
    assert (await desk.ask("PUT", f"{path}/permissions", {"permissions": []}))["permissions"] == []
    assert (await desk.ask("PATCH", path, {"name": "Store"}))["userGroup"]["name"] == "Store"
    assert [each["name"] for each in (await desk.ask("GET", "/groups"))["userGroups"]] == ["Store"]
    assert (await desk.ask("POST", "/groups", {"name": "Store"}, 409))["field"] == "name"
    await desk.ask("DELETE", path)
    await desk.ask("GET", path, status=404)


async def test_what_a_group_is_granted_its_members_tokens_have_at_once(desk: Desk) -> None:
    token = await desk.token(creator=[Grant(Role.WORKSPACE_MEMBER)], email="bob@example.com")
    bob = desk.acting_as(token)
    await bob.ask("GET", "/users", status=403)
    group = (await desk.ask("POST", "/groups", {"name": "Owners"}))["userGroup"]["id"]
    await desk.ask("POST", f"/groups/{group}/permissions", {"permissions": [everything(desk, "workspace_owner")]})
    await desk.ask("POST", f"/groups/{group}/users", {"emails": ["bob@example.com"]})
    await bob.ask("GET", "/users")
    await desk.ask("DELETE", f"/groups/{group}")
    assert "access:manage" in (await bob.ask("GET", "/users", status=403))["message"]


async def test_the_roles_are_listed_in_pages(desk: Desk) -> None:
    page = await desk.ask("GET", "/roles", params={"pagination[count]": "4"})
    assert [each["id"] for each in page["roles"]] == [
        "workspace_owner",
        "workspace_member",
        "functions_admin",
        "functions_read_only",
    ]
    assert all(each["description"] for each in page["roles"])
    rest = await desk.ask("GET", "/roles", params={"pagination[cursor]": page["pagination"]["next"]})
    assert [each["name"] for each in rest["roles"]] == ["Source Admin", "Source Read-only"]


@pytest.mark.parametrize("description", [None, "Customers see it"])
async def test_labels_are_made_given_and_deleted(desk: Desk, description: str | None) -> None:
    label = {"key": "environment", "value": "prod", "description": description}
    made = (await desk.ask("POST", "/labels", {"label": label}, 201))["label"]
    assert made == label | {"description": description or ""}
    assert (await desk.ask("GET", "/labels"))["labels"] == [made]
    path = f"/sources/{await desk.source()}"
    named = {"labels": [{"key": "environment", "value": "prod"}]}
    assert (await desk.ask("POST", f"{path}/labels", named))["labels"] == [made]
    assert (await desk.ask("GET", path))["source"]["labels"] == named["labels"]
    assert (await desk.ask("PUT", f"{path}/labels", {"labels": []}))["labels"] == []
    await desk.ask("DELETE", "/labels/environment/prod")
    await desk.ask("DELETE", "/labels/environment/prod", status=404)
    assert (await desk.ask("POST", f"{path}/labels", named, 422))["field"] == "labels[0]"
