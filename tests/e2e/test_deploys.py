"""A deploy reaches all workers within a second, and loses or mistakes no event on the way."""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_right
from pathlib import Path
from typing import Any

import aiohttp

from tests.e2e.api import ask, client, token_of
from tests.e2e.client import AUTH, apply, events, poll
from tests.integration.receiver import receiving
from tests.whole import Whole, running, shop

CODE = """
function onTrack(event) {
  event.properties = { version: %d, at: Date.now() };
  return event;
}
"""
DEPLOYS = 100
PATIENCE = 5.0  # seconds


async def trickle(whole: Whole, sent: list[str], stop: asyncio.Event) -> None:
    """Send events, a few at a time, until told to stop."""
    async with aiohttp.ClientSession(whole.base_url, headers=AUTH) as session:
        while not stop.is_set():
            ids = [f"m-{len(sent) + n}" for n in range(10)]
            batch = [{"type": "track", "event": "E", "userId": "u", "messageId": each} for each in ids]
            async with session.post("/v1/batch", json={"batch": batch}) as answer:
                assert answer.status == 200
            sent += ids
            await asyncio.sleep(0.02)


async def test_a_hundred_deploys_under_load_reach_four_workers_in_time(tmp_path: Path) -> None:
    sent: list[str] = []
    asked: list[float] = []  # when the deploy of version n + 2 was asked for, and when it was answered
    answered: list[float] = []
    with running(tmp_path, "--workers", "4") as whole:
        async with receiving() as receiver:
            await apply(whole, shop(receiver.url, code=CODE % 1))
            async with client(whole, await token_of(whole)) as api:
                [function] = (await ask(api, "GET", "/functions?resourceType=INSERT_DESTINATION"))["functions"]
                stop = asyncio.Event()
                load = asyncio.create_task(trickle(whole, sent, stop))
                await poll(lambda: len(events(receiver)) > 50)
                for version in range(2, DEPLOYS + 2):
                    path = f"/functions/{function['id']}"
                    await ask(api, "PATCH", path, {"code": CODE % version})
                    asked.append(time.time())
                    await ask(api, "POST", f"{path}/deploy")
                    answered.append(time.time())
                await poll(lambda: newest(events(receiver)) == DEPLOYS + 1)
                stop.set()
                await load
            await poll(lambda: len({it["messageId"] for it in events(receiver)}) == len(sent))
            arrived = events(receiver)
    assert {it["messageId"] for it in arrived} == set(sent)
    late = [lateness(it["properties"], answered) for it in arrived]
    early = [
        it
        for it in arrived
        if it["properties"]["version"] > 1 + bisect_right(asked, it["properties"]["at"] / 1000 + 0.001)
    ]
    print(  # noqa: T201 # the figure is what the test is run for
        f"{len(sent)} events, {DEPLOYS} deploys; the slowest reached its last worker after {max(late):.2f} s"
    )
    assert early == []
    # Less than a second on a machine that has time; a worker that was forgotten would be late for good.
    assert max(late) < PATIENCE


def newest(arrived: list[dict[str, Any]]) -> int:
    return max((int(it["properties"]["version"]) for it in arrived), default=0)


def lateness(stamped: dict[str, Any], answered: list[float]) -> float:
    """Return for how long a newer version than that which ran had been deployed; 0 when there was none."""
    newer = int(stamped["version"]) - 1  # the index of the next version's deploy
    return max(0.0, stamped["at"] / 1000 - answered[newer]) if newer < len(answered) else 0.0
