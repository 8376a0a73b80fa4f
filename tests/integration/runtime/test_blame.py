"""What crosses a limit is stopped, named and charged; its neighbours in the batch are not."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from midstream.domain.function import Ending, Limits
from tests.integration.runtime.conftest import Runner, event

Make = Callable[..., Runner]
BAD = """
  const hog = [];
  const wait = ms => new Promise(done => setTimeout(done, ms));
  async function onTrack(e) {
    switch (e.do) {
      case "loop": while (true) {}
      case "microtasks": for (;;) await null;
      case "promises": { const again = () => { Promise.resolve().then(again) }; again(); await wait(1); }
      case "regex": return /^(a+)+$/.test("a".repeat(40) + "!") ? e : null;
      case "never": return await new Promise(() => {});
      case "late": await wait(600); return e;
      case "heap": for (;;) hog.push(new Array(1000).fill({ a: 1 }));
      case "string": { let s = "x"; const all = []; for (;;) all.push((s = s + s + all.length).toUpperCase()); }
      case "buffers": { const all = []; for (;;) all.push(new Uint8Array(8e6).fill(1)); }
      case "wait": await wait(100); return e;
      case "hold": hog.push(new Uint8Array(8e6).fill(1)); return e;
      case "leak": for (let i = 0; i < 200; i++) hog.push(new Array(1000).fill(Math.random())); return e;
      default: return e;
    }
  }
