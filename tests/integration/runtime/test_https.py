"""`https`: Node's way to make requests, over the same network as `fetch`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from midstream.domain.function import Limits
from midstream.domain.http import Answer, Exchange, NoAnswer, Outbound
from tests.integration.runtime.conftest import Runner, event

Make = Callable[..., Runner]


class Network:
    """Keeps what was asked and answers with `answer`."""

    def __init__(self) -> None:
        self.asked: list[Outbound] = []
        self.answer: Exchange | None = None

    async def __call__(self, outbound: Outbound) -> Exchange:
        self.asked.append(outbound)
        return self.answer or Answer(200, "OK", [("content-type", "text/plain")], b"hello", outbound.url, 1.0)


@pytest.fixture
def network() -> Network:
    return Network()


@pytest.fixture
def run(make: Make, network: Network) -> Runner:
    return make(network, limits=Limits(timeout=5))


async def given(run: Runner, code: str, **settings: Any) -> Any:
    """Return what the handler returned."""
    (one,) = await run(code, **settings)
    assert one.event is not None, one.error
    return json.loads(one.event)


async def test_a_post_as_nodes_documentation_writes_it(run: Runner, network: Network) -> None:
    network.answer = Answer(
        201, "Created", [("x-a", "1"), ("set-cookie", "a=1"), ("set-cookie", "b=2")], '{"ok":"ä"}'.encode(), "", 1.0
    )
    code = """onTrack = (event) => new Promise((done, fail) => {
      const data = JSON.stringify(event);
      const request = https.request({ hostname: 'h.test', port: 8443, path: '/p?q=1', method: 'POST', agent: new https.Agent({ keepAlive: true }),
        headers: { 'Content-Type': 'application/json', 'Content-Length': data.length, 'X-Many': ['1', '2'] } }, (response) => {
        response.setEncoding('utf8');
        let text = '';
        response.on('data', (chunk) => { text += chunk });
        response.on('end', () => done({ status: response.statusCode, message: response.statusMessage, headers: response.headers,
          raw: response.rawHeaders.length, complete: response.complete, body: JSON.parse(text) }));
      });
      request.on('error', fail);
      request.write(data.slice(0, 5)); request.write(Buffer.from(data.slice(5))); request.end();
    })"""
    assert await given(run, code) == {
        "status": 201,
        "message": "Created",
        "headers": {"x-a": "1", "set-cookie": ["a=1", "b=2"]},
        "raw": 6,
        "complete": True,
        "body": {"ok": "ä"},
    }
    (asked,) = network.asked
    assert (asked.method, asked.url, asked.body) == ("POST", "https://h.test:8443/p?q=1", b'{"type":"track"}')
    assert dict(asked.headers)["x-many"] == "1, 2"
    assert asked.redirects == 0


@pytest.mark.parametrize(
    ("arguments", "method", "url"),
    [
        ("'https://h.test/a?b=c d#e'", "GET", "https://h.test/a?b=c%20d"),
        ("new URL('https://h.test/')", "GET", "https://h.test/"),
        ("'https://h.test/a', { method: 'delete' }", "DELETE", "https://h.test/a"),
        ("{ host: 'h.test:443', path: '//x.test/' }", "GET", "https://h.test//x.test/"),
        ("{ host: 'h.test', path: '.x.test/' }", "GET", "https://h.test/.x.test/"),
        ("{ host: 'h.test', path: '?a' }", "GET", "https://h.test/?a"),
        ("{ hostname: '::1', port: '8443' }", "GET", "https://[::1]:8443/"),
    ],
)
async def test_requests_can_be_asked_for_in_each_of_nodes_ways(
    run: Runner, network: Network, arguments: str, method: str, url: str
) -> None:
    code = f"onTrack = () => new Promise((done, fail) => https.get({arguments}, () => done({{}})).on('error', fail))"
    await given(run, code)
    (asked,) = network.asked
    assert (asked.method, asked.url, asked.body) == (method, url, None)


@pytest.mark.parametrize("where", ["'https://me:pass%20word@h.test/'", "{ host: 'h.test', auth: 'me:pass word' }"])
async def test_credentials_become_a_header(run: Runner, network: Network, where: str) -> None:
    await given(run, f"onTrack = () => new Promise((done) => https.get({where}, () => done({{}})))")
    assert dict(network.asked[0].headers)["authorization"] == "Basic bWU6cGFzcyB3b3Jk"


async def test_an_answer_can_be_iterated_and_piped(run: Runner, network: Network) -> None:
    network.answer = Answer(200, "OK", [], b"x" * 200_000, "", 1.0)
    code = """const got = () => new Promise((done, fail) => https.get('https://h.test/', done).on('error', fail));
      onTrack = async () => { let length = 0; for await (const chunk of await got()) length += chunk.length;
        const copy = https.request('https://h.test/copy', { method: 'PUT' }); (await got()).pipe(copy);
        await new Promise((done) => copy.on('response', done));
        return { length } }"""
    assert await given(run, code) == {"length": 200_000}
    assert network.asked[2].body == b"x" * 200_000


async def test_what_was_compressed_does_not_look_so(run: Runner, network: Network) -> None:
    network.answer = Answer(200, "OK", [("content-encoding", "gzip"), ("content-length", "20")], b"plain", "", 1.0)
    code = "onTrack = () => new Promise((done) => https.get('https://h.test/', (r) => done(r.headers)))"
    assert await given(run, code) == {}


async def test_a_redirect_is_an_answer(run: Runner, network: Network) -> None:
    network.answer = Answer(302, "Found", [("location", "https://h.test/x")], b"", "https://h.test/", 1.0)
    code = "onTrack = () => new Promise((done) => https.get('https://h.test/', (r) => done({ s: r.statusCode, to: r.headers.location })))"
    assert await given(run, code) == {"s": 302, "to": "https://h.test/x"}


async def test_no_answer_is_an_error_event_with_its_code(run: Runner, network: Network) -> None:
    network.answer = NoAnswer("ECONNREFUSED", "nobody listens", 1.0)
    code = """onTrack = () => new Promise((done) => { const said = [];
      https.get('https://h.test/').on('error', (error) => said.push(error.code, error.message)).on('close', () => done({ said })) })"""
    assert await given(run, code) == {"said": ["ECONNREFUSED", "ECONNREFUSED nobody listens"]}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("https.get('http://h.test/')", 'Protocol "http:" not supported. Expected "https:"'),
        ("https.get('nonsense')", "Invalid URL: 'nonsense'"),
        ("https.get({ host: 'h test' })", "Invalid URL: 'https://h test'"),
        ("https.get('https://h.test/', { key: 'k', cert: 'c' })", "https has no client certificates here"),
        (
            "https.get('https://h.test/', { agent: new https.Agent({ pfx: 'p' }) })",
            "https has no client certificates here",
        ),
    ],
)
async def test_an_impossible_request_is_said_at_once(run: Runner, call: str, message: str) -> None:
    code = f"onTrack = () => {{ try {{ {call} }} catch (error) {{ return {{ message: error.message }} }} }}"
    assert await given(run, code) == {"message": message}


async def test_what_happens_to_a_request_happens_in_nodes_order(run: Runner) -> None:
    code = """onTrack = () => new Promise((done) => { const said = [];
      const request = https.request('https://h.test/', { method: 'POST' });
      for (const name of ['finish', 'response', 'error']) request.on(name, () => said.push(name));
      request.on('response', (r) => { for (const name of ['end', 'close']) r.on(name, () => said.push(`its ${name}`)); r.resume() });
      request.on('close', () => { said.push('close'); done({ said, destroyed: request.destroyed }) });
      request.end('body') })"""
    assert await given(run, code) == {
        "said": ["finish", "response", "its end", "its close", "close"],
        "destroyed": True,
    }


@pytest.mark.parametrize(
    ("end", "said"),
    [
        ("request.destroy()", "Error ECONNRESET socket hang up"),
        ("request.abort()", "Error ECONNRESET socket hang up"),
        ("request.destroy(new TypeError('mine'))", "TypeError undefined mine"),
        ("control.abort()", "AbortError ABORT_ERR The operation was aborted"),
    ],
)
async def test_a_request_that_is_given_up_says_so(make: Make, end: str, said: str) -> None:
    async def network(_: Outbound) -> Exchange:
        raise AssertionError("it was given up before it was sent")

    code = f"""onTrack = () => new Promise((done) => {{ const said = [], control = new AbortController();
      const request = https.request('https://h.test/', {{ signal: control.signal }}, () => said.push('response'));
      request.on('error', (error) => said.push(`${{error.name}} ${{error.code}} ${{error.message}}`)).on('close', () => done({{ said }}));
      {end} }})"""
    assert await given(make(network, limits=Limits(timeout=5)), code) == {"said": [said]}


async def test_a_timeout_is_told_and_ends_nothing(make: Make) -> None:
    asked = asyncio.Event()

    async def network(outbound: Outbound) -> Exchange:
        await asked.wait()
        return Answer(200, "OK", [], b"", outbound.url, 1.0)

    async def echo(outbound: Outbound) -> Exchange:
        if outbound.url == "https://h.test/late":
            return await network(outbound)
        asked.set()
        return Answer(200, "OK", [], b"", outbound.url, 1.0)

    code = """onTrack = () => new Promise((done) => { const said = [];
      https.get('https://h.test/late', { timeout: 1 }, (r) => { said.push(r.statusCode); done({ said }) })
        .on('timeout', () => { said.push('timeout'); https.get('https://h.test/go') }) })"""
    assert await given(make(echo, limits=Limits(timeout=5)), code) == {"said": ["timeout", 200]}


async def test_requests_are_kept_with_the_invocation_that_made_them(run: Runner) -> None:
    code = """onTrack = (e) => new Promise((done) => setTimeout(() => https.get(`https://h.test/${e.n}`, (r) => {
      console.log(e.n); r.on('end', () => done(e)).resume() }), 5 - e.n))"""
    results = await run(code, event(n=0), event(n=1), event(n=2))
    assert [one.requests[0].url for one in results] == [f"https://h.test/{n}" for n in range(3)]
    assert [one.logs[0].message for one in results] == ["0", "1", "2"]


async def test_an_error_nobody_listens_for_is_a_console_line(run: Runner, network: Network) -> None:
    network.answer = NoAnswer("ECONNREFUSED", "nobody listens", 1.0)
    code = "onTrack = (e) => { https.get('https://h.test/'); return new Promise((done) => setTimeout(done, 50, e)) }"
    (one,) = await run(code)
    assert one.event is not None
    assert [line.message for line in one.logs] == ["Uncaught: Error: ECONNREFUSED nobody listens"]
    (again,) = await run(code)
    assert again.event is not None
