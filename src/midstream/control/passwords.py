"""Hashes and checks passwords, with argon2id, on threads of its own: hashing is slow on purpose.

Enters: a password. Leaves: what is stored of it, or whether it is the one. Nothing here raises or logs a password.
"""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.profiles import RFC_9106_LOW_MEMORY

from midstream.domain.password import LONGEST, normal
from midstream.errors import Unavailable

T = TypeVar("T")

_AT_ONCE = 2  # each takes 64 MiB
_MOST_WAITING = 32


class Passwords:
    """Hashes with RFC 9106's profile for less memory: 64 MiB, three passes, four lanes. The owner closes it."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher.from_parameters(RFC_9106_LOW_MEMORY)
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="midstream-password")
        self._waiting = 0
        self._nobodys = _nobodys_hash(self._hasher)

    async def hash(self, password: str) -> str:
        """Return what is stored of a password."""
        return await self._work(lambda: self._hasher.hash(normal(password)))

    async def check(self, stored: str | None, password: str) -> bool:
        """Say whether it is the password. Where nothing is stored it takes the same work, and the answer is no."""
        return await self._work(lambda: self._is(stored or self._nobodys, password))

    def outdated(self, stored: str) -> bool:
        """Say whether it was hashed with other parameters than today's."""
        return self._hasher.check_needs_rehash(stored)

    def close(self) -> None:
        """Let the threads go."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _is(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, normal(password[: 2 * LONGEST]))
        except (VerificationError, InvalidHashError):
            return False

    async def _work(self, step: Callable[[], T]) -> T:
        if self._waiting >= _MOST_WAITING:
            raise Unavailable("too many people are signing in at this moment; try again in a minute")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, step)
        finally:
            self._waiting -= 1


def _nobodys_hash(hasher: PasswordHasher) -> str:
    """Make a hash that is no password's, as dear to check as a real one."""
    salt, tag = (
        base64.b64encode(secrets.token_bytes(length)).decode().rstrip("=")
        for length in (hasher.salt_len, hasher.hash_len)
    )
    return f"$argon2id$v=19$m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}${salt}${tag}"
