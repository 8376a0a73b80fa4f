"""One destination's way out of the log: pull, deliver, settle, ack.

Enters: messages of two consumers, new events and retries that came due. Leaves: acks, each only after its batch is
settled. Several batches are under way at once; a destination that is down holds up nobody but itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from midstream.domain.topology import Destination
from midstream.errors import MidstreamError, Unavailable
from midstream.log import HOLD, ConsumerGone, Log, Message, Pull
from midstream.pipeline import retries
from midstream.pipeline.deliver import Way, deliver
from midstream.pipeline.hands import Hands
from midstream.pipeline.passage import Passage, begin
from midstream.pipeline.settle import Settler
from midstream.pipeline.slots import Slots
from midstream.telemetry import logger

_KEEP = HOLD / 4  # seconds between signs of life for what is held longer than usual
_PULL_MESSAGES = 100
_ALONE_AFTER = 3  # deliveries of one message
_LONGEST_PAUSE = 60.0  # seconds before a batch that fails is given back
_FORMING = 20  # the default size of a batch for onBatch: as many single events may wait to become one
_BATCH_BYTES = 512 * 1024  # of messages made into one batch; a single larger message is one by itself


@dataclass(frozen=True, slots=True)
class Pace:
    """How much of one destination is handled at once."""

    events: int  # in one crossing into a function or to the destination
    batches: int  # under way at once


class Lane:
    """Delivers one destination's events while it runs. `way` may be swapped at any time; the next batch takes it."""

    def __init__(self, log: Log, settler: Settler, way: Way, pace: Pace, *, paused: Callable[[], bool]) -> None:
        self.way = way
        self._log = log
        self._settler = settler
        self._pace = pace
        self._paused = paused
        self._hands = Hands()
        self._pulls: set[Pull] = set()
        self._batches: set[asyncio.Task[None]] = set()
        self._loops: list[asyncio.Task[None]] = []
        self._stopping = False

    @property
    def _destination(self) -> Destination:
        return self.way.destination

    def start(self) -> None:
        """Begin to pull."""
        self._loops = [
            asyncio.create_task(self._for_ever(self._pull_events)),
            asyncio.create_task(self._for_ever(self._pull_retries)),
            asyncio.create_task(self._keep_alive()),
        ]

    async def stop(self, *, patience: float) -> None:
        """Pull no more, finish what is under way, and give back what is not finished after `patience` seconds."""
        self._stopping = True
        for loop in self._loops[:2]:
            loop.cancel()
        if self._batches:
            await asyncio.wait(self._batches, timeout=patience)
        for batch in self._batches:
            batch.cancel()
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._batches, *self._loops, return_exceptions=True)

    async def _for_ever(self, pull: Callable[[], Coroutine[Any, Any, None]]) -> None:
        while True:
            try:
                await pull()
            except ConsumerGone:
                logger().warning("a consumer is gone; making it again", destination=self._destination.id)
            except Unavailable as error:
                logger().warning(
                    "reading the log failed; trying again", destination=self._destination.id, error=str(error)
                )
            except Exception:  # noqa: BLE001 # the top of a loop that must go on
                logger().exception("lane failed; going on", destination=self._destination.id)
            await asyncio.sleep(0.2)

    async def _pull_events(self) -> None:
        destination = self._destination
        name = f"d_{destination.id}"
        # From the destination's first moment on: what was accepted before it existed is not for it.
        await self._log.ensure_consumer("EVENTS", name, f"events.{destination.source_id}", start=destination.created_at)
        await self._take("EVENTS", name, unpack_new)

    async def _pull_retries(self) -> None:
        name = f"r_{self._destination.id}"
        await self._log.ensure_consumer("RETRY", name, retries.due_subject(self._destination.id))
        await self._take("RETRY", name, retries.come_due)

    async def _take(self, stream: str, consumer: str, unpack: Callable[[Message], list[Passage]]) -> None:
        # New events and retries have slots of their own: neither can keep the other waiting.
        slots = Slots(self._most)
        pull = Pull(self._log, stream, consumer, batch=_PULL_MESSAGES)
        await pull.start()
        self._pulls.add(pull)
        try:
            while True:
                await slots.acquire()
                while stream == "EVENTS" and self._paused():
                    await asyncio.sleep(0.5)
                messages, settled = self._hands.take(await pull.get(self._pace.events, _BATCH_BYTES))
                # What came back again and again goes alone, so that its neighbours need not come back with it.
                alone = [message for message in messages if message.deliveries > _ALONE_AFTER]
                together = [message for message in messages if message.deliveries <= _ALONE_AFTER]
                if not messages:
                    slots.release()
                for number, batch in enumerate([*([together] if together else []), *([each] for each in alone)]):
                    if number:
                        await slots.acquire()
                    self._begin_batch(batch, unpack, slots)
                for message in settled:
                    await message.ack()
        finally:
            self._pulls.discard(pull)
            await asyncio.shield(pull.stop())

    def _most(self) -> int:
        """Return how many batches may be under way.

        Those that wait to be formed into larger ones do little, and would use up a few slots with as few events.
        """
        return self._pace.batches * (_FORMING if self.way.forms else 1)

    def _begin_batch(
        self, messages: Sequence[Message], unpack: Callable[[Message], list[Passage]], slots: Slots
    ) -> None:
        batch = asyncio.create_task(self._handle(tuple(messages), unpack))
        self._batches.add(batch)
        batch.add_done_callback(lambda _: slots.release())
        batch.add_done_callback(self._batches.discard)

    async def _handle(self, messages: tuple[Message, ...], unpack: Callable[[Message], list[Passage]]) -> None:
        """Own these messages until they are acked or given back."""
        try:
            await self._deliver_and_settle(messages, unpack)
        except asyncio.CancelledError:
            await self._give_back(self._hands.let_go(messages))
            raise
        except Exception:  # noqa: BLE001 # the top of a loop that must go on
            # A bug of ours: nothing was settled, so the batch comes again.
            first = messages[0]
            logger().exception(
                "a batch failed and comes again",
                destination=self._destination.id,
                stream=first.stream,
                sequence=first.sequence,
                messages=len(messages),
                deliveries=first.deliveries,
            )
            await asyncio.sleep(min(2.0 ** (first.deliveries - 1), _LONGEST_PAUSE))
            await self._give_back(self._hands.let_go(messages))

    async def _deliver_and_settle(
        self, messages: tuple[Message, ...], unpack: Callable[[Message], list[Passage]]
    ) -> None:
        way = self.way
        passages = [passage for message in messages if not _was_off(way, message) for passage in unpack(message)]
        now = datetime.now(UTC)
        await asyncio.gather(*(deliver(part, way, now) for part in _parts(passages, self._pace.events)))
        if passages:
            await self._settle(passages, way.destination, f"{messages[0].stream}-{messages[0].sequence}")
        self._hands.settle(messages)
        for message in messages:
            await message.ack()

    async def _settle(self, passages: Sequence[Passage], destination: Destination, batch_id: str) -> None:
        """Settle, however long the log is away: the outcome is known, and delivering again would repeat it."""
        while True:
            try:
                await self._settler.settle(passages, destination, batch_id=batch_id)
            except Unavailable as error:
                if self._stopping:
                    raise
                logger().warning("outcomes cannot be stored yet", destination=destination.id, error=str(error))
                await asyncio.sleep(0.5)
            else:
                return

    async def _give_back(self, messages: Sequence[Message]) -> None:
        for message in messages:
            try:
                await message.nak()
            except MidstreamError:
                return  # it comes again by itself

    async def _keep_alive(self) -> None:
        while True:
            await asyncio.sleep(_KEEP)
            for message in [*self._hands.held, *(message for pull in self._pulls for message in pull.waiting)]:
                try:
                    await message.working()
                except MidstreamError:
                    break


def unpack_new(message: Message) -> list[Passage]:
    """Return the passages of a message of EVENTS: first attempts, beginning now."""
    now = datetime.now(UTC)
    return [begin(raw, attempt=1, first=now) for raw in message.data.split(b"\n")]


def _was_off(way: Way, message: Message) -> bool:
    """Whether these events were accepted while the destination was disabled."""
    destination = way.destination
    return (
        message.stream == "EVENTS"
        and destination.disabled_at is not None
        and destination.disabled_at <= message.at < destination.enabled_at
    )


def _parts(passages: Sequence[Passage], size: int) -> list[Sequence[Passage]]:
    return [passages[start : start + size] for start in range(0, len(passages), size)]
