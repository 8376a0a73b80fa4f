"""`console`: whose line it is, in what order, and how much of it."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from midstream.domain.function import Ending, Limits
from tests.integration.runtime.conftest import Runner, event

Make = Callable[..., Runner]


async def test_lines_keep_order_level_and_time(run: Runner) -> None:
    levels = ["log", "info", "warn", "error", "debug", "trace"]
    calls = ";".join(f"console.{level}('{level}', {n})" for n, level in enumerate(levels))
    (one,) = await run(f"onTrack = e => {{ {calls}; return e }}")
    assert [(line.level, line.message) for line in one.logs] == [(lv, f"{lv} {n}") for n, lv in enumerate(levels)]
    assert all(abs(line.at - datetime.now(UTC)) < timedelta(minutes=1) for line in one.logs)


async def test_values_are_printed_as_node_prints_them(run: Runner) -> None:
    code = """onTrack = e => {
      console.log({ a: 'x', b: [1, { c: { d: {} } }], m: new Map([[1, 2]]), f() {} });
      console.log('%s is %d', 'it', 42, null, undefined, [ 'a' ], new RetryError('why').message);
      console.log({ [Symbol.for('nodejs.util.inspect.custom')]() { throw 1 } });
      console.assert(1 === 2, 'sums');
      return e }"""
    (one,) = await run(code)
    assert [line.message for line in one.logs] == [
        "{\n  a: 'x',\n  b: [ 1, { c: [Object] } ],\n  m: Map(1) { 1 => 2 },\n  f: [Function: f]\n}",
        "it is 42 null undefined [ 'a' ] why",
        "[a value that cannot be printed]",
        "Assertion failed: sums",
    ]


async def test_groups_counts_and_timers_are_each_invocations_own(make: Make) -> None:
    run = make(limits=Limits(timeout=30))
    code = """onTrack = async e => {
      console.group('outer', e.n);
      console.log('two\\nlines');
      console.group();
      console.count(); await null; console.count(); console.count('other');
      console.groupEnd(); console.groupEnd(); console.groupEnd();
      console.countReset(); console.count();
      console.time('t'); console.timeLog('t', { a: 1 }); console.timeEnd('t'); console.timeEnd('t');
      return e }"""
    for n, one in enumerate(await run(code, *(event(n=n) for n in range(3)))):
        lines = [line.message for line in one.logs]
        assert lines[:6] == [
            f"outer {n}",
            "  two\n  lines",
            "    default: 1",
            "    default: 2",
            "    other: 1",
            "default: 1",
        ]
        assert re.fullmatch(r"t: \d+\.\d{3}ms { a: 1 }", lines[6])
        assert re.fullmatch(r"t: \d+\.\d{3}ms", lines[7])
        assert len(lines) == 8


async def test_tampering_reaches_no_part_of_the_console(run: Runner) -> None:
    code = """
      String.prototype.replaceAll = () => 'forged'; Number.prototype.toFixed = () => 'forged';
      Array.prototype[Symbol.iterator] = function* () { yield 'forged' };
      onTrack = e => { console.group('g'); console.log('in', 'side'); console.count('c'); console.assert(0, 'a', 'b'); return e }"""
    (one,) = await run(code)
    assert [line.message for line in one.logs] == ["g", "  in side", "  c: 1", "  Assertion failed: a b"]


async def test_an_error_is_printed_without_our_frames(run: Runner) -> None:
    (one,) = await run("onTrack = e => { console.error(new TypeError('oh')); return e }")
    assert one.logs[0].message.splitlines() == ["TypeError: oh", "    at onTrack (function.js:1:32)"]


async def test_each_of_fifty_invocations_in_flight_has_its_own_lines(run: Runner) -> None:
    code = """
      const shared = new Promise(done => setTimeout(done, 10));
      onTrack = async e => {
        console.log('start', e.n);
        await shared;
        await new Promise(done => setTimeout(() => { console.log('timer', e.n); done() }, (e.n * 7) % 13));
        await fetch('http://x.test/' + e.n);
        queueMicrotask(() => console.log('micro', e.n));
        await null;
        console.log('end', e.n);
        return e }"""
    results = await run(code, *(event(n=n) for n in range(50)))
    for n, one in enumerate(results):
        assert [line.message for line in one.logs] == [f"{word} {n}" for word in ("start", "timer", "micro", "end")]
        assert [request.url for request in one.requests] == [f"http://x.test/{n}"]


async def test_lines_over_the_limits_are_cut_and_counted(make: Make) -> None:
    run = make(limits=Limits(timeout=5, log_lines=3, log_line_bytes=50))
    code = "onTrack = e => { console.log('ä'.repeat(40)); for (let i = 0; i < 1000; i++) console.log(i); return e }"
    (one,) = await run(code)
    assert [line.message for line in one.logs] == [
        "ä" * 25,
        "0",
        "1",
        "998 more lines were not kept: the limit is 3",
    ]
    assert one.logs[-1].level == "warn"


async def test_a_line_written_after_the_end_is_nobodys(run: Runner) -> None:
    code = """onTrack = async e => {
      if (e.first) setTimeout(() => console.log('too late'), 5); else await new Promise(done => setTimeout(done, 30));
      return e }"""
    first, second = await run(code, event(first=True), event())
    assert first.ending is second.ending is Ending.RETURNED
    assert (first.logs, second.logs) == ((), ())


async def test_secrets_do_not_show_in_lines_nor_at_the_edge_of_a_cut(make: Make) -> None:
    run = make(limits=Limits(timeout=5, log_line_bytes=40))
    code = "onTrack = (e, s) => { console.log(s.key, {k: s.key}); console.log('x'.repeat(35) + s.key); return e }"
    (one,) = await run(code, secrets=("s3cr3t-k3y",), key="s3cr3t-k3y")
    assert [line.message for line in one.logs] == ["•••• { k: '••••' }", "x" * 35 + "••••"]


async def test_what_nobody_catches_is_told_and_ends_nothing(run: Runner) -> None:
    code = """onTrack = async e => {
      setTimeout(() => { throw new Error('in a timer') }, 1);
      Promise.reject(new Error('rejected'));
      await new Promise(done => setTimeout(done, 200));
      return e }"""
    (one,) = await run(code)
    assert one.ending is Ending.RETURNED
    assert run.kills == []
    # Which of the two comes first is the event loop's business.
    assert sorted((line.level, line.message) for line in one.logs) == [
        ("error", "Uncaught: Error: in a timer"),
        ("error", "Unhandled rejection: Error: rejected"),
    ]


async def test_lines_before_a_timeout_are_kept(run: Runner) -> None:
    (one,) = await run("onTrack = async () => { console.log('here'); await new Promise(() => {}) }")
    assert one.ending is Ending.TIMEOUT
    assert [line.message for line in one.logs] == ["here"]
