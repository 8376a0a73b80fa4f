"""Which processes there are, when they start, and when they end."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from midstream.domain.function import Ending, FunctionSpec
from midstream.errors import RuntimeUnavailable
from midstream.runtime import Pool
from tests.integration.runtime.conftest import LIMITS, Runner, echo, event

Make = Callable[..., Runner]
SLOW = "onTrack = async e => { await new Promise(done => setTimeout(done, 50)); return { ...e, by: 'old', pid: 1 } }"


def pids(run: Runner) -> list[int]:
    """Return the ids of the processes that are up, by instance."""
    instances = run.pool._instances.values()
    return [one._process.pid for one in instances if one._process is not None and one._process.pid is not None]


async def gone(*ids: int) -> None:
    """Wait until no process has one of the ids."""
    async with asyncio.timeout(5):
        for id_ in ids:
            while _exists(id_):
                await asyncio.sleep(0.005)


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_concurrent_first_uses_share_one_start(run: Runner) -> None:
    results = await asyncio.gather(*(run("let n = 0; onTrack = () => ({ n: ++n })") for _ in range(5)))
    assert sorted(json.loads(one.event or b"{}")["n"] for (one,) in results) == [1, 2, 3, 4, 5]
    assert run.pool.stats() == {"idle": 1, "busy": 0}


async def test_a_new_version_takes_over_while_the_old_finishes_its_work(run: Runner) -> None:
    await run(SLOW)
    (before,) = pids(run)
    old = asyncio.create_task(run(SLOW, event(n=1)))
    while not run.pool.stats()["busy"]:
        await asyncio.sleep(0)
    (new,) = await run("onTrack = e => ({ by: 'new' })")
    assert json.loads(new.event or b"{}")["by"] == "new"
    assert json.loads((await old)[0].event or b"{}")["by"] == "old"
    await gone(before)
    assert run.pool.stats() == {"idle": 1, "busy": 0}


async def test_new_settings_are_a_new_process(run: Runner) -> None:
    code = "let n = 0; onTrack = (e, s) => ({ n: ++n, key: s.key })"
    values = [json.loads((await run(code, key=key))[0].event or b"{}") for key in ("a", "a", "b")]
    assert values == [{"n": 1, "key": "a"}, {"n": 2, "key": "a"}, {"n": 1, "key": "b"}]


async def test_the_least_recently_used_makes_room(make: Make) -> None:
    run = make(processes=2)
    code = "let n = 0; onTrack = () => ({ n: ++n })"
    counts = [
        json.loads((await run(code, instance=name))[0].event or b"{}")["n"] for name in ("a", "b", "a", "c", "a", "b")
    ]
    assert counts == [1, 1, 2, 1, 3, 1]
    assert run.pool.stats() == {"idle": 2, "busy": 0}


async def test_a_process_that_had_nothing_to_do_for_long_is_let_go_and_comes_back(make: Make) -> None:
    run = make()
    code = "let n = 0; onTrack = () => ({ n: ++n })"
    await run(code)
    await run.pool.let_go(3600)
    assert run.pool.stats() == {"idle": 1, "busy": 0}
    busy = asyncio.create_task(run(SLOW, instance="busy"))
    while not run.pool.stats()["busy"]:
        await asyncio.sleep(0)
    await run.pool.let_go(0)
    assert run.pool.stats() == {"idle": 0, "busy": 1}
    assert (await busy)[0].ending is Ending.RETURNED
    assert json.loads((await run(code))[0].event or b"{}")["n"] == 1
    assert run.kills == []


async def test_with_all_processes_busy_the_next_instance_waits_its_turn(make: Make) -> None:
    run = make(processes=1)
    results = await asyncio.gather(*(run(SLOW, instance=f"ifi_{n}") for n in range(3)))
    assert {one.ending for (one,) in results} == {Ending.RETURNED}
    assert run.pool.stats() == {"idle": 1, "busy": 0}


async def test_keep_stops_the_others_after_their_work(run: Runner) -> None:
    await asyncio.gather(run(SLOW, instance="a"), run(SLOW, instance="b"), run(SLOW, instance="c"))
    a, b, c = pids(run)
    working = asyncio.create_task(run(SLOW, instance="b"))
    while not run.pool.stats()["busy"]:
        await asyncio.sleep(0)
    await run.pool.keep({"c"})
    assert (await working)[0].ending is Ending.RETURNED
    await gone(a, b)
    assert pids(run) == [c]
    (again,) = await run(SLOW, instance="a")
    assert again.ending is Ending.RETURNED


async def test_close_leaves_nothing_running_and_nothing_waiting(make: Make) -> None:
    run = make()
    await run(SLOW, instance="a")
    working = asyncio.create_task(run("onTrack = () => { while (true) {} }", instance="b"))
    while run.pool.stats() != {"idle": 1, "busy": 1} or len(pids(run)) < 2:
        await asyncio.sleep(0.005)
    ids = pids(run)
    await run.pool.close()
    await gone(*ids)
    with pytest.raises(RuntimeUnavailable):
        await working
    with pytest.raises(RuntimeUnavailable):
        await run(SLOW)
    assert run.pool.stats() == {"idle": 0, "busy": 0}
    assert run.kills == []


async def test_a_deno_that_is_not_there_is_unavailable_and_says_where(tmp_path: Path) -> None:
    pool = Pool(echo, limits=LIMITS, deno=str(tmp_path / "deno"), deno_dir=tmp_path)
    with pytest.raises(RuntimeUnavailable, match="deno"):
        await pool.invoke(FunctionSpec("i", "v", "onTrack = e => e"), [event()])
    await pool.close()


async def test_something_that_is_not_deno_is_unavailable(tmp_path: Path) -> None:
    pool = Pool(echo, limits=LIMITS, deno=sys.executable)
    with pytest.raises(RuntimeUnavailable, match="something else"):
        await pool.invoke(FunctionSpec("i", "v", "onTrack = e => e"), [event()])
    await pool.close()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
async def test_a_looping_process_dies_with_a_parent_that_was_killed(deno_dir: Path) -> None:
    script = f"""
import asyncio, pathlib
from midstream.domain.function import FunctionSpec, Limits
from midstream.runtime import Pool
async def main():
    pool = Pool(None, limits=Limits(timeout=60), deno_dir=pathlib.Path({str(deno_dir)!r}))
    spec = FunctionSpec("i", "v", "onTrack = e => {{ while (true) {{}} }}; onPage = e => e")
    await pool.invoke(spec, [b'{{"type": "page"}}'])
    (instance,) = pool._instances.values()
    print(instance._process.pid, flush=True)
    await pool.invoke(spec, [b'{{"type": "track"}}'])
asyncio.run(main())
"""
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE)
    assert parent.stdout is not None
    child = int(await parent.stdout.readline())
    parent.kill()
    await parent.wait()
    await gone(child)
