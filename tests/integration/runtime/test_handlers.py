"""What a handler gets, and what becomes of what it gives back."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import pytest

from midstream.domain.function import Ending, Limits
from tests.integration.runtime.conftest import LIMITS, Runner, event

Make = Callable[..., Runner]

ALL = {
    "identify": "onIdentify",
    "track": "onTrack",
    "page": "onPage",
    "screen": "onScreen",
    "group": "onGroup",
    "alias": "onAlias",
    "delete": "onDelete",
}


async def test_each_type_has_its_handler(run: Runner) -> None:
    code = "\n".join(f"async function {name}(event) {{ event.by = '{name}'; return event }}" for name in ALL.values())
    results = await run(code, *(event(type_) for type_ in ALL))
    assert [json.loads(one.event or b"")["by"] for one in results] == list(ALL.values())


@pytest.mark.parametrize(
    "code",
    [
        "function onTrack(e) { return e }",
        "async function onTrack(e) { return e }",
        "const onTrack = async (e) => e",
        "let onTrack = e => e",
        "var onTrack = e => e",
        "onTrack = async (e) => { await null; return e }",
        "globalThis.onTrack = e => e",
        "window.onTrack = function (e) { return e }",
        "this.onTrack = e => e",
        "if (true) { onTrack = e => ({...e}) }",
        "onTrack = e => ({ then(resolve) { resolve(e) } })",
        "class P extends Promise {}; onTrack = e => P.resolve(e)",
    ],
)
async def test_a_handler_is_found_however_it_is_declared(run: Runner, code: str) -> None:
    (one,) = await run(code, event(event="Räksmörgås 東京 😀"))
    assert one.ending is Ending.RETURNED
    assert one.event is not None
    assert json.loads(one.event) == {"type": "track", "event": "Räksmörgås 東京 😀"}


async def test_the_handler_gets_the_settings_of_its_instance(run: Runner) -> None:
    (one,) = await run("onTrack = (e, settings) => ({...e, ...settings})", apiKey="k", nested={"a": [1]})
    assert json.loads(one.event or b"") == {"type": "track", "apiKey": "k", "nested": {"a": [1]}}


async def test_results_come_in_the_order_of_the_events(run: Runner) -> None:
    code = "onTrack = async (e) => { await new Promise(r => setTimeout(r, 20 - e.n)); return e }"
    results = await run(code, *(event(n=n) for n in range(20)))
    assert [json.loads(one.event or b"")["n"] for one in results] == list(range(20))


async def test_no_events_no_results(run: Runner) -> None:
    assert await run.pool.invoke(None, []) == []  # type: ignore[arg-type] # the spec is not looked at


async def test_an_event_with_newlines_for_white_space_is_one_event(run: Runner) -> None:
    results = await run("onTrack = e => e", b'{\n"type": "track"\n}', event())
    assert [one.event for one in results] == [b'{"type":"track"}'] * 2


@pytest.mark.parametrize("expression", ["undefined", "null", "void 0"])
async def test_nothing_returned_is_nothing(run: Runner, expression: str) -> None:
    (one,) = await run(f"onTrack = () => {expression}")
    assert one.ending is Ending.NOTHING


@pytest.mark.parametrize(
    ("expression", "says"),
    [
        ("[e]", "an array"),
        ("1", "a primitive"),
        ("'text'", "a primitive"),
        ("true", "a primitive"),
        ("new Date()", "a primitive"),
        ("10n", "not JSON"),
        ("({big: 10n})", "not JSON"),
        ("(e.self = e)", "not JSON"),
        ("() => e", "a function"),
        ("Symbol('s')", "a symbol"),
        ("({ get x() { throw new Error('g') } })", "not JSON"),
        ("({ text: 'x'.repeat(2000) })", "more than 1000 bytes"),
        ("({ text: '東'.repeat(500) })", "more than 1000 bytes"),
    ],
)
async def test_what_is_no_event_is_unusable(make: Make, expression: str, says: str) -> None:
    run = make(limits=Limits(timeout=0.5, event_bytes=1000))
    results = await run(f"onTrack = async (e) => e.good ? e : {expression}", event(), event(good=1))
    assert [one.ending for one in results] == [Ending.UNUSABLE, Ending.RETURNED]
    assert results[0].error is not None
    assert says in results[0].error.message
    assert results[0].event is None


async def test_a_type_without_handler_is_no_handler(run: Runner) -> None:
    code = "onIdentify = e => e"
    results = await run(code, event("page"), event("identify"), event("batch"), event("nonsense"), b'{"no":"type"}')
    endings = [one.ending for one in results]
    assert endings == [Ending.NO_HANDLER, Ending.RETURNED, Ending.NO_HANDLER, Ending.NO_HANDLER, Ending.NO_HANDLER]
    assert results[0].error is not None
    assert results[0].error.message == "this function has no onPage handler"


@pytest.mark.parametrize(
    "name", ["EventNotSupported", "InvalidEventPayload", "ValidationError", "RetryError", "DropEvent"]
)
async def test_segments_error_classes_keep_their_name(run: Runner, name: str) -> None:
    code = f"""
      class Mine extends {name} {{ constructor(m) {{ super(m); this.name = "Mine" }} }}
      const taken = {name};
      {name} = null;
      onTrack = async () => {{ throw new taken("why") }}
      onPage = () => {{ throw new Mine("why") }}
      onGroup = () => {{ const e = new Error("why"); e.name = "{name}"; throw e }}
    """
    results = await run(code, event("track"), event("page"), event("group"))
    assert [one.ending for one in results] == [Ending.THREW] * 3
    assert [(one.error.name, one.error.message) for one in results if one.error] == [(name, "why")] * 3


@pytest.mark.parametrize(
    ("thrown", "name", "message"),
    [
        ("new TypeError('no')", "TypeError", "no"),
        ("new (class Custom extends Error { name = 'Custom' })('no')", "Custom", "no"),
        ("'text'", "Error", "text"),
        ("null", "Error", "null"),
        ("undefined", "Error", "undefined"),
        ("42", "Error", "42"),
        ("({ a: 1 })", "Error", "[object Object]"),
        ("Object.create(null)", "Error", ""),
        ("({ get name() { throw 1 }, get message() { throw 2 }, toString() { throw 3 } })", "Error", ""),
        ("Object.assign(new Error('x'), { name: '' })", "Error", "x"),
        ("new Error('\\ud800 half')", "Error", "\ufffd half"),
    ],
)
async def test_whatever_is_thrown_is_told(run: Runner, thrown: str, name: str, message: str) -> None:
    code = f"onTrack = () => {{ throw {thrown} }}; onPage = async () => {{ throw {thrown} }}"
    for one in await run(code, event("track"), event("page")):
        assert one.ending is Ending.THREW
        assert one.error is not None
        assert (one.error.name, one.error.message) == (name, message)


async def test_an_error_has_its_place_and_only_the_authors_frames(run: Runner) -> None:
    code = "function helper(e) {\n  return e.missing.field;\n}\nasync function onTrack(e) {\n  return helper(e);\n}"
    (one,) = await run(code)
    assert one.error is not None
    assert (one.error.line, one.error.column) == (2, 20)
    assert one.error.stack is not None
    assert one.error.stack.splitlines()[1:] == [
        "    at helper (function.js:2:20)",
        "    at onTrack (function.js:5:10)",
    ]


async def test_secrets_do_not_show_in_errors(run: Runner) -> None:
    code = "onTrack = (e, s) => { throw new Error(`bad key ${s.key} ${btoa('user:' + s.key)}`) }"
    (one,) = await run(code, secrets=("s3cr3t-k3y",), key="s3cr3t-k3y")
    assert one.error is not None
    assert "s3cr3t" not in one.error.message + str(one.error.stack)
    assert one.error.message.startswith("bad key •••• ")


async def test_globals_live_on_between_invocations(run: Runner) -> None:
    code = "let seen = 0; onTrack = e => ({ ...e, seen: ++seen })"
    for expected in (1, 2, 3):
        (one,) = await run(code)
        assert json.loads(one.event or b"")["seen"] == expected


async def test_each_invocation_says_how_long_it_took(run: Runner) -> None:
    code = "onTrack = async e => { if (e.slow) await new Promise(r => setTimeout(r, 50)); return e }"
    slow, quick = await run(code, event(slow=True), event())
    assert slow.duration_ms >= 49
    assert quick.duration_ms < slow.duration_ms


async def test_an_answer_that_ends_beside_a_turn_of_the_event_loop_goes_out_at_once(run: Runner) -> None:
    # After a pause the host lets the event loop turn. One in five or so of these digests ends in the same moment.
    code = """
      const data = new Uint8Array(65536)
      async function onTrack(event) {
        await crypto.subtle.digest('SHA-256', data)
        for (let i = 0; i < 5; i++) await null
        return event
      }"""
    await run(code)
    for _ in range(60):
        await asyncio.sleep(0.03)
        async with asyncio.timeout(LIMITS.timeout):
            (one,) = await run(code)
        assert one.ending is Ending.RETURNED


async def test_a_handler_that_uses_the_processor_for_long_is_heard_when_it_ends(run: Runner) -> None:
    # Longer than a batch's slice: the host yields, and one in ten or so of these endings falls into that.
    code = "async function onTrack(event) { const since = Date.now(); while (Date.now() - since < 110); return event }"
    for _ in range(30):
        async with asyncio.timeout(LIMITS.timeout):
            (one,) = await run(code)
        assert one.ending is Ending.RETURNED


async def test_half_an_emoji_becomes_a_replacement_character_instead_of_json_nobody_takes(run: Runner) -> None:
    (one,) = await run("onTrack = (e) => ({...e, title: '🦀'.slice(0, 1), whole: '🦀', text: '\\\\ud83e'})", event())
    assert one.event is not None
    assert json.loads(one.event) == {
        "type": "track",
        "title": "\N{REPLACEMENT CHARACTER}",
        "whole": "🦀",
        "text": "\\ud83e",
    }
