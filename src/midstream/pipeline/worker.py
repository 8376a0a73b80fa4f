"""The worker: one lane a destination, kept in step with the snapshot.

Enters: snapshots. Leaves: lanes started, swapped or stopped, and the runtime's processes with them. Any number of workers
share the same consumers; the log hands each batch to one of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from midstream import telemetry
from midstream.destinations import CATALOG, Ports, Sender
from midstream.domain.retry import RetryPolicy
from midstream.domain.topology import Destination, Snapshot
from midstream.errors import Invalid, Unavailable
from midstream.log import Appender, Log
from midstream.pipeline.deliver import Way
from midstream.pipeline.lane import Lane, Pace
from midstream.pipeline.settle import Settler
from midstream.runtime import Pool

_HOUSEKEEPING = 2.0  # seconds


@dataclass(slots=True)
class _Running:
    destination: Destination
    lane: Lane
    sender: Sender | None


class Worker:
    """Delivers for all enabled destinations until it is stopped."""

    def __init__(
        self,
        log: Log,
        pool: Pool,
        ports: Ports,
        notes: Appender,
        *,
        policy: RetryPolicy,
        pace: Pace,
        retry_max_bytes: int,
        idle: float,
    ) -> None:
        self._log = log
        self._pool = pool
        self._ports = ports
        self._notes = notes
        self._policy = policy
        self._pace = pace
        self._retry_max_bytes = retry_max_bytes
        self._idle = idle
        self._retries_full = False
        self._running: dict[str, _Running] = {}
        self._changing = asyncio.Lock()

    async def follow(self, snapshot: Snapshot) -> None:
        """Make what runs equal to a snapshot. Batches under way finish as they began."""
        async with self._changing:
            wanted = {each.id: each for each in snapshot.destinations.values() if each.enabled}
            for gone in self._running.keys() - wanted.keys():
                await self._stop(gone, deleted=gone not in snapshot.destinations)
            for destination in wanted.values():
                running = self._running.get(destination.id)
                if running is None:
                    self._start(destination)
                elif running.destination != destination:
                    await self._swap(running, destination)
            await self._pool.keep([each.id for destination in wanted.values() for each in destination.instances])

    async def keep_house(self) -> None:
        """Watch the retry store's size and the runtime's processes, until cancelled."""
        while True:
            try:
                full = (await self._log.stream_info("RETRY")).bytes > self._retry_max_bytes
                if full != self._retries_full:
                    telemetry.logger().warning(
                        "retries fill their store; new events wait" if full else "retries have room again"
                    )
                self._retries_full = full
            except Unavailable as error:
                telemetry.logger().debug("the log cannot be looked at", error=str(error))
            await self._pool.let_go(self._idle)
            for state, count in self._pool.stats().items():
                telemetry.runtime_processes.labels(state).set(count)
            await asyncio.sleep(_HOUSEKEEPING)

    async def stop(self, *, patience: float) -> None:
        """Take nothing new, finish what is under way within `patience` seconds, give back the rest."""
        async with self._changing:
            await asyncio.gather(*(each.lane.stop(patience=patience) for each in self._running.values()))
            for each in self._running.values():
                if each.sender:
                    await each.sender.close()
            self._running.clear()

    def _start(self, destination: Destination) -> None:
        way = self._way(destination)
        lane = Lane(self._log, Settler(self._log, self._notes), way, self._pace, paused=lambda: self._retries_full)
        self._running[destination.id] = _Running(destination, lane, way.sender)
        lane.start()

    async def _swap(self, running: _Running, destination: Destination) -> None:
        way, old = self._way(destination), running.sender
        running.destination, running.sender, running.lane.way = destination, way.sender, way
        if old:
            # Batches that began with the old sender may still use it.
            asyncio.get_running_loop().call_later(60, _close_later(old))

    async def _stop(self, destination_id: str, *, deleted: bool) -> None:
        running = self._running.pop(destination_id)
        await running.lane.stop(patience=5)
        if running.sender:
            await running.sender.close()
        if deleted:
            await self._log.delete_consumer("EVENTS", f"d_{destination_id}")
            await self._log.delete_consumer("RETRY", f"r_{destination_id}")
            for subject in (f"retry.sched.{destination_id}.>", f"retry.due.{destination_id}"):
                await self._log.purge("RETRY", subject)

    def _way(self, destination: Destination) -> Way:
        sender: Sender | None = None
        if destination.settings is not None:
            try:
                sender = CATALOG[destination.type].build(destination, self._ports)
            except Invalid as error:
                telemetry.logger().error(
                    "a destination's settings cannot be used", destination=destination.id, error=str(error)
                )
        return Way(destination, sender, self._pool, self._policy)


def _close_later(sender: Sender) -> Callable[[], None]:
    def close() -> None:
        _closing.add(task := asyncio.ensure_future(sender.close()))
        task.add_done_callback(_closing.discard)

    return close


_closing: set[asyncio.Future[None]] = set()
