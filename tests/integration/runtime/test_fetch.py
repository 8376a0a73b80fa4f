"""`fetch`: the standard interface, answered by whoever made the pool, captured without secrets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from midstream.domain.function import Ending, Limits
from midstream.domain.http import Answer, Exchange, NoAnswer, Outbound
from tests.integration.runtime.conftest import Runner, event

Make = Callable[..., Runner]


def got(invocation: Any) -> Any:
    """Return the event as a value."""
    assert invocation.event is not None, invocation
    return json.loads(invocation.event)


async def test_a_request_goes_out_whole_and_its_answer_comes_back_whole(make: Make) -> None:
    asked: list[Outbound] = []

    async def network(outbound: Outbound) -> Exchange:
        asked.append(outbound)
        headers = [("content-type", "application/json"), ("set-cookie", "a=1"), ("set-cookie", "b=2")]
        return Answer(201, "Created", headers, b'{"ok": "\xc3\xa4"}', "https://h.test/elsewhere", 3.0)

    run = make(network)
    code = """onTrack = async (e) => {
      const r = await fetch('https://h.test/p?q=1', { method: 'PUT', headers: { 'X-Key': 'v' }, body: JSON.stringify(e) });
      return { ok: r.ok, status: r.status, text: r.statusText, url: r.url, redirected: r.redirected, body: await r.json(),
        cookies: r.headers.getSetCookie(), is: r instanceof Response } }"""
    (one,) = await run(code)
    assert got(one) == {
        "ok": True,
        "status": 201,
        "text": "Created",
        "url": "https://h.test/elsewhere",
        "redirected": True,
        "body": {"ok": "ä"},
        "cookies": ["a=1", "b=2"],
        "is": True,
    }
    (sent,) = asked
    assert (sent.method, sent.url, sent.body) == ("PUT", "https://h.test/p?q=1", b'{"type":"track"}')
    assert dict(sent.headers) == {"x-key": "v", "content-type": "text/plain;charset=UTF-8"}
    assert (sent.redirects, sent.timeout, sent.max_response_bytes) == (20, timedelta(seconds=2), 6 * 1024 * 1024)
    (request,) = one.requests
    assert (request.method, request.status, request.duration_ms, request.error) == ("PUT", 201, 3.0, None)
    assert (request.request_body, request.response_body) == ('{"type":"track"}', '{"ok": "ä"}')


async def test_bytes_forms_and_requests_are_sent_as_the_standard_says(make: Make) -> None:
    asked: list[Outbound] = []

    async def network(outbound: Outbound) -> Exchange:
        asked.append(outbound)
        return Answer(204, "No Content", [], b"", outbound.url, 1.0)

    run = make(network)
    code = """onTrack = async () => {
      const form = new FormData(); form.set('k', 'v');
      await fetch(new Request('https://h.test/1', { method: 'POST', body: new Uint8Array([0, 10, 255]) }));
      await fetch('https://h.test/2', { method: 'POST', body: new URLSearchParams({ a: 'b c' }) });
      await fetch('https://h.test/3', { method: 'POST', body: form });
      await fetch('https://h.test/4', { redirect: 'manual' });
      const r = await fetch(new URL('https://h.test/5'), { method: 'POST', body: '' });
      return { status: r.status, body: await r.text() } }"""
    (one,) = await run(code)
    assert got(one) == {"status": 204, "body": ""}
    assert [one.body for one in asked[:2]] == [b"\x00\n\xff", b"a=b+c"]
    assert b'name="k"\r\n\r\nv\r\n' in (asked[2].body or b"")
    assert (asked[3].body, asked[3].redirects) == (None, 0)
    assert asked[4].body == b""


async def test_no_answer_is_a_type_error_that_says_why(make: Make) -> None:
    async def network(_: Outbound) -> Exchange:
        return NoAnswer("ECONNREFUSED", "nobody listens", 2.0)

    run = make(network)
    code = """
      onTrack = () => fetch('https://h.test/')
      onPage = () => fetch('https://h.test/').catch(e => ({ code: e.cause.code, message: e.message }))"""
    thrown, caught = await run(code, event(), event("page"))
    assert thrown.error is not None
    assert (thrown.error.name, thrown.error.message) == ("TypeError", "fetch failed: ECONNREFUSED nobody listens")
    assert got(caught) == {"code": "ECONNREFUSED", "message": "fetch failed: ECONNREFUSED nobody listens"}
    (request,) = thrown.requests
    assert (request.status, request.error) == (None, "ECONNREFUSED nobody listens")


async def test_a_redirect_is_an_error_where_the_request_says_so(make: Make) -> None:
    async def network(outbound: Outbound) -> Exchange:
        return Answer(302, "Found", [("location", "/x")], b"", outbound.url, 1.0)

    run = make(network)
    (one,) = await run("onTrack = () => fetch('https://h.test/', { redirect: 'error' })")
    assert one.error is not None
    assert "EREDIRECT" in one.error.message


async def test_an_unusable_request_or_answer_is_the_callers_type_error(make: Make) -> None:
    async def network(outbound: Outbound) -> Exchange:
        return Answer(999, "?", [], b"", outbound.url, 1.0)

    run = make(network)
    code = "onTrack = e => fetch(e.url).catch(e => ({ name: e.name }))"
    results = await run(code, event(url="/relative"), event(url="https://h.test/"))
    assert [got(one)["name"] for one in results] == ["TypeError", "TypeError"]


async def test_an_aborted_fetch_rejects_and_is_given_up_outside(make: Make) -> None:
    began, given_up = asyncio.Event(), asyncio.Event()

    async def network(_: Outbound) -> Exchange:
        began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            given_up.set()
            raise
        raise AssertionError

    run = make(network)
    code = """onTrack = async () => {
      const aborted = new AbortController(); aborted.abort();
      const first = await fetch('https://h.test/', { signal: aborted.signal }).catch(e => e.name);
      const second = await fetch('https://h.test/', { signal: AbortSignal.timeout(20) }).catch(e => e.name);
      return { first, second } }"""
    (one,) = await run(code)
    assert got(one) == {"first": "AbortError", "second": "TimeoutError"}
    async with asyncio.timeout(1):
        await given_up.wait()


async def test_a_result_leaves_at_once_however_many_steps_lie_between_it_and_an_answer(make: Make) -> None:
    async def network(outbound: Outbound) -> Exchange:
        await asyncio.sleep(0.04)  # more than the host lets pass between two turns of its event loop
        return Answer(200, "OK", [], b"", outbound.url, 1.0)

    run = make(network, limits=Limits(timeout=30))
    code = """onTrack = async (e) => {
      await fetch('https://h.test/');
      for (let step = 0; step < e.steps; step++) await null;
      return e }"""
    async with asyncio.timeout(20):
        for steps in range(20):
            (one,) = await run(code, event(steps=steps))
            assert one.ending is Ending.RETURNED


async def test_no_more_than_the_limit_are_under_way_at_once(make: Make) -> None:
    now, most = 0, 0

    async def network(outbound: Outbound) -> Exchange:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.002)
        now -= 1
        return Answer(200, "OK", [], b"", outbound.url, 1.0)

    run = make(network, limits=Limits(timeout=5, fetches=4))
    results = await run("onTrack = async e => { await fetch('https://h.test/'); return e }", *[event()] * 40)
    assert {one.ending for one in results} == {Ending.RETURNED}
    assert most == 4


async def test_requests_beyond_what_may_wait_are_refused(make: Make) -> None:
    run = make(limits=Limits(timeout=30))
    code = """onTrack = async () => {
      const all = await Promise.allSettled(Array.from({ length: 1001 }, () => fetch('https://h.test/')));
      return { failed: all.filter(one => one.status === 'rejected').length } }"""
    (one,) = await run(code)
    assert got(one) == {"failed": 1}


async def test_captured_requests_show_no_secrets(make: Make) -> None:
    async def network(outbound: Outbound) -> Exchange:
        return Answer(200, "OK", [("x-echo", "s3cr3t k3y!")], b"key=s3cr3t k3y!" + b"x" * 9000, outbound.url, 1.0)

    run = make(network)
    code = """onTrack = async (e, s) => {
      await fetch('https://h.test/?k=' + encodeURIComponent(s.key), { method: 'POST', body: JSON.stringify({ key: s.key }),
        headers: { authorization: 'Basic ' + btoa(s.key + ':'), 'x-key': s.key } });
      return e }"""
    (one,) = await run(code, secrets=("s3cr3t k3y!",), key="s3cr3t k3y!")
    (request,) = one.requests
    assert "3cr3t" not in repr(request)
    assert request.url == "https://h.test/?k=••••"
    assert request.request_body == '{"key":"••••"}'
    assert dict(request.request_headers)["x-key"] == "••••"
    assert request.response_body is not None
    assert request.response_body.startswith("key=••••xxx")
    assert len(request.response_body) <= 4096


async def test_a_request_without_answer_at_the_end_is_shown_as_such(make: Make) -> None:
    async def network(_: Outbound) -> Exchange:
        await asyncio.Event().wait()
        raise AssertionError

    run = make(network)
    (one,) = await run("onTrack = () => fetch('https://h.test/slow')")
    assert one.ending is Ending.TIMEOUT
    (request,) = one.requests
    assert (request.url, request.status) == ("https://h.test/slow", None)
    assert request.error == "no answer had come when the invocation ended"


async def test_a_fetcher_that_breaks_is_an_error_in_the_function_and_no_hang(make: Make) -> None:
    async def network(_: Outbound) -> Exchange:
        raise ValueError("a bug of ours")

    run = make(network)
    (one,) = await run("onTrack = () => fetch('https://h.test/')")
    assert one.error is not None
    assert one.error.message.startswith("fetch failed: EINTERNAL")
    assert "bug" not in one.error.message
