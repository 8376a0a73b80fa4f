"""How many events came from which source, of which kind, a minute.

Enters: the counts of messages of the log, each applied exactly once. Leaves: rows, which `store.tally` reads.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import delete

from midstream.domain.received import Kind
from midstream.store.projection import advance, fitting, inserting
from midstream.store.schema import ReceivedCountRow
from midstream.store.session import Sessions, writing


class Arrived(msgspec.Struct, frozen=True):
    """What one message of the log brought."""

    source_id: str
    at: datetime
    kinds: Counter[Kind]


class _Key(NamedTuple):
    source_id: str
    minute: datetime
    type: str
    event: str
    app_version: str


async def record(sessions: Sessions, stream: str, first: int, last: int, arrived: Iterable[Arrived]) -> bool:
    """Add what the messages from `first` to `last` of `stream` brought; False, and no effect, if one was added before.

    Messages must come in order. After False the caller begins again after `last_applied`.
    """
    rows = _counted(arrived)
    async with writing(sessions) as session:
        if not await advance(session, stream, last, first):
            return False
        if rows:
            insert = inserting(session)(ReceivedCountRow.__table__)
            added = insert.on_conflict_do_update(
                index_elements=_Key._fields, set_={"count": ReceivedCountRow.count + insert.excluded["count"]}
            )
            await (await session.connection()).execute(added, rows)
    return True


async def forget(sessions: Sessions, *, before: datetime) -> None:
    """Drop the counts of the time before."""
    async with writing(sessions) as session:
        await session.execute(delete(ReceivedCountRow).where(ReceivedCountRow.minute < before))


def _counted(arrived: Iterable[Arrived]) -> list[dict[str, Any]]:
    """Add up by minute and kind, ordered so that two writers cannot wait for each other in a circle."""
    counts: Counter[_Key] = Counter()
    for each in arrived:
        minute = each.at.replace(second=0, microsecond=0)
        for (type_, event, version), count in each.kinds.items():
            counts[_Key(fitting(each.source_id), minute, fitting(type_), fitting(event), fitting(version))] += count
    return [key._asdict() | {"count": counts[key]} for key in sorted(counts)]
