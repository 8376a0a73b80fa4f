"""How often somebody may try to sign in: by account and by address, each within a window of time.

Enters: each attempt. Leaves: how long to wait, if at all. Counts are in memory: they are of one process, and a restart
forgets them.
"""

from __future__ import annotations

import math
import time
from datetime import timedelta
from hashlib import sha256
from ipaddress import IPv6Address, ip_address

from limits import RateLimitItem, RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import FixedWindowRateLimiter

_WINDOW = timedelta(minutes=15)
_ACCOUNT, _ADDRESS = 10, 50  # attempts a window, and of an address the refused ones: an office may share it
_NOTED = 100  # refusals a window that go into the audit trail, whoever they are of


class Throttle:
    """Counts attempts.

    Of an account each counts before it is made, so that many at once are no more than so many one by one, until its owner
    signs in. Of an address only those count that were refused, and no success makes them forgotten.
    """

    def __init__(self, *, account: int = _ACCOUNT, address: int = _ADDRESS, window: timedelta = _WINDOW) -> None:
        self._limiter = FixedWindowRateLimiter(MemoryStorage())
        self._account, self._address, self._once, self._noted = (
            RateLimitItemPerSecond(amount, int(window.total_seconds())) for amount in (account, address, 1, _NOTED)
        )

    async def attempt(self, email: str | None, address: str) -> int | None:
        """Count an attempt; return the seconds to wait when it is one too many, and must not be made."""
        network = network_of(address)
        if not await self._limiter.test(self._address, "address", network):
            return await self._wait(self._address, "address", network)
        if email is not None and not await self._limiter.hit(self._account, "account", _short(email)):
            return await self._wait(self._account, "account", _short(email))
        return None

    async def failed(self, address: str) -> None:
        """Count a refused attempt against its address."""
        await self._limiter.hit(self._address, "address", network_of(address))

    async def succeeded(self, email: str) -> None:
        """Forget an account's attempts."""
        await self._limiter.clear(self._account, "account", _short(email))

    async def worth_noting(self, reason: str, whom: str) -> bool:
        """Say whether a refusal is the first of its kind in this window, and the trail has room for one."""
        if not await self._limiter.hit(self._once, "noted", reason, _short(whom)):
            return False
        return await self._limiter.hit(self._noted, "noted")

    async def _wait(self, item: RateLimitItem, *key: str) -> int:
        stats = await self._limiter.get_window_stats(item, *key)
        return max(1, math.ceil(stats.reset_time - time.time()))


def network_of(address: str) -> str:
    """Return what attempts are counted by: an IPv4 address, or the /64 that one IPv6 customer is given at least."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if not isinstance(found, IPv6Address):
        return address
    return str(found.ipv4_mapped or IPv6Address(int(found) >> 64 << 64))


def _short(text: str) -> str:
    """Return a key of bounded length for whatever was typed."""
    return sha256(text.encode("utf-8", "replace")).hexdigest()
