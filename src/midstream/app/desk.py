"""The control process: the Public API and the pages, the counting of outcomes, housekeeping.

It has the master key and the database, and listens only to the front. Should it fail or be busy, events go on being
taken and delivered.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import AsyncExitStack
from datetime import timedelta

from midstream.api.application import application
from midstream.api.office import Office
from midstream.api.rates import Rates
from midstream.app.ground import ground
from midstream.app.orders import Orders, vault_of
from midstream.app.serving import serve
from midstream.app.signin import signing_in
from midstream.authoring.preview import Workbench
from midstream.config import Config
from midstream.control.forwarding import forward
from midstream.control.housekeeping import keep_house
from midstream.control.projector import project
from midstream.egress import Egress
from midstream.secrets import Closed
from midstream.store.follow import Follower
from midstream.telemetry import logger

_TRIED_AT_ONCE = 4  # previews and checks, each a process of its own


async def run(orders: Orders, config: Config, stop: asyncio.Event) -> None:
    """Serve until `stop`."""
    async with AsyncExitStack() as cleanup:
        log, sessions = await cleanup.enter_async_context(ground(orders, config))
        egress = Egress(allow=config.egress_allow, deny=config.egress_deny)
        cleanup.push_async_callback(egress.close)
        follower = Follower(sessions, Closed(), interval=config.poll_interval)
        vault = vault_of(config)
        entrance = await cleanup.enter_async_context(signing_in(config, sessions, vault))
        office = Office(
            sessions=sessions,
            vault=vault,
            bench=Workbench(config.limits, config.deno or None, config.function_isolation_require),
            network=egress.send,
            trying=asyncio.Semaphore(_TRIED_AT_ONCE),
            rates=Rates(config.api_rate),
            visitor=entrance.visitors.caller,
        )
        tasks = [
            asyncio.create_task(follower.run()),
            asyncio.create_task(project(log, sessions)),
            asyncio.create_task(
                keep_house(
                    log,
                    sessions,
                    lambda: follower.snapshot,
                    log_max_bytes=config.log_max_bytes,
                    audit_max_age=timedelta(seconds=config.audit_max_age),
                )
            ),
        ]
        if config.audit_source:
            tasks.append(asyncio.create_task(forward(log, sessions, config.audit_source)))
        stopping = asyncio.create_task(stop.wait())
        logger().info("control serves the front")
        listener = socket.socket(fileno=orders.listen)
        await serve(
            application(office, beside=entrance.routes),
            listener,
            stopping,
            patience=config.drain_timeout,
            behind_front=True,
        )
        for task in (*tasks, stopping):
            task.cancel()
        await asyncio.gather(*tasks, stopping, return_exceptions=True)
