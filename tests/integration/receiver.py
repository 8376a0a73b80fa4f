"""A recording HTTP receiver on a free loopback port, which answers as it was told to.

Enters: requests of whatever is under test. Leaves: the requests, and answers scripted beforehand.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web


@dataclass(frozen=True)
class Received:
    """One request as it came in. Header names are lower-case; the body is as sent, not decompressed."""

    method: str
    path: str  # with the query
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """One answer. `delay` is in seconds; `hang_up` closes the connection instead of answering."""

    status: int = 200
    body: bytes = b"ok"
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    hang_up: bool = False


class Receiver:
    """What came in, and what is to go out: first the scripted replies in turn, then `default` for ever."""

    def __init__(self) -> None:
        self.requests: list[Received] = []
        self.default = Reply()
        self.reply: Callable[[Received], Reply] | None = None  # wins over script and default
        self.port = 0
        self.secure = False
        self.in_flight = 0
        self.most_in_flight = 0
        self._script: deque[Reply] = deque()
        self._arrival = asyncio.Event()

    @property
    def url(self) -> str:
        """Its root, without a slash at the end."""
        return f"{'https' if self.secure else 'http'}://127.0.0.1:{self.port}"

    def script(self, *replies: Reply | int) -> None:
        """Queue replies; a number is a status."""
        self._script.extend(Reply(reply) if isinstance(reply, int) else reply for reply in replies)

    @property
    def bodies(self) -> list[bytes]:
        """The bodies so far, in order of arrival."""
        return [request.body for request in self.requests]

    async def wait_for(self, count: int, seconds: float = 10.0) -> list[Received]:
        """Return the requests once there are so many; `TimeoutError` when there are not in time."""
        async with asyncio.timeout(seconds):
            while len(self.requests) < count:
                self._arrival.clear()
                await self._arrival.wait()
        return self.requests

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        """Record a request and give it its reply."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        received = Received(request.method, request.path_qs, headers, await request.read())
        self.requests.append(received)
        self._arrival.set()
        reply = self._next(received)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(reply.delay)
        finally:
            self.in_flight -= 1
        if reply.hang_up and request.transport is not None:
            request.transport.abort()
        return web.Response(status=reply.status, body=reply.body, headers=reply.headers)

    def _next(self, received: Received) -> Reply:
        if self.reply is not None:
            return self.reply(received)
        return self._script.popleft() if self._script else self.default


@asynccontextmanager
async def receiving(tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """Run a receiver for the length of a block."""
    receiver = Receiver()
    server = web.Server(receiver.answer, auto_decompress=False, access_log=None)
    runner = web.ServerRunner(server, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        receiver.port = runner.addresses[0][1]
        receiver.secure = tls is not None
        yield receiver
    finally:
        await runner.cleanup()
