"""The door on real sockets: redirects, limits, pools, the names of failures, and the guard at connect time."""

from __future__ import annotations

import asyncio
import datetime
import gzip
import socket
import ssl
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from midstream.domain.hosts import Hosts
from midstream.domain.http import Answer, NoAnswer, Outbound
from midstream.egress import Egress
from tests.integration.receiver import Receiver, Reply, receiving


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as one:
        yield one


@pytest.fixture
async def egress() -> AsyncIterator[Egress]:
    door = Egress(allow=["127.0.0.1"])
    yield door
    await door.close()


async def answered(door: Egress, request: Outbound) -> Answer:
    exchange = await door.send(request)
    assert isinstance(exchange, Answer), exchange
    return exchange


async def failed(door: Egress, request: Outbound) -> NoAnswer:
    exchange = await door.send(request)
    assert isinstance(exchange, NoAnswer), exchange
    return exchange


async def test_a_request_goes_out_as_it_was_given(egress: Egress, receiver: Receiver) -> None:
    receiver.default = Reply(201, b"made", {"X-Answer": "yes"})
    answer = await answered(
        egress, Outbound("post", f"{receiver.url}/a%2Fb?c=%7E&d=1#e", (("X-A", "1"), ("x-a", "2")), b"body")
    )
    assert (answer.status, answer.reason, answer.body) == (201, "Created", b"made")
    assert answer.header("x-answer") == "yes"
    assert answer.url == f"{receiver.url}/a%2Fb?c=%7E&d=1"
    (request,) = receiver.requests
    assert (request.method, request.path, request.body) == ("POST", "/a%2Fb?c=%7E&d=1", b"body")
    assert request.headers["user-agent"].startswith("midstream/")
    assert "content-type" not in request.headers


async def test_headers_of_the_connection_are_not_the_callers(egress: Egress, receiver: Receiver) -> None:
    theirs = (("Host", "evil"), ("Content-Length", "999"), ("Transfer-Encoding", "chunked"), ("Connection", "close"))
    await answered(egress, Outbound("POST", receiver.url, theirs, b"abc"))
    (request,) = receiver.requests
    assert request.headers["host"] == f"127.0.0.1:{receiver.port}"
    assert request.headers["content-length"] == "3"
    assert "transfer-encoding" not in request.headers
    assert "connection" not in request.headers


async def test_a_post_without_a_body_says_its_length(egress: Egress, receiver: Receiver) -> None:
    await answered(egress, Outbound("POST", receiver.url))
    assert receiver.requests[0].headers["content-length"] == "0"


