"""What is wrong with a request is told: the status, the field it is about, and what was expected instead."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from midstream.store.people import TokenRow
from tests.integration.api.desk import TRACK, Desk, desk
from tests.integration.database import database_url, postgres_server, postgres_url, sessions, vault

__all__ = ["database_url", "desk", "postgres_server", "postgres_url", "sessions", "vault"]

FUNCTION = {"code": TRACK, "displayName": "F", "resourceType": "INSERT_DESTINATION"}
FILTER = {"if": "all", "actions": [{"type": "DROP"}], "title": "t"}
LARGE = "x" * 2_000_000
# Method, path, body; then status, field, and how the message begins. What stands in braces was made, or is gone again.
TABLE: tuple[tuple[str, str, Any, int, str | None, str], ...] = (
    # unknown field
    ("POST", "/sources", {"slug": "a", "enabledd": True}, 422, "enabledd", "unknown key 'enabledd'; did you mean 'enabled'?"),
    ("POST", "/functions", FUNCTION | {"settings": [{"requires": True}]}, 422, "settings.0.requires", "unknown key 'requi"),
    ("PATCH", "/functions/{function}", {"name": "a"}, 422, "name", "unknown key 'name'; known: allowedHosts"),
    ("PATCH", "/destinations/{destination}", {"nname": "a"}, 422, "nname", "unknown key 'nname'; did you mean 'name'?"),
    ("PATCH", "/destinations/{destination}", {"settings": {"x": 1}}, 422, "settings", 'sink: unknown setting "x"'),
    ("PATCH", "/insert-function-instances/{instance}", {"on": 1}, 422, "on", "unknown key 'on'; known: enabled"),
    ("PATCH", "/insert-function-instances/{instance}", {"settings": {"x": 1}}, 422, "settings", "unknown setting 'x'"),
    ("POST", "/functions/{function}/deploy", {"to": []}, 422, "to", "unknown key 'to'; known: instanceIds, versionId"),
    ("POST", "/functions/preview", {"code": TRACK, "events": [{}], "settings": {"x": 1}}, 422, "settings", "unknown set"),
    ("POST", "/destination/{destination}/filters", FILTER | {"condition": "all"}, 422, "condition", "unknown key 'condi"),
    ("POST", "/tokens", {"name": "a", "expiresAt": "soon"}, 422, "expiresAt", "unknown key 'expiresAt'; did you mean"),
    ("POST", "/invites", {"invites": [{"mail": "a@b.c"}]}, 422, "invites.0.mail", "unknown key 'mail'; did you mean"),
    ("POST", "/labels", {"label": {"key": "a", "val": "b"}}, 422, "label.val", "unknown key 'val'; did you mean 'value'?"),
    # wrong type, or a value that does not do
    ("POST", "/sources", [1], 422, None, "expected a JSON object as the body"),
    ("POST", "/sources", None, 422, None, "expected a JSON object as the body"),
    ("POST", "/functions", FUNCTION | {"code": 5}, 422, "code", "input should be a valid string"),
    ("POST", "/functions", FUNCTION | {"displayName": "x" * 121}, 422, "displayName", "expected a name of 1 to 120"),
    ("PATCH", "/functions/{function}", {"displayName": "x" * 121}, 422, "displayName", "expected a name of 1 to 120"),
    ("PATCH", "/functions/{function}", {"batchMaxCount": "many"}, 422, "batchMaxCount", "input should be a valid integer"),
    ("PATCH", "/sources/{source}", {"name": "x" * 121}, 422, "name", "expected a name of 1 to 120"),
    ("POST", "/functions/preview", {"code": TRACK, "events": {}}, 422, "events", "expected a list"),
    ("POST", "/functions/preview", {"code": TRACK, "events": [5]}, 422, "events.0", "expected an object"),
    ("POST", "/functions/preview", {"code": TRACK, "events": []}, 422, "events", "expected at least 1, got 0"),
    ("PATCH", "/insert-function-instances/{instance}", {"enabled": "perhaps"}, 422, "enabled", "input should be a valid b"),
    ("PATCH", "/insert-function-instances/{instance}", {"onError": "stop"}, 422, "onError", "input should be 'block', 'pa"),
    # a kind of function that is not there
    ("POST", "/functions", FUNCTION | {"resourceType": "DESTINATION"}, 422, "resourceType", "there are no functions of typ"),
    ("POST", "/functions", FUNCTION | {"resourceType": "DEST"}, 422, "resourceType", "input should be 'INSERT_DESTINATION'"),
    ("GET", "/functions?resourceType=DEST", None, 422, "resourceType", "expected one of INSERT_DESTINATION, DESTINATION"),
    # FQL that does not parse
    ("POST", "/destination/{destination}/filters", FILTER | {"if": "event ="}, 422, "if", "expected a field or a value, got"),
    ("PATCH", "/destination/{destination}/filters/{filter}", {"if": "event ="}, 422, "if", "expected a field or a value, got"),
    ("POST", "/destination/filters/preview", {"filter": {"if": "(", "actions": [{"type": "DROP"}]}, "payload": {}}, 422, "filter.if", "expe"),
    # code that does not parse
    ("POST", "/functions", FUNCTION | {"code": "function onTrack( {"}, 422, "code", "SyntaxError: Unexpected end of input (li"),
    ("PATCH", "/functions/{function}", {"code": "function onTrack( {"}, 422, "code", "SyntaxError: Unexpected end of input"),
    ("POST", "/functions", FUNCTION | {"code": "let x = 1"}, 422, "code", "no handler found; a function needs at least one of"),
    # deleted parent
    ("POST", "/destinations", {"sourceId": "{gone source}", "metadataId": "sink", "settings": {}}, 404, None, "there is no source"),
    ("POST", "/sources/{gone source}/writekey", None, 404, None, "there is no source with the id 'src_"),
    ("POST", "/destination/{gone destination}/filters", FILTER, 404, None, "there is no destination with the id 'dst_"),
    ("GET", "/destination/{gone destination}/filters", None, 404, None, "there is no destination with the id 'dst_"),
    ("GET", "/functions/{gone function}/versions", None, 404, None, "there is no function with the id 'ifnd_"),
    ("POST", "/functions/{gone function}/deploy", {}, 404, None, "there is no function with the id 'ifnd_"),
    (
        "POST", "/insert-function-instances",
        {"functionId": "{gone function}", "integrationId": "{destination}", "name": "n", "settings": {}},
        404, None, "there is no function with the id",
    ),
    (
        "POST", "/insert-function-instances",
        {"functionId": "{function}", "integrationId": "{gone destination}", "name": "n", "settings": {}},
        404, None, "there is no destination with the id",
    ),
    # 2 MB
    ("POST", "/functions", FUNCTION | {"code": LARGE}, 413, None, "the body is larger than 1572864 bytes"),
    ("PATCH", "/functions/{function}", {"code": LARGE}, 413, None, "the body is larger than 1572864 bytes"),
    # pages, times
    ("GET", "/destinations?pagination[cursor]={cursor}", None, 422, "pagination.cursor", "the cursor cannot be used: it is a cursor of an"),
    ("GET", "/audit-events?pagination[cursor]={cursor}", None, 422, "pagination.cursor", "the cursor cannot be used: it is "),
    ("GET", "/users?pagination[cursor]=%25", None, 422, "pagination.cursor", "the cursor cannot be used: it is not a cursor of"),
    ("GET", "/sources?pagination[count]=x", None, 422, "pagination.count", "expected a count of 1 to 1000"),
    ("GET", "/audit-events?startTime=never", None, 422, "startTime", "expected a time in ISO 8601"),
)  # fmt: skip


@dataclass
class Shop:
    """What there is to be asked about, and what was there, by name."""

    desk: Desk
    ids: dict[str, str]

    def filled(self, value: Any) -> Any:
        match value:
            case str():
                for name, key in self.ids.items():
                    value = value.replace(f"{{{name}}}", key)
                return value
            case dict():
                return {name: self.filled(each) for name, each in value.items()}
            case _:
                return value


@pytest.fixture
async def shop(desk: Desk) -> Shop:
    source, gone_source = await desk.source(), await desk.source("gone")
    destination, gone_destination = await desk.destination(source), await desk.destination(gone_source, name="Gone")
    function, gone_function = await desk.function(), await desk.function(displayName="Gone")
    instance = await desk.instance(function, destination)
    for path in (f"/destinations/{gone_destination}", f"/sources/{gone_source}", f"/functions/{gone_function}"):
        await desk.ask("DELETE", path)
    ids = {
        "source": source,
        "gone source": gone_source,
        "destination": destination,
        "gone destination": gone_destination,
        "function": function,
        "gone function": gone_function,
        "filter": await desk.filter(destination),
        "instance": instance,
        "cursor": (await desk.ask("GET", "/sources"))["pagination"]["current"],
    }
    return Shop(desk, ids)


async def test_what_is_wrong_is_told_with_its_field_and_what_was_expected(shop: Shop) -> None:
    found = []
    for method, path, body, *expected in TABLE:
        answer = await shop.desk.client.request(method, shop.filled(path), json=shop.filled(body))
        faults = answer.json()["errors"]
        [fault] = faults
        message = fault["message"][: len(expected[2])]
        if [answer.status_code, fault.get("field"), message] != expected:
            found.append((method, path, answer.status_code, fault))
    assert found == []


async def test_nothing_of_it_changed_anything(shop: Shop) -> None:
    before = await shop.desk.ask("GET", "/audit-events")
    for method, path, body, *_ in TABLE:
        await shop.desk.client.request(method, shop.filled(path), json=shop.filled(body))
    assert await shop.desk.ask("GET", "/audit-events") == before


@pytest.mark.parametrize(
    "path",
    [
        "/functions/{function}",
        "/sources/{source}",
        "/destinations/{destination}",
        "/insert-function-instances/{instance}",
        "/destination/{destination}/filters/{filter}",
    ],
)
async def test_a_stale_tag_is_a_412_and_changes_nothing(shop: Shop, path: str) -> None:
    path = shop.filled(path)
    tag = (await shop.desk.client.get(path)).headers["etag"]
    change = (
        {"title": "New"}
        if "/filters/" in path
        else {"displayName": "New"}
        if "/functions/" in path
        else {"name": "New"}
    )
    await shop.desk.ask("PATCH", path, change, headers={"if-match": tag})
    now = await shop.desk.ask("GET", path)
    for method, body in (("PATCH", dict.fromkeys(change, "Newer")), ("DELETE", None)):
        fault = await shop.desk.ask(method, path, body, 412, headers={"if-match": tag})
        assert fault["type"] == "precondition-failed"
        assert fault["message"] == "it was changed meanwhile: read it again and repeat the change on what it is now"
    assert await shop.desk.ask("GET", path) == now


async def test_a_token_that_expired_is_a_401_that_says_when(desk: Desk) -> None:
    made = (await desk.ask("POST", "/tokens", {"name": "short", "expiresInDays": 1}))["token"]
    yesterday = datetime.now(UTC) - timedelta(days=1)
    async with desk.office.sessions.begin() as session:
        await session.execute(update(TokenRow).where(TokenRow.id == made["id"]).values(expires_at=yesterday))
    answer = await desk.acting_as(made["token"]).client.get("/sources")
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    [fault] = answer.json()["errors"]
    assert fault["message"].startswith(f"the token expired at {yesterday:%Y-%m-%d}")
    assert made["token"] not in answer.text
