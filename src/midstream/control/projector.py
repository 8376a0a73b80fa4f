"""Counts what the log says: what came in, and what became of it, with samples; exactly once each.

Enters: the headers of EVENTS, and OUTCOMES. Leaves: rows. How far each reader got stands in the database beside them, in
the same transaction, so neither a crash nor a second projector counts anything twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from midstream.domain.attempt import OUTCOMES, read
from midstream.domain.received import HEADER
from midstream.domain.received import read as counts
from midstream.errors import MidstreamError
from midstream.log import ConsumerGone, Log, Message, Pull
from midstream.store import attempts, received
from midstream.store.projection import last_applied
from midstream.store.received import Arrived
from midstream.store.session import Sessions
from midstream.telemetry import logger


@dataclass(frozen=True, slots=True)
class _Reader:
    """What is read of which stream, and what its messages do to the database; False when they had done it before."""

    stream: str
    name: str  # in the database
    apply: Callable[[Sessions, str, Sequence[Message]], Awaitable[bool]]
    most: int  # messages applied at once
    headers_only: bool = False
    pause: float = 0.0  # seconds after what was there is applied


async def _add_outcomes(sessions: Sessions, name: str, messages: Sequence[Message]) -> bool:
    records = [record for message in messages for record in read(message.data)]
    counted = [attempt for record in records for attempt in record.attempts]
    kept = [sample for record in records for sample in record.samples]
    first, last = messages[0].sequence, messages[-1].sequence
    return await attempts.record(sessions, last, counted, kept, first=first, stream=name)


async def _add_received(sessions: Sessions, name: str, messages: Sequence[Message]) -> bool:
    arrived = [
        Arrived(message.subject.partition(".")[2], message.at, counts(message.headers[HEADER]))
        for message in messages
        if HEADER in message.headers  # an older midstream did not count
    ]
    return await received.record(sessions, name, messages[0].sequence, messages[-1].sequence, arrived)


_READERS = (
    _Reader("OUTCOMES", OUTCOMES, _add_outcomes, most=64),
    # The pause makes this cost ingest's disk no more than two commits a second.
    _Reader("EVENTS", "events", _add_received, most=1024, headers_only=True, pause=0.5),
)


async def project(log: Log, sessions: Sessions) -> None:
    """Follow the log until cancelled."""
    await asyncio.gather(*(_keep_following(log, sessions, reader) for reader in _READERS))


async def _keep_following(log: Log, sessions: Sessions, reader: _Reader) -> None:
    while True:
        try:
            await _follow(log, sessions, reader)
        except ConsumerGone:
            logger().debug("a reader is gone; beginning again from the database's place", stream=reader.stream)
        except MidstreamError as error:
            logger().warning("the log cannot be counted yet", stream=reader.stream, error=str(error))
        except Exception:  # noqa: BLE001 # the top of a loop that must go on
            logger().exception("counting failed; going on", stream=reader.stream)
        await asyncio.sleep(0.5)


async def _follow(log: Log, sessions: Sessions, reader: _Reader) -> None:
    # A log that was set up anew counts from 1 again, so a place is only good for the log it was taken in.
    name = f"{reader.name}@{(await log.stream_info(reader.stream)).created}"
    after = await last_applied(sessions, name)
    consumer = await log.ensure_reader(reader.stream, after=after, headers_only=reader.headers_only)
    pull = Pull(log, reader.stream, consumer, batch=reader.most)
    await pull.start()
    place = 0
    try:
        while True:
            messages = await pull.get(reader.most)
            if [message.place for message in messages] != list(range(place + 1, place + len(messages) + 1)):
                return  # some were lost with a connection, and are not sent again: begin again from where the database is
            place += len(messages)
            if not await reader.apply(sessions, name, messages):
                return  # another projector was here as well: begin again likewise
            if len(messages) < reader.most:
                await asyncio.sleep(reader.pause)
    finally:
        await asyncio.shield(pull.stop())
