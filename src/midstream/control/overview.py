"""Delivery Overview, events volume and the metrics of a destination: questions to what the event path counted.

Enters: a `Question` as callers write it. Leaves: an `Answer`, or a `RequestError` that names the field. Nothing is changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import select

from midstream.control.act import Act, use_case, use_case_between, use_case_on
from midstream.domain.access import Permission
from midstream.domain.outcome import Stage
from midstream.domain.window import INVALID, OVERVIEW, Window, window
from midstream.errors import RequestError
from midstream.store.schema import DestinationRow, SourceRow
from midstream.store.tally import Counts, Dimension, Tally, ended, nothing, received, rejected, tally

ARRIVAL = (Dimension.EVENT_NAME, Dimension.EVENT_TYPE, Dimension.APP_VERSION)
DISCARD = (*ARRIVAL, Dimension.DISCARD_REASON)
VOLUME = (Dimension.EVENT_NAME, Dimension.EVENT_TYPE, Dimension.SOURCE)
# What Segment can tell apart by, and nothing here has.
_ELSEWHERE = ("subscriptionId", "activationId", "audienceId", "spaceId")


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, in the words of the API, and which of the series are to be told."""

    granularity: str
    start: str
    end: str
    group_by: Sequence[str] = ()
    filters: Mapping[str, Sequence[str]] = field(default_factory=dict)
    offset: int = 0
    limit: int = 200


@dataclass(frozen=True, slots=True)
class Answer:
    """What was counted. `by` says what the values of each series are."""

    window: Window
    by: tuple[Dimension, ...]
    tally: Tally
    retries: bool = False  # whether it is told how many were or will be tried again
    sources: Mapping[str, SourceRow] = field(default_factory=dict)


async def _received(act: Act, source: SourceRow, question: Question) -> Answer:
    return await _answered(act, question, received([source.id]), ARRIVAL)


async def _rejected(act: Act, source: SourceRow, question: Question) -> Answer:
    return await _answered(act, question, rejected(source.id), DISCARD)


async def _kept_back(act: Act, source: SourceRow, question: Question) -> Answer:
    """Nothing is filtered at a source: there are no tracking plans. The question is judged all the same."""
    return await _answered(act, question, nothing(), DISCARD)


async def _filtered(act: Act, source: SourceRow, destination: DestinationRow, question: Question) -> Answer:
    return await _ended(act, source, destination, question, Stage.FILTERED)


async def _failed(act: Act, source: SourceRow, destination: DestinationRow, question: Question) -> Answer:
    return await _ended(act, source, destination, question, Stage.FAILED)


async def _delivered(act: Act, source: SourceRow, destination: DestinationRow, question: Question) -> Answer:
    return await _ended(act, source, destination, question, Stage.DELIVERED)


async def _ended(act: Act, source: SourceRow, destination: DestinationRow, question: Question, stage: Stage) -> Answer:
    if destination.source_id != source.id:
        detail = f"the source has no destination with the id {destination.id!r}"
        raise RequestError(404, "not-found", detail, "destinationConfigId")
    return await _answered(act, question, ended(destination.id, source.id, stage), DISCARD)


async def _volume(act: Act, question: Question, *, source_ids: Sequence[str] = ()) -> Answer:
    """Ask about all sources the caller may read, or some of them."""
    sources = await _named(act, source_ids) if source_ids else await _readable(act)
    answer = await _answered(act, question, received(sources), VOLUME, also=(Dimension.APP_VERSION,))
    return Answer(answer.window, answer.by, answer.tally, sources=sources)


async def _named(act: Act, keys: Sequence[str]) -> dict[str, SourceRow]:
    found = {}
    for key in keys:
        row, subject = await act.find(SourceRow, key)
        act.require(Permission.SOURCE_READ, subject)
        found[row.id] = row
    return found


async def _readable(act: Act) -> dict[str, SourceRow]:
    seen = act.caller.sees(Permission.SOURCE_READ)
    rows = await act.session.scalars(select(SourceRow).where(SourceRow.workspace_id == act.workspace_id))
    return {row.id: row for row in rows if seen is None or row.id in seen}


async def _answered(
    act: Act,
    question: Question,
    counts: Counts,
    allowed: Sequence[Dimension],
    also: Sequence[Dimension] = (),
) -> Answer:
    """Judge the question and ask the database. `also` can be filtered by, but not told apart by."""
    asked = window(question.granularity, question.start, question.end, limits=OVERVIEW, now=act.at)
    by = tuple(dict.fromkeys(_dimension(name, allowed, "groupBy") for name in question.group_by))
    wanted = {
        _dimension(name, [*allowed, *also], f"filter.{name}"): values
        for name, values in question.filters.items()
        if values
    }
    found = await tally(act.session, counts.only(wanted), asked, by, offset=question.offset, limit=question.limit)
    if question.offset and not found.groups:
        detail = "the cursor points behind the end of the list, which has become shorter; begin again without it"
        raise RequestError(422, INVALID, detail, "pagination.cursor")
    return Answer(asked, by, found, retries=counts.retried is not None)


def _dimension(name: str, allowed: Sequence[Dimension], where: str) -> Dimension:
    if name in allowed:
        return Dimension(name)
    why = "midstream has nothing of the kind" if name in _ELSEWHERE else f"{name[:40]!r} is not known here"
    raise RequestError(422, INVALID, f"{why}: expected one of {', '.join(allowed)}", where)


successfully_received = use_case_on(SourceRow, _received, Permission.SOURCE_READ)
failed_on_ingest = use_case_on(SourceRow, _rejected, Permission.SOURCE_READ)
filtered_at_source = use_case_on(SourceRow, _kept_back, Permission.SOURCE_READ)
filtered_at_destination = use_case_between(SourceRow, DestinationRow, _filtered, Permission.SOURCE_READ)
failed_delivery = use_case_between(SourceRow, DestinationRow, _failed, Permission.SOURCE_READ)
successful_delivery = use_case_between(SourceRow, DestinationRow, _delivered, Permission.SOURCE_READ)
# Nobody needs to hold a permission on all sources to see the volume of those they may read.
events_volume = use_case(_volume, Permission.WORKSPACE_READ)
