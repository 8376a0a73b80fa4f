"""The audit trail leaves as events: each entry at least once, in order, also after a crash."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from midstream.control import groups, members, sources
from midstream.control.act import Call
from midstream.control.forwarding import forward, send_some
from midstream.errors import StoreUnavailable
from midstream.log import Log
from midstream.secrets import Vault
from midstream.store import trail
from midstream.store.session import Sessions
from tests.integration.database import database_url, postgres_server, postgres_url, sessions, vault
from tests.integration.office import call_in
from tests.integration.test_log import pulling, serving

__all__ = ["database_url", "postgres_server", "postgres_url", "sessions", "vault"]


@pytest.fixture
async def call(sessions: Sessions, vault: Vault) -> Call:
    return await call_in(sessions, vault)


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[Log]:
    async with serving(tmp_path) as (_, log):
        yield log


async def events(log: Log, count: int) -> list[dict[str, Any]]:
    """Read the first events of the log."""
    async with pulling(log, "EVENTS", await log.ensure_reader("EVENTS", after=0)) as pull:
        found: list[dict[str, Any]] = []
        async with asyncio.timeout(20):
            while len(found) < count:
                found += [json.loads(each.data) for each in await pull.get(10)]
        return found


async def test_each_entry_becomes_an_event_of_segments_shape(call: Call, log: Log) -> None:
    source = await sources.create_source(call, slug="audit", name="Audit")
    ann = await members.create_member(call, email="ann@example.com")
    assert await send_some(log, call.sessions, "audit") == 4
    assert await send_some(log, call.sessions, "audit") == 0
    found = await events(log, 4)
    last = found[-1]
    assert {name: last[name] for name in ("type", "event", "userId", "integrations", "projectId")} == {
        "type": "track",
        "event": "Audit",
        "userId": "__system__",
        "integrations": {},
        "projectId": source.id,
    }
    assert last["messageId"].startswith("api-aud_")
    assert last["timestamp"] == last["originalTimestamp"]
    details = last["properties"].pop("details")
    assert last["properties"] == {"type": "User Created", "workspace_id": call.caller.workspace_id}
    assert (details["resource_id"], details["resource_type"]) == (ann.id, "user")
    assert (details["target"], details["changed"]) == ("ann@example.com", ["Workspace Owner"])
    assert [each["properties"]["details"]["sequence"] for each in found[:-1]] == [1, 2, 3]


async def test_what_was_sent_before_a_crash_is_sent_again_under_the_same_id(
    call: Call, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sources.create_source(call, slug="audit", name="Audit")

    async def crash(*_: object, **__: object) -> None:
        raise StoreUnavailable("the database went away")

    with monkeypatch.context() as broken:
        broken.setattr(trail, "mark_forwarded", crash)
        with pytest.raises(StoreUnavailable):
            await send_some(log, call.sessions, "audit")
    assert await send_some(log, call.sessions, "audit") == 3
    # Within two minutes the log itself drops the repeats.
    assert len({event["messageId"] for event in await events(log, 3)}) == 3
    assert (await log.stream_info("EVENTS")).messages == 3


async def test_entries_wait_for_a_source_and_workspaces_without_one_do_not_keep_others_waiting(
    call: Call, log: Log
) -> None:
    elsewhere = await call_in(call.sessions, call.vault, "other")
    assert await send_some(log, call.sessions, "audit") == 0
    await sources.create_source(elsewhere, slug="audit", name="Audit")
    assert await send_some(log, call.sessions, "audit") == 4
    workspaces = {event["properties"]["workspace_id"] for event in await events(log, 3)}
    assert workspaces == {elsewhere.caller.workspace_id}


async def test_the_loop_forwards_what_happens_while_it_runs(call: Call, log: Log) -> None:
    await sources.create_source(call, slug="audit", name="Audit")
    loop = asyncio.create_task(forward(log, call.sessions, "audit"))
    await events(log, 3)
    await groups.create_group(call, name="Shop")
    assert (await events(log, 4))[-1]["properties"]["type"] == "User Group Created"
    loop.cancel()


async def test_an_entry_with_more_than_an_event_can_hold_is_cut(call: Call, log: Log) -> None:
    await sources.create_source(call, slug="audit", name="Audit")
    group = await groups.create_group(call, name="Shop")
    people = [f"{number}-{'x' * 50}@{'y' * 60}.example.com" for number in range(300)]
    for email in people:
        await members.create_member(call, email=email, permissions=[])
    await groups.add_to_group(call, group.id, people)
    while await send_some(log, call.sessions, "audit"):
        pass
    newest = (await events(log, 305))[-1]
    assert newest["properties"]["type"] == "User Group Members Updated"
    assert len(newest["properties"]["details"]["changed"]) == 100
