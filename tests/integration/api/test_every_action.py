"""What each entry of the audit trail is made by: everything that can be noted is done once, and noted as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from midstream.control import keys
from midstream.control.act import Call
from midstream.control.apply import plan_and_apply
from midstream.control.folder import read
from midstream.control.reset import set_password
from midstream.control.sign_in import SignedIn
from midstream.control.signed_in import Lifetimes, person_of, sign_out
from midstream.domain.access import Grant, Role
from midstream.domain.audit import Action
from tests.integration.api.desk import TRACK, Desk, desk
from tests.integration.database import database_url, postgres_server, postgres_url, sessions, vault
from tests.integration.people import HERE, PASSWORD, WayIn, add_member, cheap_passwords, way_in
from tests.integration.test_apply import Check

__all__ = ["database_url", "desk", "postgres_server", "postgres_url", "sessions", "vault", "way_in"]


@pytest.fixture
def call(desk: Desk) -> Call:
    return desk.call


@pytest.fixture
def trail(desk: Desk) -> Trail:
    return Trail(desk)


class Trail:
    """What was noted since it was last asked."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.all: set[str] = set()
        self.seen: set[str] = set()

    async def since(self) -> list[str]:
        """Return the actions, the oldest first."""
        params = {"pagination[count]": "1000", "startTime": "2020-01-01T00:00:00Z"}
        events = (await self.desk.ask("GET", "/audit-events", params=params))["events"]
        new = [each for each in reversed(events) if each["id"] not in self.seen]
        self.seen |= {each["id"] for each in new}
        self.all |= {each["type"] for each in new}
        assert all(each["actor"] and each["timestamp"] for each in new)
        return [each["type"] for each in new]


async def test_everything_that_can_be_noted_is(
    desk: Desk, trail: Trail, call: Call, way_in: WayIn, tmp_path: Path
) -> None:
    assert "Workspace Created" in await trail.since()

    async def does(method: str, path: str, body: Any = None, **more: Any) -> Any:
        answer = await desk.client.request(method, path, json=body, **more)
        assert answer.is_success, answer.text
        return answer.json()["data"]

    source = await desk.source()
    assert await trail.since() == ["Source Created", "Source Write Key Created"]
    for body, noted in (
        ({"name": "Web"}, "Source Modified"),
        ({"enabled": False}, "Source Disabled"),
        ({"enabled": True}, "Source Enabled"),
    ):
        await does("PATCH", f"/sources/{source}", body)
        assert await trail.since() == [noted]
    made = await does("POST", f"/sources/{source}/writekey")
    await does("DELETE", f"/sources/{source}/writekey/{made['source']['writeKeys'][-1]}")
    assert await trail.since() == ["Source Write Key Created", "Source Write Key Deleted"]

    await does("POST", "/labels", {"label": {"key": "a", "value": "b"}})
    await does("POST", f"/sources/{source}/labels", {"labels": [{"key": "a", "value": "b"}]})
    assert await trail.since() == ["Label Created", "Source Modified"]

    destination = await desk.destination(source)
    for body in ({"name": "Sink 2"}, {"enabled": False}, {"enabled": True}):
        await does("PATCH", f"/destinations/{destination}", body)
    assert await trail.since() == [f"Integration {it}" for it in ("Created", "Modified", "Disabled", "Enabled")]

    filter_id = await desk.filter(destination)
    for body in ({"title": "Other"}, {"enabled": False}, {"enabled": True}):
        await does("PATCH", f"/destination/{destination}/filters/{filter_id}", body)
    await does("DELETE", f"/destination/{destination}/filters/{filter_id}")
    assert await trail.since() == [
        f"Destination Filter {it}" for it in ("Created", "Modified", "Disabled", "Enabled", "Deleted")
    ]

    await the_functions(desk, trail, does, destination)
    await does("DELETE", f"/sources/{source}")
    assert await trail.since() == ["Source Deleted"]

    assert await the_peoples(desk, trail, does) == []
    assert await the_signing_in(call, trail, way_in) == []

    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "all.toml").write_text('[workspace]\nname = "Renamed"\n[workspace.labels]\n"a:b" = "described"\n')

    async def check(_: str) -> Check:
        return Check()

    await plan_and_apply(call.sessions, call.vault, read(folder), check=check)
    await does("DELETE", "/labels/a/b")
    await keys.rotate(call, tmp_path / "master.key")
    assert await trail.since() == ["Workspace Modified", "Label Modified", "Label Deleted", "Master Key Rotated"]
    nobody = desk.acting_as(await desk.token(Grant(Role.WORKSPACE_MEMBER), creator=[Grant(Role.WORKSPACE_MEMBER)]))
    await trail.since()
    await nobody.ask("POST", "/groups", {"name": "x"}, 403)
    assert await trail.since() == ["Permission Check"]
    assert trail.all == set(Action)


