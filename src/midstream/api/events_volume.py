"""`/events/volume`: how many events came in, over all sources or some, in Segment's shapes."""

from __future__ import annotations

from midstream.api import queries
from midstream.api.counted import WINDOW, Sparse, pagination_of, question_of, texts
from midstream.api.office import TheCall, TheQuery
from midstream.api.paging import PARAMETERS, Pagination
from midstream.api.routing import Routes, Shape
from midstream.control.overview import Answer, events_volume
from midstream.domain.times import iso
from midstream.store.tally import Dimension, Series

routes = Routes("Events")

_PATH = "/events/volume"
_FILTERS = ("eventName", "eventType", "appVersion")
_PARAMETERS = [
    *WINDOW,
    *texts("What to tell apart by: eventName, eventType, source.", "groupBy"),
    *texts("Only these.", "sourceId", *_FILTERS),
    *PARAMETERS,
]


class VolumeQuery(Sparse):
    """What was asked."""

    workspaceId: str
    granularity: str
    startTime: str
    endTime: str
    groupBy: tuple[str, ...] | None = None
    sourceId: tuple[str, ...] | None = None
    eventName: tuple[str, ...] | None = None
    eventType: tuple[str, ...] | None = None
    appVersion: tuple[str, ...] | None = None


class EventSource(Shape):
    """A source."""

    id: str
    name: str
    slug: str


class VolumeDatapoint(Shape):
    """A bucket."""

    time: str
    count: int


class SourceEventVolume(Sparse):
    """What is alike in what it was asked to be told apart by. Buckets with nothing in them are left out."""

    source: EventSource | None = None
    eventName: str | None = None
    eventType: str | None = None
    total: int
    series: tuple[VolumeDatapoint, ...]


class EventsVolume(Shape):
    """How many events came in, the most frequent first."""

    path: str = _PATH
    query: VolumeQuery
    result: tuple[SourceEventVolume, ...]
    pagination: Pagination


@routes.get(_PATH, events_volume, query=_PARAMETERS)
async def getEventsVolumeFromWorkspace(call: TheCall, query: TheQuery) -> EventsVolume:
    """Count the events that were accepted, of the sources the caller may read."""
    sources = queries.texts(query, "sourceId")
    filters = {name: queries.texts(query, name) for name in _FILTERS}
    question, name = question_of(query, "events volume", filters, *sources)
    answer = await events_volume(call, question, source_ids=sources)
    given = {"groupBy": question.group_by, "sourceId": sources, **question.filters}
    asked = VolumeQuery(
        workspaceId=call.caller.workspace_id,
        granularity=answer.window.granularity,
        startTime=question.start,
        endTime=question.end,
        **{name: tuple(values) for name, values in given.items() if values},
    )
    result = tuple(_shaped(answer, series) for series in answer.tally.series)
    return EventsVolume(query=asked, result=result, pagination=pagination_of(answer, question, name))


def _shaped(answer: Answer, series: Series) -> SourceEventVolume:
    values = dict(zip(answer.by, series.values, strict=True))
    row = answer.sources.get(values.get(Dimension.SOURCE, ""))
    return SourceEventVolume(
        source=EventSource(id=row.id, name=row.name, slug=row.slug) if row else None,
        eventName=values.get(Dimension.EVENT_NAME),
        eventType=values.get(Dimension.EVENT_TYPE),
        total=series.total,
        series=tuple(VolumeDatapoint(time=iso(point.time), count=point.count) for point in series.points),
    )
