"""The snapshot a process has, against a database that changes, moves on, or is gone."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text

from midstream.control.sources import create_source
from midstream.secrets import Closed, Vault
from midstream.store.follow import Follower
from midstream.store.session import Sessions
from tests.integration.database import database_url, postgres_server, postgres_url, sessions, vault
from tests.integration.office import call_in

__all__ = ["database_url", "postgres_server", "postgres_url", "sessions", "vault"]


@contextlib.asynccontextmanager
async def following(sessions: Sessions, *, interval: float) -> AsyncIterator[Follower]:
    """Follow a database for the length of a block, from the first snapshot on."""
    follower = Follower(sessions, Closed(), interval=interval)
    running = asyncio.create_task(follower.run())
    try:
        await asyncio.wait_for(follower.ready.wait(), 20)
        yield follower
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_who_looks_sees_what_was_changed_before_however_rarely_is_polled(
    sessions: Sessions, vault: Vault
) -> None:
    call = await call_in(sessions, vault)
    async with following(sessions, interval=60) as follower:
        for number in range(3):
            source = await create_source(call, slug=f"web-{number}", name="Web")
            looks = await asyncio.gather(*(follower.look() for _ in range(50)))
            assert all(looks)
            assert source.id in {each.id for each in follower.snapshot.by_key.values()}


@pytest.mark.parametrize("waiting", [True, False], ids=["waited for", "given up"])
async def test_who_looks_at_a_database_that_does_not_answer_is_told(
    sessions: Sessions, vault: Vault, waiting: bool
) -> None:
    await call_in(sessions, vault)
    async with following(sessions, interval=60) as follower:
        if not waiting:  # who gives up takes nobody's answer away
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(follower.look(), 0)
        async with sessions.begin() as session:
            await session.execute(text("ALTER TABLE revision RENAME TO gone"))
        assert not await follower.look()
        async with sessions.begin() as session:
            await session.execute(text("ALTER TABLE gone RENAME TO revision"))
        assert await follower.look()
