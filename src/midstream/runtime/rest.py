"""Sees that a process without work does none.

Asynchronous digests run on threads of Deno's, which no limit of ours reaches: they go on when their event has ended, and
would take a processor from all neighbours for as long as they like.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

_SETTLING = 0.05  # seconds from the end of work to the first look, which only notes what was used
_FIRST = 0.1  # seconds from there to the next one; each further one comes after twice as long
_LAST = 5.0
_SHARE = 0.3  # of a processor: what nothing but such work uses from one look to the next
_TICKS = os.sysconf("SC_CLK_TCK")  # a second


class Rest:
    """The time between two pieces of work of one process. `disturbed` is called when it works on; Linux alone tells.

    `began` and `ended` cost next to nothing, since they are called at each batch: whatever takes time is done at a look.
    """

    def __init__(self, pid: int, disturbed: Callable[[], None]) -> None:
        self._pid = pid
        self._disturbed = disturbed
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._since: float | None = None  # when this rest began; none while there is work
        self._seen = (0.0, 0.0)  # when it was last looked at in this rest, and what was used till then
        self._wait = 0.0  # until the next look; none yet in this rest

    def began(self) -> None:
        """Watch from now on."""
        self._since, self._wait = self._loop.time(), 0.0
        if self._timer is None:
            self._timer = self._loop.call_later(_SETTLING, self._look)

    def ended(self) -> None:
        """There is work again."""
        self._since = None

    def over(self) -> None:
        """Watch no more."""
        self._since = None
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        self._timer = None
        if self._since is None:
            return
        now = self._loop.time()
        settled = self._since + _SETTLING
        if now < settled:  # there was work meanwhile, and another rest began
            self._timer = self._loop.call_at(settled, self._look)
            return
        before, used = self._seen, _processor_seconds(self._pid)
        self._seen = now, used
        if self._wait and used - before[1] > _SHARE * (now - before[0]):
            self._disturbed()
            return
        self._wait = min(2 * self._wait, _LAST) or _FIRST
        self._timer = self._loop.call_later(self._wait, self._look)


def _processor_seconds(pid: int) -> float:
    """Return what all threads of a process have used so far; 0 when it is gone, or where nobody tells."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS
