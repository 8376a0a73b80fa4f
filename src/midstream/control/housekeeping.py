"""What has to be done now and then: room in the log, and the end of old counts, audit entries and sessions.

The log keeps events after everybody has them, as history. History gives way when room is needed: only events that an
enabled destination still has before it may ever make the log full.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta

from midstream.control import signed_in
from midstream.domain.topology import Snapshot
from midstream.errors import MidstreamError
from midstream.log import ConsumerInfo, Log, StreamInfo
from midstream.store import attempts, received, trail
from midstream.store.session import Sessions
from midstream.telemetry import logger

_EVERY = 2.0  # seconds
_FULL, _ROOMY = 0.8, 0.6  # of the log's bytes: from where on, and how far, history is dropped
_COUNTS_KEPT = timedelta(days=31)  # Delivery Overview looks back 30 days (segment.md §8.3)
_FORGET_EVERY = timedelta(hours=1)


async def keep_house(
    log: Log, sessions: Sessions, snapshot: Callable[[], Snapshot], *, log_max_bytes: int, audit_max_age: timedelta
) -> None:
    """Keep house until cancelled."""
    forgotten = datetime.min.replace(tzinfo=UTC)
    while True:
        try:
            enabled = [each.id for each in snapshot().destinations.values() if each.enabled]
            await make_room(log, enabled, log_max_bytes)
            if datetime.now(UTC) - forgotten > _FORGET_EVERY:
                forgotten = datetime.now(UTC)
                await attempts.forget(sessions, before=forgotten - _COUNTS_KEPT)
                await received.forget(sessions, before=forgotten - _COUNTS_KEPT)
                await trail.forget(sessions, before=forgotten - audit_max_age)
                await signed_in.forget(sessions, before=forgotten)
        except MidstreamError as error:
            logger().debug("housekeeping waits", error=str(error))
        except Exception:  # noqa: BLE001 # the top of a loop that must go on
            logger().exception("housekeeping failed; going on")
        await asyncio.sleep(_EVERY)


async def make_room(log: Log, enabled: Collection[str], log_max_bytes: int) -> None:
    """Drop the oldest events that no enabled destination needs any more, once the log is nearly full.

    `enabled` are destination ids.
    """
    events = await log.stream_info("EVENTS")
    if events.bytes < _FULL * log_max_bytes:
        return
    names = {f"d_{id_}" for id_ in enabled}
    consumers = await log.consumers("EVENTS")
    if names - consumers.keys():
        return  # a destination is so new that it has not begun to read
    needed = first_needed(events, [info for name, info in consumers.items() if name in names])
    surplus = events.bytes - _ROOMY * log_max_bytes
    wanted = events.first_sequence + int(surplus / (events.bytes / max(events.messages, 1))) + 1
    if (upto := min(needed, wanted)) > events.first_sequence:
        await log.drop_before("EVENTS", upto)
        logger().info("history gave way to new events", dropped=upto - events.first_sequence)


def first_needed(events: StreamInfo, consumers: Collection[ConsumerInfo]) -> int:
    """Return the first sequence that somebody has not acknowledged."""
    unread = [info.floor + 1 for info in consumers if not info.settled]
    return min(unread, default=events.last_sequence + 1)
