"""Serves an ASGI application on a socket that was handed down, until told to stop. The front and the control process do."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to us: stopping has an order of its own."""
        yield


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
            http="httptools",
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
