"""Events as weapons: what a sender or a function writes into one reaches nobody but who reads that event."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from midstream.domain.function import Ending, FunctionSpec, Invocation, Limits, outcome_of
from midstream.domain.redact import Redactor
from midstream.runtime import Pool
from tests.escape.guarded import Neighbour

Make = Callable[..., Pool]


async def run(
    pool: Pool, code: str, *events: bytes, secrets: tuple[str, ...] = (), **settings: Any
) -> list[Invocation]:
    """Run a function on events as they are on the wire."""
    return await pool.invoke(FunctionSpec("ifi_1", "ver_1", code, settings, secrets), events)


@pytest.mark.parametrize(
    "extra",
    [
        b'"__proto__": {"polluted": 1, "type": "page", "then": 1}',
        b'"constructor": {"prototype": {"polluted": 1}}, "prototype": {"polluted": 1}',
        b'"hasOwnProperty": 1, "toString": 1, "valueOf": null, "toJSON": 5',
        b'"then": {"then": {}}, "length": 4294967295',
        b'"a": "\\ud800", "\\udfff": "\\u0000\\u2028\\u2029"',
        b'"big": 123456789012345678901234567890, "small": 1e-400, "huge": 1e400, "zero": -0',
        b'"deep": ' + b"[" * 5000 + b"]" * 5000,
    ],
    ids=["proto", "constructor", "methods", "then", "halves", "numbers", "deep"],
)
async def test_names_and_values_in_an_event_are_only_names_and_values(extra: bytes, make: Make) -> None:
    pool = make()
    code = "onTrack = (e) => e; onPage = () => ({ clean: ({}).polluted === undefined && [].polluted === undefined })"
    sent = b'{"type": "track", ' + extra + b"}"
    track, page = await run(pool, code, sent, b'{"type": "page"}')
    assert page.event == b'{"clean":true}'
    assert track.ending is Ending.RETURNED
    assert track.event is not None
    assert track.event.startswith(b'{"type":"track"')
    assert b"\n" not in track.event


@pytest.mark.parametrize(
    "type_", ["__proto__", "constructor", "toString", "batch", "onTrack", "TRACK", "", "track\x00", "x" * 9999]
)
async def test_a_type_that_is_a_name_of_the_languages_finds_no_handler(type_: str, make: Make) -> None:
    (one,) = await run(make(), "onTrack = (e) => e", json.dumps({"type": type_}).encode())
    assert one.ending is Ending.NO_HANDLER
    assert one.error is not None
    assert len(one.error.message) < 200


@pytest.mark.parametrize("type_", [1, None, {}, ["track"], {"toString": "track"}])
async def test_a_type_that_is_no_text_finds_no_handler_and_runs_nothing(type_: Any, make: Make) -> None:
    code = "Object.prototype.toString = Array.prototype.toString = () => { ran = true; return 'track' }; onTrack = (e) => e; "
    code += "var ran = false; onPage = () => ({ ran })"
    one, page = await run(make(), code, json.dumps({"type": type_}).encode(), b'{"type": "page"}')
    assert one.ending is Ending.NO_HANDLER
    assert page.event == b'{"ran":false}'


async def test_what_an_event_becomes_is_given_to_that_event_whatever_it_calls_itself(make: Make) -> None:
    """A function may change everything, `messageId` and `type` included; results are told apart by place alone."""
    pool = make()
    neighbour = Neighbour(pool)
    code = """const kept = [];
      onTrack = async (e) => {
        kept.push(e);
        await new Promise((done) => setTimeout(done, 5 * (3 - e.n)));
        for (const each of kept) each.messageId = 'm0';
        return { ...e, messageId: 'm' + ((e.n + 1) % 3), type: 'delete', index: 0, status: '1' };
      }"""
    events = [json.dumps({"type": "track", "messageId": f"m{n}", "n": n}).encode() for n in range(3)]
    results = await run(pool, code, *events)
    assert [json.loads(one.event or b"{}")["n"] for one in results] == [0, 1, 2]
    await neighbour.works()


@pytest.mark.parametrize(
    "value",
    ['JSON.rawJSON("1")', "JSON.rawJSON('\"\\ud800\"')", "JSON.rawJSON('1e999')", "JSON.rawJSON('1'.repeat(9999))"],
)
async def test_json_written_by_hand_is_one_value_on_one_line(value: str, make: Make) -> None:
    one, other = await run(make(), f"onTrack = (e) => ({{ a: {value}, n: e.n }})", *[b'{"type": "track", "n": 1}'] * 2)
    assert one.event is not None
    assert one.event == other.event
    assert re.fullmatch(rb'\{"a":[^,{}\n]+,"n":1\}', one.event)
    assert one.event.decode()


async def test_json_written_by_hand_cannot_hold_more(make: Make) -> None:
    texts = ["{}", "[1]", "1\n", "\n1", "1,2", "", "undefined", '"a"\n0{"n":2}', "//", "1 }"]
    code = "onTrack = (e) => { const got = e.texts.map((t) => { try { JSON.rawJSON(t); return t } catch { return 0 } }); return { got } }"
    (one,) = await run(make(), code, json.dumps({"type": "track", "texts": texts}).encode())
    assert json.loads(one.event or b"{}") == {"got": [0] * len(texts)}


@pytest.mark.parametrize(
    "thrown",
    [
        "Object.assign(new Error('x'.repeat(1e6)), { name: 'n'.repeat(1e6), stack: 's'.repeat(1e7) })",
        "Object.assign(new Error('a\\n1{}\\n0{}'), { name: 'b\\nc' })",
        "Object.assign(new Error('x'), { stack: 'x\\n' + '    at function.js:1:1\\n'.repeat(1e5) })",
        "(() => { const e = new Error('x'); e.cause = e; e.stack = { toString() { throw 1 } }; return e })()",
        "Object.assign(new RetryError('x'), { stack: 5, line: 7, column: 8, name: null })",
    ],
    ids=["huge", "lines", "frames", "circle", "fields"],
)
async def test_an_error_takes_no_more_room_and_no_other_place_than_an_error(thrown: str, make: Make) -> None:
    code = f"onTrack = () => {{ throw {thrown} }}; onPage = (e) => ({{ n: 1 }})"
    one, page = await run(make(), code, b'{"type": "track"}', b'{"type": "page"}')
    assert (one.ending, page.event) == (Ending.THREW, b'{"n":1}')
    assert one.error is not None
    assert len(one.error.name) <= 256
    assert len(one.error.message) <= 16 * 1024
    assert len((one.error.stack or "").encode()) <= 8 * 1024
    assert outcome_of(one) is not None


async def test_a_flood_of_lines_takes_a_bounded_place_and_its_neighbour_keeps_its_own(make: Make) -> None:
    pool = make(limits=Limits(timeout=20, log_lines=1000, log_line_bytes=32 * 1024))
    neighbour = Neighbour(pool)
    await neighbour.works()
    code = """const line = 'x'.repeat(1e5);
      onTrack = (e) => { for (let i = 0; i < 1200; i++) console.log(line, i); return e };
      onPage = (e) => { console.log('mine'); return { n: 1 } }"""
    page, one = await run(pool, code, b'{"type": "page"}', b'{"type": "track"}', secrets=("s3cr3t-k3y",))
    await neighbour.works()
    assert [line.message for line in page.logs] == ["mine"]
    assert sum(len(line.message) for line in one.logs) <= 32 << 20
    assert max(len(line.message) for line in one.logs) <= 32 * 1024
    assert len(one.logs) <= 1001


SECRET = "pa55-w0rd/ä?x"
_HIDDEN = {
    "plain": "s",
    "twice": "s + s",
    "in JSON": "JSON.stringify({ s })",
    "in JSON in JSON": "JSON.stringify(JSON.stringify({ s }))",
    "in a URL": "encodeURIComponent(s)",
    "in a form": "new URLSearchParams({ s }).toString()",
    "in Base64": "Buffer.from(s).toString('base64')",
    "in Base64 for URLs": "Buffer.from(s).toString('base64url')",
    "in Base64 after a name": "Buffer.from('user:' + s).toString('base64')",
    "in an object": "require_('util', { s })",
}
_SHOWN = {
    "reversed": "[...s].reverse().join('')",
    "in hexadecimal": "Buffer.from(s).toString('hex')",
    "in two pieces": "s.slice(0, 6) + ' ' + s.slice(6)",
    "as numbers": "[...Buffer.from(s)].join(' ')",
    "in capitals": "s.toUpperCase()",
    "in Base64 twice": "btoa(Buffer.from(s).toString('base64'))",
    "with every character escaped": "[...s].map((c) => '%' + c.codePointAt(0).toString(16)).join('')",
}


async def _written(make: Make, expression: str) -> list[str]:
    """Return everything in which a secret written this way could show: a line, an error, a request and its answer."""
    code = f"""const require_ = (_, value) => value;
      onTrack = async (e, {{ s }}) => {{
        const text = {expression};
        console.log(text);
        await fetch('http://10.0.0.1/', {{ method: 'POST', body: typeof text === 'string' ? text : JSON.stringify(text) }}).catch(() => {{}});
        throw Object.assign(new Error(typeof text === 'string' ? text : 'object'), {{ name: 'RetryError' }});
      }}"""
    (one,) = await run(make(), code, b'{"type": "track"}', secrets=(SECRET,), s=SECRET)
    assert one.error is not None
    (request,) = one.requests
    return [one.logs[0].message, one.error.message, one.error.stack or "", request.request_body or ""]


@pytest.mark.parametrize("how", _HIDDEN)
async def test_a_secret_is_hidden_wherever_it_shows(how: str, make: Make) -> None:
    told = await _written(make, _HIDDEN[how])
    assert all("pa55" not in text and "cGE1NS" not in text and "w0rd" not in text for text in told), told
    assert "••••" in told[0]


@pytest.mark.parametrize("how", _SHOWN)
async def test_a_secret_spelt_otherwise_shows_as_security_md_says(how: str, make: Make) -> None:
    """Redaction is for accidents. These are the spellings we know that it does not find."""
    told = await _written(make, _SHOWN[how])
    assert "••••" not in "".join(told[:2])
    assert Redactor((SECRET,)).text(told[0]) == told[0]


@pytest.mark.skipif(sys.platform != "linux", reason="asks /proc what a process uses")
async def test_what_an_ended_event_left_running_does_not_use_the_processor(make: Make) -> None:
    pool = make()
    kills: list[str] = []
    pool.on_kill = kills.append
    code = "onTrack = () => { for (let i = 0; i < 2; i++) crypto.pbkdf2('a', 'b', 2 ** 31 - 1, 32, 'sha512', () => {}); return {} }"
    await run(pool, code, b'{"type": "track"}')
    (instance,) = pool._instances.values()
    assert instance._process is not None
    pid, neighbour = instance._process.pid, Neighbour(pool)
    begin, until = _processor_seconds(pid), time.monotonic() + 3
    while (used := _processor_seconds(pid) - begin) < 0.5 and time.monotonic() < until:
        await neighbour.works()
    assert used < 0.5
    assert kills == ["timeout"]
    (again,) = await run(pool, code, b'{"type": "track"}')
    assert again.ending is Ending.RETURNED


async def test_a_process_that_rests_lives_on(make: Make) -> None:
    pool = make()
    code = "let n = 0; onTrack = async () => { await crypto.subtle.digest('SHA-256', new Uint8Array(9)); return { n: ++n } }"
    for number in range(1, 4):
        (one,) = await run(pool, code, b'{"type": "track"}')
        assert one.event == b'{"n":%d}' % number
        await asyncio.sleep(0.4)  # the time itself is what this is about: it was looked at twice


def _processor_seconds(pid: int | None) -> float:
    """Return what a process has used so far, all its threads together; 0 when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except FileNotFoundError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
