"""`onBatch`: which events it gets together, and which of what it returned belongs to which of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from midstream.domain.function import Ending, Forming, FunctionSpec, Invocation, Limits, outcome_of
from midstream.domain.outcome import Discarded, Filtered, Retrying
from tests.integration.runtime.conftest import Runner, event

Make = Callable[..., Runner]
BY_ID = "const id = n => events.find(e => e.messageId === `m${n}`);"


def some(count: int, **fields: Any) -> list[bytes]:
    return [event(messageId=f"m{n}", n=n, **fields) for n in range(count)]


async def together(run: Runner, code: str, events: Sequence[bytes], **forming: Any) -> list[Invocation]:
    """Run the events of one call, as soon as all of them are there."""
    forming = {"max_count": len(events), "max_wait": 60.0, **forming}
    spec = FunctionSpec("ifi_1", "ver_1", code, {"k": "v"}, forming=Forming(**forming))
    return await run.pool.invoke(spec, events)


async def on_batch(run: Runner, body: str, count: int = 3) -> list[Invocation]:
    return await together(run, f"async function onBatch(events, settings) {{ {BY_ID} {body} }}", some(count))


def told(results: Sequence[Invocation]) -> list[Any]:
    """Return what each event got: the returned event's `n`, or the outcome's reason and detail."""
    found: list[Any] = []
    for one in results:
        outcome = outcome_of(one)
        if isinstance(outcome, (Discarded, Filtered, Retrying)):
            found.append((outcome.reason, outcome.detail))
        else:
            found.append(json.loads(one.event or b"")["n"])
    return found


LEFT_OUT = ("Filtered at insert function", "left out by onBatch")


async def test_many_events_of_any_type_are_one_call(run: Runner) -> None:
    code = """let calls = 0;
      async function onBatch(events, settings) {
        calls++;
        return events.map(e => ({ ...e, calls, of: events.length, k: settings.k }));
      }"""
    events = [event(type_, messageId=type_) for type_ in ("track", "identify", "page", "delete")]
    results = [json.loads(one.event or b"") for one in await together(run, code, events)]
    assert [each["type"] for each in results] == ["track", "identify", "page", "delete"]
    assert all((each["calls"], each["of"], each["k"]) == (1, 4, "v") for each in results)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("return events", [0, 1, 2]),
        ("return events.reverse()", [0, 1, 2]),
        ("return [id(2), id(0)]", [0, LEFT_OUT, 2]),
        ("return [id(2), null, id(0)]", [0, LEFT_OUT, 2]),
        ("return [undefined, id(1), undefined]", [LEFT_OUT, 1, LEFT_OUT]),
        ("return []", [LEFT_OUT] * 3),
        ("return events.map(({ messageId, ...e }) => e)", [0, 1, 2]),
        ("return events.map(({ messageId, ...e }) => e.n === 1 ? null : e)", [0, LEFT_OUT, 2]),
        ("events.forEach(e => delete e.messageId); return events", [0, 1, 2]),
        ("return", [("Filtered at insert function", "handler returned nothing")] * 3),
        ("return [events[0], new RetryError('later'), new DropEvent('no')]",
         [0, ("retry", "later"), ("Filtered at insert function", "no")]),
        ("return [new Error('x'), id(1), new EventNotSupported('y')]",
         [("bad_request", "Error: x"), 1, ("unsupported_event_type", "y")]),
        ("return [7, id(1), id(2)]",
         [("bad_request", "the handler returned a primitive; it must return one event object"), 1, 2]),
    ],
)  # fmt: skip
async def test_results_are_paired_with_their_events(run: Runner, body: str, expected: list[Any]) -> None:
    assert told(await on_batch(run, body)) == expected


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("return [id(0), id(0), id(2)]", 'onBatch returned the messageId "m0" more than once'),
        ("return [id(0), {...id(1), messageId: 'else'}]",
         'onBatch returned the messageId "else", which none of its events has'),
        ("return [{...id(1), messageId: 7}]", "onBatch returned the messageId of type number"),
        ("return [id(1), {n: 5}]", "entry 1 that onBatch returned has no messageId"),
        ("return [id(1), new Error('which?')]", "entry 1 that onBatch returned has no messageId"),
        ("return [id(1), {n: 5}, id(2)]", "onBatch returned two entries for event 1"),
        ("return [...events, null]", "onBatch returned 4 entries for 3 events"),
        ("return events[0]", "onBatch returned an object; it must return an array of events"),
        ("return 'all'", "onBatch returned a string; it must return an array of events"),
        ("return new Proxy([], { get(_, name) { if (name === 'then') return; throw 1 } })",
         "onBatch returned an array that cannot be read"),
        ("return [{ get messageId() { throw 1 } }]", "onBatch returned an array that cannot be read"),
    ],
)  # fmt: skip
async def test_what_cannot_be_paired_is_no_answer_for_any_event(run: Runner, body: str, why: str) -> None:
    for reason, detail in told(await on_batch(run, body)):
        assert reason == "bad_request"
        assert detail.startswith(why)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("throw new RetryError('all')", "retry"),
        ("throw new ValidationError('all')", "message_rejected"),
        ("throw new DropEvent('all')", "Filtered at insert function"),
        ("return Promise.reject(new Error('all'))", "bad_request"),
        ("events.x.y", "bad_request"),
    ],
)
async def test_a_throw_is_every_events(run: Runner, body: str, reason: str) -> None:
    assert [each[0] for each in told(await on_batch(run, body))] == [reason] * 3


async def test_two_events_with_one_id_are_told_apart_by_their_order(run: Runner) -> None:
    events = [event(messageId="same", n=n) for n in range(3)]
    code = "onBatch = events => events.map(e => ({...e}))"
    assert told(await together(run, code, events)) == [0, 1, 2]
    assert told(await together(run, "onBatch = events => events.slice(0, 2)", events)) == [0, 1, LEFT_OUT]


async def test_a_lone_event_goes_to_its_own_handler_where_it_has_one(run: Runner) -> None:
    code = "onTrack = e => ({...e, n: 'single'}); onBatch = events => events.map(e => ({...e, n: 'batch'}))"
    assert told(await together(run, code, some(1))) == ["single"]
    assert told(await together(run, code, [event("page", messageId="m")])) == ["batch"]
    assert told(await together(run, code, some(2))) == ["batch", "batch"]


async def test_a_call_waits_for_others_no_longer_than_it_may(make: Make) -> None:
    run = make(limits=Limits(timeout=30))
    code = "onBatch = events => events.map(e => ({...e, n: events.length}))"
    spec = FunctionSpec("ifi_1", "ver_1", code, forming=Forming(max_count=4, max_wait=0.05))
    results = await asyncio.gather(*(run.pool.invoke(spec, some(3)) for _ in range(2)))
    assert sorted(n for each in results for n in told(each)) == [2, 2, 4, 4, 4, 4]


async def test_a_new_version_does_not_wait_for_the_old_ones_call_to_fill(run: Runner) -> None:
    def spec(version: str) -> FunctionSpec:
        code = f"onBatch = events => events.map(e => ({{...e, n: '{version}'}}))"
        return FunctionSpec(
            "ifi_1", version, code, forming=Forming(max_count=9, max_wait=3600 if version == "a" else 0)
        )

    old = asyncio.create_task(run.pool.invoke(spec("a"), some(2)))
    while not run.pool._instances or not (instance := run.pool._instances["ifi_1"])._former._waiting:
        await asyncio.sleep(0.001)
    assert told(await run.pool.invoke(spec("b"), some(2))) == ["b", "b"]
    assert told(await old) == ["a", "a"]
    assert instance.users == 0


async def test_what_a_call_printed_and_asked_is_each_of_its_events(run: Runner) -> None:
    results = await on_batch(
        run, "console.log('once'); await fetch('https://h.test/'); console.log('twice'); return events"
    )
    for one in results:
        assert [line.message for line in one.logs] == ["once", "twice"]
        assert [each.url for each in one.requests] == ["https://h.test/"]


@pytest.mark.parametrize("body", ["while (true) {}", "await new Promise(() => {})"])
async def test_a_call_over_its_time_is_a_timeout_of_all_its_events_and_of_no_other(run: Runner, body: str) -> None:
    code = f"async function onBatch(events) {{ if (events.some(e => e.bad)) {{ {body} }} return events }}"
    calls = [some(3), [*some(2), event(messageId="m9", bad=True)], some(3)]
    results = await asyncio.gather(*(together(run, code, call, max_count=3) for call in calls))
    assert [{one.ending for one in each} for each in results] == [
        {Ending.RETURNED}, {Ending.TIMEOUT}, {Ending.RETURNED},
    ]  # fmt: skip


async def test_a_call_out_of_memory_is_charged_whole(make: Make) -> None:
    run = make(limits=Limits(timeout=60))
    code = "onBatch = () => { const hog = []; for (;;) hog.push(new Array(1e5).fill({})) }"
    results = await together(run, code, some(2))
    assert {one.ending for one in results} == {Ending.OUT_OF_MEMORY}


@pytest.mark.parametrize(
    "tampering",
    [
        "Object.defineProperty(Array.prototype, '0', { set() {}, configurable: true })",
        "Array.prototype.push = () => { throw 1 }; Array.prototype[Symbol.iterator] = null",
        "Object.prototype.then = undefined; Array.isArray = () => false",
        "Object.prototype.messageId = 'm0'",
        "Array.prototype.toJSON = () => 'forged'; Map.prototype.get = () => 0",
        "JSON.stringify = () => '{}'; JSON.parse = () => ({})",
    ],
)
async def test_tampering_does_not_reach_the_pairing(run: Runner, tampering: str) -> None:
    code = f"{tampering}; onBatch = events => events"
    assert told(await together(run, code, some(3))) == [0, 1, 2]
