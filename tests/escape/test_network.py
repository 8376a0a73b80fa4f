"""Ways out by `fetch`: addresses in every spelling, redirects, what is written into a request, answers without end."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from dirty_equals import IsStr

from midstream.domain.function import FunctionSpec, Invocation, Limits
from midstream.domain.http import Answer, Exchange, NoAnswer, Outbound
from midstream.egress import Egress
from midstream.runtime import Pool
from tests.escape import unguarded
from tests.escape.attempts.attempt import LOOT, Attempt
from tests.escape.attempts.spellings import ELSEWHERE, INNER, LOOPBACK, SPELLINGS
from tests.escape.guarded import Neighbour
from tests.escape.planted import Planted
from tests.integration.receiver import Received, Reply, receiving

Make = Callable[..., Pool]
LOCAL = IPv4Address("127.0.0.1")
# Refused by the guard, by our reading of the URL, or by the standard's before it gets to us.
REFUSED = IsStr(
    regex=r"(?s)TypeError: (fetch failed: (EBLOCKED .* not a public address.*|EINVAL (the URL|credentials).*)|.*Invalid URL.*)"
)
FETCH = """async function onTrack(e) {
  const one = async (url) => {
    try { return await (await fetch(url)).text() } catch (error) { return String(error) }
  };
  return { got: Object.fromEntries(await Promise.all(Object.entries(e.urls).map(async ([k, v]) => [k, await one(v)]))) };
}"""


@asynccontextmanager
async def redirecting() -> AsyncIterator[Any]:
    """Run a receiver that redirects to whatever its path names."""
    async with receiving() as outer:
        outer.reply = lambda received: Reply(302, b"", {"Location": _named(received)})
        yield outer


def _named(received: Received) -> str:
    return unquote(received.path.split("?to=")[1])


async def run(pool: Pool, code: str, *events: dict[str, Any]) -> list[Invocation]:
    """Run a function on events of type track."""
    given = [json.dumps({"type": "track", **event}).encode() for event in events or ({},)]
    return await pool.invoke(FunctionSpec("ifi_1", "ver_1", code), given)


@pytest.mark.parametrize("mark", ["\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85"])
async def test_a_value_from_an_event_does_not_become_another_header(make: Make, mark: str) -> None:
    """The standard allows all of these in a value; only Python takes them for the end of a line."""
    asked: list[Outbound] = []

    async def network(outbound: Outbound) -> Exchange:
        asked.append(outbound)
        return Answer(200, "OK", [], b"", outbound.url, 1.0)

    value = f"Ada{mark}authorization: Bearer forged"
    code = "onTrack = async (e) => { await fetch('http://x.test/', { headers: { 'x-name': e.name } }); return e }"
    await run(make(network), code, {"name": value})
    assert asked[0].headers == (("x-name", value),)


# --- addresses


@pytest.mark.parametrize("address", INNER, ids=str)
async def test_no_spelling_of_an_inner_address_gets_through(
    address: IPv4Address, planted: Planted, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    _resolve(monkeypatch, lambda: [str(address)])
    pool = make()
    neighbour = Neighbour(pool)
    urls = {name: spell(address, planted.port) for name, spell in (SPELLINGS | LOOPBACK | ELSEWHERE).items()}
    await neighbour.works()
    (one,), _ = await asyncio.gather(run(pool, FETCH, {"urls": urls}), neighbour.works())
    assert json.loads(one.event or b"{}")["got"] == dict.fromkeys(urls, REFUSED)
    assert planted.callers == 0
    await neighbour.works()


@pytest.mark.parametrize("address", INNER, ids=str)
async def test_no_spelling_gets_through_that_the_standard_would_have_read_first(
    address: IPv4Address, planted: Planted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that is no longer ours asks without the standard's `Request` in between."""
    _resolve(monkeypatch, lambda: [str(address)])
    door = Egress()
    for name, spell in (SPELLINGS | LOOPBACK | ELSEWHERE).items():
        exchange = await door.send(Outbound("GET", spell(address, planted.port)))
        assert isinstance(exchange, NoAnswer), name
        assert exchange.code in {"EBLOCKED", "EINVAL", "ENOTFOUND"}, (name, exchange)
    await door.close()
    assert planted.callers == 0


async def test_each_spelling_reaches_loopback_where_nothing_guards(planted: Planted, tmp_path: Path) -> None:
    urls = {name: spell(LOCAL, planted.port) for name, spell in (SPELLINGS | LOOPBACK).items()}
    code = f"const urls = {json.dumps(urls)}; {FETCH.replace('e.urls', 'urls')}"
    result = await unguarded.run(Attempt("spellings", code, None, LOOT), planted, tmp_path)
    if not _has_six():
        urls = {name: url for name, url in urls.items() if "[" not in url}
    assert {name: got for name, got in result.got.items() if name in urls} == dict.fromkeys(urls, LOOT)


