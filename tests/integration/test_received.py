"""What came in is counted from the headers of the log's messages: all of it, each event once."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from midstream.control import projector
from midstream.control.projector import project
from midstream.domain.received import Kind
from midstream.log import Appender, Log, Message, Pull
from midstream.store.projection import last_applied
from midstream.store.received import Arrived, forget, record
from midstream.store.schema import ReceivedCountRow
from midstream.store.session import Sessions, reading
from tests.integration.database import database_url, postgres_server, postgres_url, sessions
from tests.integration.test_log import serving

__all__ = ["database_url", "postgres_server", "postgres_url", "sessions"]

NOON = datetime(2026, 3, 1, 12, 0, 59, 999_999, tzinfo=UTC)
PAID: Kind = ("track", "Paid", "1.2")


async def counted(sessions: Sessions) -> Counter[tuple[str, str, str, str]]:
    row = ReceivedCountRow
    async with reading(sessions) as session:
        query = select(row.source_id, row.type, row.event, row.app_version, row.count)
        found: Counter[tuple[str, str, str, str]] = Counter()
        for source_id, type_, event, version, count in await session.execute(query):
            found[source_id, type_, event, version] += count
        return found


async def until_counted(sessions: Sessions, events: int) -> Counter[tuple[str, str, str, str]]:
    async with asyncio.timeout(20):
        while (found := await counted(sessions)).total() < events:
            await asyncio.sleep(0.05)
    return found


@contextlib.asynccontextmanager
async def projecting(log: Log, sessions: Sessions, projectors: int = 1) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(project(log, sessions)) for _ in range(projectors)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_messages_are_added_up_by_minute_and_once(sessions: Sessions) -> None:
    early = Arrived("src_1", NOON, Counter({PAID: 2, ("page", "Home", ""): 1}))
    late = Arrived("src_1", NOON + timedelta(microseconds=1), Counter({PAID: 3}))
    assert await record(sessions, "events", 1, 2, [early, late])
    assert not await record(sessions, "events", 2, 3, [late, late])
    assert await record(sessions, "events", 9, 9, [early])
    assert await last_applied(sessions, "events") == 9
    assert await counted(sessions) == {("src_1", *PAID): 7, ("src_1", "page", "Home", ""): 2}
    row = ReceivedCountRow
    async with reading(sessions) as session:
        minutes = (await session.execute(select(row.minute, func.sum(row.count)).group_by(row.minute))).all()
    start = NOON.replace(second=0, microsecond=0)
    assert {minute: int(count) for minute, count in minutes} == {start: 6, start + timedelta(minutes=1): 3}


async def test_what_brought_nothing_counts_as_applied(sessions: Sessions) -> None:
    assert await record(sessions, "events", 1, 5, [])
    assert await last_applied(sessions, "events") == 5


async def test_old_counts_are_forgotten(sessions: Sessions) -> None:
    await record(sessions, "events", 1, 1, [Arrived("src_1", NOON, Counter({PAID: 2}))])
    await forget(sessions, before=NOON.replace(second=0, microsecond=0))
    assert await counted(sessions)
    await forget(sessions, before=NOON)
    assert not await counted(sessions)


@pytest.mark.parametrize("name", ["x" * 5000, "🎉" * 5000, "a\0b", "half \ud800 pair", ""])
async def test_no_name_an_event_may_have_stops_the_counting(sessions: Sessions, name: str) -> None:
    assert await record(sessions, "events", 1, 1, [Arrived("src_1", NOON, Counter({("track", name, name): 1}))])
    assert (await counted(sessions)).total() == 1


async def test_two_projectors_count_what_was_appended_once(sessions: Sessions, tmp_path: Path) -> None:
    async with serving(tmp_path / "log") as (_, log):
        events = Appender(log, queue_bytes=1 << 26, patience=5)
        sent: Counter[tuple[str, str, str, str]] = Counter()

        def put(number: int) -> asyncio.Future[None]:
            kind: Kind = ("track", f"Event {number % 7}", "")
            source, lines = f"src_{number % 3}", 1 + number % 5
            sent[source, *kind] += lines
            return events.put(f"events.{source}", b"{}\n" * lines, [kind] * lines)

        await asyncio.gather(*(put(number) for number in range(500)))
        async with projecting(log, sessions, projectors=2):
            assert await until_counted(sessions, sent.total()) == sent
            await asyncio.gather(*(put(number) for number in range(500)))
            assert await until_counted(sessions, sent.total()) == sent
        # One that begins anew goes on where these stopped.
        async with projecting(log, sessions):
            await put(1)
            assert await until_counted(sessions, sent.total()) == sent


async def test_what_is_lost_on_its_way_to_the_projector_is_read_again(
    sessions: Sessions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost: list[Message] = []

    class Losing(Pull):
        """Loses a message, as it may go with a connection that breaks."""

        async def get(self, most: int, most_bytes: int = 1 << 20) -> list[Message]:
            messages = await super().get(most, most_bytes)
            if not lost:
                lost.append(messages.pop(0))
            return messages or await super().get(most, most_bytes)

    monkeypatch.setattr(projector, "Pull", Losing)
    async with serving(tmp_path / "log") as (_, log), projecting(log, sessions):
        events = Appender(log, queue_bytes=1 << 26, patience=5)
        for _ in range(5):
            await events.put("events.src_1", b"{}\n", [PAID])
        assert await until_counted(sessions, 5) == {("src_1", *PAID): 5}
    assert lost


async def test_messages_without_counts_are_passed_over(sessions: Sessions, tmp_path: Path) -> None:
    async with serving(tmp_path / "log") as (_, log):
        await log.append("events.src_1", b"{}", message_id="of an older midstream")
        events = Appender(log, queue_bytes=1 << 26, patience=5)
        await events.put("events.src_1", b"{}\n", [PAID])
        async with projecting(log, sessions):
            assert await until_counted(sessions, 1) == {("src_1", *PAID): 1}


async def test_many_sources_in_one_commit_are_told_apart(sessions: Sessions, tmp_path: Path) -> None:
    async with serving(tmp_path / "log") as (_, log):
        events = Appender(log, queue_bytes=1 << 26, patience=5)
        await asyncio.gather(
            *(
                events.put(f"events.src_{number % 20}", b"{}\n", [("track", "Ünï 🎉" * 200, "")])
                for number in range(400)
            )
        )
        async with projecting(log, sessions):
            found = await until_counted(sessions, 400)
    assert set(found.values()) == {20}
    assert len(found) == 20