async def test_a_large_body_arrives_whole(egress: Egress, receiver: Receiver) -> None:
    body = bytes(range(256)) * 2048
    await answered(egress, Outbound("POST", receiver.url, (), body))
    assert receiver.bodies == [body]
    # The receiver takes 1 MiB at most; aiohttp's client treats more than that differently.
    async with _raw(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n") as url:
        assert (await answered(egress, Outbound("POST", url, (), body * 3))).status == 204


async def test_cookies_are_not_kept_and_proxies_not_used(
    egress: Egress, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    receiver.script(Reply(headers={"Set-Cookie": "a=1"}))
    await answered(egress, Outbound("GET", receiver.url))
    await answered(egress, Outbound("GET", receiver.url))
    assert "cookie" not in receiver.requests[1].headers


async def test_connections_are_kept_and_used_again(egress: Egress) -> None:
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while await reader.readuntil(b"\r\n\r\n"):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    async with _serving(_until_closed(serve)) as url:
        for _ in range(5):
            await answered(egress, Outbound("GET", url))
    assert connections == 1


async def test_no_more_connections_to_one_host_than_allowed(receiver: Receiver) -> None:
    door = Egress(allow=["127.0.0.1"], per_host=3)
    receiver.default = Reply(delay=0.05)
    await asyncio.gather(*(answered(door, Outbound("GET", receiver.url)) for _ in range(9)))
    await door.close()
    assert receiver.most_in_flight == 3


# --- redirects


async def test_a_redirect_is_an_answer_unless_following_was_asked_for(egress: Egress, receiver: Receiver) -> None:
    receiver.default = Reply(302, headers={"Location": "/next"})
    assert (await answered(egress, Outbound("GET", receiver.url))).status == 302
    assert len(receiver.requests) == 1


async def test_redirects_end_where_their_number_is_used_up(egress: Egress, receiver: Receiver) -> None:
    receiver.default = Reply(302, headers={"Location": "/again"})
    assert (await answered(egress, Outbound("GET", receiver.url, redirects=3))).status == 302
    assert len(receiver.requests) == 4


@pytest.mark.parametrize(
    ("status", "method", "then"),
    [
        *((301, "POST", "GET"), (302, "POST", "GET"), (303, "POST", "GET"), (303, "PUT", "GET"), (303, "HEAD", "HEAD")),
        *((301, "PUT", "PUT"), (307, "POST", "POST"), (308, "POST", "POST")),
    ],
)
async def test_a_redirected_method_changes_as_in_fetch(
    egress: Egress, receiver: Receiver, status: int, method: str, then: str
) -> None:
    receiver.script(Reply(status, headers={"Location": "next?x=1"}))
    body = None if method == "HEAD" else b"{}"
    answer = await answered(
        egress, Outbound(method, f"{receiver.url}/a/b", (("Content-Type", "x/y"),), body, redirects=1)
    )
    assert answer.url == f"{receiver.url}/a/next?x=1"
    second = receiver.requests[1]
    assert (second.method, second.path) == (then, "/a/next?x=1")
    assert second.body == (b"{}" if then not in ("GET", "HEAD") else b"")
    assert ("content-type" in second.headers) == (then == method)


async def test_credentials_stay_with_their_origin(egress: Egress, receiver: Receiver) -> None:
    secrets = (("Authorization", "Bearer x"), ("Cookie", "a=1"), ("X-Other", "kept"))
    async with receiving() as elsewhere:
        receiver.script(
            Reply(307, headers={"Location": "/same"}), Reply(307, headers={"Location": f"{elsewhere.url}/other"})
        )
        await answered(egress, Outbound("GET", receiver.url, secrets, redirects=5))
        assert receiver.requests[1].headers["authorization"] == "Bearer x"
        (last,) = elsewhere.requests
    assert "authorization" not in last.headers
    assert "cookie" not in last.headers
    assert last.headers["x-other"] == "kept"


@pytest.mark.parametrize("location", ["ftp://127.0.0.1/", "http://a:b@127.0.0.1/", "http://[", "file:///etc/passwd"])
async def test_a_redirect_to_nowhere_usable_is_einval(egress: Egress, receiver: Receiver, location: str) -> None:
    receiver.default = Reply(302, headers={"Location": location})
    assert (await failed(egress, Outbound("GET", receiver.url, redirects=5))).code == "EINVAL"


# --- the guard


async def test_loopback_is_blocked_unless_opened(receiver: Receiver) -> None:
    door = Egress()
    exchange = await failed(door, Outbound("GET", receiver.url))
    await door.close()
    assert exchange.code == "EBLOCKED"
    assert "127.0.0.1" in exchange.message
    assert "egress_allow" in exchange.message
    assert receiver.requests == []


async def test_every_hop_of_a_redirect_is_judged(receiver: Receiver) -> None:
    async with receiving() as inner:
        door = Egress(allow=[f"127.0.0.1:{receiver.port}"])
        receiver.default = Reply(302, headers={"Location": f"{inner.url}/secret"})
        exchange = await failed(door, Outbound("GET", receiver.url, redirects=5))
        await door.close()
        assert exchange.code == "EBLOCKED"
        assert inner.requests == []


async def test_a_name_is_judged_by_the_address_it_leads_to(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    _resolve(monkeypatch, {"rebound.example": ["127.0.0.1"]})
    url = f"http://rebound.example:{receiver.port}/"
    closed, opened = Egress(), Egress(allow=["rebound.example"])
    assert (await failed(closed, Outbound("GET", url))).code == "EBLOCKED"
    assert (await answered(opened, Outbound("GET", url))).status == 200
    await closed.close()
    await opened.close()


async def test_an_open_connection_to_an_allowed_name_is_not_lent_to_another(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    _resolve(monkeypatch, {"good.example": ["127.0.0.1"], "evil.example": ["127.0.0.1"]})
    door = Egress(allow=["good.example"])
    await answered(door, Outbound("GET", f"http://good.example:{receiver.port}/"))
    assert (await failed(door, Outbound("GET", f"http://evil.example:{receiver.port}/"))).code == "EBLOCKED"
    await door.close()


async def test_a_name_with_inner_and_public_addresses_is_tried_at_the_public_ones_only(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    _resolve(monkeypatch, {"mixed.example": ["10.0.0.1", "169.254.169.254", "127.0.0.1"]})
    door = Egress(allow=["127.0.0.1"])  # plays the public one
    assert (await answered(door, Outbound("GET", f"http://mixed.example:{receiver.port}/"))).status == 200
    await door.close()


async def test_concurrent_requests_are_each_judged_by_their_own_host(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    _resolve(monkeypatch, {name: ["127.0.0.1"] for name in ("good.example", "evil.example")})
    door = Egress(allow=["good.example"])
    hosts = ["good.example", "evil.example"] * 20
    exchanges = await asyncio.gather(*(door.send(Outbound("GET", f"http://{host}:{receiver.port}/")) for host in hosts))
    await door.close()
    for host, exchange in zip(hosts, exchanges, strict=True):
        assert isinstance(exchange, Answer if host == "good.example" else NoAnswer)


async def test_deny_closes_what_allow_opened(receiver: Receiver) -> None:
    door = Egress(allow=["127.0.0.0/8"], deny=[f"127.0.0.1:{receiver.port}"])
    exchange = await failed(door, Outbound("GET", receiver.url))
    await door.close()
    assert exchange.code == "EBLOCKED"
    assert "egress_deny" in exchange.message


# --- bodies and limits


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [("gzip", gzip.compress), ("deflate", zlib.compress), ("deflate", lambda data: zlib.compress(data, wbits=-15))],
)
async def test_compressed_answers_are_unpacked(
    egress: Egress, receiver: Receiver, encoding: str, packed: Callable[[bytes], bytes]
) -> None:
    receiver.default = Reply(body=packed(b"hello " * 1000), headers={"Content-Encoding": encoding})
    assert (await answered(egress, Outbound("GET", receiver.url))).body == b"hello " * 1000


@pytest.mark.parametrize("pack", [False, True])
async def test_an_answer_over_the_limit_is_etoolarge_and_the_next_request_works(
    egress: Egress, receiver: Receiver, pack: bool
) -> None:
    # Packed, this is 64 MB in 64 KB: the limit must hold for what comes out, while it comes out.
    body, headers = (gzip.compress(bytes(64 << 20), 1), {"Content-Encoding": "gzip"}) if pack else (b"x" * 100_001, {})
    receiver.script(Reply(body=body, headers=headers))
    exchange = await failed(egress, Outbound("GET", receiver.url, max_response_bytes=100_000))
    assert exchange.code == "ETOOLARGE"
    assert "100,000" in exchange.message
    assert (await answered(egress, Outbound("GET", receiver.url))).body == b"ok"


async def test_an_answer_exactly_at_the_limit_passes_and_a_longer_one_can_be_cut(
    egress: Egress, receiver: Receiver
) -> None:
    receiver.default = Reply(body=b"x" * 1000)
    assert len((await answered(egress, Outbound("GET", receiver.url, max_response_bytes=1000))).body) == 1000
    assert len((await answered(egress, Outbound("GET", receiver.url, max_response_bytes=999, cut=True))).body) == 999


async def test_a_body_that_does_not_unpack_is_eproto(egress: Egress, receiver: Receiver) -> None:
    receiver.default = Reply(body=b"not gzip at all", headers={"Content-Encoding": "gzip"})
    assert (await failed(egress, Outbound("GET", receiver.url))).code == "EPROTO"


# --- the names of failures


async def test_nobody_listening_is_econnrefused(egress: Egress) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        exchange = await failed(egress, Outbound("GET", f"http://127.0.0.1:{free.getsockname()[1]}/?token=hunter2"))
    assert exchange.code == "ECONNREFUSED"
    assert "hunter2" not in exchange.message


async def test_hanging_up_is_econnreset(egress: Egress, receiver: Receiver) -> None:
    receiver.default = Reply(hang_up=True)
    assert (await failed(egress, Outbound("POST", receiver.url, (), b"x"))).code == "ECONNRESET"


async def test_half_an_answer_is_econnreset(egress: Egress) -> None:
    async with _raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf") as url:
        assert (await failed(egress, Outbound("GET", url))).code == "ECONNRESET"


async def test_an_answer_that_is_not_http_is_eproto(egress: Egress) -> None:
    async with _raw(b"SSH-2.0-OpenSSH_9.6\r\n") as url:
        assert (await failed(egress, Outbound("GET", url))).code == "EPROTO"


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"])
async def test_silence_before_or_within_an_answer_is_etimedout(egress: Egress, head: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        await reader.read()

    async with _serving(_until_closed(serve)) as url:
        exchange = await failed(egress, Outbound("GET", url, timeout=timedelta(seconds=0.2)))
    assert exchange.code == "ETIMEDOUT"
    assert 150 < exchange.duration_ms < 5000


async def test_the_timeout_spans_all_redirects(egress: Egress, receiver: Receiver) -> None:
    receiver.default = Reply(302, headers={"Location": "/again"}, delay=0.1)
    exchange = await failed(egress, Outbound("GET", receiver.url, timeout=timedelta(seconds=0.35), redirects=20))
    assert exchange.code == "ETIMEDOUT"
    assert len(receiver.requests) <= 4


@pytest.mark.parametrize(("number", "code"), [(socket.EAI_NONAME, "ENOTFOUND"), (socket.EAI_AGAIN, "EAI_AGAIN")])
async def test_a_name_that_does_not_resolve_says_whether_to_try_again(
    egress: Egress, monkeypatch: pytest.MonkeyPatch, number: int, code: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise socket.gaierror(number, "made up")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    exchange = await failed(egress, Outbound("GET", "http://nowhere.example/"))
    assert exchange.code == code
    assert "nowhere.example" in exchange.message


async def test_a_certificate_nobody_vouches_for_is_ecert(egress: Egress, tmp_path: Path) -> None:
    async with receiving(_self_signed(tmp_path)) as secure:
        exchange = await failed(egress, Outbound("GET", secure.url))
    assert exchange.code == "ECERT"
    assert "self" in exchange.message


async def test_plain_http_where_tls_was_expected_is_ecert(egress: Egress, receiver: Receiver) -> None:
    assert (await failed(egress, Outbound("GET", receiver.url.replace("http:", "https:")))).code == "ECERT"


async def test_a_cancelled_request_is_cancelled(egress: Egress, receiver: Receiver) -> None:
    receiver.default = Reply(delay=30)
    task = asyncio.create_task(egress.send(Outbound("GET", receiver.url)))
    await receiver.wait_for(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_closing_the_door_ends_what_is_under_way(egress: Egress, receiver: Receiver) -> None:
    receiver.default = Reply(delay=30)
    task = asyncio.create_task(egress.send(Outbound("GET", receiver.url)))
    await receiver.wait_for(1)
    await egress.close()
    assert isinstance(await task, NoAnswer)


# --- stages for the above

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def _until_closed(serve: Serve) -> Serve:
    async def guarded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    return guarded


@asynccontextmanager
async def _serving(serve: Serve) -> AsyncIterator[str]:
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    finally:
        server.close()


@asynccontextmanager
async def _raw(answer: bytes) -> AsyncIterator[str]:
    """Answer everyone with these bytes after the whole request, and hang up."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        if b"content-length: " in head:
            await reader.readexactly(int(head.split(b"content-length: ")[1].split(b"\r\n")[0]))
        writer.write(answer)
        await writer.drain()

    async with _serving(_until_closed(serve)) as url:
        yield url


def _resolve(monkeypatch: pytest.MonkeyPatch, names: dict[str, list[str]]) -> None:
    """Let these names lead to these addresses, and no others anywhere."""

    def look_up(host: str, port: int, *_: object, **__: object) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in names[host]]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


def _self_signed(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "server.pem").write_bytes(private + certificate.public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    return context


async def test_only_hosts_on_the_list_are_asked_also_after_a_redirect(egress: Egress, receiver: Receiver) -> None:
    async with receiving() as other:
        hosts = (Hosts.of("this function may ask", [f"http://127.0.0.1:{receiver.port}"]),)
        receiver.script(Reply(302, headers={"Location": f"{other.url}/there"}))
        request = Outbound("GET", f"{receiver.url}/away", (("authorization", "secret"),), redirects=5, hosts=hosts)
        refused = await failed(egress, request)
        assert (refused.code, other.requests) == ("EBLOCKED", [])
        assert refused.message == f"{other.url} is not among the hosts that this function may ask"
        assert (await failed(egress, replace(request, url=other.url))).code == "EBLOCKED"
        assert (await answered(egress, replace(request, url=receiver.url))).status == 200


async def test_all_lists_must_allow_a_host(egress: Egress, receiver: Receiver) -> None:
    mine, none = Hosts.of("a", [receiver.url]), Hosts.of("b", ["api.example.com"])
    assert (await answered(egress, Outbound("GET", receiver.url, hosts=(mine,)))).status == 200
    assert (await failed(egress, Outbound("GET", receiver.url, hosts=(mine, none)))).code == "EBLOCKED"
