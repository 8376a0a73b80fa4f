"""Two processes that serve the API on one database, on both engines: no change made through one is lost to the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from midstream.log.server import running_endpoint
from tests.e2e.api import ask, client, token_of
from tests.e2e.commands import midstream, says
from tests.integration.database import database_url, postgres_server, postgres_url
from tests.whole import Whole, running

__all__ = ["database_url", "postgres_server", "postgres_url"]

Apis = tuple[httpx.AsyncClient, httpx.AsyncClient]
TIMES = 4  # each writer's changes
CODE = "function onTrack(event, settings) { return event } // %s"
SETTING = {"type": "STRING", "description": "", "required": False, "sensitive": False}


@pytest.fixture
async def apis(tmp_path: Path, database_url: str) -> AsyncIterator[Apis]:
    """Give a client of each of two, and look at the trail when the test is over."""
    shared = {"MIDSTREAM_DATABASE_URL": database_url, "MIDSTREAM_API_RATE": "100000"}
    with running(tmp_path / "one", **shared) as one:
        other = {
            **shared,
            "MIDSTREAM_NATS_URL": nats_url(one),
            "MIDSTREAM_MASTER_KEY": (one.data_dir / "master.key").read_text(),
        }
        with running(tmp_path / "two", "--role", "control", **other) as two:
            token = await token_of(one)
            async with client(one, token) as first, client(two, token) as second:
                yield first, second
            verified = midstream("audit", "verify", cwd=tmp_path, MIDSTREAM_DATABASE_URL=database_url)
            says(verified, 0, stdout="The audit trail is whole.\n")
            for whole in (one, two):
                assert "a request failed" not in whole.log()


def nats_url(whole: Whole) -> str:
    found = running_endpoint(whole.data_dir)
    return ",".join(url.replace("://", f"://{found.user}:{found.password}@") for url in found.urls)


async def both(apis: Apis, work: Callable[[httpx.AsyncClient, str], Awaitable[None]]) -> set[str]:
    """Let two writers at each API work at once, each `TIMES` times; return the names of all that was done."""
    names = [f"w{place}-{writer}-{turn}" for place in (0, 1) for writer in (0, 1) for turn in range(TIMES)]

    async def writer(place: int, number: int) -> None:
        for name in names:
            if name.startswith(f"w{place}-{number}-"):
                await work(apis[place], name)

    await asyncio.gather(*(writer(place, number) for place in (0, 1) for number in (0, 1)))
    return set(names)


async def what_is_changed_under_its_tag_is_never_overwritten(apis: Apis) -> None:
    made = await ask(apis[0], "POST", "/functions", {"code": CODE % 0, "displayName": "F"})
    path = f"/functions/{made['function']['id']}"
    conflicts = 0

    async def append(api: httpx.AsyncClient, name: str) -> None:
        nonlocal conflicts
        while True:
            read = await api.get(path)
            description = f"{read.json()['data']['function']['description']} {name}"
            tag = {"if-match": read.headers["etag"]}
            answer = await api.patch(path, json={"description": description}, headers=tag)
            if answer.status_code == 200:
                return
            assert answer.status_code == 412, answer.text
            conflicts += 1

    names = await both(apis, append)
    for api in apis:
        said = (await ask(api, "GET", path))["function"]["description"].split()
        assert (set(said), len(said)) == (names, len(names))
    assert conflicts > 0, "they were in each other's way"


async def versions_saved_at_once_are_all_kept_and_numbered_once(apis: Apis) -> None:
    made = await ask(apis[0], "POST", "/functions", {"code": CODE % 0, "displayName": "F"})
    path = f"/functions/{made['function']['id']}"

    async def save(api: httpx.AsyncClient, name: str) -> None:
        await ask(api, "PATCH", path, {"code": CODE % name, "message": name})

    names = await both(apis, save)
    versions = (await ask(apis[1], "GET", f"{path}/versions"))["versions"]
    assert [it["number"] for it in versions] == list(range(len(names) + 1, 0, -1))
    assert {it["message"] for it in versions} == {"", *names}
    assert all(it["code"] == CODE % it["message"] for it in versions[:-1])


async def parts_of_one_thing_changed_at_once_are_all_there(apis: Apis) -> None:
    source = (await ask(apis[0], "POST", "/sources", {"slug": "web", "enabled": True}))["source"]["id"]
    body = {"sourceId": source, "metadataId": "sink", "settings": {}}
    destination = (await ask(apis[0], "POST", "/destinations", body))["destination"]["id"]
    group = (await ask(apis[0], "POST", "/groups", {"name": "All"}))["userGroup"]["id"]
    wanted = [f"w{place}_{writer}_{turn}" for place in (0, 1) for writer in (0, 1) for turn in range(TIMES)]
    settings = [SETTING | {"name": name, "label": name} for name in wanted]
    made = await ask(apis[1], "POST", "/functions", {"code": CODE % 0, "displayName": "F", "settings": settings})
    body = {"functionId": made["function"]["id"], "integrationId": destination, "name": "I", "settings": {}}
    instance = (await ask(apis[1], "POST", "/insert-function-instances", body))["insertFunctionInstance"]["id"]

    async def change(api: httpx.AsyncClient, name: str) -> None:
        setting = {name.replace("-", "_"): name}
        label = {"label": {"key": "name", "value": name}}
        await ask(api, "PATCH", f"/insert-function-instances/{instance}", {"settings": setting})
        await ask(api, "POST", "/labels", label)
        await ask(api, "POST", f"/sources/{source}/labels", {"labels": [label["label"]]})
        email = f"{name}@example.com"
        await ask(api, "POST", "/invites", {"invites": [{"email": email}]})
        await ask(api, "POST", f"/groups/{group}/users", {"emails": [email]})
        await ask(api, "POST", f"/sources/{source}/writekey")

    names = await both(apis, change)
    shown = (await ask(apis[0], "GET", f"/insert-function-instances/{instance}"))["insertFunctionInstance"]
    assert shown["settings"] == {name.replace("-", "_"): name for name in names}
    web = (await ask(apis[0], "GET", f"/sources/{source}"))["source"]
    assert {label["value"] for label in web["labels"]} == names
    assert len(web["writeKeys"]) == 1 + len(names)
    invited: list[Any] = (await ask(apis[0], "GET", f"/groups/{group}/invites"))["emails"]
    assert set(invited) == {f"{name}@example.com" for name in names}


async def a_request_repeated_at_the_other_one_is_done_once(apis: Apis) -> None:
    key = {"idempotency-key": "once"}
    body = {"slug": "once", "enabled": True}
    answers = await asyncio.gather(*(api.post("/sources", json=body, headers=key) for api in (*apis, *apis, *apis)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    found = (await ask(apis[1], "GET", "/sources"))["sources"]
    assert [it["slug"] for it in found].count("once") == 1
    again = await apis[1].post("/sources", json=body, headers=key)
    assert (again.status_code, again.headers["idempotent-replayed"]) == (201, "true")


async def test_no_change_made_through_one_is_lost_to_the_other(apis: Apis) -> None:
    for holds in (
        what_is_changed_under_its_tag_is_never_overwritten,
        versions_saved_at_once_are_all_kept_and_numbered_once,
        parts_of_one_thing_changed_at_once_are_all_there,
        a_request_repeated_at_the_other_one_is_done_once,
    ):
        await holds(apis)
