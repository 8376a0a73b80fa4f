"""An event goes in, through a function, and out: the whole, as its users run it."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.integration.receiver import Receiver, Reply, receiving
from tests.whole import WRITE_KEY, Whole, running, shop, until

AUTH = {"authorization": "Basic " + base64.b64encode(f"{WRITE_KEY}:".encode()).decode()}


def track(number: int, **more: Any) -> dict[str, Any]:
    return {"type": "track", "event": "Order Completed", "userId": f"u-{number}", "messageId": f"m-{number}", **more}


async def post(whole: Whole, path: str, body: Any) -> tuple[int, Any]:
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{whole.base_url}{path}", json=body, headers=AUTH) as answer,
    ):
        return answer.status, await answer.json()


async def poll(ask: Any, seconds: float = 20) -> Any:
    deadline = asyncio.get_running_loop().time() + seconds
    while not (answer := ask()):
        assert asyncio.get_running_loop().time() < deadline, "not so in time"
        await asyncio.sleep(0.02)
    return answer


def events(receiver: Receiver) -> list[dict[str, Any]]:
    found = []
    for request in list(receiver.requests):
        body = json.loads(request.body)
        found += body if isinstance(body, list) else [body]
    return found


async def start(whole: Whole, receiver: Receiver, code: str, **webhook: Any) -> None:
    applied = await asyncio.to_thread(whole.apply, shop(receiver.url, code=code, **webhook))
    assert applied.returncode == 0, applied.stderr + applied.stdout


async def test_an_event_goes_in_through_a_function_and_out_and_is_counted(tmp_path: Path) -> None:
    code = "function onTrack(event, settings) { event.properties = { seen: true }; return event }"
    with running(tmp_path) as whole:
        async with receiving() as receiver:
            await start(whole, receiver, code)
            await poll(lambda: "configuration taken over" in whole.log())
            assert await post_until_known(whole, track(1)) == {"success": True}
            status, answer = await post(whole, "/v1/batch", {"batch": [track(2), {"type": "track"}, track(3)]})
            assert status == 200
            assert [each["index"] for each in answer["rejected"]] == [1]
            await poll(lambda: len(events(receiver)) == 3)
            assert {each["messageId"] for each in events(receiver)} == {"m-1", "m-2", "m-3"}
            assert all(each["properties"] == {"seen": True} for each in events(receiver))

        def counted() -> Any:
            shown = json.loads(whole.run("deliveries", "--json").stdout)["deliveries"]
            return shown if sum(row["count"] for row in shown if row["outcome"] == "delivered") == 3 else None

        rows = until(counted)
        assert {(row["outcome"], row["reason"]) for row in rows} == {
            ("delivered", "successes.attempt.1"),
            ("rejected", "no_user_anon_id"),
        }
        assert whole.stop() == 0


async def post_until_known(whole: Whole, event: dict[str, Any]) -> Any:
    """Send until the new write key is known, which takes up to a second."""
    for _ in range(100):
        status, answer = await post(whole, "/v1/track", event)
        if status == 200:
            return answer
        assert status == 401
        await asyncio.sleep(0.05)
    raise AssertionError("the write key never became known")


@pytest.mark.parametrize("status", [500, 429])
async def test_a_refused_delivery_is_tried_again_and_survives_a_restart(tmp_path: Path, status: int) -> None:
    with running(tmp_path, MIDSTREAM_RETRY_BASE="1") as whole:
        async with receiving() as receiver:
            await start(whole, receiver, "function onTrack(event) { return event }")
            receiver.script(status)
            await post_until_known(whole, track(1))
            await poll(lambda: len(receiver.requests) == 1)
            assert whole.stop() == 0
            receiver.default = Reply(200)
            whole.start()
            await poll(lambda: len(receiver.requests) == 2)
            assert [each["messageId"] for each in events(receiver)] == ["m-1", "m-1"]
            keys = [request.headers["idempotency-key"] for request in receiver.requests]
            assert keys[0] == keys[1]
