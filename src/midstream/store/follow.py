"""Keeps a process's snapshot fresh: polls the revision, loads when it moved, and carries on with the old one when it can't."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from midstream.domain.topology import EMPTY, Snapshot
from midstream.errors import StoreUnavailable
from midstream.secrets import Closed, Vault
from midstream.store.session import Sessions
from midstream.store.snapshot import load, revision
from midstream.telemetry import logger


class Follower:
    """The latest snapshot of a database. `ready` is set once there is one."""

    def __init__(self, sessions: Sessions, vault: Vault | Closed, *, interval: float) -> None:
        self.snapshot: Snapshot = EMPTY
        self.ready = asyncio.Event()
        self._sessions = sessions
        self._vault = vault
        self._interval = interval

    async def run(self, changed: Callable[[Snapshot], Awaitable[None]] | None = None) -> None:
        """Poll until cancelled; `changed` is awaited with each new snapshot, and again if it failed."""
        failing = False
        while True:
            try:
                if not self.ready.is_set() or await revision(self._sessions) != self.snapshot.revision:
                    snapshot = await load(self._sessions, self._vault)
                    if changed:
                        await changed(snapshot)
                    self.snapshot = snapshot
                    self.ready.set()
                    logger().info("configuration taken over", revision=snapshot.revision)
                failing = False
            except StoreUnavailable as error:
                if not failing:
                    logger().error("the database does not answer; going on with what is known", error=str(error))
                failing = True
            except Exception:  # noqa: BLE001 # the top of a loop that must go on
                logger().exception("a configuration could not be taken over; trying again")
            await asyncio.sleep(self._interval)
