"""How much of bare V8 the function stage reaches: events a second through `Pool.invoke` beside the same handler in one
Deno process that does nothing but parse, await, stringify. Run it: `python -m bench --only function-stage`.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

from bench.figures import Figure
from bench.functions import MASK, PASS, SETTINGS, bare_rate, sample
from midstream.domain.function import Ending, FunctionSpec
from midstream.domain.http import Exchange, NoAnswer, Outbound
from midstream.runtime import Pool

BATCHES = (1, 10, 100, 500)
_FLOOR = 0.5
_IN_FLIGHT = 2  # batches


async def _no_network(_: Outbound) -> Exchange:
    return NoAnswer("EBLOCKED", "the benchmark has no network", 0.0)


async def _through_pool(pool: Pool, spec: FunctionSpec, events: list[bytes], size: int, seconds: float) -> float:
    batches = [events[at : at + size] for at in range(0, len(events) - size + 1, size)]
    done = 0
    begin = time.perf_counter()

    async def keep_sending(turn: int) -> None:
        nonlocal done
        while time.perf_counter() - begin < seconds:
            batch = batches[turn % len(batches)]
            results = await pool.invoke(spec, batch)
            done += len(results)
            turn += _IN_FLIGHT

    await asyncio.gather(*(keep_sending(turn) for turn in range(_IN_FLIGHT)))
    return done / (time.perf_counter() - begin)


async def _measure(folder: Path, name: str, code: str, runs: int, seconds: float) -> list[Figure]:
    events = [sample(index) for index in range(2000)]
    bare: list[float] = []
    piped: dict[int, list[float]] = {size: [] for size in BATCHES}
    pool = Pool(_no_network)
    spec = FunctionSpec("bench", name, code, SETTINGS)
    try:
        endings = {one.ending for one in await pool.invoke(spec, events[:10])}
        if Ending.RETURNED not in endings or endings - {Ending.RETURNED, Ending.THREW}:
            raise AssertionError(f"expected returned and thrown events, got {endings}")
        await _through_pool(pool, spec, events, 100, seconds)  # let V8 optimise, as the bare one may
        for _ in range(runs):
            bare.append(await asyncio.to_thread(bare_rate, folder, code, events, seconds))
            for size in BATCHES:
                piped[size].append(await _through_pool(pool, spec, events, size, seconds))
    finally:
        await pool.close()
    base = statistics.median(bare)
    return [
        Figure(f"{name}, batches of {size}", "events/s", base, statistics.median(rates), runs, floor=_FLOOR)
        for size, rates in piped.items()
    ]


def run(folder: Path, *, runs: int, quick: bool) -> Iterator[Figure]:
    """Measure a masking handler, then a handler that does nothing: that one is all overhead."""
    seconds = 0.3 if quick else 1.0
    for name, code in (("mask", MASK), ("passthrough", PASS)):
        yield from asyncio.run(_measure(folder, name, code, runs, seconds))
