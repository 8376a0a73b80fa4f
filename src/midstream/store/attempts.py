"""Event Delivery's store: how many attempts ended how, a minute, and the last events that were not delivered.

Enters: one message of the log at a time, each applied exactly once. Leaves: counts and samples to look at.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from sqlalchemy import BigInteger, ColumnElement, cast, delete, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from midstream.domain.attempt import Attempt, Sample
from midstream.store.projection import advance, fitting, inserting
from midstream.store.schema import DeliveryCountRow, DeliverySampleRow
from midstream.store.session import Sessions, dialect_of, reading, writing

SAMPLES_KEPT = 20  # for each destination and reason

_KEY = (
    "destination_id",
    "source_id",
    "minute",
    "stage",
    "outcome",
    "reason",
    "type",
    "event",
    "app_version",
    "attempt",
)


class CountRow(msgspec.Struct, frozen=True):
    """Attempts that ended alike, over the time asked for. `first` and `last` are the starts of minutes."""

    destination_id: str
    source_id: str
    stage: str
    outcome: str
    reason: str
    type: str
    event: str
    attempt: int
    count: int
    latency_ms_sum: float
    latency_ms_max: float
    first: datetime
    last: datetime


async def record(
    sessions: Sessions,
    sequence: int,
    attempts: Sequence[Attempt],
    samples: Sequence[Sample] = (),
    *,
    first: int | None = None,
    stream: str = "attempts",
) -> bool:
    """Apply the log message `sequence` of `stream`; False, and no effect, when it was applied before.

    Messages must come in order: a sequence at or below the last one applied counts as applied. Several messages may be
    applied as one by giving the `first` of them; then False means that some were applied before, and the caller begins
    again after `last_applied`. A stream that begins anew at 1 needs a `stream` name of its own.
    """
    counts, kept = _counted(attempts), _last(samples)
    async with writing(sessions) as session:
        if not await advance(session, stream, sequence, sequence if first is None else first):
            return False
        if counts:
            await _add_counts(session, counts)
        if kept:
            await _add_samples(session, kept)
    return True


async def deliveries(
    sessions: Sessions, *, since: datetime, destination: str | None = None, reason: str | None = None
) -> list[CountRow]:
    """Sum the counts of all minutes from the one `since` is in; most frequent first. `destination` is an id."""
    row = DeliveryCountRow
    alike = (row.destination_id, row.source_id, row.stage, row.outcome, row.reason, row.type, row.event, row.attempt)
    count = cast(func.sum(row.count), BigInteger)  # PostgreSQL's sum is a decimal
    query = (
        select(
            *alike,
            count,
            func.sum(row.latency_ms_sum),
            func.max(row.latency_ms_max),
            func.min(row.minute),
            func.max(row.minute),
        )
        .where(row.minute >= since.replace(second=0, microsecond=0), *_matching(row, destination, reason))
        .group_by(*alike)
        .order_by(count.desc(), *alike)
    )
    async with reading(sessions) as session:
        found: Sequence[Sequence[Any]] = (await session.execute(query)).all()
        return [CountRow(*values) for values in found]


async def samples(
    sessions: Sessions,
    *,
    since: datetime | None = None,
    destination: str | None = None,
    reason: str | None = None,
    limit: int = SAMPLES_KEPT,
    latest: bool = False,
) -> list[Sample]:
    """Return the latest events that were not delivered, newest first: of all there are, or of those `since` a time.

    With `latest` an event is there once for each destination and reason, by its last attempt.
    """
    row = DeliverySampleRow
    query = select(row).where(*_matching(row, destination, reason)).order_by(row.id.desc()).limit(limit)
    if since is not None:
        query = query.where(row.at >= since)
    if latest:
        last = select(func.max(row.id)).group_by(row.destination_id, row.source_id, row.reason, row.message_id)
        # What was refused before it had an id is not one event.
        query = query.where(or_(row.message_id == "", row.id.in_(last)))
    async with reading(sessions) as session:
        return [_sample(found) for found in await session.scalars(query)]


async def forget(sessions: Sessions, *, before: datetime) -> None:
    """Drop counts and samples of the time before."""
    async with writing(sessions) as session:
        await session.execute(delete(DeliveryCountRow).where(DeliveryCountRow.minute < before))
        await session.execute(delete(DeliverySampleRow).where(DeliverySampleRow.at < before))


def _matching(
    row: type[DeliveryCountRow | DeliverySampleRow], destination: str | None, reason: str | None
) -> Iterable[ColumnElement[bool]]:
    if destination is not None:
        yield row.destination_id == destination
    if reason is not None:
        yield row.reason == reason


def _sample(row: DeliverySampleRow) -> Sample:
    return Sample(
        destination_id=row.destination_id,
        source_id=row.source_id,
        reason=row.reason,
        at=round(row.at.timestamp() * 1000),
        message_id=row.message_id,
        type=row.type,
        event=row.event,
        attempt=row.attempt,
        body=msgspec.json.decode(row.body),
    )


def _counted(attempts: Sequence[Attempt]) -> list[dict[str, Any]]:
    """Add attempts up by minute and kind, ordered so that two writers cannot wait for each other in a circle."""
    sums: dict[tuple[Any, ...], list[float]] = {}
    for it in attempts:
        names = map(fitting, (it.stage, it.outcome, it.reason, it.type, it.event, it.app_version))
        ids = map(fitting, (it.destination_id, it.source_id))
        key: tuple[Any, ...] = (*ids, it.at // 60_000 * 60, *names, it.attempt)
        total = sums.setdefault(key, [0, 0.0, 0.0])
        total[0] += 1
        total[1] += it.latency_ms
        total[2] = max(total[2], it.latency_ms)
    rows = []
    for key in sorted(sums):
        count, latency_sum, latency_max = sums[key]
        values = dict(zip(_KEY, key, strict=True)) | {"minute": datetime.fromtimestamp(key[2], UTC)}
        rows.append(values | {"count": int(count), "latency_ms_sum": latency_sum, "latency_ms_max": latency_max})
    return rows


def _last(samples: Sequence[Sample]) -> list[dict[str, Any]]:
    """Keep what can survive the trimming, so that a burst of failures writes few rows."""
    kept: dict[tuple[object, ...], deque[dict[str, Any]]] = defaultdict(lambda: deque(maxlen=SAMPLES_KEPT))
    for it in samples:
        row = {
            "destination_id": fitting(it.destination_id),
            "source_id": fitting(it.source_id),
            "reason": fitting(it.reason),
            "at": datetime.fromtimestamp(it.at / 1000, UTC),
            "message_id": fitting(it.message_id),
            "type": fitting(it.type),
            "event": fitting(it.event),
            "attempt": it.attempt,
            "body": msgspec.json.encode(it.body).decode(),
        }
        kept[row["destination_id"], row["source_id"], row["reason"]].append(row)
    return [row for rows in kept.values() for row in rows]


async def _add_counts(session: AsyncSession, rows: list[dict[str, Any]]) -> None:
    insert = inserting(session)(DeliveryCountRow.__table__)
    new, old = insert.excluded, DeliveryCountRow
    greatest = func.max if dialect_of(session) == "sqlite" else func.greatest
    added = insert.on_conflict_do_update(
        index_elements=_KEY,
        set_={
            "count": old.count + new["count"],
            "latency_ms_sum": old.latency_ms_sum + new.latency_ms_sum,
            "latency_ms_max": greatest(old.latency_ms_max, new.latency_ms_max),
        },
    )
    connection = await session.connection()
    await connection.execute(added, rows)


async def _add_samples(session: AsyncSession, rows: list[dict[str, Any]]) -> None:
    connection = await session.connection()
    await connection.execute(inserting(session)(DeliverySampleRow.__table__), rows)
    row = DeliverySampleRow
    for destination, source, reason in {(it["destination_id"], it["source_id"], it["reason"]) for it in rows}:
        alike = (row.destination_id == destination, row.source_id == source, row.reason == reason)
        # The newest of those to go; with fewer than that there is none, and nothing is at or below NULL.
        oldest = select(row.id).where(*alike).order_by(row.id.desc()).offset(SAMPLES_KEPT).limit(1).scalar_subquery()
        await session.execute(delete(row).where(*alike, row.id <= oldest).execution_options(synchronize_session=False))
