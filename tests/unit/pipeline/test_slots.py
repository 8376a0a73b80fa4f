from __future__ import annotations

import asyncio

from midstream.pipeline.slots import Slots


async def test_no_more_are_taken_than_there_are() -> None:
    slots = Slots(lambda: 2)
    await slots.acquire()
    await slots.acquire()
    third = asyncio.create_task(slots.acquire())
    await asyncio.sleep(0)
    assert not third.done()
    slots.release()
    await asyncio.wait_for(third, 5)


async def test_a_limit_that_grows_lets_in_who_waits_although_nobody_leaves() -> None:
    limit = 1
    slots = Slots(lambda: limit)
    await slots.acquire()
    second = asyncio.create_task(slots.acquire())
    await asyncio.sleep(0)
    limit = 2
    await asyncio.wait_for(second, 5)


async def test_who_gives_up_takes_none() -> None:
    slots = Slots(lambda: 1)
    await slots.acquire()
    gone = asyncio.create_task(slots.acquire())
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    slots.release()
    await asyncio.wait_for(slots.acquire(), 5)
