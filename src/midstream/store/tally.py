"""Adds counts up: by name, type, reason, app version or source, in buckets of time, a page of the most frequent at once.

Enters: which counts, and what tells them apart. Leaves: totals and series. The database does the adding, so that a month
of minutes costs no more memory here than its days.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    Select,
    String,
    Subquery,
    and_,
    case,
    cast,
    false,
    func,
    literal,
    literal_column,
    select,
    true,
)
from sqlalchemy import type_coerce as taken_as
from sqlalchemy.ext.asyncio import AsyncSession

from midstream.domain.outcome import Stage
from midstream.domain.window import Granularity, Window
from midstream.store.projection import fitting
from midstream.store.schema import DeliveryCountRow, Instant, ReceivedCountRow
from midstream.store.session import dialect_of


class Dimension(StrEnum):
    """What can tell counts apart, as the API spells it."""

    EVENT_NAME = "eventName"
    EVENT_TYPE = "eventType"
    DISCARD_REASON = "discardReason"
    APP_VERSION = "appVersion"
    SOURCE = "source"


@dataclass(frozen=True, slots=True)
class Counts:
    """Which counts: their table, the conditions, and how many of each count were or will be tried again, if that is told."""

    table: type[ReceivedCountRow | DeliveryCountRow]
    where: tuple[ColumnElement[bool], ...]
    retried: ColumnElement[int] | None = None

    def only(self, wanted: Mapping[Dimension, Collection[str]]) -> Counts:
        """Return those of them that have one of the values given, in each dimension given."""
        more = [self.column(each).in_([fitting(value) for value in values]) for each, values in wanted.items()]
        return Counts(self.table, (*self.where, *more), self.retried)

    def column(self, dimension: Dimension) -> Any:
        """Return where a dimension stands in the table."""
        return getattr(self.table, _COLUMNS[dimension])


_COLUMNS = {
    Dimension.EVENT_NAME: "event",
    Dimension.EVENT_TYPE: "type",
    Dimension.DISCARD_REASON: "reason",
    Dimension.APP_VERSION: "app_version",
    Dimension.SOURCE: "source_id",
}


def nothing() -> Counts:
    """Return no counts at all."""
    return Counts(DeliveryCountRow, (false(),))


def received(source_ids: Collection[str]) -> Counts:
    """Return what was accepted from these sources."""
    return Counts(ReceivedCountRow, (ReceivedCountRow.source_id.in_(source_ids),))


def rejected(source_id: str) -> Counts:
    """Return what was refused at ingest."""
    row = DeliveryCountRow
    return Counts(row, (row.destination_id == "", row.source_id == source_id, row.stage == Stage.INGEST))


def ended(destination_id: str, source_id: str, stage: Stage) -> Counts:
    """Return the attempts that ended in a stage. Delivered on retry, or else to be tried again, is told of each."""
    row = DeliveryCountRow
    again = row.attempt > 1 if stage is Stage.DELIVERED else row.outcome == "retrying"
    where = (row.destination_id == destination_id, row.source_id == source_id, row.stage == stage)
    return Counts(row, where, case((again, row.count), else_=0))


@dataclass(frozen=True, slots=True)
class Point:
    """What was counted in one bucket, which began at `time`."""

    time: datetime
    count: int
    retried: int


@dataclass(frozen=True, slots=True)
class Series:
    """What is alike, over time. `values` are those of the dimensions asked for; buckets with nothing in them are not there."""

    values: tuple[str, ...]
    total: int
    retried: int
    points: list[Point] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Tally:
    """A page of series, out of how many, and the total of all of them."""

    total: int
    groups: int
    series: Sequence[Series]


async def tally(
    session: AsyncSession, counts: Counts, window: Window, by: Sequence[Dimension], *, offset: int, limit: int
) -> Tally:
    """Add up what is in the window, the most frequent first."""
    fine = _fine(counts, window, by, dialect_of(session)).cte("fine")
    page = _page(fine, by, offset, limit)
    alike = [page.c[each] == fine.c[each] for each in by]
    query = (
        select(page, fine.c["bucket"], fine.c["count"], fine.c["retried"])
        .join_from(page, fine, and_(true(), *alike))
        .order_by(page.c["total"].desc(), *(page.c[each] for each in by), fine.c["bucket"])
    )
    series: dict[tuple[str, ...], Series] = {}
    groups = whole = 0
    for *values, total, again, groups, whole, time, count, retried in await session.execute(query):  # noqa: B007 # the last's
        each = series.setdefault(tuple(values), Series(tuple(values), total, again))
        each.points.append(Point(time, count, retried))
    return Tally(whole, groups, list(series.values()))


def _page(fine: CTE, by: Sequence[Dimension], offset: int, limit: int) -> Subquery:
    """Choose the groups of a page, and add up each and all."""
    keys = [fine.c[each] for each in by]
    total = _sum(fine.c["count"]).label("total")
    whole = cast(func.sum(func.sum(fine.c["count"])).over(), BigInteger).label("whole")
    again, groups = _sum(fine.c["retried"]).label("again"), func.count().over().label("groups")
    ranked = select(*keys, total, again, groups, whole).group_by(*keys).order_by(total.desc(), *keys)
    return ranked.limit(limit).offset(offset).subquery("page")


def _fine(counts: Counts, window: Window, by: Sequence[Dimension], dialect: str) -> Select[Any]:
    """Add up by bucket and what tells apart: the one pass over the counts, all else is made of its few rows."""
    row = counts.table
    keys = [counts.column(each).label(each) for each in by]
    bucket = _bucket(row.minute, window.granularity, dialect).label("bucket")
    retried = literal(0) if counts.retried is None else counts.retried
    return (
        select(*keys, bucket, _sum(row.count).label("count"), _sum(retried).label("retried"))
        .where(*counts.where, row.minute >= window.start, row.minute < window.end)
        .group_by(*(counts.column(each) for each in by), bucket)
    )


def _sum(column: Any) -> Any:
    return cast(func.sum(column), BigInteger)  # PostgreSQL's sum is a decimal


def _bucket(minute: Any, size: Granularity, dialect: str) -> ColumnElement[datetime]:
    """Return the beginning of the bucket that a minute is in."""
    if size is Granularity.MINUTE:
        return taken_as(minute, Instant())
    if dialect == "sqlite":  # which holds times as text, so that a shorter one is a longer time's beginning
        length, rest = (13, ":00:00.000000") if size is Granularity.HOUR else (10, " 00:00:00.000000")
        text = func.substr(taken_as(minute, String()), literal_column("1"), literal_column(str(length)))
        return taken_as(text.op("||")(literal_column(f"'{rest}'")), Instant())
    # As literals: of two parameters PostgreSQL does not know that they are the same where it groups.
    return taken_as(func.date_trunc(literal_column(f"'{size.lower()}'"), minute, literal_column("'UTC'")), Instant())
