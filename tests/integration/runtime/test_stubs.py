"""Segment's globals that are not here: there, but using one says what to do instead."""

from __future__ import annotations

import json

import pytest

from midstream.domain.function import Ending
from midstream.runtime.stubs import STUBS
from tests.integration.runtime.conftest import Runner

SAID = (
    "stripe is not part of midstream: call its HTTP API with fetch (https://api.stripe.com/v1/…), see docs/functions.md"
)


@pytest.mark.parametrize("path", STUBS)
async def test_each_exists_and_using_it_says_what_to_do(run: Runner, path: str) -> None:
    code = f"""const tried = [() => {path}(), () => new {path}(), () => {path}.some.thing, () => {{ {path}.some = 1 }},
        () => {{ class Mine extends {path} {{}} }}, () => `${{{path}.name}}`];
      onTrack = () => ({{ is: typeof {path}, said: tried.map((use) => {{ try {{ use(); return '' }} catch (e) {{ return e.message }} }}) }})"""
    (one,) = await run(code)
    assert json.loads(one.event or b"{}") == {"is": "function", "said": [STUBS[path]] * 6}, one.error


async def test_one_can_be_looked_at_printed_and_replaced(run: Runner) -> None:
    code = """const taken = stripe, { storage } = google.cloud;
      onTrack = () => { console.log(stripe, [storage]); const before = typeof stripe;
        stripe = (key) => ({ key }); return { before, after: stripe('k').key, other: typeof google.maps } }"""
    (one,) = await run(code)
    assert one.event == b'{"before":"function","after":"k","other":"undefined"}', one.error
    assert len(one.logs) == 1


async def test_what_a_handler_uses_of_one_ends_its_event_with_the_sentence(run: Runner) -> None:
    (one,) = await run("onTrack = async (e, s) => {\n  const client = stripe(s.key)\n  return e\n}")
    assert one.ending is Ending.THREW
    assert one.error is not None
    assert (one.error.message, one.error.line) == (SAID, 2)


@pytest.mark.parametrize("declared", ["let stripe = 1", "const stripe = 1", "var stripe = 1", "function stripe() {}"])
async def test_one_can_be_declared_over(run: Runner, declared: str) -> None:
    (one,) = await run(f"{declared}; onTrack = () => ({{ is: typeof stripe, text: String(stripe).slice(0, 8) }})")
    assert one.event in {b'{"is":"number","text":"1"}', b'{"is":"function","text":"function"}'}, one.error


async def test_those_that_are_not_named_are_not_there(run: Runner) -> None:
    (one,) = await run(
        "onTrack = () => ({ found: ['str' + 'ipe', 'goo' + 'gle'].filter((name) => name in globalThis) })"
    )
    assert one.event == b'{"found":[]}'
