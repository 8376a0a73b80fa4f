"""A destination that is down or slow: nobody else notices, and it gets everything when it is back."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from aiohttp import web

from tests.fault.load import (
    MARKING,
    QUICK,
    Arrivals,
    account,
    apply,
    arrived,
    deliveries,
    eventually,
    eventually_counted,
    loading,
    send,
)
from tests.integration.receiver import Receiver, Reply, receiving
from tests.whole import running, shop

pytestmark = [pytest.mark.fault, pytest.mark.timeout(240)]


@pytest.mark.parametrize("fault", ["503", "ECONNREFUSED"])
async def test_a_destination_that_is_down_holds_up_no_other_and_gets_everything_afterwards(
    tmp_path: Path, fault: str
) -> None:
    with running(tmp_path, **QUICK) as whole, reserved_port() as port:
        async with receiving() as fine, contextlib.AsyncExitStack() as opened:
            arrivals, late = Arrivals().at(fine), Arrivals()
            broken = Receiver()
            late.at(broken)
            if fault == "503":
                late.answer = Reply(503)
                await opened.enter_async_context(open_at(port, broken))
            await apply(whole, shop(fine.url, code=MARKING) | second_destination(f"http://127.0.0.1:{port}"))
            async with loading(whole) as load:
                await eventually(lambda: len(arrivals) > 1000)
            assert await arrived(arrivals, set(load.accepted), seconds=10) == set()
            assert not late.copies

            late.answer = Reply(200)
            if fault == "ECONNREFUSED":
                await opened.enter_async_context(open_at(port, broken))
            assert await account(f"after {fault}", whole, load, late) == 0
            counted = await asyncio.to_thread(deliveries, whole)
            theirs = [row for row in counted if row["destination"] == "second"]
            assert {row["reason"] for row in theirs if row["outcome"] == "retrying"} == {fault}
            assert sum(row["count"] for row in theirs if row["outcome"] == "delivered") == len(load.accepted)
            assert all(
                row["reason"] == f"successes.attempt.{row['attempt']}"
                for row in theirs
                if row["outcome"] == "delivered"
            )
            assert max(row["attempt"] for row in theirs if row["outcome"] == "delivered") > 1
            others = [row for row in counted if row["destination"] == "hook"]
            assert {row["attempt"] for row in others} == {1}


async def test_what_waits_long_for_a_slow_destination_is_delivered_once(tmp_path: Path) -> None:
    # 24 events, one at a time, 1.5 s each: the last ones wait longer than the log leaves anything without a sign of life.
    with running(tmp_path, MIDSTREAM_BATCH_EVENTS="2", MIDSTREAM_BATCHES_IN_FLIGHT="1") as whole:
        async with receiving() as receiver:
            arrivals = Arrivals(answer=Reply(delay=1.5)).at(receiver)
            await apply(whole, shop(receiver.url, code=MARKING, concurrency=1))
            ids = [str(uuid.uuid4()) for _ in range(24)]
            for id_ in ids:
                await send(whole, {"messageId": id_, "type": "track", "event": "Order Completed", "userId": "u-1"})
            assert await arrived(arrivals, set(ids)) == set()
            await eventually_counted(whole, len(ids))
            assert {id_: copies.total() for id_, copies in arrivals.copies.items()} == dict.fromkeys(ids, 1)


def second_destination(url: str) -> dict[str, str]:
    """Return one more file of the folder: another webhook on the same source and function."""
    return {
        "second.toml": f"""
[destination.second]
source = "website"
type = "webhook"
[destination.second.settings]
url = {json.dumps(url)}
[[destination.second.functions]]
function = "change"
"""
    }


@contextlib.contextmanager
def reserved_port() -> Iterator[int]:
    """Keep a port where nobody listens, so that connections are refused; others may listen there by our leave."""
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind(("127.0.0.1", 0))
        yield holder.getsockname()[1]


@contextlib.asynccontextmanager
async def open_at(port: int, receiver: Receiver) -> AsyncIterator[None]:
    """Let a receiver listen on a reserved port."""
    runner = web.ServerRunner(web.Server(receiver.answer, auto_decompress=False, access_log=None), shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port, reuse_port=True).start()
        yield
    finally:
        await runner.cleanup()
