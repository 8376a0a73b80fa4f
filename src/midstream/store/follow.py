"""Keeps a process's snapshot fresh: polls the revision, loads when it moved, and carries on with the old one when it can't."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from midstream.domain.topology import EMPTY, Snapshot
from midstream.errors import StoreUnavailable
from midstream.secrets import Closed, Vault
from midstream.store.session import Sessions
from midstream.store.snapshot import load, revision
from midstream.telemetry import logger

_BREATH = 0.05  # seconds between two looks at least, however many ask for one
_PATIENCE = 5.0  # seconds for a look that somebody waits for

Changed = Callable[[Snapshot], Awaitable[None]]


class Follower:
    """The latest snapshot of a database. `ready` is set once there is one."""

    def __init__(self, sessions: Sessions, vault: Vault | Closed, *, interval: float) -> None:
        self.snapshot: Snapshot = EMPTY
        self.ready = asyncio.Event()
        self._sessions = sessions
        self._vault = vault
        self._interval = interval
        self._failing = False
        self._wanted = asyncio.Event()
        self._next: asyncio.Future[bool] | None = None

    async def look(self) -> bool:
        """Have the database looked at once more, and return whether `snapshot` is now what it held after this was asked.

        All who ask before that look begins share it. False when the database does not answer in time.
        """
        self._next = self._next or asyncio.get_running_loop().create_future()
        self._wanted.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                return await asyncio.shield(self._next)
        return False

    async def run(self, changed: Changed | None = None) -> None:
        """Poll until cancelled; `changed` is awaited with each new snapshot, and again if it failed."""
        while True:
            asked, self._next = self._next, None
            self._wanted.clear()
            fresh = await self._looked(changed)
            if asked:
                asked.set_result(fresh)
            await asyncio.sleep(min(_BREATH, self._interval))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wanted.wait(), self._interval)

    async def _looked(self, changed: Changed | None) -> bool:
        """Take over what is new, and return whether that went well."""
        try:
            if not self.ready.is_set() or await revision(self._sessions) != self.snapshot.revision:
                snapshot = await load(self._sessions, self._vault)
                if changed:
                    await changed(snapshot)
                self.snapshot = snapshot
                self.ready.set()
                logger().info("configuration taken over", revision=snapshot.revision)
            self._failing = False
        except StoreUnavailable as error:
            if not self._failing:
                logger().error("the database does not answer; going on with what is known", error=str(error))
            self._failing = True
            return False
        except Exception:  # noqa: BLE001 # the top of a loop that must go on
            logger().exception("a configuration could not be taken over; trying again")
            return False
        return True
