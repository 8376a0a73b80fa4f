"""What the end-to-end tests share: posting events, and waiting for what becomes of them."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from typing import Any, TypeVar

import aiohttp

from tests.integration.receiver import Receiver
from tests.whole import WRITE_KEY, Whole

T = TypeVar("T")

AUTH = {"authorization": "Basic " + base64.b64encode(f"{WRITE_KEY}:".encode()).decode()}


def track(number: int | str, **more: Any) -> dict[str, Any]:
    return {"type": "track", "event": "Order Completed", "userId": f"u-{number}", "messageId": f"m-{number}", **more}


async def post(whole: Whole, path: str, body: Any) -> tuple[int, Any]:
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{whole.base_url}{path}", json=body, headers=AUTH) as answer,
    ):
        return answer.status, await answer.json()


async def poll(ask: Callable[[], T], seconds: float = 30) -> T:
    deadline = asyncio.get_running_loop().time() + seconds
    while not (answer := ask()):
        assert asyncio.get_running_loop().time() < deadline, "not so in time"
        await asyncio.sleep(0.02)
    return answer


async def apply(whole: Whole, files: dict[str, str], **environ: str) -> str:
    """Apply a folder and wait until the running processes have taken it over."""
    before = whole.revisions()
    applied = await asyncio.to_thread(whole.apply, files, **environ)
    assert applied.returncode == 0, applied.stderr + applied.stdout
    if ", 0 updated" not in applied.stdout or "0 created" not in applied.stdout:
        await poll(lambda: whole.taken_over_since(before))
    return applied.stdout


def events(receiver: Receiver) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for request in list(receiver.requests):
        body = json.loads(request.body)
        found += body if isinstance(body, list) else [body]
    return found


async def outcomes(whole: Whole, messages: int) -> dict[str, Any]:
    """Wait until so many outcomes are counted; return Event Delivery with its samples."""
    for _ in range(60):
        shown = json.loads((await asyncio.to_thread(whole.run, "deliveries", "--samples", "--json")).stdout)
        if sum(row["count"] for row in shown["deliveries"]) >= messages:
            found: dict[str, Any] = shown
            return found
    raise AssertionError(f"only these were counted: {shown['deliveries']}")
