"""Code that does not load, and `check`, which says so without running a handler."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from midstream.domain.function import Ending, Limits
from tests.integration.runtime.conftest import Runner, event

Make = Callable[..., Runner]


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
    assert "did not finish loading within 0.5 s" in one.error.message
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
