"""Every role, on every operation, for all resources and for listed and unlisted ones: contract §8 as a table.

The operations come from the routes themselves, so one that is added without a row here fails.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from midstream.api.application import decided
from midstream.control.act import Call
from midstream.control.tokens import authenticate, tokens
from midstream.domain.access import ROLES, Caller, Grant, Role
from midstream.errors import RequestError
from midstream.store.people import GroupRow, InviteRow, TokenRow, UserRow
from midstream.store.schema import DestinationRow, FilterRow, FunctionRow, InstanceRow, SourceRow, VersionRow
from tests.integration.api.desk import Desk, desk
from tests.integration.database import database_url, postgres_server, postgres_url, sessions, vault
from tests.integration.office import call_in

__all__ = ["database_url", "desk", "postgres_server", "postgres_url", "sessions", "vault"]

O, M = Role.WORKSPACE_OWNER, Role.WORKSPACE_MEMBER  # noqa: E741 # one letter each keeps the rows short
FA, FR, SA, SR = Role.FUNCTIONS_ADMIN, Role.FUNCTIONS_READ_ONLY, Role.SOURCE_ADMIN, Role.SOURCE_READ_ONLY

# Who may: roles that may with any scope, roles that may on all or where the resource is listed, roles only on all.
ANYONE = ({O, M, FA, FR, SA, SR}, set(), set())
OWNER = ({O}, set(), set())
READS_FUNCTION = ({O}, {FA, FR}, set())
EDITS_FUNCTION = ({O}, {FA}, set())
MAKES_FUNCTION = ({O}, set(), {FA})
TRIES_CODE = ({O, FA}, set(), set())
READS_SOURCE = ({O}, {SA, SR}, set())
EDITS_SOURCE = ({O}, {SA}, set())
MAKES_SOURCE = ({O}, set(), {SA})
# Two are needed, and none of the other roles holds both.
CONNECTS = ({O}, set(), set())
READS_CONNECTION = ({O}, set(), set())

TABLE: Mapping[tuple[str, str], Any] = {
    ("GET", "/"): ANYONE,
    ("GET", "/echo"): ANYONE,
    ("GET", "/functions"): ANYONE,  # and sees those it may read
    ("POST", "/functions"): MAKES_FUNCTION,
    ("GET", "/functions/{functionId}"): READS_FUNCTION,
    ("PATCH", "/functions/{functionId}"): EDITS_FUNCTION,
    ("DELETE", "/functions/{functionId}"): EDITS_FUNCTION,
    ("POST", "/functions/{functionId}/deploy"): READS_FUNCTION,  # and Source Admin for each instance
    ("GET", "/functions/{functionId}/versions"): READS_FUNCTION,
    ("POST", "/functions/{functionId}/versions"): EDITS_FUNCTION,
    ("GET", "/functions/{functionId}/versions/{versionId}"): READS_FUNCTION,
    ("GET", "/functions/{functionId}/versions/{versionId}/diff"): READS_FUNCTION,
    ("POST", "/functions/preview"): TRIES_CODE,
    ("POST", "/functions/check"): TRIES_CODE,
    ("GET", "/insert-function-instances"): ANYONE,
    ("POST", "/insert-function-instances"): CONNECTS,
    ("GET", "/insert-function-instances/{instanceId}"): READS_CONNECTION,
    ("PATCH", "/insert-function-instances/{instanceId}"): CONNECTS,
    ("DELETE", "/insert-function-instances/{instanceId}"): CONNECTS,
    ("GET", "/sources"): ANYONE,
    ("POST", "/sources"): MAKES_SOURCE,
    ("GET", "/sources/{sourceId}"): READS_SOURCE,
    ("PATCH", "/sources/{sourceId}"): EDITS_SOURCE,
    ("DELETE", "/sources/{sourceId}"): EDITS_SOURCE,
    ("GET", "/sources/{sourceId}/connected-destinations"): READS_SOURCE,
    ("POST", "/sources/{sourceId}/writekey"): EDITS_SOURCE,
    ("DELETE", "/sources/{sourceId}/writekey/{writeKey}"): EDITS_SOURCE,
    ("GET", "/destinations"): ANYONE,
    ("POST", "/destinations"): EDITS_SOURCE,
    ("GET", "/destinations/{destinationId}"): READS_SOURCE,
    ("PATCH", "/destinations/{destinationId}"): EDITS_SOURCE,
    ("DELETE", "/destinations/{destinationId}"): EDITS_SOURCE,
    ("POST", "/destination/filters/preview"): ANYONE,
    ("GET", "/destination/{destinationId}/filters"): READS_SOURCE,
    ("POST", "/destination/{destinationId}/filters"): EDITS_SOURCE,
    ("GET", "/destination/{destinationId}/filters/{filterId}"): READS_SOURCE,
    ("PATCH", "/destination/{destinationId}/filters/{filterId}"): EDITS_SOURCE,
    ("DELETE", "/destination/{destinationId}/filters/{filterId}"): EDITS_SOURCE,
    ("GET", "/catalog/destinations"): ANYONE,
    ("GET", "/catalog/destinations/{destinationMetadataId}"): ANYONE,
    ("GET", "/catalog/sources"): ANYONE,
    ("GET", "/catalog/sources/{sourceMetadataId}"): ANYONE,
    ("GET", "/catalog/warehouses"): ANYONE,
    ("GET", "/catalog/warehouses/{warehouseMetadataId}"): ANYONE,
    ("GET", "/tokens"): OWNER,
    ("POST", "/tokens"): OWNER,
    ("DELETE", "/tokens/{tokenId}"): OWNER,
    ("GET", "/delivery-overview/successfully-received"): READS_SOURCE,
    ("GET", "/delivery-overview/failed-on-ingest"): READS_SOURCE,
    ("GET", "/delivery-overview/filtered-at-source"): READS_SOURCE,
    ("GET", "/delivery-overview/filtered-at-destination"): READS_SOURCE,
    ("GET", "/delivery-overview/failed-delivery"): READS_SOURCE,
    ("GET", "/delivery-overview/successful-delivery"): READS_SOURCE,
    ("GET", "/destinations/{destinationId}/delivery-metrics"): READS_SOURCE,
    ("GET", "/events/volume"): ANYONE,  # and counts what came from sources it may read
    ("GET", "/users"): OWNER,
    ("DELETE", "/users"): OWNER,
    ("GET", "/users/{userId}"): OWNER,
    ("GET", "/users/{userId}/groups"): OWNER,
    ("POST", "/users/{userId}/permissions"): OWNER,
    ("PUT", "/users/{userId}/permissions"): OWNER,
    ("GET", "/invites"): OWNER,
    ("POST", "/invites"): OWNER,
    ("DELETE", "/invites"): OWNER,
    ("GET", "/groups"): OWNER,
    ("POST", "/groups"): OWNER,
    ("GET", "/groups/{userGroupId}"): OWNER,
    ("PATCH", "/groups/{userGroupId}"): OWNER,
    ("DELETE", "/groups/{userGroupId}"): OWNER,
    ("POST", "/groups/{userGroupId}/permissions"): OWNER,
    ("PUT", "/groups/{userGroupId}/permissions"): OWNER,
    ("GET", "/groups/{userGroupId}/users"): OWNER,
    ("GET", "/groups/{userGroupId}/invites"): OWNER,
    ("POST", "/groups/{userGroupId}/users"): OWNER,
    ("PUT", "/group/{userGroupId}/users"): OWNER,
    ("DELETE", "/group/{userGroupId}/users"): OWNER,
    ("GET", "/roles"): ANYONE,
    ("GET", "/labels"): OWNER,
    ("POST", "/labels"): OWNER,
    ("DELETE", "/labels/{key}/{value}"): OWNER,
    ("POST", "/sources/{sourceId}/labels"): EDITS_SOURCE,
    ("PUT", "/sources/{sourceId}/labels"): EDITS_SOURCE,
    ("GET", "/audit-events"): OWNER,
}


@dataclass
class Shop:
    """One of everything, and another function and source that no role lists."""

    call: Call
    ids: Mapping[type[Any], str]

    def as_one_with(self, *grants: Grant) -> Call:
        return replace(self.call, caller=Caller("usr_x", self.call.caller.workspace_id, grants))


@pytest.fixture
async def shop(desk: Desk) -> Shop:
    source, function = await desk.source(), await desk.function()
    destination = await desk.destination(source)
    instance = await desk.instance(function, destination)
    version = (await desk.ask("GET", f"/functions/{function}"))["function"]["latestVersionId"]
    group = (await desk.ask("POST", "/groups", {"name": "Shop"}))["userGroup"]["id"]
    [user, *_] = (await desk.ask("GET", "/users"))["users"]
    ids = {
        SourceRow: source,
        DestinationRow: destination,
        FunctionRow: function,
        FilterRow: await desk.filter(destination),
        InstanceRow: instance,
        VersionRow: version,
        TokenRow: (await tokens(desk.call))[0].id,
        GroupRow: group,
        UserRow: user["id"],
    }
    return Shop(desk.call, ids)


def test_every_operation_has_its_row() -> None:
    assert set(TABLE) == set(decided())


async def refused(call: Call, key: tuple[str, str], ids: Mapping[type[Any], str]) -> bool:
    use = decided()[key]
    try:
        await use.admit(call, *(ids[table] for table in use.on))
    except RequestError as error:
        if error.status != 403:
            raise
        return True
    return False


@pytest.mark.parametrize(
    ("role", "scope"),
    # A role on the workspace is on all of it.
    [(role, scope) for role in Role for scope in ("all", "listed", "unlisted") if scope == "all" or role not in (O, M)],
)
async def test_a_role_may_what_the_table_says(shop: Shop, role: Role, scope: str) -> None:
    listed = frozenset({shop.ids[SourceRow], shop.ids[FunctionRow]})
    resources = {"all": None, "listed": listed, "unlisted": frozenset({"src_other", "ifnd_other"})}[scope]
    call = shop.as_one_with(Grant(role, resources))
    for key, (always, where_listed, on_all) in TABLE.items():
        expected = (
            role in always
            or (role in where_listed and scope in ("all", "listed"))
            or (role in on_all and scope == "all")
        )
        assert await refused(call, key, shop.ids) is not expected, (key, role, scope)


async def held(desk: Desk, how: str, grant: Grant) -> str:
    """Return a token that may do what this grant allows: its member holds it, or their group, or the token alone."""
    email = f"{how}-{grant.role}@example.com"
    if how == "token":
        return await desk.token(grant, email=email)
    token = await desk.token(Grant(O), creator=[Grant(M) if how == "group" else grant], email=email)
    if how == "group":
        group = (await desk.ask("POST", "/groups", {"name": email}))["userGroup"]["id"]
        listed = [{"id": each, "type": ROLES[grant.role].scope} for each in sorted(grant.resources or ())]
        body = {"permissions": [{"roleId": grant.role, "resources": listed}]}
        await desk.ask("PUT", f"/groups/{group}/permissions", body)
        await desk.ask("POST", f"/groups/{group}/users", {"emails": [email]})
    return token


@pytest.mark.parametrize("how", ["member", "group", "token"])
async def test_a_role_on_a_list_is_the_same_however_it_is_held(desk: Desk, shop: Shop, how: str) -> None:
    for role, listed in ((FA, FunctionRow), (FR, FunctionRow), (SA, SourceRow), (SR, SourceRow)):
        secret = await held(desk, how, Grant(role, frozenset({shop.ids[listed]})))
        call = replace(shop.call, caller=await authenticate(shop.call.sessions, secret, datetime.now(UTC)))
        for key, (always, where_listed, _) in TABLE.items():
            assert await refused(call, key, shop.ids) is (role not in always | where_listed), (key, role)


@pytest.mark.parametrize("functions", [FA, FR])
@pytest.mark.parametrize("sources", [SA, SR])
async def test_connecting_needs_both_the_function_and_the_source(shop: Shop, functions: Role, sources: Role) -> None:
    on_function, on_source = frozenset({shop.ids[FunctionRow]}), frozenset({shop.ids[SourceRow]})
    both = shop.as_one_with(Grant(functions, on_function), Grant(sources, on_source))
    for key, row in TABLE.items():
        if row is CONNECTS and key[0] != "GET":
            assert await refused(both, key, shop.ids) is (sources is SR), key
        elif row is READS_CONNECTION:
            assert not await refused(both, key, shop.ids), key


async def test_deploying_needs_source_admin_for_each_of_the_instances(desk: Desk) -> None:
    function, mine, other = await desk.function(), await desk.source("mine"), await desk.source("other")
    one, two = [await desk.instance(function, await desk.destination(source)) for source in (mine, other)]
    await desk.ask("PATCH", f"/functions/{function}", {"code": "function onPage(e) { return e }"})
    grants = (Grant(FR, frozenset({function})), Grant(SA, frozenset({mine})))
    narrow = desk.acting_as(await desk.token(*grants))
    fault = await narrow.ask("POST", f"/functions/{function}/deploy", status=403)
    assert fault["message"] == f"this needs the permission source:edit on {other}"
    assert {
        it["versionNumber"] for it in (await desk.ask("GET", f"/functions/{function}"))["function"]["instances"]
    } == {1}
    done = await narrow.ask("POST", f"/functions/{function}/deploy", {"instanceIds": [one]})
    assert [it["id"] for it in done["instances"]] == [one]
    assert [it["id"] for it in (await narrow.ask("GET", "/insert-function-instances"))["instances"]] == [one]
    await narrow.ask("GET", f"/insert-function-instances/{two}", status=403)


# A body that is as it should be: what is refused here is refused for who asks, not for what is said.
BODIES: Mapping[tuple[str, str], Any] = {
    ("POST", "/functions"): {"code": "function onTrack(e) { return e }", "displayName": "F"},
    ("POST", "/functions/preview"): {"code": "onTrack = e => e", "events": [{"type": "track"}]},
    ("POST", "/functions/check"): {"code": "onTrack = e => e"},
    ("POST", "/functions/{functionId}/versions"): {"versionId": "ver_1"},
    ("POST", "/sources"): {"slug": "s", "enabled": True},
    ("POST", "/tokens"): {"name": "t"},
    ("POST", "/destination/filters/preview"): {"filter": {"if": "all", "actions": [{"type": "DROP"}]}, "payload": {}},
    ("POST", "/destination/{destinationId}/filters"): {"if": "all", "actions": [{"type": "DROP"}], "title": "t"},
    ("POST", "/destinations"): {"sourceId": SourceRow, "metadataId": "sink", "settings": {}},
    ("POST", "/insert-function-instances"): {
        "functionId": FunctionRow,
        "integrationId": DestinationRow,
        "name": "n",
        "settings": {},
    },
    ("POST", "/users/{userId}/permissions"): {"permissions": []},
    ("PUT", "/users/{userId}/permissions"): {"permissions": []},
    ("POST", "/groups/{userGroupId}/permissions"): {"permissions": []},
    ("PUT", "/groups/{userGroupId}/permissions"): {"permissions": []},
    ("POST", "/invites"): {"invites": [{"email": "new@example.com"}]},
    ("POST", "/groups"): {"name": "Other"},
    ("PATCH", "/groups/{userGroupId}"): {"name": "Renamed"},
    ("POST", "/groups/{userGroupId}/users"): {"emails": []},
    ("PUT", "/group/{userGroupId}/users"): {"emails": []},
    ("POST", "/labels"): {"label": {"key": "environment", "value": "prod"}},
    ("POST", "/sources/{sourceId}/labels"): {"labels": []},
    ("PUT", "/sources/{sourceId}/labels"): {"labels": []},
}
PLACES: Mapping[str, Any] = {
    "functionId": FunctionRow,
    "versionId": VersionRow,
    "instanceId": InstanceRow,
    "sourceId": SourceRow,
    "filterId": FilterRow,
    "destinationId": DestinationRow,
    "userId": UserRow,
    "userGroupId": GroupRow,
    "inviteId": InviteRow,
    "tokenId": TokenRow,
    "writeKey": "wk_12345678",
    "destinationMetadataId": "webhook",
    "sourceMetadataId": "http-api",
    "warehouseMetadataId": "none",
    "key": "environment",
    "value": "prod",
}
QUERIES = {
    "resourceType": "INSERT_DESTINATION",
    "message": "hello",
    "userIds[0]": "usr_1",
    "emails[0]": "a@example.com",
}
OVERVIEW = {"sourceId": SourceRow, "destinationConfigId": DestinationRow}


def _filled(value: Any, ids: Mapping[type[Any], str]) -> Any:
    match value:
        case dict():
            return {name: _filled(each, ids) for name, each in value.items()}
        case type():
            return ids[value]
        case _:
            return value


async def _answers(desk: Desk, shop: Shop) -> dict[tuple[str, str], int]:
    found = {}
    now = datetime.now(UTC)
    window = {"startTime": (now - timedelta(hours=1)).isoformat(), "endTime": now.isoformat(), "granularity": "DAY"}
    for method, path in TABLE:
        filled = path.format(
            **{name: _filled(value, shop.ids) for name, value in PLACES.items() if f"{{{name}}}" in path}
        )
        body = _filled(BODIES.get((method, path), {}), shop.ids) if method not in ("GET", "DELETE") else None
        about = _filled(OVERVIEW, shop.ids) if path.startswith("/delivery-overview/") else {}
        answer = await desk.client.request(method, filled, json=body, params=QUERIES | window | about)
        found[method, path] = answer.status_code
    return found


async def test_over_http_a_member_without_roles_gets_403_wherever_the_table_asks_for_one(
    desk: Desk, shop: Shop
) -> None:
    member = desk.acting_as(await desk.token(Grant(M), creator=[Grant(M)], email="m@example.com"))
    expected = {key: 200 if row is ANYONE else 403 for key, row in TABLE.items()}
    expected["GET", "/catalog/warehouses/{warehouseMetadataId}"] = 404  # there is none for anybody
    assert await _answers(member, shop) == expected


async def test_over_http_the_owner_of_another_workspace_finds_nothing(desk: Desk, shop: Shop) -> None:
    elsewhere = replace(desk, call=await call_in(desk.office.sessions, desk.office.vault, "other"))
    stranger = desk.acting_as(await elsewhere.token(email="stranger@example.com"))
    answers = await _answers(stranger, shop)
    about_something = {key for key, use in decided().items() if use.on}
    assert {answers[key] for key in about_something} == {404}
