"""What a function's process costs, and what a bad one costs its neighbours: cold start, memory, requests, latency.

Enters: real processes through `Pool`. Leaves: figures, each beside a bare Deno that does the same.
Run it: `python -m bench --only runtime`.
"""

from __future__ import annotations

import asyncio
import json
import re
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from bench.figures import Figure, median_figure
from bench.functions import MASK, SETTINGS, bare_flags, sample
from midstream.domain.function import FunctionSpec, Limits
from midstream.domain.http import Answer, Exchange, Outbound
from midstream.egress import Egress
from midstream.runtime import Pool

_STARTS = 15
_MANY = 20  # instances
_UPSTREAM = 0.02  # seconds an answer takes
_IN_FLIGHT = 100  # requests

# Prints one result, as a function's process would send it, and waits as that would.
_BARE_START = """
const [file, event] = Deno.args;
(0, eval)(Deno.readTextFileSync(file) + "; globalThis.handler = onTrack;");
globalThis.EventNotSupported = class EventNotSupported extends Error {};
console.log(JSON.stringify(await handler(JSON.parse(event), {})));
Deno.stdin.readSync(new Uint8Array(1));
"""
_FETCH = "async function onTrack(event, s) { const r = await fetch(s.url); event.status = r.status; await r.text(); return event }"
_BARE_FETCH = """
const [url, inFlight, seconds] = Deno.args;
let done = 0;
const begin = performance.now();
async function lane() {
  while (performance.now() - begin < seconds * 1000) { const r = await fetch(url); await r.text(); done++ }
}
await Promise.all(Array.from({ length: inFlight }, lane));
console.log(done / (performance.now() - begin) * 1000);
"""
# What a neighbour may do. Each goes on for as long as it is let.
_BAD: Mapping[str, str] = {
    "an endless loop": "onTrack = () => { for (;;); }",
    "a memory bomb": "onTrack = () => { const hog = []; for (;;) hog.push(new Array(1e4).fill({})) }",
    "a log flood": "onTrack = async e => { for (let i = 0; i < 1e6; i++) console.log('x'.repeat(1000)); return e }",
    "a fetch flood": """onTrack = async () => {
      for (;;) await Promise.allSettled(Array.from({ length: 500 }, () => fetch('http://127.0.0.1:1/'))) }""",
    "unresolved promises": "const kept = []; onTrack = async () => { for (;;) { kept.push(new Promise(() => {})); await null } }",
    "a crash": "onTrack = () => { const all = []; for (;;) all.push(new ArrayBuffer(1 << 26)) }",
}


def run(folder: Path, *, runs: int, quick: bool) -> Iterator[Figure]:
    """Measure all of it."""
    (folder / "mask.js").write_text(MASK)
    (folder / "start.js").write_text(_BARE_START)
    (folder / "fetch.js").write_text(_BARE_FETCH)
    for spare in (False, True):
        yield asyncio.run(_cold_start(folder, 5 if quick else _STARTS, spare=spare))
    for count in (1, _MANY):
        yield asyncio.run(_memory(folder, count))
    yield asyncio.run(_fetch_bound(folder, runs, 1.0 if quick else 2.0))
    yield asyncio.run(_waiting(runs, 1.0 if quick else 2.0))
    yield from asyncio.run(_neighbours(1.0 if quick else 3.0))


@asynccontextmanager
async def _pool(limits: Limits = Limits(), *, spare: bool = False) -> AsyncIterator[Pool]:  # noqa: B008 # frozen
    egress = Egress(allow=["127.0.0.1"])
    pool = Pool(egress.send, limits=limits, spare=spare)
    await pool.check("onTrack = e => e")  # so that Deno's cache is warm, as after the first start ever
    try:
        yield pool
    finally:
        await pool.close()
        await egress.close()


async def _cold_start(folder: Path, starts: int, *, spare: bool) -> Figure:
    bare, ours = [], []
    async with _pool(spare=spare) as pool:
        for number in range(starts):
            if spare:
                await asyncio.sleep(1)  # until one is up
            begin = time.perf_counter()
            await pool.invoke(FunctionSpec(f"cold-{number}", "1", MASK, SETTINGS), [sample(1)])
            ours.append((time.perf_counter() - begin) * 1000)
            begin = time.perf_counter()
            process = _bare(folder, "start.js", "mask.js", sample(1).decode())
            assert process.stdout is not None
            await asyncio.to_thread(process.stdout.readline)
            bare.append((time.perf_counter() - begin) * 1000)
            process.communicate()
    what = "start to the first event, " + ("a process being up" if spare else "cold")
    return median_figure(what, "ms", bare, ours, floor=40, floor_of="value", lower=True)


async def _memory(folder: Path, count: int) -> Figure:
    async with _pool() as pool:
        for number in range(count):
            await pool.invoke(FunctionSpec(f"idle-{number}", "1", MASK, SETTINGS), [sample(1)])
        ours = [_pss(one._process.pid) for one in pool._instances.values() if one._process and one._process.pid]  # noqa: SLF001 # what nobody else needs to know
        ours = [statistics.mean(ours)]
    processes = [_bare(folder, "start.js", "mask.js", sample(1).decode()) for _ in range(count)]
    for process in processes:
        assert process.stdout is not None
        await asyncio.to_thread(process.stdout.readline)
    bare = [statistics.mean(_pss(process.pid) for process in processes)]
    for process in processes:
        process.communicate()
    ceiling = {1: None, _MANY: 18.0}[count]
    what = f"memory of an idle instance (PSS), {count} of them"
    return median_figure(what, "MB", bare, ours, floor=ceiling, floor_of="value", lower=True)