"""


def pid_of(run: Runner) -> int:
    """Return the id of the only process of the pool."""
    (instance,) = run.pool._instances.values()
    assert instance._process is not None
    pid = instance._process.pid
    assert pid is not None
    return pid


@pytest.mark.parametrize("what", ["loop", "microtasks"])
async def test_one_endless_loop_among_fifty_is_the_only_one_blamed(run: Runner, what: str) -> None:
    events = [event(n=n, do=what if n == 20 else "") for n in range(50)]
    results = await run(BAD, *events)
    assert [n for n, one in enumerate(results) if one.ending is Ending.TIMEOUT] == [20]
    others = [json.loads(one.event or b"{}")["n"] for one in results if one.ending is Ending.RETURNED]
    assert others == [n for n in range(50) if n != 20]
    assert run.kills == ["timeout", "timeout"]  # once in company, once alone


@pytest.mark.parametrize("what", ["loop", "promises", "regex"])
async def test_a_looping_handler_is_killed_and_blamed(run: Runner, what: str) -> None:
    (one,) = await run(BAD, event(do=what))
    assert one.ending is Ending.TIMEOUT
    assert one.error is not None
    assert one.error.message == "the handler did not finish within 2 s"
    assert run.kills == ["timeout"]
    (after,) = await run(BAD, event())
    assert after.ending is Ending.RETURNED


async def test_a_promise_that_never_resolves_costs_no_process(make: Make) -> None:
    run = make(limits=Limits(timeout=0.5))
    results = await run(BAD, event(do="never"), event(), event(do="late"), event(do="wait"))
    endings = [one.ending for one in results]
    assert endings == [Ending.TIMEOUT, Ending.RETURNED, Ending.TIMEOUT, Ending.RETURNED]
    assert run.kills == []
    assert run.pool.stats() == {"idle": 1, "busy": 0}


async def test_the_time_of_an_event_is_its_own(run: Runner) -> None:
    """Ten events of 100 ms of processor each are together over the limit, and none is by itself."""
    code = "onTrack = e => { const end = Date.now() + 100; while (Date.now() < end); return e }"
    results = await run(code, *(event() for _ in range(10)))
    assert {one.ending for one in results} == {Ending.RETURNED}
    assert run.kills == []


async def test_a_loop_that_fetches_and_logs_is_no_sign_of_life(make: Make) -> None:
    run = make(limits=Limits(timeout=0.5))  # before its memory is full
    (one,) = await run("onTrack = () => { for (;;) { fetch('http://x.test/').catch(() => {}); console.log('x') } }")
    assert one.ending is Ending.TIMEOUT
    assert run.kills == ["timeout"]


@pytest.mark.parametrize("what", ["heap", "string"])
async def test_a_heap_bomb_is_the_only_one_blamed(make: Make, what: str) -> None:
    run = make(limits=Limits(timeout=5, heap_mb=32, memory_mb=96))
    results = await run(BAD, *(event(n=n, do=what if n == 3 else "") for n in range(6)))
    endings = [one.ending for one in results]
    assert endings[:3] + endings[4:] == [Ending.RETURNED] * 5
    if what == "heap":
        assert endings[3] is Ending.OUT_OF_MEMORY
        assert set(run.kills) == {"out_of_memory"}
    else:  # V8 refuses the longest string with an error the function may catch
        assert endings[3] in {Ending.OUT_OF_MEMORY, Ending.THREW}


async def test_a_leak_is_not_charged_to_the_event_that_found_memory_used_up(make: Make) -> None:
    run = make(limits=Limits(timeout=5, heap_mb=32, memory_mb=96))
    results = await run(BAD, *(event(do="leak") for _ in range(40)))
    assert {one.ending for one in results} == {Ending.RETURNED}
    assert set(run.kills) == {"out_of_memory"}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds a process's buffers")
@pytest.mark.parametrize("at_once", [1, 40])
async def test_buffers_that_leak_are_not_charged_to_the_event_that_finds_no_room(make: Make, at_once: int) -> None:
    """The process would live on with its memory full, and lose each event that needs a buffer."""
    run = make(limits=Limits(timeout=5, memory_mb=96))
    results = [one for _ in range(40 // at_once) for one in await run(BAD, *(event(do="hold") for _ in range(at_once)))]
    assert {one.ending for one in results} == {Ending.RETURNED}
    assert set(run.kills) == {"out_of_memory"}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds a process's buffers")
async def test_a_buffer_bomb_is_charged_whatever_ran_before_it(make: Make) -> None:
    run = make(limits=Limits(timeout=5, memory_mb=96))
    results = await run(BAD, event(), event(do="buffers"), event())
    assert [one.ending for one in results] == [Ending.RETURNED, Ending.THREW, Ending.RETURNED]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds a process's buffers")
async def test_a_buffer_bomb_is_an_error_the_process_survives(make: Make) -> None:
    run = make(limits=Limits(timeout=5, memory_mb=96))
    results = await run(BAD, event(do="buffers"), event())
    assert [one.ending for one in results] == [Ending.THREW, Ending.RETURNED]
    assert results[0].error is not None
    assert results[0].error.name == "RangeError"
    assert run.kills == []
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid_of(run)}/status").read_text())
    assert peak is not None
    assert int(peak[1]) < 300 * 1024


async def test_a_process_killed_from_outside_loses_nothing_and_charges_nobody(run: Runner) -> None:
    await run(BAD, event())
    before = pid_of(run)
    batch = asyncio.create_task(run(BAD, *(event(n=n, do="wait") for n in range(5))))
    while not run.pool.stats()["busy"]:
        await asyncio.sleep(0)
    os.kill(before, signal.SIGKILL)
    results = await batch
    assert [json.loads(one.event or b"{}").get("n") for one in results] == list(range(5))
    assert pid_of(run) != before
    assert run.kills == ["crash"]


async def test_an_event_whose_process_dies_each_time_is_crashed(make: Make) -> None:
    # It never ends by itself, so that each kill meets it however slow the machine is.
    run = make(limits=Limits(timeout=60))
    await run(BAD, event())

    async def kill_all() -> None:
        while True:
            for instance in run.pool._instances.values():
                process = instance._process
                if process is not None and process.alive and process._batches and process.pid:
                    # Killed by the last round already, and not yet buried.
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(process.pid, signal.SIGKILL)
            await asyncio.sleep(0.005)

    killer = asyncio.create_task(kill_all())
    (one,) = await run(BAD, event(do="never"))
    killer.cancel()
    assert one.ending is Ending.CRASHED
    assert len(run.kills) == 4


async def test_batches_beside_the_culprit_are_not_charged(run: Runner) -> None:
    batches = [run(BAD, *(event(n=n, do="loop" if (b, n) == (1, 3) else "") for n in range(5))) for b in range(4)]
    results = await asyncio.gather(*batches)
    blamed = [(b, n) for b, batch in enumerate(results) for n, one in enumerate(batch) if one.ending is Ending.TIMEOUT]
    assert blamed == [(1, 3)]
    assert sum(one.ending is Ending.RETURNED for batch in results for one in batch) == 19


async def test_a_looping_instance_hurts_no_other(run: Runner) -> None:
    looping = asyncio.create_task(run(BAD, event(do="loop"), instance="ifi_bad"))
    (other,) = await run(BAD, event(), instance="ifi_good")
    assert other.ending is Ending.RETURNED
    assert not looping.done()
    assert (await looping)[0].ending is Ending.TIMEOUT


async def test_a_caller_that_gives_up_does_not_upset_the_process(run: Runner) -> None:
    await run(BAD, event())
    before = pid_of(run)
    given_up = asyncio.create_task(run(BAD, event(do="wait")))
    while not run.pool.stats()["busy"]:
        await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.gather(given_up, return_exceptions=True)
    results = await run(BAD, event(do="wait"), event())
    assert {one.ending for one in results} == {Ending.RETURNED}
    assert pid_of(run) == before
