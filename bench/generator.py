"""The load generator, a process of its own: replays a file of requests over kept connections, one under way on each.

Enters: orders as one JSON argument. Leaves: what was answered, when, and how busy this process itself was, as JSON. Where
`cpu` is near 1, it is the generator that is measured.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter, deque
from pathlib import Path
from typing import cast

import msgspec
import uvloop

from bench import traffic


class Orders(msgspec.Struct, frozen=True):
    """What to send where. With `rate`, requests leave at that pace; otherwise as fast as they are answered."""

    port: int
    requests: str  # a file of `bench.traffic`
    connections: int
    seconds: float = 0  # how long to repeat the file; 0: send it once
    rate: float = 0  # requests a second
    times: bool = False  # report when each request left and was answered


class Report(msgspec.Struct, frozen=True):
    """What came of it. Times are nanoseconds of the machine's monotonic clock."""

    requests: int
    statuses: dict[int, int]
    began: int
    ended: int
    cpu: float  # of this process, as a share of one core
    sent: list[int] = []
    answered: list[int] = []

    @property
    def seconds(self) -> float:
        """How long it took."""
        return (self.ended - self.began) / 1e9


class _Load:
    """The requests, and what became of them."""

    def __init__(self, orders: Orders) -> None:
        self.orders = orders
        self.requests = traffic.read(Path(orders.requests))
        self.statuses: Counter[int] = Counter()
        self.sent: list[int] = []
        self.answered = [0] * len(self.requests) if orders.times else []
        # Taken in turns: the server closes who asks nothing for some seconds.
        self.idle: deque[_Connection] = deque()
        self.done = asyncio.get_running_loop().create_future()
        self.under_way = 0
        self.next = 0
        self.deadline = 0
        self.over = False  # nothing more is to be sent

    def take(self) -> int | None:
        """Return the number of the request to send next; None when all is sent."""
        late = time.monotonic_ns() >= self.deadline if self.deadline else self.next >= len(self.requests)
        if late:
            self.over = True
            return None
        self.next += 1
        return self.next - 1

    def fail(self, why: str) -> None:
        if not self.done.done():
            self.done.set_exception(ConnectionError(why))


class _Connection(asyncio.Protocol):
    """Sends a request, waits for its answer, sends the next."""

    def __init__(self, load: _Load) -> None:
        self._load = load
        self._received = b""
        self._number = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's does not say so
        self._load.idle.append(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._load.fail(f"the server closed a connection: {exc}")

    def send(self, number: int) -> None:
        load = self._load
        self._number = number
        load.under_way += 1
        if load.orders.times:
            load.sent.append(time.monotonic_ns())
        self._transport.write(load.requests[number % len(load.requests)])

    def data_received(self, data: bytes) -> None:
        self._received = received = self._received + data if self._received else data
        end = received.find(b"\r\n\r\n")
        if end < 0 or len(received) < end + 4 + _content_length(received[:end]):
            return
        self._received = b""
        load = self._load
        load.statuses[int(received[9:12])] += 1
        if load.orders.times:
            load.answered[self._number] = time.monotonic_ns()
        load.under_way -= 1
        if load.orders.rate:
            load.idle.append(self)
        elif (number := load.take()) is not None:
            self.send(number)
            return
        if load.over and not load.under_way and not load.done.done():
            load.done.set_result(None)


def _content_length(head: bytes) -> int:
    at = head.lower().find(b"content-length:") + len(b"content-length:")
    return int(head[at:].split(b"\r", 1)[0])


async def _generate(orders: Orders) -> Report:
    load = _Load(orders)
    loop = asyncio.get_running_loop()
    for _ in range(orders.connections):
        await loop.create_connection(lambda: _Connection(load), "127.0.0.1", orders.port)
    began, cpu = time.monotonic_ns(), time.process_time()
    load.deadline = began + int(orders.seconds * 1e9) if orders.seconds else 0
    if orders.rate:
        await _pace(load, began)
    else:
        for connection in load.idle:
            if (number := load.take()) is not None:
                connection.send(number)
    await load.done
    ended = time.monotonic_ns()
    share = (time.process_time() - cpu) / ((ended - began) / 1e9)
    return Report(load.statuses.total(), dict(load.statuses), began, ended, share, load.sent, load.answered)


async def _pace(load: _Load, began: int) -> None:
    for number in range(len(load.requests)):
        due = began / 1e9 + number / load.orders.rate
        await asyncio.sleep(max(0.0, due - time.monotonic()))
        if load.done.done():
            return
        while not load.idle:  # the server is behind, so the request leaves late
            await asyncio.sleep(0.001)
        load.over = number == len(load.requests) - 1
        load.idle.popleft().send(number)


def main() -> None:
    """Send, and print the report."""
    orders = msgspec.json.decode(sys.argv[1], type=Orders)
    report = uvloop.run(_generate(orders))
    sys.stdout.buffer.write(msgspec.json.encode(report))


if __name__ == "__main__":
    main()
