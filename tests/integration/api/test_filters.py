from __future__ import annotations

import pytest

from tests.integration.api.desk import Desk, desk
from tests.integration.database import database_url, postgres_server, postgres_url, sessions, vault

__all__ = ["database_url", "desk", "postgres_server", "postgres_url", "sessions", "vault"]


async def test_a_filter_is_made_shown_changed_and_deleted(desk: Desk) -> None:
    source = await desk.source()
    destination = await desk.destination(source)
    path = f"/destination/{destination}/filters/{await desk.filter(destination, sourceId=source)}"
    shown = (await desk.ask("GET", path))["filter"]
    assert (shown["if"], shown["actions"], shown["sourceId"]) == ("event = 'Noise'", [{"type": "DROP"}], source)
    sampled = [{"type": "SAMPLE", "percent": 0.5, "path": "userId"}]
    changed = (await desk.ask("PATCH", path, {"actions": sampled, "description": "half"}))["filter"]
    assert (changed["actions"], changed["description"], changed["title"]) == (sampled, "half", "No noise")
    assert [it["id"] for it in (await desk.ask("GET", f"/destination/{destination}/filters"))["filters"]] == [
        shown["id"]
    ]
    await desk.ask("DELETE", path)
    await desk.ask("GET", path, status=404)


async def test_a_filter_of_another_destination_is_not_there(desk: Desk) -> None:
    source = await desk.source()
    one, other = await desk.destination(source, name="A"), await desk.destination(source, name="B")
    filter_id = await desk.filter(one)
    await desk.ask("GET", f"/destination/{other}/filters/{filter_id}", status=404)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"if": "event ="}, "at character 8"),
        ({"if": ""}, ""),
        ({"actions": [{"type": "SAMPLE", "percent": 2}]}, "less than or equal to 1"),
        ({"actions": []}, ""),
        ({"title": "x" * 65}, "64"),
        ({"sourceId": "src_other"}, "the destination's source is"),
        ({"condition": "all"}, "unknown key 'condition'"),
    ],
)
async def test_what_is_no_filter_is_refused(desk: Desk, change: dict[str, object], complaint: str) -> None:
    destination = await desk.destination(await desk.source())
    body = {"if": "all", "actions": [{"type": "DROP"}], "title": "t", "enabled": True} | change
    fault = await desk.ask("POST", f"/destination/{destination}/filters", body, 422)
    assert complaint in fault["message"]
    assert fault["field"]


async def test_an_eleventh_filter_is_refused(desk: Desk) -> None:
    destination = await desk.destination(await desk.source())
    for _ in range(10):
        await desk.filter(destination)
    body = {"if": "all", "actions": [{"type": "DROP"}], "title": "t"}
    assert "10 filters at most" in (await desk.ask("POST", f"/destination/{destination}/filters", body, 422))["message"]


async def test_a_preview_shows_what_is_left_of_an_event(desk: Desk) -> None:
    rule = {"if": "type = 'track'", "actions": [{"type": "DROP_PROPERTIES", "fields": {"properties": ["email"]}}]}
    payload = {"type": "track", "properties": {"email": "a@b.c", "total": 3}}
    answer = await desk.ask("POST", "/destination/filters/preview", {"filter": rule, "payload": payload})
    assert answer == {"inputPayload": payload, "result": {"type": "track", "properties": {"total": 3}}}
    drop = {"if": "type = 'track'", "actions": [{"type": "DROP"}]}
    dropped = await desk.ask("POST", "/destination/filters/preview", {"filter": drop, "payload": payload})
    assert dropped["result"] is None
