"""Who may use a process at once: many batches together, or one suspect alone. First come, first served."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Gate:
    """Lets any number in together, or one alone."""

    def __init__(self) -> None:
        self._inside = 0  # -1: one alone
        self._queue: deque[tuple[asyncio.Future[None], bool]] = deque()

    @asynccontextmanager
    async def together(self) -> AsyncIterator[None]:
        """Enter beside others."""
        await self._enter(alone=False)
        try:
            yield
        finally:
            self._leave()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Enter once everybody has left, and keep others out."""
        await self._enter(alone=True)
        try:
            yield
        finally:
            self._leave()

    def _fits(self, *, alone: bool) -> bool:
        return self._inside == 0 if alone else self._inside >= 0

    def _take(self, *, alone: bool) -> None:
        self._inside = -1 if alone else self._inside + 1

    async def _enter(self, *, alone: bool) -> None:
        if not self._queue and self._fits(alone=alone):
            self._take(alone=alone)
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = (turn, alone)
        self._queue.append(entry)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave()  # let in and cancelled in the same moment
            elif entry in self._queue:
                self._queue.remove(entry)
                self._admit()
            raise

    def _leave(self) -> None:
        self._inside = 0 if self._inside < 0 else self._inside - 1
        self._admit()

    def _admit(self) -> None:
        while self._queue:
            turn, alone = self._queue[0]
            if not turn.cancelled():
                if not self._fits(alone=alone):
                    return
                self._take(alone=alone)
                turn.set_result(None)
            self._queue.popleft()
