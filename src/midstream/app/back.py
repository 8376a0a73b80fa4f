"""A worker process: functions and deliveries."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from contextlib import AsyncExitStack

from midstream import telemetry
from midstream.app.ground import ground
from midstream.app.orders import Orders, vault_of
from midstream.config import Config
from midstream.destinations import Ports
from midstream.egress import Egress
from midstream.errors import RuntimeUnavailable
from midstream.log import Appender
from midstream.pipeline.lane import Pace
from midstream.pipeline.worker import Worker
from midstream.runtime import Pool, isolation
from midstream.store.follow import Follower


async def run(orders: Orders, config: Config, stop: asyncio.Event) -> None:
    """Work until `stop`; then finish what is under way, store its outcomes, ack it, and leave."""
    async with AsyncExitStack() as cleanup:
        log, sessions = await cleanup.enter_async_context(ground(orders, config))
        egress = Egress(allow=config.egress_allow, deny=config.egress_deny)
        cleanup.push_async_callback(egress.close)
        await _report_isolation(config.function_isolation_require)
        pool = Pool(
            egress.send,
            limits=config.limits,
            deno=config.deno or None,
            processes=config.function_processes,
            require=config.function_isolation_require,
            spare=config.function_spare,
        )
        pool.on_kill = lambda reason: telemetry.runtime_kills.labels(reason).inc()
        cleanup.push_async_callback(pool.close)
        notes = Appender(log, queue_bytes=config.ingest_queue_bytes, patience=10)
        worker = Worker(
            log,
            pool,
            Ports(egress, log.publish),
            notes,
            policy=config.retry_policy,
            pace=Pace(config.batch_events, config.batches_in_flight),
            retry_max_bytes=config.retry_max_bytes,
            idle=config.function_idle,
        )
        follower = Follower(sessions, vault_of(config), interval=config.poll_interval)
        tasks = [asyncio.create_task(follower.run(worker.follow)), asyncio.create_task(worker.keep_house())]
        await stop.wait()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await worker.stop(patience=config.drain_timeout)
        await notes.drain()


async def _report_isolation(required: Collection[str]) -> None:
    """Say which layers of the kernel's isolation functions run in. Raises ConfigError when a required one is off."""
    try:
        layers = await asyncio.to_thread(isolation.find, required)
    except RuntimeUnavailable as error:  # each function that is started tries again
        telemetry.logger().error("function_isolation cannot be found out", error=str(error))
        return
    off = {layer.name: layer.detail for layer in layers if not layer.on}
    on = [layer.name for layer in layers if layer.on]
    say = telemetry.logger().warning if off else telemetry.logger().info
    say("function_isolation", on=on, off=off)
