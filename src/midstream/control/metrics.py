"""The delivery metrics of a destination: how many attempts ended how, summed over a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import BigInteger, cast, func, select

from midstream.control.act import Act, use_case_on
from midstream.domain.access import Permission
from midstream.domain.window import METRICS, Granularity, granularity_of, window
from midstream.errors import RequestError
from midstream.store.schema import DeliveryCountRow, DestinationRow

# By outcome, in Segment's words for them (segment.md §8.4); the reason follows.
SUCCESSES, DISCARDED, RETRIED, FILTERED = "successes", "errors.discarded", "errors.awaiting-retry", "filtered"
_METRICS = {
    "delivered": SUCCESSES,
    "discarded": DISCARDED,
    "quarantined": DISCARDED,
    "retrying": RETRIED,
    "filtered": FILTERED,
}
# Segment says 30 days by default and 14 at most for days; the lesser is taken.
_SINCE = {
    Granularity.MINUTE: timedelta(hours=1),
    Granularity.HOUR: timedelta(days=7),
    Granularity.DAY: timedelta(days=14),
}


@dataclass(frozen=True, slots=True)
class Summary:
    """The metrics of a destination, all four of them, each with how many there were of what reason."""

    source_id: str
    type: str
    metrics: Mapping[str, Mapping[str, int]]


async def _summary(
    act: Act,
    destination: DestinationRow,
    *,
    source_id: str | None = None,
    granularity: str | None = None,
    start: str | None = None,
    end: str | None = None,
) -> Summary:
    if source_id is not None and source_id not in (destination.source_id, destination.source_id.removeprefix("src_")):
        raise RequestError(404, "not-found", f"the destination has no source with the id {source_id!r}", "sourceId")
    size = granularity_of(granularity or Granularity.MINUTE)
    since = start or _written(act.at - _SINCE[size])
    asked = window(size, since, end or _written(act.at), limits=METRICS, now=act.at)
    row = DeliveryCountRow
    query = (
        select(row.outcome, row.reason, cast(func.sum(row.count), BigInteger))
        .where(row.destination_id == destination.id, row.minute >= asked.start, row.minute < asked.end)
        .group_by(row.outcome, row.reason)
        .order_by(row.outcome, row.reason)
    )
    metrics: dict[str, dict[str, int]] = {name: defaultdict(int) for name in (SUCCESSES, DISCARDED, RETRIED, FILTERED)}
    for outcome, reason, count in await act.session.execute(query):
        name = _METRICS[outcome]
        metrics[name][reason if name == SUCCESSES else f"{name}.{reason}"] += count
    return Summary(destination.source_id, destination.type, metrics)


def _written(at: datetime) -> str:
    return at.isoformat()


delivery_metrics = use_case_on(DestinationRow, _summary, Permission.SOURCE_READ)
