"""Counts what the log says happened: Event Delivery's numbers and samples, exactly once each.

Enters: the OUTCOMES stream. Leaves: rows. How far it got stands in the database beside them, in the same transaction, so
neither a crash nor a second projector counts anything twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from midstream.domain.attempt import OUTCOMES, read
from midstream.errors import MidstreamError
from midstream.log import ConsumerGone, Log, Message, Pull
from midstream.store import attempts
from midstream.store.session import Sessions
from midstream.telemetry import logger

_STREAM = "OUTCOMES"


async def project(log: Log, sessions: Sessions) -> None:
    """Follow the outcomes until cancelled."""
    while True:
        try:
            await _follow(log, sessions)
        except ConsumerGone:
            logger().debug("outcomes reader is gone; beginning again from the database's place")
        except MidstreamError as error:
            logger().warning("outcomes cannot be counted yet", error=str(error))
        except Exception:  # noqa: BLE001 # the top of a loop that must go on
            logger().exception("counting outcomes failed; going on")
        await asyncio.sleep(0.5)


async def _follow(log: Log, sessions: Sessions) -> None:
    # A log that was set up anew counts from 1 again, so a place is only good for the log it was taken in.
    stream = f"{OUTCOMES}@{(await log.stream_info(_STREAM)).created}"
    after = await attempts.last_applied(sessions, stream=stream)
    pull = Pull(log, _STREAM, await log.ensure_reader(_STREAM, after=after), batch=64)
    await pull.start()
    try:
        while True:
            if not await _apply(await pull.get(64), sessions, stream):
                return  # another projector was here as well: begin again from where the database is
    finally:
        await asyncio.shield(pull.stop())


async def _apply(messages: Sequence[Message], sessions: Sessions, stream: str) -> bool:
    records = [record for message in messages for record in read(message.data)]
    counted = [attempt for record in records for attempt in record.attempts]
    kept = [sample for record in records for sample in record.samples]
    first, last = messages[0].sequence, messages[-1].sequence
    return await attempts.record(sessions, last, counted, kept, first=first, stream=stream)
