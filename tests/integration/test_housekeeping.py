"""History gives way to new events; what a destination still needs does not."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from midstream.control.housekeeping import first_needed, make_room
from midstream.errors import LogUnavailable
from midstream.log import ConsumerInfo, Log, Pull, StreamInfo
from tests.integration.test_log import LAYOUT, serving

LIMIT = 1024 * 1024


async def fill(log: Log) -> int:
    """Append until the log is full; return how many it took."""
    stored = 0
    while True:
        try:
            await log.append("events.src_1", b"x" * 50_000, message_id=f"{stored}")
        except LogUnavailable:
            return stored
        stored += 1


async def take(log: Log, consumer: str, messages: int) -> None:
    pull = Pull(log, "EVENTS", consumer, batch=50)
    await pull.start()
    async with asyncio.timeout(20):
        for _ in range(messages):
            [message] = await pull.get(1)
            await message.ack()
    await pull.stop()


async def until_acknowledged(log: Log, consumer: str, floor: int) -> None:
    async with asyncio.timeout(20):
        while (await log.consumers("EVENTS"))[consumer].floor < floor:
            await asyncio.sleep(0.02)


async def small(log: Log) -> None:
    layout: Any = LAYOUT | {"max_bytes": LIMIT}
    await log.lay_out(**layout)
    for destination in ("a", "b"):
        await log.ensure_consumer("EVENTS", f"d_{destination}", "events.src_1")


async def test_a_log_full_of_what_everybody_has_takes_new_events_again(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, log):
        await small(log)
        stored = await fill(log)
        for destination in ("a", "b"):
            await take(log, f"d_{destination}", stored)
            await until_acknowledged(log, f"d_{destination}", stored)
        await make_room(log, ["a", "b"], LIMIT)
        await log.append("events.src_1", b"new", message_id="new")
        assert (await log.stream_info("EVENTS")).messages > 1, "only as much history goes as is needed"


async def test_what_one_enabled_destination_still_needs_stays_and_what_only_a_disabled_one_would_goes(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as (_, log):
        await small(log)
        stored = await fill(log)
        await take(log, "d_a", stored)
        await take(log, "d_b", 3)
        await until_acknowledged(log, "d_a", stored)
        await until_acknowledged(log, "d_b", 3)
        await make_room(log, ["a", "b"], LIMIT)
        assert (await log.stream_info("EVENTS")).first_sequence == 4
        await make_room(log, ["a"], LIMIT)
        assert (await log.stream_info("EVENTS")).first_sequence > 4


async def test_a_destination_that_has_not_begun_to_read_keeps_everything(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, log):
        await small(log)
        stored = await fill(log)
        await take(log, "d_a", stored)
        await make_room(log, ["a", "new"], LIMIT)
        assert (await log.stream_info("EVENTS")).first_sequence == 1


@pytest.mark.parametrize(
    ("consumers", "needed"),
    [
        ([], 101),
        ([ConsumerInfo(0, 60, settled=True)], 101),  # it saw nothing of its own after 60
        ([ConsumerInfo(5, 60, settled=False), ConsumerInfo(0, 100, settled=True)], 61),
        ([ConsumerInfo(100, 0, settled=False)], 1),
    ],
)
def test_the_first_that_is_needed_is_after_the_lowest_floor(consumers: list[ConsumerInfo], needed: int) -> None:
    assert first_needed(StreamInfo(100, 1, 1, 100, ""), consumers) == needed
