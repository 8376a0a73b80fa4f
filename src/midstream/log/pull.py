"""Reading from the log: one long poll per consumer, kept topped up.

Written because nats-py's own `fetch` stalled in 9 of 40 tries. A request asks for up to `batch` messages and lives for
`expires` seconds; when half of what was asked for has come, the rest is asked for again. Heartbeats tell a quiet stream
from a lost request.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import nats.errors
from nats.aio.msg import Msg

from midstream.errors import LogUnavailable

if TYPE_CHECKING:
    from midstream.log.client import Log

_EXPIRES = 30.0  # seconds a request lives
_HEARTBEAT = 2.0  # seconds between signs of life
_MOST_BYTES = 8 * 1024 * 1024  # of one request: as much as the largest message, or that would never come


class ConsumerGone(LogUnavailable):
    """The consumer read from is not there any more; whoever reads decides whether to make it again."""


@dataclass(frozen=True, slots=True, eq=False)
class Message:
    """One message of the log, to be acknowledged once by whoever holds it last."""

    log: Log
    subject: str
    data: bytes
    headers: dict[str, str]
    reply: str
    stream: str
    sequence: int
    place: int  # among all that its consumer was sent: 1, 2, 3 …, unless some were lost on their way
    deliveries: int
    at: datetime

    async def ack(self) -> None:
        """Say that everything in it is settled. Lost acks only mean that it comes again."""
        await self._answer(b"+ACK")

    async def working(self) -> None:
        """Ask for as much time again."""
        await self._answer(b"+WPI")

    async def nak(self) -> None:
        """Give it back, to be delivered again at once."""
        await self._answer(b"-NAK")

    async def _answer(self, verb: bytes) -> None:
        try:
            await self.log.client.publish(self.reply, verb)
        except nats.errors.Error as error:
            raise LogUnavailable(f"the event log cannot be answered ({type(error).__name__})") from None


class Pull:
    """Messages of one consumer, in the log's order. One reader; `start` before and `stop` after."""

    def __init__(self, log: Log, stream: str, consumer: str, *, batch: int) -> None:
        self._log = log
        self._subject = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}"
        self._consumer = consumer
        self._batch = batch
        self._outstanding = 0
        self._requests = 0
        self._heard = 0.0
        self._ready: deque[Message] = deque()
        self._wake = asyncio.Event()
        self._gone = False

    async def start(self) -> None:
        """Begin to ask."""
        self._inbox = self._log.client.new_inbox()
        self._subscription = await self._log.client.subscribe(
            f"{self._inbox}.*", cb=self._receive, pending_msgs_limit=-1, pending_bytes_limit=-1
        )
        self._watch = asyncio.create_task(self._watch_heartbeat())
        self._log.on_return.add(self._ask_anew)
        await self._ask()

    async def stop(self) -> None:
        """Stop asking. Messages not taken yet come again later, to somebody else."""
        self._watch.cancel()
        self._log.on_return.discard(self._ask_anew)
        if self._log.connected:
            await self._subscription.unsubscribe()
            for message in self._ready:
                await message.nak()

    @property
    def waiting(self) -> Sequence[Message]:
        """The messages that came and are not taken yet."""
        return tuple(self._ready)

    async def get(self, most: int, most_bytes: int = _MOST_BYTES) -> list[Message]:
        """Wait for at least one message and return up to `most` that are there, and no more than `most_bytes` but for one."""
        while not self._ready:
            if self._gone:
                raise ConsumerGone(f"the consumer {self._consumer} is gone")
            self._wake.clear()
            await self._wake.wait()
        taken = [self._ready.popleft()]
        size = len(taken[0].data)
        while self._ready and len(taken) < most and size + len(self._ready[0].data) <= most_bytes:
            taken.append(self._ready.popleft())
            size += len(taken[-1].data)
        try:
            await self._ask()
        except asyncio.CancelledError:
            self._ready.extendleft(reversed(taken))  # who is cancelled here has taken nothing; `stop` gives it back
            raise
        return taken

    async def _ask(self) -> None:
        missing = self._batch - self._outstanding - len(self._ready)
        if missing < (self._batch + 1) // 2 or self._gone:
            return
        self._requests += 1
        self._outstanding += missing
        self._heard = asyncio.get_running_loop().time()
        request = {
            "batch": missing,
            "max_bytes": _MOST_BYTES,
            "expires": int(_EXPIRES * 1e9),
            "idle_heartbeat": int(_HEARTBEAT * 1e9),
        }
        try:
            await self._log.client.publish(
                self._subject, json.dumps(request).encode(), reply=f"{self._inbox}.{self._requests}"
            )
        except nats.errors.Error:
            self._outstanding -= missing  # the heartbeat watch asks again

    async def _receive(self, message: Msg) -> None:
        self._heard = asyncio.get_running_loop().time()
        status = message.headers.get("Status") if message.headers else None
        if status is None:
            self._outstanding = max(0, self._outstanding - 1)
            self._ready.append(_understood(self._log, message))
            self._wake.set()
        elif status == "100":
            return
        else:
            await self._over(status, message)
        await self._ask()

    async def _over(self, status: str, message: Msg) -> None:
        """Take note that a request ended unfilled: 408 expired, 409 refused or consumer deleted, 503 nobody there."""
        headers = message.headers or {}
        rest = headers.get("Nats-Pending-Messages")
        self._outstanding = max(0, self._outstanding - int(rest)) if rest else 0
        description = headers.get("Description", "")
        if status == "503" or "Consumer Deleted" in description:
            self._gone = True
            self._wake.set()
        elif status == "409" and "Message Size" not in description:
            await asyncio.sleep(0.05)  # e.g. a leader change: do not ask in a tight loop

    async def _watch_heartbeat(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_HEARTBEAT / 2)
            if self._log.connected and loop.time() - self._heard > _HEARTBEAT * 2.2:
                await self._ask_anew()

    async def _ask_anew(self) -> None:
        """Ask as if nothing had been asked: the request went with the connection or the server it was made to."""
        self._outstanding = 0
        await self._ask()


def _understood(log: Log, message: Msg) -> Message:
    """Read what the server says about a message in its reply subject: $JS.ACK.… , 9 tokens, or 11 with a domain."""
    tokens = message.reply.split(".")
    stream, _, deliveries, sequence, place, nanoseconds, _ = tokens[-7:] if len(tokens) == 9 else tokens[-8:-1]
    return Message(
        log=log,
        subject=message.subject,
        data=message.data,
        headers=message.headers or {},
        reply=message.reply,
        stream=stream,
        sequence=int(sequence),
        place=int(place),
        deliveries=int(deliveries),
        at=datetime.fromtimestamp(int(nanoseconds) / 1e9, UTC),
    )
