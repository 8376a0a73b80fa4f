"""What one process says is heard in slots, in order, and to its end."""

from __future__ import annotations

import asyncio
import itertools
import socket
import time
from collections.abc import Callable
from contextlib import suppress

from midstream.runtime import channel
from midstream.runtime.channel import Channel
from midstream.runtime.protocol import Frame, Kind, ProtocolError, frame


class Ear:
    """A channel and what was heard through it."""

    def __init__(self, on_frame: Callable[[Frame], None] | None = None) -> None:
        self.heard: list[int] = []
        self.bad: list[ProtocolError] = []
        self.closed = asyncio.Event()
        self._on_frame = on_frame
        self.channel = Channel(self._hear, self.bad.append, self.closed.set)

    def _hear(self, received: Frame) -> None:
        self.heard.append(received.id)
        if self._on_frame:
            self._on_frame(received)

    async def connected(self) -> socket.socket:
        """Return the other end."""
        ours, theirs = channel.pair()
        await self.channel.connect(ours)
        return theirs


def take_time(_: Frame) -> None:
    end = time.perf_counter() + 0.0004
    while time.perf_counter() < end:
        pass


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0)


async def test_whoever_says_much_leaves_others_their_turns() -> None:
    ear = Ear(take_time)
    with await ear.connected() as theirs:
        theirs.sendall(b"".join(frame(Kind.LOG, number, b"x" * 100) for number in range(200)))
        at_each_turn = [0]
        while len(ear.heard) < 200:
            await asyncio.sleep(0)
            at_each_turn.append(len(ear.heard))
        assert ear.heard == list(range(200))
        assert max(now - before for before, now in itertools.pairwise(at_each_turn)) < 50
        theirs.sendall(frame(Kind.DONE, 200, b""))
        await until(lambda: ear.heard[-1] == 200)
        ear.channel.close()
        await ear.closed.wait()


async def test_what_was_said_before_the_end_is_heard_before_it() -> None:
    ear = Ear(take_time)
    theirs = await ear.connected()
    theirs.sendall(b"".join(frame(Kind.LOG, number, b"") for number in range(20)))
    theirs.close()
    await ear.closed.wait()
    assert ear.heard == list(range(20))


async def test_noise_is_bad_once_and_closes() -> None:
    ear = Ear()
    with await ear.connected() as theirs:
        theirs.sendall(frame(Kind.LOG, 1, b"") + b"\xff" * 64 + frame(Kind.LOG, 2, b""))
        await ear.closed.wait()
    assert (ear.heard, len(ear.bad)) == ([1], 1)
    with suppress(OSError):
        theirs.close()
