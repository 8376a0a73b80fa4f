"""The front's way to the control process: no caller can hold up others, or get into their requests."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from starlette.types import Message

from midstream.app.relay import Relay


@dataclass
class Control:
    """A control process that answers `{}` to each request once its body is there, and then closes without a word."""

    connections: int = 0
    heads: list[bytes] = field(default_factory=list)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            self.heads.append(head)
            if b"transfer-encoding: chunked" in head.lower():
                await reader.readuntil(b"0\r\n\r\n")
            elif b"content-length: 2" in head.lower():
                await reader.readexactly(2)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        except asyncio.IncompleteReadError:
            pass
        writer.close()


@dataclass
class Way:
    """A relay to a control process. `ask` returns status and body."""

    control: Control
    relay: Relay

    async def ask(self, method: str, pieces: asyncio.Queue[bytes] | None = None) -> tuple[int, Any]:
        """Send a request; its body comes from a queue, and ends with an empty piece."""
        told: list[Message] = []
        whole = False

        async def receive() -> Message:
            nonlocal whole
            if whole:
                await asyncio.Event().wait()  # a caller who stays
            piece = await pieces.get() if pieces else b""
            whole = not piece
            return {"type": "http.request", "body": piece, "more_body": not whole}

        async def send(message: Message) -> None:
            told.append(message)

        headers = [(b"host", b"x"), *([(b"content-length", b"2")] if pieces else [])]
        scope = {
            "type": "http",
            "method": method,
            "scheme": "http",
            "path": "/",
            "raw_path": b"/",
            "query_string": b"",
            "headers": headers,
            "client": ("192.0.2.1", 1),
            "server": ("x", 80),
            "root_path": "",
            "http_version": "1.1",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
        }
        await self.relay(scope, receive, send)
        return told[0]["status"], json.loads(b"".join(each.get("body", b"") for each in told[1:]))


@pytest.fixture
async def way() -> AsyncIterator[Way]:
    with tempfile.TemporaryDirectory(prefix="relay-") as folder:  # a socket's path must be short
        path, control = Path(folder) / "s", Control()
        async with await asyncio.start_unix_server(control.answer, path, backlog=1000):
            relay = Relay(str(path))
            yield Way(control, relay)
            await relay.close()


def body(*pieces: bytes) -> asyncio.Queue[bytes]:
    found: asyncio.Queue[bytes] = asyncio.Queue()
    for piece in pieces:
        found.put_nowait(piece)
    return found


async def test_callers_who_do_not_go_on_sending_hold_nobody_up(way: Way) -> None:
    bodies = [body(b"{") for _ in range(150)]
    slow = [asyncio.create_task(way.ask("POST", each)) for each in bodies]
    while way.control.connections < len(slow):
        await asyncio.sleep(0)
    assert await way.ask("GET") == (200, {})
    assert not any(each.done() for each in slow)
    for each in bodies:
        each.put_nowait(b"}")
        each.put_nowait(b"")
    assert await asyncio.gather(*slow) == [(200, {})] * len(slow)


async def test_a_caller_who_takes_too_long_to_send_is_told_so(way: Way) -> None:
    way.relay.upload = 0.05
    status, answer = await way.ask("POST", body(b"{"))
    assert (status, answer["status"]) == (408, 408)
    assert answer["errors"] == [{"type": "timeout", "message": "the body took too long to arrive; send it again"}]


async def test_each_request_has_a_connection_of_its_own(way: Way) -> None:
    for _ in range(3):
        assert await way.ask("POST", body(b"{}", b"")) == (200, {})
    assert way.control.connections == 3
    assert all(b"x-forwarded-for: 192.0.2.1" in head.lower() for head in way.control.heads)
