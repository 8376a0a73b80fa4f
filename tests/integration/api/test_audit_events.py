"""The audit trail over HTTP: what everybody did, in pages and as CSV."""

from __future__ import annotations

import csv
import io

from midstream.domain.access import Grant, Role
from tests.integration.api.desk import Desk, desk
from tests.integration.database import database_url, postgres_server, postgres_url, sessions, vault

__all__ = ["database_url", "desk", "postgres_server", "postgres_url", "sessions", "vault"]


async def test_an_entry_says_who_did_what_to_what_from_where(desk: Desk) -> None:
    source = await desk.source()
    answer = await desk.ask("GET", "/audit-events", params={"resourceId": source, "pagination[count]": "1"})
    [key] = answer["events"]
    assert key.pop("changed")[0].startswith("write key …")
    assert key == {
        "id": key["id"],
        "timestamp": key["timestamp"],
        "type": "Source Write Key Created",
        "actor": key["actor"],
        "actorEmail": key["actorEmail"],
        "resourceId": source,
        "resourceType": "source",
        "resourceName": "web",
        "origin": "192.0.2.7",
    }
    assert key["actor"].startswith("tok_")
    assert key["timestamp"].endswith("Z")
    assert answer["pagination"].keys() == {"current", "next", "previous"}


async def test_pages_lead_to_the_oldest_entry(desk: Desk) -> None:
    for slug in "abc":
        await desk.source(slug)
    seen, cursor = [], None
    while True:
        params = {"pagination[count]": "4"} | ({"pagination[cursor]": cursor} if cursor else {})
        page = await desk.ask("GET", "/audit-events", params=params)
        seen += [each["id"] for each in page["events"]]
        if (cursor := page["pagination"]["next"]) is None:
            break
    assert seen == [each["id"] for each in (await desk.ask("GET", "/audit-events"))["events"]]
    assert len(set(seen)) == len(seen) == 10
    assert page["events"][-1]["type"] == "Workspace Created"
    foreign = (await desk.ask("GET", "/sources"))["pagination"]["current"]
    fault = await desk.ask("GET", "/audit-events", params={"pagination[cursor]": foreign}, status=422)
    assert fault["field"] == "pagination.cursor"


async def test_it_is_filtered(desk: Desk) -> None:
    await desk.source("a")
    function = await desk.function()

    async def types(**filters: str) -> set[str]:
        return {each["type"] for each in (await desk.ask("GET", "/audit-events", params=filters))["events"]}

    assert "Insert Function Created" in await types(resourceId=function.removeprefix("ifnd_"))
    assert await types(resourceType="SOURCE") == {"Source Created", "Source Write Key Created"}
    assert await types(type="Source Created", actor="__system__") == set()
    assert await types(endTime="2020-01-01T00:00:00Z") == await types(startTime="2999-01-01") == set()
    assert "Workspace Created" in await types(startTime="2020-01-01T00:00:00+02:00")
    for name, value in (("startTime", "yesterday"), ("endTime", "2020-13-01"), ("startTime", "0001-01-01T00:00+23:00")):
        assert (await desk.ask("GET", "/audit-events", params={name: value}, status=422))["field"] == name
    await desk.ask("GET", "/audit-events?resourceId=%00", status=422)


async def test_it_comes_as_csv_to_whoever_asks_for_that(desk: Desk) -> None:
    await desk.source("a")
    by_query = await desk.client.get("/audit-events?format=csv&resourceType=source")
    by_header = await desk.client.get("/audit-events?resourceType=source", headers={"accept": "text/csv, */*"})
    assert by_query.text == by_header.text
    assert by_query.headers["content-type"] == "text/csv; charset=utf-8"
    assert [row["type"] for row in csv.DictReader(io.StringIO(by_query.text))] == [
        "Source Write Key Created",
        "Source Created",
    ]
    json = await desk.client.get("/audit-events", headers={"accept": "application/json, text/csv"})
    assert json.headers["content-type"] == "application/json"


async def test_a_refusal_is_told_before_any_csv(desk: Desk) -> None:
    admin = desk.acting_as(await desk.token(Grant(Role.SOURCE_ADMIN)))
    assert "audit:read" in (await admin.ask("GET", "/audit-events?format=csv", status=403))["message"]
    [refusal, *_] = (await desk.ask("GET", "/audit-events"))["events"]
    assert (refusal["type"], refusal["changed"]) == ("Permission Check", ["this needs the permission audit:read"])
