"""How often a caller may ask: so many requests a minute, in a moving window, kept in the control process's memory.

Enters: who asks. Leaves: Segment's three headers (segment.md §7.1), or a 429 with Retry-After.
"""

from __future__ import annotations

import time
from email.utils import formatdate
from math import ceil

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from midstream.errors import TooManyRequests


class Rates:
    """Counts the requests of each caller."""

    def __init__(self, a_minute: int) -> None:
        self._item = RateLimitItemPerMinute(a_minute)
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def count(self, caller: str) -> dict[str, str]:
        """Count a request; return the headers of its answer. Raises TooManyRequests."""
        allowed = self._limiter.hit(self._item, caller)
        reset, remaining = self._limiter.get_window_stats(self._item, caller)
        headers = {
            "X-RateLimit-Consumed": str(self._item.amount - remaining),
            "X-RateLimit-Remaining": str(remaining),
            "X-RateLimit-Reset": formatdate(reset, usegmt=True),
        }
        if not allowed:
            wait = max(1, ceil(reset - time.time()))
            raise TooManyRequests(f"over {self._item.amount} requests a minute: wait {wait} s", wait, headers)
        return headers
