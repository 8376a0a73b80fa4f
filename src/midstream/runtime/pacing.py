"""Shares one event loop fairly: nobody's requests may keep the others' events waiting.

Enters: whoever wants to begin something. Leaves: at each turn of the loop, a few of them, first come first served.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable


class Pacer:
    """Lets so many in at each turn of the loop; `a_turn` is asked anew for each."""

    def __init__(self, a_turn: Callable[[], int]) -> None:
        self._a_turn = a_turn
        self._left = a_turn()
        self._turning = False
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def enter(self) -> None:
        """Wait until it is one's turn."""
        if self._left and not self._waiting:
            self._left -= 1
            self._turn_later()
            return
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(mine)
        self._turn_later()
        await mine

    def _turn_later(self) -> None:
        if not self._turning:
            self._turning = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        self._turning = False
        self._left = self._a_turn()
        while self._waiting and self._left:
            mine = self._waiting.popleft()
            if not mine.done():  # it was given up
                mine.set_result(None)
                self._left -= 1
        if self._waiting:
            self._turn_later()
