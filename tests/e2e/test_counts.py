"""What is counted is what was sent: asked over the API of a whole midstream, while the process that counts is killed."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp

from tests.e2e.client import apply, post
from tests.integration.receiver import receiving
from tests.whole import Whole, running, shop

BY_BOTH = {"groupBy[0]": "eventName", "groupBy[1]": "appVersion"}


async def asked(whole: Whole, token: str, path: str, **more: str) -> tuple[int, Any]:
    now = datetime.now(UTC)
    window = {"startTime": (now - timedelta(hours=1)).isoformat(), "endTime": (now + timedelta(hours=1)).isoformat()}
    headers = {"authorization": f"Bearer {token}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.get(f"{whole.base_url}{path}", params={"granularity": "MINUTE"} | window | more) as answer,
    ):
        return answer.status, (await answer.json()).get("data")


async def until_total(whole: Whole, token: str, stage: str, total: int, **more: str) -> Any:
    """Ask until so many are counted, or the API is back; return the answer."""
    async with asyncio.timeout(60):
        while True:
            status, data = await asked(whole, token, f"/delivery-overview/{stage}", **more)
            if status == 200 and data["total"] >= total:
                return data
            await asyncio.sleep(0.1)


def by_both(data: Any) -> dict[tuple[str, str], int]:
    return {(each["eventName"], each["appVersion"]): each["total"] for each in data["dataset"]}


async def test_as_many_are_received_and_delivered_as_were_sent(tmp_path: Path) -> None:
    sent: Counter[tuple[str, str]] = Counter()

    async def send(whole: Whole, round_: int) -> None:
        version = f"{round_ % 2}.0"
        batch = [
            {"type": "track", "event": f"Event {number % 3}", "userId": "u", "messageId": f"{round_}-{number}"}
            for number in range(40)
        ]
        context = {"app": {"version": version}}
        body = {"batch": [*batch, {"type": "track", "event": "Nobody's"}], "context": context}
        assert (await post(whole, "/v1/batch", body))[0] == 200
        sent.update((event["event"], version) for event in batch)

    with running(tmp_path) as whole:
        async with receiving() as receiver:
            await apply(whole, shop(receiver.url))
            token = (await asyncio.to_thread(whole.run, "token", "create")).stdout.strip()
            _, listed = await asked(whole, token, "/destinations")
            [destination] = listed["destinations"]
            of = {"sourceId": destination["sourceId"], "destinationConfigId": destination["id"]}
            await asyncio.gather(*(send(whole, number) for number in range(10)))
            # It goes on where its counts are, and counts nothing twice.
            assert await asyncio.to_thread(whole.kill, "control")
            await asyncio.gather(*(send(whole, number) for number in range(10, 20)))
            for stage in ("successfully-received", "successful-delivery"):
                assert by_both(await until_total(whole, token, stage, sent.total(), **of, **BY_BOTH)) == sent
            refused = await until_total(whole, token, "failed-on-ingest", 20, **of, **{"groupBy[0]": "eventName"})
            assert [(each["eventName"], each["total"]) for each in refused["dataset"]] == [("Nobody's", 20)]
            _, volume = await asked(whole, token, "/events/volume", **{"groupBy[0]": "source"})
            assert [(each["source"]["slug"], each["total"]) for each in volume["result"]] == [("website", 800)]
