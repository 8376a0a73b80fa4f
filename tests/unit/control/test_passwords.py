"""Hashing: with which parameters, and as much work for nobody as for somebody."""

from __future__ import annotations

import asyncio

import pytest
from argon2 import PasswordHasher, extract_parameters
from argon2.profiles import CHEAPEST, RFC_9106_LOW_MEMORY

from midstream.control.passwords import Passwords
from midstream.errors import Unavailable


def cheap(time_cost: int = 1) -> Passwords:
    hasher = PasswordHasher.from_parameters(CHEAPEST)
    return Passwords(PasswordHasher(time_cost, hasher.memory_cost, hasher.parallelism))


async def test_a_password_is_known_again_in_any_spelling() -> None:
    passwords = cheap()
    stored = await passwords.hash("cafe\N{COMBINING ACUTE ACCENT} au lait 2026")
    assert await passwords.check(stored, "caf\N{LATIN SMALL LETTER E WITH ACUTE} au lait 2026")
    assert not await passwords.check(stored, "cafe au lait 2026")
    assert not await passwords.check("not a hash", "cafe au lait 2026")


async def test_the_parameters_are_rfc_9106s_and_others_are_outdated() -> None:
    stored = await Passwords().hash("correct horse battery")
    assert extract_parameters(stored) == RFC_9106_LOW_MEMORY
    assert not Passwords().outdated(stored)
    assert Passwords().outdated(await cheap().hash("correct horse battery"))


async def test_nobodys_password_is_hashed_like_somebodys(monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[str] = []
    verify = PasswordHasher.verify

    def seen(self: PasswordHasher, hash: str, password: str) -> bool:  # noqa: A002 # argon2's name
        checked.append(hash)
        return verify(self, hash, password)

    monkeypatch.setattr(PasswordHasher, "verify", seen)
    passwords = cheap()
    assert not await passwords.check(None, "correct horse battery")
    assert [extract_parameters(each) for each in checked] == [extract_parameters(await passwords.hash("x"))]


async def test_the_loop_goes_on_while_it_hashes_and_too_many_are_sent_away() -> None:
    passwords = cheap(time_cost=2)
    results = await asyncio.gather(*(passwords.hash(str(each)) for each in range(40)), return_exceptions=True)
    assert sum(isinstance(each, Unavailable) for each in results) == 8
    assert len({each for each in results if isinstance(each, str)}) == 32