async def _fetch_bound(folder: Path, runs: int, seconds: float) -> Figure:
    bare, ours = [], []
    server = subprocess.Popen([sys.executable, "-m", "bench.runtime"], stdout=subprocess.PIPE, text=True)  # this file
    try:
        assert server.stdout is not None
        url = (await asyncio.to_thread(server.stdout.readline)).strip()
        spec = FunctionSpec("fetch", "1", _FETCH, {"url": url})
        async with _pool(Limits(fetches=_IN_FLIGHT)) as pool:
            for _ in range(runs):
                process = _bare(folder, "fetch.js", url, str(_IN_FLIGHT), str(seconds))
                said, _ignored = await asyncio.to_thread(process.communicate)
                bare.append(float(said))
                ours.append(await _fetching(pool, spec, seconds))
    finally:
        server.terminate()
        server.wait()
    what = f"requests of one instance, {_IN_FLIGHT} in flight, {_UPSTREAM * 1000:.0f} ms each"
    return median_figure(what, "requests/s", bare, ours)


async def _waiting(runs: int, seconds: float) -> Figure:
    """Measure the same without HTTP: what the way to the network and back costs by itself."""

    async def network(asked: Outbound) -> Exchange:
        await asyncio.sleep(_UPSTREAM)
        return Answer(200, "OK", (), b'{"country":"PT"}', asked.url, _UPSTREAM * 1000)

    pool = Pool(network, limits=Limits(fetches=_IN_FLIGHT))
    try:
        spec = FunctionSpec("fetch", "1", _FETCH, {"url": "https://geo.example.com/"})
        await _fetching(pool, spec, 0.5)
        ours = [await _fetching(pool, spec, seconds) for _ in range(runs)]
    finally:
        await pool.close()
    what = f"the same without HTTP, beside the {_UPSTREAM * 1000:.0f} ms alone"
    return median_figure(what, "requests/s", [_IN_FLIGHT / _UPSTREAM], ours, floor=4190, floor_of="value")


async def _fetching(pool: Pool, spec: FunctionSpec, seconds: float) -> float:
    done = 0
    events = [sample(1)]
    begin = time.perf_counter()

    async def lane() -> None:
        nonlocal done
        while time.perf_counter() - begin < seconds:
            (one,) = await pool.invoke(spec, events)
            done += one.event is not None

    await asyncio.gather(*(lane() for _ in range(_IN_FLIGHT)))
    return done / (time.perf_counter() - begin)


async def _neighbours(seconds: float) -> list[Figure]:
    """Measure how long a single event of a good instance takes, alone and beside each bad one."""
    figures = []
    for what, code in _BAD.items():
        async with _pool(Limits(timeout=2)) as pool:
            good = FunctionSpec("good", "1", MASK, SETTINGS)
            alone = await _latencies(pool, good, seconds)
            bad = asyncio.create_task(_for_ever(pool, FunctionSpec("bad", "1", code)))
            await asyncio.sleep(0.2)
            beside = await _latencies(pool, good, seconds)
            bad.cancel()
            await asyncio.gather(bad, return_exceptions=True)
        note = f"{_told(beside)}; alone {_told(alone)}"
        figures.append(
            Figure(f"p99 of one event beside {what}", "ms", _at(alone, 99), _at(beside, 99), 1, note=note, lower=True)
        )
    return figures


async def _for_ever(pool: Pool, spec: FunctionSpec) -> None:
    while True:
        await pool.invoke(spec, [sample(1)])


async def _latencies(pool: Pool, spec: FunctionSpec, seconds: float) -> list[float]:
    """Return milliseconds of single events, one after the other, 2 ms apart."""
    found = []
    events = [sample(1)]
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        begin = time.perf_counter()
        await pool.invoke(spec, events)
        found.append((time.perf_counter() - begin) * 1000)
        await asyncio.sleep(0.002)
    return found


def _at(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100)[percent - 1]


def _told(values: list[float]) -> str:
    return f"p50 {_at(values, 50):.2f}, p99 {_at(values, 99):.2f}, max {max(values):.1f} ms"


def _pss(pid: int) -> float:
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    found = re.search(r"^Pss:\s+(\d+) kB", rollup, re.MULTILINE)
    assert found is not None
    return int(found[1]) / 1024


def _bare(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(  # our own
        [*bare_flags(), *arguments], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def _serve() -> None:
    """Be the server that takes its time."""

    async def answer(_: web.Request) -> web.Response:
        await asyncio.sleep(_UPSTREAM)
        return web.Response(text=json.dumps({"country": "PT"}), content_type="application/json")

    async def main() -> None:
        app = web.Application()
        app.router.add_get("/", answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        print(f"http://127.0.0.1:{runner.addresses[0][1]}/", flush=True)
        await asyncio.Event().wait()

    asyncio.run(main())


if __name__ == "__main__":
    _serve()
