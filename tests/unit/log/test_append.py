"""How lines are packed into messages, and when these leave."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import cast

import pytest

from midstream.domain.received import HEADER, Kind, read
from midstream.errors import LogUnavailable
from midstream.log import Appender, Log
from midstream.log.append import FLUSHES, MESSAGE_BYTES, MESSAGE_LINES, _messages


@pytest.mark.parametrize(
    ("sizes", "messages"),
    [
        ([10], 1),
        ([10] * MESSAGE_LINES, 1),
        ([10] * (MESSAGE_LINES + 1), 2),
        ([MESSAGE_BYTES // 2, MESSAGE_BYTES // 2 - 1], 1),
        ([MESSAGE_BYTES // 2, MESSAGE_BYTES // 2], 2),
        ([MESSAGE_BYTES + 1], 1),
        ([5, MESSAGE_BYTES + 1, 5], 3),
        ([MESSAGE_BYTES // 4] * 9, 3),
    ],
)
def test_lines_are_packed_in_their_order_into_as_few_messages_as_the_caps_allow(
    sizes: list[int], messages: int
) -> None:
    lines = [b"%d" % (number % 10) * size for number, size in enumerate(sizes)]
    bodies = [body for body, _ in _messages([line + b"\n" for line in lines], [])]
    assert len(bodies) == messages
    assert b"\n".join(bodies) == b"\n".join(lines)
    for body in bodies:
        assert body.count(b"\n") < MESSAGE_LINES
        assert len(body) <= MESSAGE_BYTES or b"\n" not in body


def test_each_message_says_what_it_holds_itself() -> None:
    kinds: list[Kind] = [("track", f"{number // 900}", "") for number in range(2500)]
    told = [
        (body.count(b"\n") + 1, dict(read(headers[HEADER])))
        for body, headers in _messages([b"x\n"] * len(kinds), kinds)
    ]
    assert told == [
        (1000, {("track", "0", ""): 900, ("track", "1", ""): 100}),
        (1000, {("track", "1", ""): 800, ("track", "2", ""): 200}),
        (500, {("track", "2", ""): 500}),
    ]


class SlowDisk:
    """A log that stores what it is sent when the test says so."""

    def __init__(self) -> None:
        self.sent: list[list[bytes]] = []
        self._stored: list[asyncio.Future[None]] = []

    async def append(
        self, subject: str, payload: bytes, *, message_id: str, headers: Mapping[str, str], patience: float
    ) -> int:
        self.sent.append(payload.split(b"\n"))
        self._stored.append(asyncio.get_running_loop().create_future())
        await self._stored[-1]
        return len(self.sent)

    async def store(self, number: int, error: LogUnavailable | None = None) -> None:
        if error:
            self._stored[number].set_exception(error)
        else:
            self._stored[number].set_result(None)
        await settled()

    def appender(self) -> Appender:
        return Appender(cast("Log", self), queue_bytes=1 << 30, patience=5)


async def settled() -> None:
    for _ in range(10):  # a turn each for the flush, its store and whoever waits for it
        await asyncio.sleep(0)


async def test_what_comes_while_a_message_is_stored_waits_for_it_and_leaves_together() -> None:
    disk = SlowDisk()
    appender = disk.appender()
    first = appender.put("events.a", b"0\n")
    await settled()
    others = [appender.put("events.a", b"%d\n" % number) for number in range(1, MESSAGE_LINES)]
    await settled()
    assert disk.sent == [[b"0"]]
    await disk.store(0)
    assert first.done()
    assert disk.sent[1:] == [[b"%d" % number for number in range(1, MESSAGE_LINES)]]
    assert not any(other.done() for other in others)
    await disk.store(1)
    assert all(other.done() for other in others)
    await appender.drain()


@pytest.mark.parametrize("line", [b"x", b"x" * (MESSAGE_BYTES // 4 - 1)])
async def test_a_full_message_leaves_before_the_last_one_is_stored_and_no_third_one_does(line: bytes) -> None:
    disk = SlowDisk()
    appender = disk.appender()
    appender.put("events.a", b"first\n")
    await settled()
    puts = [appender.put("events.a", line + b"\n") for _ in range(MESSAGE_LINES * FLUSHES + 1)]
    await settled()
    assert len(disk.sent) == FLUSHES
    await disk.store(1)
    assert puts[0].done()
    assert len(disk.sent) == FLUSHES + 1
    for number in (0, *range(2, 1000)):
        if number == len(disk.sent):
            break
        await disk.store(number)
    await appender.drain()
    assert [line for sent in disk.sent for line in sent] == [b"first", *[line] * len(puts)]
    assert all(put.done() and not put.exception() for put in puts)


async def test_one_message_that_fails_takes_none_of_the_others_with_it() -> None:
    disk = SlowDisk()
    appender = disk.appender()
    first = appender.put("events.a", b"first\n")
    await settled()
    full = appender.put("events.a", b"x\n" * MESSAGE_LINES)
    await settled()
    await disk.store(0, LogUnavailable("the event log is full"))
    await disk.store(1)
    assert isinstance(first.exception(), LogUnavailable)
    assert full.exception() is None
    await appender.drain()


async def test_waiting_for_it_ends_as_soon_as_the_last_message_is_stored() -> None:
    disk = SlowDisk()
    appender = disk.appender()
    put = appender.put("events.a", b"x\n")
    await asyncio.sleep(0)
    disk._stored[0].set_result(None)
    async with asyncio.timeout(5):
        await put  # the flush is done in this turn, and the loop has told nobody yet
        await appender.drain()
