"""kill -9 under load: whatever dies, all that was answered with 200 arrives, transformed, and little of it twice."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
from pathlib import Path

import pytest

from tests.fault.load import QUICK, Arrivals, account, eventually, loading, set_up
from tests.integration.receiver import receiving
from tests.whole import Whole, descendants, running, until

pytestmark = [pytest.mark.fault, pytest.mark.timeout(300)]

KILLS = 10
Born = tuple[int, str]  # a process's id and when it started, which together are never used again


@pytest.mark.parametrize(
    ("victim", "batch"),
    [
        ("log", "off"),
        ("deno", "off"),
        ("worker", "off"),
        ("front", "off"),
        ("everything", "off"),
        ("everything", "array"),
    ],
)
async def test_all_that_was_answered_with_200_arrives_though_this_is_killed_ten_times(
    tmp_path: Path, victim: str, batch: str
) -> None:
    with running(tmp_path, "--workers", "2", **QUICK) as whole:
        async with receiving() as receiver:
            arrivals = await set_up(whole, receiver, batch=batch)
            recoveries: list[float] = []
            async with loading(whole) as load:
                for _ in range(KILLS):
                    await more(arrivals, random.randint(100, 700))
                    recoveries.append(await kill(whole, victim, arrivals))
            share = await account(f"killed {victim} {KILLS} times, batch {batch}", whole, load, arrivals)
            recoveries.sort()
            print(  # noqa: T201 # as above
                "from a kill to the replacement and the next new arrival: "
                f"{recoveries[0]:.1f} s at best, {recoveries[KILLS // 2]:.1f} s median, {recoveries[-1]:.1f} s at worst"
            )
            # What is under way at a kill comes again, which is a fraction of a second's events; a storm would be more.
            assert share < 0.2
            if victim == "log":
                assert recoveries[0] < 3.0, "nobody should have to wait for a missed heartbeat"
            assert "Traceback" not in whole.log()
            everybody = family(whole)
            assert await asyncio.to_thread(whole.stop) == 0
            await gone(everybody)


def test_a_worker_that_keeps_dying_does_not_hold_up_the_front(tmp_path: Path) -> None:
    with running(tmp_path) as whole:
        for _ in range(7):  # each wait for the next is longer, the last one more than six seconds
            for pid in until(lambda: whole.pids("worker"), process=whole):
                os.kill(pid, signal.SIGKILL)
        until(lambda: not whole.pids("worker"), process=whole)
        whole.kill("front")
        until(whole.is_ready, seconds=5, process=whole)
        assert not whole.pids("worker")


def test_a_log_that_cannot_be_restarted_yet_is_tried_again(tmp_path: Path) -> None:
    with running(tmp_path) as whole:
        place, away = whole.data_dir / "run", whole.data_dir / "away"
        place.rename(away)  # as if the disk were full, or gone for a moment
        whole.kill("log")
        until(lambda: "nats-server does not come up" in whole.log(), process=whole)
        away.rename(place)
        until(whole.is_ready, process=whole)


async def more(arrivals: Arrivals, count: int) -> None:
    """Wait for so many new arrivals."""
    enough = len(arrivals) + count
    await eventually(lambda: len(arrivals) >= enough, seconds=90)


async def kill(whole: Whole, victim: str, arrivals: Arrivals) -> float:
    """Kill, wait for the replacement, and see that nothing is left. Returns the seconds until events arrive again."""
    began = asyncio.get_running_loop().time()
    if victim == "everything":
        killed = family(whole)
        whole.kill_everything()
        await gone(killed)
        await asyncio.to_thread(whole.start)
    else:
        before = whole.pids(victim)
        # Of functions' processes all: one of them may be the spare one, which nobody would miss.
        chosen = before if victim == "deno" else [random.choice(before)]
        killed = set().union(*(family(whole, each) for each in chosen))
        for each in chosen:
            os.kill(each, signal.SIGKILL)
        await gone(killed)
        await asyncio.to_thread(until, lambda: set(whole.pids(victim)) - set(before), process=whole)
    await more(arrivals, 1)
    return asyncio.get_running_loop().time() - began


def family(whole: Whole, pid: int | None = None) -> set[Born]:
    """Return a process and all below it; without a pid, all there is of a midstream."""
    assert whole.process is not None
    eldest = pid or whole.process.pid
    members = {eldest, *(each for each, _ in descendants(eldest))}
    return {(each, born) for each in members if (born := _born(each))}


async def gone(processes: set[Born]) -> None:
    """Wait until none of them is alive any more."""
    await eventually(lambda: not any(_born(pid) == born for pid, born in processes), seconds=20)


def _born(pid: int) -> str:
    """Return when a process started, or nothing if it is not alive."""
    with contextlib.suppress(OSError):
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "" if state == "Z" else fields[18]
    return ""
