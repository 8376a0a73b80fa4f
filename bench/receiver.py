"""The receiver, a process of its own: an HTTP server that does nothing but count events, as cheaply as can be.

Enters: POSTs with events, single or many. Leaves: 200s, and to whoever asks `GET /seen`, how many came and when; then it
starts to count anew.
"""

from __future__ import annotations

import asyncio
import time
from typing import cast

import msgspec
import uvloop

_OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-type: application/json\r\n\r\n{}"
_MARK = b'"messageId":"bench-'
_DIGITS = 30
_SAMPLE_BYTES = 4096


class Seen(msgspec.Struct):
    """What came since it was asked last. Times are nanoseconds of the machine's monotonic clock."""

    events: int = 0
    requests: int = 0
    last: int = 0
    arrivals: dict[int, int] = {}  # event number → when; of single events only
    sample: str = ""  # the beginning of the last request's body


class _Connection(asyncio.Protocol):
    def __init__(self, seen: list[Seen]) -> None:
        self._seen = seen  # one entry, replaced when it was asked for
        self._buffer = bytearray()
        self._needed = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's does not say so

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) > self._needed:
            head = self._buffer.find(b"\r\n\r\n") + 4
            if head < 4:
                return
            if self._buffer.startswith(b"GET"):
                self._tell()
                del self._buffer[:head]
                continue
            length = _content_length(bytes(self._buffer[:head]))
            if len(self._buffer) < head + length:
                self._needed = head + length - 1
                return
            self._count(bytes(memoryview(self._buffer)[head : head + length]))
            self._transport.write(_OK)
            del self._buffer[: head + length]
            self._needed = 0

    def _count(self, body: bytes) -> None:
        seen = self._seen[0]
        seen.last = time.monotonic_ns()
        events = body.count(_MARK)
        seen.events += events
        seen.requests += 1
        seen.sample = body[:_SAMPLE_BYTES].decode(errors="replace")
        if events == 1:
            at = body.find(_MARK) + len(_MARK)
            seen.arrivals.setdefault(int(body[at : at + _DIGITS]), seen.last)

    def _tell(self) -> None:
        body = msgspec.json.encode(self._seen[0])
        self._transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
        if self._buffer.startswith(b"GET /seen/anew"):
            self._seen[0] = Seen(arrivals={})


def _content_length(head: bytes) -> int:
    at = head.lower().find(b"content-length:") + len(b"content-length:")
    return int(head[at:].split(b"\r", 1)[0])


async def _receive() -> None:
    seen = [Seen(arrivals={})]
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(seen), "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_receive())
