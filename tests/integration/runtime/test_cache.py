"""`cache`: what was loaded once is there for the next invocation, for as long as it was said."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from midstream.domain.function import Ending, Limits
from tests.integration.runtime.conftest import Runner, event

Make = Callable[..., Runner]


async def values(run: Runner, code: str, count: int = 1) -> list[Any]:
    """Return what the handler returned for each of some events."""
    results = await run(code, *(event(n=n) for n in range(count)))
    assert all(one.event is not None for one in results), results
    return [json.loads(one.event or b"") for one in results]


async def test_a_value_is_loaded_once_however_many_ask(run: Runner) -> None:
    code = """let loads = 0;
      const slow = async () => { loads++; await new Promise((done) => setTimeout(done, 5)); return { loads } };
      onTrack = async () => ({ ...await cache.load('key', 60_000, slow), loads })"""
    assert await values(run, code, 10) == [{"loads": 1}] * 10
    assert await values(run, code) == [{"loads": 1}]


@pytest.mark.parametrize("arguments", ["-1, load", "undefined, load", "null, load", "load"])
async def test_without_a_time_to_live_a_value_stays(run: Runner, arguments: str) -> None:
    code = f"let n = 0; const load = () => ++n; onTrack = async () => ({{ n: await cache.load('k', {arguments}) }})"
    assert await values(run, code) == await values(run, code) == [{"n": 1}]


async def test_a_value_is_loaded_again_when_its_time_is_over(run: Runner) -> None:
    code = """let n = 0; const one = (ttl) => cache.load('k', ttl, () => ++n);
      onTrack = async () => { const first = await one(20); while (await one(20) === first);
        return { first, second: n, none: [await cache.load('z', 0, () => 'a'), await cache.load('z', 0, () => 'b')] } }"""
    assert await values(run, code) == [{"first": 1, "second": 2, "none": ["a", "b"]}]


async def test_delete_forgets_at_once_also_what_is_still_loading(run: Runner) -> None:
    code = """onTrack = async () => { const first = cache.load('k', -1, async () => { await null; return 1 });
      const gone = cache.delete('k') ?? null;
      const second = cache.load('k', -1, () => 2);
      return { all: [await first, await second, await cache.load('k', -1, () => 3)], gone } }"""
    assert await values(run, code) == [{"all": [1, 2, 2], "gone": None}]


@pytest.mark.parametrize(
    "load", ["async () => { throw new RetryError('down') }", "() => { throw new RetryError('down') }"]
)
async def test_a_failed_load_is_everybodys_error_and_not_kept(run: Runner, load: str) -> None:
    code = f"onTrack = () => cache.load('k', -1, {load}); onPage = async () => ({{ ok: await cache.load('k', -1, () => 'up') }})"
    results = await run(code, event(), event())
    assert [(one.ending, one.error and one.error.name) for one in results] == [(Ending.THREW, "RetryError")] * 2
    assert [line.message for one in results for line in one.logs] == []
    (page,) = await run(code, event("page"))
    assert page.event == b'{"ok":"up"}'


async def test_a_load_that_hangs_is_not_waited_for_by_later_events(make: Make) -> None:
    run = make(limits=Limits(timeout=0.2))
    code = """let n = 0; onTrack = async () => ({ n: await cache.load('k', -1, () => ++n === 1 ? new Promise(() => {}) : n) })"""
    (late,) = await run(code)
    assert late.ending is Ending.TIMEOUT
    assert await values(run, code) == [{"n": 2}]


async def test_beyond_a_thousand_keys_the_oldest_goes(run: Runner) -> None:
    code = """onTrack = async () => { for (let n = 0; n < 1001; n++) await cache.load(`k${n}`, -1, () => n);
      return { oldest: await cache.load('k0', -1, () => 'again'), next: await cache.load('k2', -1, () => 'again'),
        newest: await cache.load('k1000', -1, () => 'again') } }"""
    assert await values(run, code) == [{"oldest": "again", "next": 2, "newest": 1000}]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("load(5, -1, () => 1)", "cache: expected the key to be a string, got a number"),
        ("load()", "cache: expected the key to be a string, got nothing"),
        ("load('k', -1)", "cache.load: expected a function that loads the value, got nothing"),
        ("load('k', -1, null)", "cache.load: expected a function that loads the value, got null"),
        (
            "load('k', '60', () => 1)",
            "cache.load: expected the time to live in milliseconds, or -1 for ever, got a string",
        ),
        ("load('k', -5, () => 1)", "cache.load: expected the time to live in milliseconds, or -1 for ever, got -5"),
        ("load('k', NaN, () => 1)", "cache.load: expected the time to live in milliseconds, or -1 for ever, got NaN"),
        ("delete({})", "cache: expected the key to be a string, got a object"),
    ],
)
async def test_a_wrong_argument_is_a_type_error_that_says_which(run: Runner, call: str, message: str) -> None:
    (one,) = await run(f"onTrack = () => cache.{call}")
    assert one.error is not None
    assert (one.error.name, one.error.message) == ("TypeError", message)


async def test_two_instances_share_no_cache(run: Runner) -> None:
    code = "onTrack = async (e, s) => ({ v: await cache.load('k', -1, () => s.mine) })"
    await run(code, instance="ifi_a", mine="a")
    (b,) = await run(code, instance="ifi_b", mine="b")
    assert b.event == b'{"v":"b"}'


async def test_a_cache_works_under_tampered_prototypes(run: Runner) -> None:
    code = """Map.prototype.get = Map.prototype.set = Map.prototype.keys = () => { throw 1 }; Promise = null;
      let n = 0; onTrack = async () => ({ n: await cache.load('k', -1, () => ++n) })"""
    assert await values(run, code, 3) == [{"n": 1}] * 3
