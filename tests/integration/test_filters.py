"""Filters from the use cases to the snapshot, on both databases."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from dirty_equals import IsStr
from sqlalchemy import select

from midstream.control.act import Call
from midstream.control.destinations import create_destination, delete_destination
from midstream.control.filters import (
    create_filter,
    delete_filter,
    filters,
    get_filter,
    preview,
    preview_filter,
    update_filter,
)
from midstream.control.sources import create_source
from midstream.domain.access import Caller, Grant, Role
from midstream.domain.audit import Action
from midstream.domain.filters import Drop, DropProperties, FilterChange, FilterSection, Rule, Sample, held
from midstream.domain.topology import Destination
from midstream.errors import Invalid, RequestError
from midstream.secrets import Closed, Vault
from midstream.store.session import Sessions
from midstream.store.snapshot import load, revision
from midstream.store.trail import AuditRow
from tests.integration.database import database_url, postgres_server, postgres_url, sessions, vault
from tests.integration.office import call_in

__all__ = ["database_url", "postgres_server", "postgres_url", "sessions", "vault"]

WRITTEN = {
    "title": "Half of the orders",
    "description": "They are many",
    "if": "event = 'Order Completed'",
    "actions": [
        {"type": "SAMPLE", "percent": 0.5, "path": "userId"},
        {"type": "DROP_PROPERTIES", "fields": {"context": ["ip"]}},
    ],
}


@pytest.fixture
async def call(sessions: Sessions, vault: Vault) -> Call:
    return await call_in(sessions, vault)


@pytest.fixture
async def destination_id(call: Call) -> str:
    source = await create_source(call, slug="web", name="Web")
    return (await create_destination(call, source.id, type="sink", name="Sink", settings={})).id


def section(**more: Any) -> FilterSection:
    return held(FilterSection, WRITTEN | more)


async def made(call: Call, destination_id: str, **more: Any) -> str:
    return (await create_filter(call, destination_id, section(**more))).id


async def in_snapshot(call: Call) -> Destination:
    [destination] = (await load(call.sessions, Closed())).destinations.values()
    return destination


async def test_a_filter_is_shown_as_it_was_written(call: Call, destination_id: str) -> None:
    view = await create_filter(call, destination_id, section())
    assert view == await get_filter(call, view.id)
    assert msgspec.to_builtins(view) == {
        "id": IsStr(regex="flt_.+"),
        "source_id": IsStr(regex="src_.+"),
        "destination_id": destination_id,
        "enabled": True,
        "created_at": IsStr(),
        "updated_at": IsStr(),
        "if_": WRITTEN["if"],
        "actions": WRITTEN["actions"],
        "title": WRITTEN["title"],
        "description": WRITTEN["description"],
    }


async def test_enabled_filters_are_in_the_snapshot_of_their_destination(call: Call, destination_id: str) -> None:
    before = await revision(call.sessions)
    first = await made(call, destination_id)
    await made(call, destination_id, title="Not yet", enabled=False)
    [found] = (await in_snapshot(call)).filters
    assert (found.id, found.title, found.if_) == (first, "Half of the orders", "event = 'Order Completed'")
    assert found.actions == (Sample(percent=0.5, path="userId"), DropProperties(fields={"context": ("ip",)}))
    assert await revision(call.sessions) == before + 2


async def test_what_is_given_is_changed(call: Call, destination_id: str) -> None:
    filter_id = await made(call, destination_id)
    before = await get_filter(call, filter_id)
    was = await revision(call.sessions)

    async def change(**given: Any) -> None:
        await update_filter(call, filter_id, held(FilterChange, given), destination_id=destination_id)

    await change(title="Half of the orders", actions=WRITTEN["actions"])
    assert (await get_filter(call, filter_id), await revision(call.sessions)) == (before, was)
    await change(**{"if": "all", "actions": [{"type": "DROP"}]})
    await change(description=None, enabled=None)
    await change(enabled=False, title="Off")
    after = await get_filter(call, filter_id)
    assert (after.title, after.if_, after.description, after.enabled) == ("Off", "all", "", False)
    assert after.updated_at > before.updated_at == before.created_at
    assert (await in_snapshot(call)).filters == ()


async def test_each_change_stands_in_the_trail(call: Call, destination_id: str) -> None:
    filter_id = await made(call, destination_id)
    for given in ({"if": "all", "title": "All"}, {"enabled": False}, {"enabled": True}, {}):
        await update_filter(call, filter_id, held(FilterChange, given))
    await delete_filter(call, filter_id)
    async with call.sessions() as session:
        rows = await session.scalars(
            select(AuditRow).where(AuditRow.resource_id == filter_id).order_by(AuditRow.sequence)
        )
        found = [(row.action, tuple(row.changed or ())) for row in rows]
    assert found == [
        (Action.FILTER_CREATED, (f"destination {destination_id}",)),
        (Action.FILTER_MODIFIED, ("if", "title")),
        (Action.FILTER_DISABLED, ()),
        (Action.FILTER_ENABLED, ()),
        (Action.FILTER_DELETED, (f"destination {destination_id}",)),
    ]


async def test_a_filter_that_is_deleted_is_gone(call: Call, destination_id: str) -> None:
    first, second = await made(call, destination_id), await made(call, destination_id, title="Second")
    await delete_filter(call, first, destination_id=destination_id)
    assert [each.id for each in await filters(call, destination_id)] == [second]
    with pytest.raises(RequestError, match=f"there is no destination filter with the id '{first}'"):
        await get_filter(call, first)
    await delete_destination(call, destination_id)
    with pytest.raises(RequestError):
        await get_filter(call, second)


async def test_a_filter_belongs_to_its_destination_and_workspace(call: Call, destination_id: str) -> None:
    filter_id = await made(call, destination_id)
    assert (await get_filter(call, filter_id, destination_id=destination_id)).id == filter_id
    elsewhere = await call_in(call.sessions, call.vault, "other")
    for refused in (
        get_filter(call, filter_id, destination_id="dst_other"),
        update_filter(call, filter_id, FilterChange(), destination_id="dst_other"),
        delete_filter(call, filter_id, destination_id="dst_other"),
        get_filter(elsewhere, filter_id),
        filters(elsewhere, destination_id),
        create_filter(call, "dst_other", section()),
    ):
        with pytest.raises(RequestError) as caught:
            await refused
        assert caught.value.status == 404


async def test_who_may_only_read_a_source_reads_its_filters_only(call: Call, destination_id: str) -> None:
    filter_id = await made(call, destination_id)
    reader = replace(call, caller=Caller("usr_x", call.caller.workspace_id, (Grant(Role.SOURCE_READ_ONLY, None),)))
    assert [each.id for each in await filters(reader, destination_id)] == [filter_id]
    assert await preview_filter(reader, held(Rule, {"if": "all", "actions": [{"type": "DROP"}]}), {}) is None
    for refused in (create_filter(reader, destination_id, section()), delete_filter(reader, filter_id)):
        with pytest.raises(RequestError, match="this needs the permission source:edit"):
            await refused


async def test_a_destination_has_ten_filters_at_most(call: Call, destination_id: str) -> None:
    for number in range(10):
        await made(call, destination_id, title=f"Filter {number}")
    with pytest.raises(Invalid, match="a destination has 10 filters at most"):
        await made(call, destination_id, title="One too many")
    assert len((await in_snapshot(call)).filters) == 10


def test_a_preview_shows_what_would_be_left() -> None:
    payload = {"type": "track", "context": {"ip": "203.0.113.9", "locale": "de"}, "text": "\ud83d cut"}
    rule = held(Rule, {"if": "type = 'track'", "actions": WRITTEN["actions"][1:]})  # type: ignore[index]
    assert preview(rule, payload) == {"type": "track", "context": {"locale": "de"}, "text": "\ufffd cut"}
    assert preview(Rule.model_validate({"if": "type = 'track'", "actions": [Drop()]}), payload) is None
    assert preview(held(Rule, {"if": "type = 'page'", "actions": [{"type": "DROP"}]}), payload) is not None


@pytest.mark.parametrize("levels", [201, 5000])
def test_a_preview_refuses_what_is_no_event(levels: int) -> None:
    rule = held(Rule, {"if": "all", "actions": [{"type": "DROP_PROPERTIES", "fields": {"a": ["b"]}}]})
    deep: Any = 1
    for _ in range(levels):
        deep = [deep]
    with pytest.raises(Invalid, match="payload: expected at most 200 levels"):
        preview(rule, {"a": deep})
    with pytest.raises(Invalid, match="payload: expected JSON, which has no NaN"):
        preview(rule, {"a": float("nan")})
    with pytest.raises(Invalid, match=r"payload: expected at most 32,768 bytes, got 40,0\d\d"):
        preview(rule, {"a": "a" * 40_000})
