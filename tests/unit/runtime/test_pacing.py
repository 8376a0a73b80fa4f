from __future__ import annotations

import asyncio
from itertools import pairwise

from midstream.runtime.pacing import Pacer


async def test_a_few_enter_at_each_turn_first_come_first_served() -> None:
    pacer = Pacer(lambda: 2)
    inside: list[int] = []

    async def enter(number: int) -> None:
        await pacer.enter()
        inside.append(number)

    tasks = [asyncio.create_task(enter(number)) for number in range(7)]
    seen = []
    while len(inside) < 7:
        before = len(inside)
        await asyncio.sleep(0)
        seen.append(len(inside) - before)
    await asyncio.gather(*tasks)
    assert inside == list(range(7))
    assert max(seen) <= 2


async def test_one_that_gave_up_takes_nobodys_turn() -> None:
    pacer = Pacer(lambda: 1)
    first, gone, waiting = (asyncio.create_task(pacer.enter()) for _ in range(3))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.wait_for(asyncio.gather(first, waiting), 5)
    assert gone.cancelled()


async def test_who_comes_alone_does_not_wait() -> None:
    pacer = Pacer(lambda: 1)
    for _ in range(3):
        await asyncio.wait_for(pacer.enter(), 5)


async def test_how_many_enter_may_change_from_turn_to_turn() -> None:
    allowed = 3
    pacer = Pacer(lambda: allowed)
    tasks = [asyncio.create_task(pacer.enter()) for _ in range(9)]
    inside = [0]
    while inside[-1] < 9:
        await asyncio.sleep(0)
        inside.append(sum(task.done() for task in tasks))
        allowed = 2
    steps = [after - before for before, after in pairwise(inside) if after > before]
    assert (max(steps), max(steps[1:])) == (3, 2)