def _has_six() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as one:
            one.bind(("::1", 0))
    except OSError:
        return False
    return True


async def test_no_redirect_to_a_spelling_of_an_inner_address_is_followed(
    planted: Planted, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    _resolve(monkeypatch, lambda: ["127.0.0.1"])
    async with redirecting() as outer:
        door = Egress(allow=[f"127.0.0.1:{outer.port}"])
        urls = {name: _through(outer.url, spell(LOCAL, planted.port)) for name, spell in SPELLINGS.items()}
        for name in ("no slashes", "too many slashes", "tabs and line feeds", "backslashes"):  # relative, or unfit
            del urls[name]
        pool = make(door.send)
        (one,) = await run(pool, FETCH, {"urls": urls})
        await door.close()
    got = json.loads(one.event or b"{}")["got"]
    refused = IsStr(regex=r"(?s)TypeError: fetch failed: (EBLOCKED .*|EINVAL .* somewhere unusable.*|ENOTFOUND .*)")
    assert got == dict.fromkeys(urls, refused)
    assert planted.callers == 0


async def test_each_redirect_is_followed_where_nothing_guards(planted: Planted, tmp_path: Path) -> None:
    async with redirecting() as outer:
        names = ["plain", "decimal", "octal", "hexadecimal", "two parts", "a trailing dot", "too many slashes"]
        urls = {name: _through(outer.url, SPELLINGS[name](LOCAL, planted.port)) for name in names}
        code = f"const urls = {json.dumps(urls)}; {FETCH.replace('e.urls', 'urls')}"
        result = await unguarded.run(Attempt("redirects", code, None, LOOT), planted, tmp_path)
    assert result.got == dict.fromkeys(urls, LOOT)


def _through(outer: str, inner: str) -> str:
    return f"{outer}/?to={''.join(f'%{byte:02x}' for byte in inner.strip().encode())}"


@pytest.mark.parametrize(
    "addresses",
    [
        *(["127.0.0.1"], ["::1"], ["::ffff:127.0.0.1"], ["169.254.169.254"], ["fe80::1%1"], ["64:ff9b::7f00:1"]),
        ["10.0.0.1", "127.0.0.1", "::1", "0.0.0.0", "2002:7f00:1::"],
    ],
    ids=str,
)
async def test_a_name_that_leads_inside_gets_nobody_there(
    addresses: list[str], planted: Planted, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    _resolve(monkeypatch, lambda: addresses)
    hosts = ["inner.test", "INNER.test.", "a.b.inner.test", "xn--inner-9oa.test"]
    urls = {host: f"http://{host}:{planted.port}/" for host in hosts}
    (one,) = await run(make(), FETCH, {"urls": urls})
    assert json.loads(one.event or b"{}")["got"] == dict.fromkeys(hosts, REFUSED)
    assert planted.callers == 0


async def test_a_name_that_moves_inside_between_two_requests_is_not_followed(
    planted: Planted, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first answer about it is an open address, where nobody listens; each later one is loopback."""
    answers = iter(["127.0.0.2"])
    _resolve(monkeypatch, lambda: [next(answers, "127.0.0.1")])
    door = Egress(allow=["127.0.0.2"])
    pool = make(door.send)
    got = []
    for port in (9, planted.port):  # what a name led to is kept for a while, for each port by itself
        (one,) = await run(pool, FETCH, {"urls": {"a": f"http://rebound.test:{port}/"}})
        got.append(json.loads(one.event or b"{}")["got"]["a"])
    await door.close()
    assert got == [IsStr(regex=".*ECONNREFUSED.*127.0.0.2.*"), REFUSED]
    assert planted.callers == 0


def _resolve(monkeypatch: pytest.MonkeyPatch, addresses: Callable[[], list[str]]) -> None:
    """Let every name lead to these addresses, and nothing that is no name anywhere."""

    def look_up(host: str, port: int, *_: object, **__: object) -> list[tuple[object, ...]]:
        if "%" in host:
            raise socket.gaierror(socket.EAI_NONAME, "made up")
        families = {True: socket.AF_INET6, False: socket.AF_INET}
        return [(families[":" in each], socket.SOCK_STREAM, 6, "", (each, port)) for each in addresses()]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


# --- what is written into a request

_INJECTIONS = {
    "a line in a value": "fetch(e.url, { headers: { a: 'b\\r\\nx-forged: 1' } })",
    "a line feed in a value": "fetch(e.url, { headers: { a: 'b\\nx-forged: 1' } })",
    "a zero in a value": "fetch(e.url, { headers: { a: 'b\\0c' } })",
    "a line in a name": "fetch(e.url, { headers: { 'a: b\\r\\nx-forged': '1' } })",
    "a colon in a name": "fetch(e.url, { headers: { 'x-forged: 1, a': '1' } })",
    "a line in the method": "fetch(e.url, { method: 'GET / HTTP/1.1\\r\\nx-forged: 1\\r\\n\\r\\nGET' })",
    "a space in the method": "fetch(e.url, { method: 'GET /forged' })",
    "a method that makes a tunnel": "fetch(e.url, { method: 'CONNECT' })",
    "a method that shows headers": "fetch(e.url, { method: 'TRACE' })",
}
_HARMLESS = {
    "a line in the path": "fetch(e.url + 'a HTTP/1.1\\r\\nx-forged: 1\\r\\n\\r\\nGET /')",
    "a line in the query": "fetch(e.url + '?a=%0d%0ax-forged:1&b=\\r\\nx-forged: 1')",
    "the length of the body": "fetch(e.url, { method: 'POST', body: 'abc', headers: { 'content-length': '1' } })",
    "the body in pieces": "fetch(e.url, { method: 'POST', body: '0\\r\\n\\r\\nGET /forged HTTP/1.1\\r\\n\\r\\n', "
    "headers: { 'transfer-encoding': 'chunked' } })",
    "the host": "fetch(e.url, { headers: { host: 'x-forged.test' } })",
    "the host twice": "fetch(e.url, { headers: [['Host', 'x-forged.test'], ['hOST', 'x-forged.test']] })",
    "another protocol": "fetch(e.url, { headers: { connection: 'upgrade', upgrade: 'x-forged', te: 'trailers' } })",
    "a prototype full of headers": "(Object.prototype.headers = { 'x-forged': '1' }, Object.prototype['x-forged'] = '1', "
    "fetch(e.url, Object.create(null)))",
}


@pytest.mark.parametrize("call", _INJECTIONS.values(), ids=_INJECTIONS.keys())
async def test_what_would_write_into_a_request_is_refused(call: str, make: Make) -> None:
    async with receiving() as receiver:
        door = Egress(allow=["127.0.0.1"])
        code = f"onTrack = async (e) => ({{ got: await ({call}).then(() => 'sent', (error) => error.name) }})"
        (one,) = await run(make(door.send), code, {"url": f"{receiver.url}/"})
        await door.close()
    assert json.loads(one.event or b"{}") == {"got": "TypeError"}
    assert receiver.requests == []


@pytest.mark.parametrize("call", _HARMLESS.values(), ids=_HARMLESS.keys())
async def test_what_is_sent_is_one_request_and_nothing_else(call: str, make: Make) -> None:
    async with receiving() as receiver:
        door = Egress(allow=["127.0.0.1"])
        code = f"onTrack = async (e) => ({{ got: await ({call}).then((r) => r.status) }})"
        (one,) = await run(make(door.send), code, {"url": f"{receiver.url}/"})
        await door.close()
    assert json.loads(one.event or b"{}") == {"got": 200}
    (request,) = receiver.requests
    assert request.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert "forged" not in " ".join(f"{name}: {value}" for name, value in request.headers.items())


@pytest.mark.parametrize(
    "outbound",
    [
        Outbound("GET", "{}", (("a", "b\r\nx-forged: 1"),)),
        Outbound("GET", "{}", (("a\r\nx-forged", "1"),)),
        Outbound("GET", "{}", (("", "1"),)),
        Outbound("GET /forged HTTP/1.1\r\n\r\nGET", "{}"),
        Outbound("GÉT", "{}"),
        Outbound("GET", "{} HTTP/1.1\r\nx-forged: 1\r\n\r\nGET http://127.0.0.1/"),
        Outbound("GET", "{}\x00"),
        Outbound("GET", "file:///etc/passwd"),
        Outbound("GET", "gopher://127.0.0.1/"),
        Outbound("GET", "//127.0.0.1/"),
    ],
    ids=lambda one: ascii(f"{one.method} {one.url} {one.headers}"),
)
async def test_a_request_no_standard_lets_pass_writes_nothing_of_its_own(outbound: Outbound) -> None:
    """As a process would ask that is no longer ours."""
    async with receiving() as receiver:
        door = Egress(allow=["127.0.0.1"])
        url = outbound.url.format(receiver.url + "/")
        await door.send(Outbound(outbound.method, url, outbound.headers))
        await door.close()
    assert len(receiver.requests) <= 1
    assert all("x-forged" not in request.headers for request in receiver.requests)
    assert all(
        "forged" not in request.method + request.path.split(" ")[0]
        for request in receiver.requests
        if "%" not in request.path
    )


# --- answers without end


async def test_answers_without_end_cost_their_function_only(make: Make) -> None:
    bomb = gzip.compress(bytes(32 << 20), 1)
    async with receiving() as receiver, _endless() as endless:
        receiver.reply = lambda received: (
            Reply(body=bomb, headers={"Content-Encoding": "gzip"}) if received.path == "/bomb" else Reply(body=b"fine")
        )
        door = Egress(allow=["127.0.0.1"])
        pool = make(door.send, limits=Limits(timeout=1.0))
        neighbour = Neighbour(pool)
        urls = {"bomb": f"{receiver.url}/bomb"} | {name: f"{endless}/{name}" for name in _ENDLESS}
        (one,), _ = await asyncio.gather(run(pool, _EACH, {"urls": urls}), neighbour.works())
        (after,) = await run(pool, FETCH, {"urls": {"a": receiver.url}})
        await neighbour.works()
        await door.close()
    assert json.loads(one.event or b"{}")["got"] == {
        "bomb": IsStr(regex=".*ETOOLARGE.*"),
        "header": IsStr(regex=".*EPROTO.*"),
        "headers": IsStr(regex=".*EPROTO.*"),
        "chunks": IsStr(regex=".*ETOOLARGE.*"),
        "drops": "late",
        "hints": "late",
    }
    assert json.loads(after.event or b"{}") == {"got": {"a": "fine"}}


_EACH = FETCH.replace(
    "await one(v)", "await Promise.race([one(v), new Promise((done) => setTimeout(done, 700, 'late'))])"
)
_OK = b"HTTP/1.1 200 OK\r\n"
_ENDLESS = {
    "header": (_OK + b"a: ", b"a" * 10_000),
    "headers": (_OK, b"a: b\r\n" * 1000),
    "chunks": (_OK + b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b"a" * 0x10000 + b"\r\n"),
    "drops": (_OK + b"Content-Length: 100000\r\n\r\n", b""),
    "hints": (b"", b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n" * 10),
}


@asynccontextmanager
async def _endless() -> AsyncIterator[str]:
    """Answer each path as `_ENDLESS` says: a beginning, and then the same for ever."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            begin, again = _ENDLESS[head.split(b" ")[1].decode()[1:]]
            writer.write(begin)
            while not writer.is_closing():
                writer.write(again or b"a")
                await writer.drain()
                await asyncio.sleep(0 if len(again) > 1000 else 0.05)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def test_thousands_of_requests_hold_up_nobody_else(make: Make) -> None:
    """As many as may wait, again and again, by one function; another one asks once meanwhile."""
    async with receiving() as receiver:
        door = Egress(allow=["127.0.0.1"])
        pool = make(door.send, limits=Limits(timeout=20))
        flood = """onTrack = async (e) => {
          let sent = 0;
          for (let round = 0; round < 2; round++) {
            const all = Array.from({ length: 1500 }, () => fetch(e.url).then((r) => r.ok, () => false));
            sent += (await Promise.all(all)).filter(Boolean).length;
          }
          return { got: sent } }"""
        other = FunctionSpec("ifi_other", "ver_1", FETCH)
        asking = [json.dumps({"type": "track", "urls": {"a": receiver.url}}).encode()]
        await pool.invoke(other, asking)  # so that its process is up
        flooding = asyncio.create_task(run(pool, flood, {"url": receiver.url}))
        await receiver.wait_for(100)
        (one,) = await pool.invoke(other, asking)
        assert not flooding.done()
        (flooded,) = await flooding
        await door.close()
    assert json.loads(one.event or b"{}") == {"got": {"a": "ok"}}
    assert json.loads(flooded.event or b"{}") == {"got": 2000}
    assert receiver.most_in_flight <= 51


async def test_bodies_that_wait_are_bounded_in_our_memory(make: Make) -> None:
    never = asyncio.Event()
    held: list[int] = []

    async def network(outbound: Outbound) -> Exchange:
        held.append(len(outbound.body or b""))
        await never.wait()
        raise AssertionError

    code = """onTrack = () => new Promise((done) => {
      const body = new Uint8Array(1 << 20), codes = [];
      for (let i = 0; i < 100; i++) fetch('http://x.test/', { method: 'POST', body }).catch((error) => {
        codes.push(error.cause.code);
        if (codes.length === 53) setTimeout(() => done({ got: [...new Set(codes), codes.length] }), 50);
      });
    })"""
    pool = make(network, limits=Limits(timeout=10, memory_mb=1024))
    (one,) = await run(pool, code)
    assert json.loads(one.event or b"{}") == {"got": ["ENOBUFS", 53]}
    assert sum(held) <= 48 << 20
