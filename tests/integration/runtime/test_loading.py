"""Code that does not load, and `check`, which says so without running a handler."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from midstream.domain.function import Ending, Limits
from tests.integration.runtime.conftest import Runner, event

Make = Callable[..., Runner]


@pytest.fixture
def run(either: Runner) -> Runner:
    return either


@pytest.mark.parametrize(
    ("code", "name", "line", "column"),
    [
        ("let a = 1;\nlet b = ;\n", "SyntaxError", 2, 9),
        ("const a = 1;\n\n  const a = 2;", "SyntaxError", 3, 9),
        ("import x from 'y'", "SyntaxError", 1, 1),
        ("\n\n  missing.field = 1", "ReferenceError", 3, 3),
        ("function f() {\n  throw new TypeError('at load')\n}\nf()", "TypeError", 2, 9),
        ("throw 'text'", "Error", None, None),
    ],
)
async def test_code_that_does_not_load_is_placed(
    run: Runner, code: str, name: str, line: int | None, column: int | None
) -> None:
    check = await run.pool.check(code)
    assert check.handlers == ()
    assert check.error is not None
    assert (check.error.name, check.error.line, check.error.column) == (name, line, column)
    results = await run(code, event(), event("page"))
    assert [one.ending for one in results] == [Ending.UNLOADABLE] * 2
    assert results[0].error == check.error


async def test_check_names_the_handlers_and_runs_none(run: Runner) -> None:
    code = "onTrack = () => { while (true) {} }; async function onBatch() {}; const onDelete = () => {}; let onPage = 5"
    check = await run.pool.check(code)
    assert check.error is None
    assert check.handlers == ("onTrack", "onDelete", "onBatch")
    assert run.pool.stats() == {"idle": 0, "busy": 0}


async def test_code_that_loops_while_it_loads_is_stopped_and_said_so(run: Runner) -> None:
    (one,) = await run("while (true) {}")
    assert one.ending is Ending.UNLOADABLE
    assert one.error is not None
    assert "did not finish loading within 2 s" in one.error.message
    assert run.kills == ["timeout"]


async def test_code_that_eats_all_memory_while_it_loads_is_said_so(make: Make) -> None:
    run = make(limits=Limits(timeout=5, heap_mb=32))
    (one,) = await run("const a = []; for (;;) a.push(new Array(1000).fill({}))")
    assert one.ending is Ending.UNLOADABLE
    assert one.error is not None
    assert "memory" in one.error.message


async def test_code_over_its_limit_is_not_even_started(make: Make) -> None:
    run = make(limits=Limits(timeout=0.5, code_bytes=100))
    code = f"onTrack = e => e // {'東' * 40}"
    (one,) = await run(code)
    assert one.ending is Ending.UNLOADABLE
    assert (await run.pool.check(code)).error == one.error
    assert run.pool.stats() == {"idle": 0, "busy": 0}


async def test_types_are_stripped(run: Runner) -> None:
    code = """
      interface Total { total: number }
      type Maybe<T> = T | null;
      async function onTrack(event: any, settings: Record<string, string>): Promise<unknown> {
        const found = event.properties as Maybe<Total>;
        const total: number = found!.total;
        if (total > 5) throw new ValidationError(`too much: ${total satisfies number}`);
        return { ...event, total };
      }"""
    fine, refused = await run(code, event(properties={"total": 5}), event(properties={"total": 6}))
    assert json.loads(fine.event or b"")["total"] == 5
    assert refused.error is not None
    assert (refused.error.name, refused.error.line, refused.error.column) == ("ValidationError", 7, 30)
    assert refused.error.source == "if (total > 5) throw new ValidationError(`too much: ${total satisfies number}`);"


@pytest.mark.parametrize(
    ("code", "line", "column", "message"),
    [
        ("enum Colour { Red }\nonTrack = e => e", 1, 1, "TypeScript enum is not supported in strip-only mode"),
        ("onTrack = e => e;\n namespace N { export const a = 1 }", 2, 2, "TypeScript namespace declaration"),
    ],
)
async def test_what_is_more_than_types_is_told_with_its_place(
    run: Runner, code: str, line: int, column: int, message: str
) -> None:
    found = await run.pool.check(code)
    assert found.error is not None
    assert found.error.message.startswith(message)
    assert (found.error.name, found.error.line, found.error.column) == ("SyntaxError", line, column)
    assert found.error.source == code.splitlines()[line - 1].strip()
    assert found.handlers == ()


async def test_a_fault_in_neither_language_has_the_place_javascript_finds(run: Runner) -> None:
    found = await run.pool.check("const a = 1;\nfunction onTrack(event) {\n  return event +;\n}")
    assert found.error is not None
    assert (found.error.line, found.error.source) == (3, "return event +;")


async def test_the_chain_of_causes_is_told(run: Runner) -> None:
    code = """
      function load() { throw new RangeError("no room") }
      onTrack = () => {
        try { load() } catch (cause) { throw new RetryError("later", { cause: new Error("between", { cause }) }) }
      }"""
    (one,) = await run(code)
    assert one.error is not None
    assert one.error.stack is not None
    lines = one.error.stack.splitlines()
    assert lines[0] == "RetryError: later"
    assert [line for line in lines if line.startswith("Caused by")] == [
        "Caused by: Error: between",
        "Caused by: RangeError: no room",
    ]
    assert "    at load (function.js:2:31)" in lines


async def test_a_cause_that_is_its_own_cause_ends(run: Runner) -> None:
    (one,) = await run("onTrack = () => { const e = new Error('round'); e.cause = e; throw e }")
    assert one.error is not None
    assert one.error.stack is not None
    assert one.error.stack.count("Caused by: Error: round") == 5
