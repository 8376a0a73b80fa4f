"""How many batches of one destination are under way at once, where that number may change meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

_LOOK_AGAIN = 0.25  # seconds after which whoever waits asks for the limit anew


class Slots:
    """Hands out as many slots as `limit` says at the moment."""

    def __init__(self, limit: Callable[[], int]) -> None:
        self._limit = limit
        self._taken = 0
        self._freed = asyncio.Event()

    async def acquire(self) -> None:
        """Take a slot, once there is one."""
        while self._taken >= self._limit():
            self._freed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_AGAIN):
                    await self._freed.wait()
        self._taken += 1

    def release(self) -> None:
        """Give a slot back."""
        self._taken -= 1
        self._freed.set()
