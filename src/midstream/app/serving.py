"""Serves an ASGI application on a socket that was handed down, until told to stop. The front and the control process do."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to us: stopping has an order of its own."""
        yield


class Caller(HttpToolsProtocol):
    """One connection. Who does not go on sending a request, or reading an answer, loses it: it costs us descriptors."""

    # Seconds for a whole request; above the relay's for a body, which says so before it ends the connection.
    request = 90.0
    answer = 60.0  # seconds in which nothing more of an answer is taken
    _unsaid: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's own
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._unsaid = self.loop.call_later(self.request, transport.abort)

    def on_message_begin(self) -> None:
        """Begin to wait for the rest of a request, unless that was begun with the connection."""
        super().on_message_begin()
        if self._unsaid is None:
            self._unsaid = self.loop.call_later(self.request, self.transport.abort)

    def on_message_complete(self) -> None:
        """Wait no more: now it is our turn."""
        _cancel(self._unsaid)
        self._unsaid = None
        super().on_message_complete()

    def pause_writing(self) -> None:
        """Begin to wait for a reader."""
        super().pause_writing()
        self._await_reader()

    def resume_writing(self) -> None:
        """Wait no more: it reads."""
        _cancel(self._unread)
        self._unread = None
        super().resume_writing()

    def on_response_complete(self) -> None:
        """Where this closes the connection, wait for who has to read the end of the answer."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._await_reader()

    def timeout_keep_alive_handler(self) -> None:
        """Close, and wait for who has not read all of the last answer yet."""
        super().timeout_keep_alive_handler()
        self._await_reader()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing."""
        _cancel(self._unsaid)
        _cancel(self._unread)
        super().connection_lost(exc)

    def _await_reader(self) -> None:
        if self._unread is None:
            self._look_later()

    def _look_later(self) -> None:
        self._unread = self.loop.call_later(self.answer, self._look, self.transport.get_write_buffer_size())

    def _look(self, before: int) -> None:
        if self.transport.get_write_buffer_size() < before:
            self._look_later()  # slow, but it reads
        else:
            self.transport.abort()


def _cancel(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()


async def serve(
    app: ASGIApp,
    listener: socket.socket,
    stopping: asyncio.Task[bool],
    *,
    patience: float,
    behind_front: bool = False,
    proxies: Sequence[str] = (),
) -> None:
    """Answer requests until `stopping` is done, and then those that are under way for `patience` seconds.

    Behind the front, callers are who it says they are: nobody else can reach the socket. Of others, `proxies` are believed.
    """
    server = _Server(
        uvicorn.Config(
            app,
            http=Caller,
            loop="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=not behind_front,  # which adds its own
            backlog=2048,
            proxy_headers=behind_front or bool(proxies),
            forwarded_allow_ips="*" if behind_front else list(proxies),
            timeout_graceful_shutdown=int(patience) or 1,
        )
    )
    stopping.add_done_callback(lambda _: setattr(server, "should_exit", True))
    await server.serve(sockets=[listener])
