"""The front process: the one HTTP port. It takes events and answers operations; the rest it hands to the control process."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack

from starlette.applications import Starlette
from starlette.types import ASGIApp

from midstream.api import operations
from midstream.app.ground import ground
from midstream.app.orders import Orders
from midstream.app.relay import Relay
from midstream.app.serving import serve
from midstream.config import Config
from midstream.log import Appender, Log
from midstream.pipeline import ingest
from midstream.secrets import Closed
from midstream.store.follow import Follower
from midstream.store.snapshot import revision
from midstream.telemetry import logger
from midstream.web import home


async def run(orders: Orders, config: Config, stop: asyncio.Event) -> None:
    """Serve until `stop`; then take nothing new, answer what was taken, and leave."""
    async with AsyncExitStack() as cleanup:
        log, sessions = await cleanup.enter_async_context(ground(orders, config))
        # Nothing here needs a secret, and this is the process that strangers talk to.
        follower = Follower(sessions, Closed(), interval=config.poll_interval)
        tasks = [asyncio.create_task(follower.run())]
        events = Appender(log, queue_bytes=config.ingest_queue_bytes, patience=config.ingest_timeout)
        notes = Appender(log, queue_bytes=config.ingest_queue_bytes, patience=30)

        async def ready() -> Mapping[str, bool]:
            return {
                "configuration": follower.ready.is_set(),
                "log": log.connected,
                "database": await _answers(lambda: revision(sessions)),
            }

        relay = Relay(orders.control) if orders.control else None
        if relay:
            cleanup.push_async_callback(relay.close)
        routes = [
            *operations.routes(ready, lambda: _state(log, config)),
            *home.routes(lambda: follower.snapshot, relay),
        ]
        app = Starlette(routes=[*(ingest.routes() if orders.ingest else ()), *routes])
        if relay:
            app.router.default = relay
        whole: ASGIApp = app
        if orders.ingest:
            whole = ingest.Ingest(follower, events, notes).before(whole)
        # No request is let in before there is a configuration to judge it by: a 401 must mean an unknown write key.
        waiting = asyncio.create_task(follower.ready.wait())
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait([waiting, stopping], return_when=asyncio.FIRST_COMPLETED)
        if not stop.is_set():
            listener = socket.socket(fileno=orders.listen)
            logger().info("serving", address=f"{config.host}:{listener.getsockname()[1]}")
            await serve(whole, listener, stopping, patience=config.drain_timeout, proxies=config.trusted_proxies)
        for task in (*tasks, waiting, stopping):
            task.cancel()
        await asyncio.gather(*tasks, waiting, stopping, return_exceptions=True)
        await events.drain()
        await notes.drain()


async def _answers(question: Callable[[], Awaitable[object]]) -> bool:
    try:
        async with asyncio.timeout(2):
            await question()
    except Exception:  # noqa: BLE001 # any failure means no; whoever needs the database logs the cause
        return False
    return True


async def _state(log: Log, config: Config) -> operations.Log:
    held = {stream: (await log.stream_info(stream)).bytes for stream in ("EVENTS", "RETRY", "OUTCOMES", "QUARANTINE")}
    # Those that end in 503, or in a destination that is not read; the others give way by themselves.
    limits = {"EVENTS": config.log_max_bytes, "RETRY": config.retry_max_bytes}
    return operations.Log(await _pending(log), held, limits)


async def _pending(log: Log) -> dict[str, int]:
    """Return how many log messages each destination has before it: new ones and retries that came due."""
    found: dict[str, int] = {}
    for stream, prefix in (("EVENTS", "d_"), ("RETRY", "r_")):
        for name, info in (await log.consumers(stream)).items():
            if name.startswith(prefix):
                destination = name.removeprefix(prefix)
                found[destination] = found.get(destination, 0) + info.pending
    return found