async def the_functions(desk: Desk, trail: Trail, does: Any, destination: str) -> None:
    """Do what can be done to functions and instances, and delete the destination as well."""
    function = await desk.function()
    await does("PATCH", f"/functions/{function}", {"code": TRACK + "\n"})
    assert await trail.since() == ["Insert Function Created", *["Insert Function Modified"] * 2]  # of its versions
    instance = await desk.instance(function, destination)
    for body in ({"name": "Other"}, {"enabled": True}, {"enabled": False}):
        await does("PATCH", f"/insert-function-instances/{instance}", body)
    assert await trail.since() == [
        f"Insert Function Instance {it}" for it in ("Created", "Modified", "Enabled", "Disabled")
    ]
    [*_, first] = (await does("GET", f"/functions/{function}/versions"))["versions"]
    await does("POST", f"/functions/{function}/versions", {"versionId": first["id"]})
    await does("PATCH", f"/functions/{function}", {"code": TRACK + "\n\n"})
    await does("POST", f"/functions/{function}/deploy")
    assert await trail.since() == [
        "Insert Function Version Restored",
        "Insert Function Modified",
        "Insert Function Deployed",
    ]
    for path in ("/insert-function-instances/" + instance, "/functions/" + function, "/destinations/" + destination):
        await does("DELETE", path)
    assert await trail.since() == ["Insert Function Instance Deleted", "Insert Function Deleted", "Integration Deleted"]


async def the_peoples(desk: Desk, trail: Trail, does: Any) -> list[str]:
    """Do what can be done to people, groups and tokens; return what was noted besides."""
    workspace = desk.call.caller.workspace_id
    reads = {"roleId": "source_read_only", "resources": [{"id": workspace, "type": "WORKSPACE"}]}
    await does("POST", "/invites", {"invites": [{"email": "bob@example.com"}]})
    await does("DELETE", "/invites", params={"emails[0]": "bob@example.com"})
    assert await trail.since() == ["User Invited", "Invite Deleted"]
    group = (await does("POST", "/groups", {"name": "All"}))["userGroup"]["id"]
    await does("PATCH", f"/groups/{group}", {"name": "Everybody"})
    await does("PUT", f"/groups/{group}/permissions", {"permissions": [reads]})
    await does("POST", "/invites", {"invites": [{"email": "eve@example.com"}]})
    await does("POST", f"/groups/{group}/users", {"emails": ["eve@example.com"]})
    await does("DELETE", f"/groups/{group}")
    assert await trail.since() == [
        "User Group Created",
        "User Group Modified",
        "User Group Policy Updated",
        "User Invited",
        "User Group Members Updated",
        "User Group Deleted",
    ]
    token = (await does("POST", "/tokens", {"name": "t"}))["token"]["id"]
    await does("DELETE", f"/tokens/{token}")
    assert await trail.since() == ["Access Token Created", "Access Token Deleted"]
    await desk.token(Grant(Role.WORKSPACE_MEMBER), creator=[Grant(Role.WORKSPACE_MEMBER)], email="cat@example.com")
    assert await trail.since() == ["User Created", "User Policy Updated", "Access Token Created"]
    [cat] = [it["id"] for it in (await does("GET", "/users"))["users"] if it["email"] == "cat@example.com"]
    await does("PUT", f"/users/{cat}/permissions", {"permissions": [reads]})
    await does("DELETE", "/users", params={"userIds[0]": cat})
    assert await trail.since() == ["User Policy Updated", "Access Token Deleted", "User Removed"]
    return await trail.since()


async def the_signing_in(call: Call, trail: Trail, way_in: WayIn) -> list[str]:
    """Sign in and out, be refused, and get another password; return what was noted besides."""
    await add_member(call, "dan@example.com")
    await trail.since()
    way = way_in()
    answer = await way.with_password("dan@example.com", PASSWORD, HERE)
    assert isinstance(answer, SignedIn)
    person = await person_of(call.sessions, answer.secret, Lifetimes())
    assert person is not None
    await sign_out(call.sessions, person, "192.0.2.1")
    await way.with_password("dan@example.com", "not that one", HERE)
    await way.close()
    await set_password(call.sessions, cheap_passwords(), "dan@example.com", "battery correct staple", author="tests")
    assert await trail.since() == ["User Signed In", "User Signed Out", "User Sign In Refused", "User Modified"]
    return await trail.since()
