from __future__ import annotations

import asyncio

from midstream.runtime.gate import Gate


async def test_many_go_in_together_and_one_alone() -> None:
    gate, inside, seen = Gate(), set(), []

    async def enter(name: str, *, alone: bool) -> None:
        async with gate.alone() if alone else gate.together():
            inside.add(name)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            seen.append((name, sorted(inside)))
            inside.discard(name)

    await asyncio.gather(
        *(enter(name, alone=name.isupper()) for name in ("a", "b", "C", "d", "e", "F")),
    )
    assert dict(seen)["C"] == ["C"]
    assert dict(seen)["F"] == ["F"]
    assert dict(seen)["a"] == ["a", "b"]
    assert dict(seen)["d"] == ["d", "e"]


async def test_one_who_gives_up_waiting_holds_up_nobody() -> None:
    gate = Gate()
    async with gate.together():
        waiting = asyncio.create_task(_through(gate, alone=True))
        behind = asyncio.create_task(_through(gate, alone=False))
        await asyncio.sleep(0)
        waiting.cancel()
        async with asyncio.timeout(1):
            await behind
    async with asyncio.timeout(1), gate.alone():
        pass


async def test_one_who_gives_up_as_the_turn_comes_hands_it_on() -> None:
    gate = Gate()
    async with gate.alone():
        waiting = asyncio.create_task(_through(gate, alone=True))
        await asyncio.sleep(0)
    waiting.cancel()
    async with asyncio.timeout(1), gate.alone():
        pass


async def _through(gate: Gate, *, alone: bool) -> None:
    async with gate.alone() if alone else gate.together():
        pass
