"""A connection is for callers who go on: who does not send, or does not read, loses it in the end."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from midstream.app import serving
from midstream.app.supervisor import listening

_LARGE = 64 * 1024 * 1024  # more than the system's buffers take


async def _app(scope: Scope, receive: Receive, send: Send) -> None:
    request = Request(scope, receive)
    answer = Response(b"x" * _LARGE if request.url.path == "/large" else await request.body())
    await answer(scope, receive, send)


@pytest.fixture
async def listener(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[socket.socket]:
    monkeypatch.setattr(serving.Caller, "request", 0.3)
    monkeypatch.setattr(serving.Caller, "answer", 0.3)
    stop = asyncio.Event()
    stopping = asyncio.create_task(stop.wait())
    listener = listening("127.0.0.1", 0)
    serves = asyncio.create_task(serving.serve(_app, listener, stopping, patience=1))
    yield listener
    stop.set()
    await serves


@pytest.mark.parametrize(
    "said",
    [b"", b"POST / HTTP/1.1\r\nHost: x\r\n", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n12"],
    ids=["nothing", "half a head", "half a body"],
)
async def test_who_does_not_go_on_sending_loses_the_connection(listener: socket.socket, said: bytes) -> None:
    reader, writer = await asyncio.open_connection(*listener.getsockname())
    writer.write(said)
    async with asyncio.timeout(10):
        assert await _all_of(reader) == b""
    writer.close()


async def test_the_time_of_each_request_is_its_own(listener: socket.socket) -> None:
    reader, writer = await asyncio.open_connection(*listener.getsockname())
    begin = asyncio.get_running_loop().time()
    while asyncio.get_running_loop().time() < begin + 1:
        for piece in (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n", b"ok"):
            writer.write(piece)
            await writer.drain()
        assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")
    writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n")
    async with asyncio.timeout(10):
        assert await _all_of(reader) == b""
    writer.close()


@pytest.mark.parametrize("after", [b"", b"Connection: close\r\n"], ids=["that stays", "that shall end"])
async def test_who_does_not_read_an_answer_loses_the_connection(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch, after: bytes
) -> None:
    lost = asyncio.Event()  # the other side would learn it only at the end of what the system holds for it
    monkeypatch.setattr(serving.Caller, "connection_lost", lambda *_: lost.set())
    with socket.create_connection(listener.getsockname()) as caller:
        caller.sendall(b"GET /large HTTP/1.1\r\nHost: x\r\n" + after + b"\r\n")
        async with asyncio.timeout(10):
            await lost.wait()


async def test_a_reader_who_is_only_slow_gets_all_of_it(listener: socket.socket) -> None:
    reader, writer = await asyncio.open_connection(*listener.getsockname(), limit=1024 * 1024)
    writer.write(b"GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    begin = asyncio.get_running_loop().time()
    got = 0
    while piece := await reader.read(1024 * 1024):
        got += len(piece)
        await asyncio.sleep(0.05)
    assert asyncio.get_running_loop().time() > begin + 1  # three times the limit
    assert got > _LARGE
    writer.close()


async def _all_of(reader: asyncio.StreamReader) -> bytes:
    """Return what comes until the other side ends it, in whatever way."""
    got = b""
    try:
        while piece := await reader.read(1024 * 1024):
            got += piece
    except OSError:
        pass
    return got
