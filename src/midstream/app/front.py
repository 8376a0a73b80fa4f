"""The front process: the one HTTP port. Ingest, operations, the page, and the counting of outcomes."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager

import uvicorn
from starlette.applications import Starlette
from starlette.types import ASGIApp

from midstream.api import operations
from midstream.app.orders import Orders
from midstream.config import Config
from midstream.control.housekeeping import keep_house
from midstream.control.projector import project
from midstream.log import Appender, Log, connect
from midstream.pipeline import ingest
from midstream.secrets import Closed
from midstream.store.follow import Follower
from midstream.store.session import open_engine, open_sessions
from midstream.store.snapshot import revision
from midstream.telemetry import logger
from midstream.web import home

Role = Callable[[Orders, Config, asyncio.Event], Awaitable[None]]


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to us: stopping has an order of its own."""
        yield


async def run(orders: Orders, config: Config, stop: asyncio.Event) -> None:
    """Serve until `stop`; then take nothing new, answer what was taken, and leave."""
    async with AsyncExitStack() as cleanup:
        log = await connect(orders.endpoint, name="front", patience=60)
        cleanup.push_async_callback(log.close)
        engine = open_engine(config.sqlalchemy_url)
        cleanup.push_async_callback(engine.dispose)
        sessions = open_sessions(engine)
        # Nothing here needs a secret, and this is the process that strangers talk to.
        follower = Follower(sessions, Closed(), interval=config.poll_interval)
        tasks = [asyncio.create_task(follower.run())]
        if orders.control:
            tasks.append(asyncio.create_task(project(log, sessions)))
            tasks.append(
                asyncio.create_task(keep_house(log, sessions, lambda: follower.snapshot, config.log_max_bytes))
            )
        events = Appender(log, queue_bytes=config.ingest_queue_bytes, patience=config.ingest_timeout)
        notes = Appender(log, queue_bytes=config.ingest_queue_bytes, patience=30)

        async def ready() -> Mapping[str, bool]:
            return {
                "configuration": follower.ready.is_set(),
                "log": log.connected,
                "database": await _answers(lambda: revision(sessions)),
            }

        routes = [*operations.routes(ready, lambda: _pending(log)), *home.routes(lambda: follower.snapshot)]
        app: ASGIApp = Starlette(routes=[*(ingest.routes() if orders.ingest else ()), *routes])
        if orders.ingest:
            app = ingest.Ingest(lambda: follower.snapshot, events, notes).before(app)
        # No request is let in before there is a configuration to judge it by: a 401 must mean an unknown write key.
        waiting = asyncio.create_task(follower.ready.wait())
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait([waiting, stopping], return_when=asyncio.FIRST_COMPLETED)
        if not stop.is_set():
            await _serve(app, orders, config, stopping)
        for task in (*tasks, waiting, stopping):
            task.cancel()
        await asyncio.gather(*tasks, waiting, stopping, return_exceptions=True)
        await events.drain()
        await notes.drain()


async def _serve(app: ASGIApp, orders: Orders, config: Config, stopping: asyncio.Task[bool]) -> None:
    server = _Server(
        uvicorn.Config(
            app,
            http="httptools",
            loop="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            backlog=2048,
            timeout_graceful_shutdown=int(config.drain_timeout) or 1,
        )
    )
    stopping.add_done_callback(lambda _: setattr(server, "should_exit", True))
    listener = socket.socket(fileno=orders.listen)
    logger().info("serving", address=f"{config.host}:{listener.getsockname()[1]}")
    await server.serve(sockets=[listener])


async def _answers(question: Callable[[], Awaitable[object]]) -> bool:
    try:
        async with asyncio.timeout(2):
            await question()
    except Exception:  # noqa: BLE001 # any failure means no; whoever needs the database logs the cause
        return False
    return True


async def _pending(log: Log) -> dict[str, int]:
    """Return how many log messages each destination has before it: new ones and retries that came due."""
    found: dict[str, int] = {}
    for stream, prefix in (("EVENTS", "d_"), ("RETRY", "r_")):
        for name, info in (await log.consumers(stream)).items():
            if name.startswith(prefix):
                destination = name.removeprefix(prefix)
                found[destination] = found.get(destination, 0) + info.pending
    return found
