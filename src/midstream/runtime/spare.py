"""One process that is up before there is code for it: whoever needs one next does not wait for Deno.

Enters: how one is started. Leaves: that process, once; then another is started, when those that were waited for are up.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any

from midstream.errors import RuntimeUnavailable
from midstream.runtime.process import Process

# Seconds after a start until the next one is begun in advance, so that it takes no processor from a burst of them.
_LATER = 0.5


class Spare:
    """Holds it. `start` starts one without code, and `room` says whether there may be one more process. Close it."""

    def __init__(self, start: Callable[[], Coroutine[Any, Any, Process]], room: Callable[[], bool]) -> None:
        self._start = start
        self._room = room
        self._coming: asyncio.Task[Process] | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def alive(self) -> bool:
        """Whether it is up or coming up."""
        coming = self._coming
        if coming is None or not coming.done():
            return coming is not None
        return not coming.cancelled() and coming.exception() is None and coming.result().alive

    async def take(self) -> Process | None:
        """Return it, if there is one; it is the caller's to stop."""
        coming, self._coming = self._coming, None
        if coming is None:
            return None
        with contextlib.suppress(RuntimeUnavailable):  # who asked starts one and sees why
            process = await coming
            if process.alive:
                return process
            await process.stop()
        return None

    def restock(self) -> None:
        """Have one started soon, unless there is one."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(_LATER, self._begin)

    async def drop(self) -> None:
        """Stop it, and start none."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        coming, self._coming = self._coming, None
        if coming is not None:
            coming.cancel()
            await asyncio.wait([coming])
            if not coming.cancelled() and coming.exception() is None:
                await coming.result().stop()

    def _begin(self) -> None:
        self._timer = None
        if not self.alive and self._room():
            self._coming = asyncio.create_task(self._start())
