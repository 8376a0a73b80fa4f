"""`/delivery-overview`: what became of a source's events, stage by stage, in Segment's shapes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from midstream.api import queries
from midstream.api.counted import WINDOW, Sparse, pagination_of, parameter, question_of, texts
from midstream.api.office import TheCall, TheQuery
from midstream.api.paging import PARAMETERS, Pagination
from midstream.api.routing import Routes, Shape
from midstream.control import overview
from midstream.control.act import Call, UseCase
from midstream.control.overview import Answer, Question
from midstream.domain.times import iso

routes = Routes("Delivery Overview")

_FILTER = {
    "name": "filter",
    "in": "query",
    "style": "deepObject",
    "explode": True,
    "description": "Values of eventName, eventType, appVersion and, but for what was received, discardReason.",
    "schema": {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "string"}}},
}
_OF_SOURCE = [
    parameter("sourceId", {"type": "string"}, "Of which source.", required=True),
    *WINDOW,
    *texts("What to tell apart by: any of what can be filtered by.", "groupBy"),
    _FILTER,
    *PARAMETERS,
]
_OF_DESTINATION = [
    parameter("destinationConfigId", {"type": "string"}, "Of which destination.", required=True),
    *_OF_SOURCE,
]


class Datapoint(Sparse):
    """A bucket. `retryCount` is how many of it were delivered on a retry, or else will be tried again."""

    time: str
    count: int
    retryCount: int | None = None


class Dataset(Sparse):
    """What is alike in what it was asked to be told apart by. Buckets with nothing in them are left out."""

    eventName: str | None = None
    eventType: str | None = None
    discardReason: str | None = None
    appVersion: str | None = None
    total: int
    series: tuple[Datapoint, ...]
    totalRetryCount: int | None = None


class Overview(Shape):
    """What was counted, the most frequent first. `total` is of all pages."""

    total: int
    dataset: tuple[Dataset, ...]
    pagination: Pagination


@routes.get("/delivery-overview/successfully-received", overview.successfully_received, query=_OF_SOURCE)
async def getIngressSuccessMetricsFromDeliveryOverview(call: TheCall, query: TheQuery) -> Overview:
    """Count the events that were accepted: as many as were answered with success."""
    return await _of_source(call, query, overview.successfully_received)


@routes.get("/delivery-overview/failed-on-ingest", overview.failed_on_ingest, query=_OF_SOURCE)
async def getIngressFailedMetricsFromDeliveryOverview(call: TheCall, query: TheQuery) -> Overview:
    """Count the events that were refused."""
    return await _of_source(call, query, overview.failed_on_ingest)


@routes.get("/delivery-overview/filtered-at-source", overview.filtered_at_source, query=_OF_SOURCE)
async def getFilteredAtSourceMetricsFromDeliveryOverview(call: TheCall, query: TheQuery) -> Overview:
    """Count the events that a tracking plan kept back: none, there are no tracking plans."""
    return await _of_source(call, query, overview.filtered_at_source)


@routes.get("/delivery-overview/filtered-at-destination", overview.filtered_at_destination, query=_OF_DESTINATION)
async def getFilteredAtDestinationMetricsFromDeliveryOverview(call: TheCall, query: TheQuery) -> Overview:
    """Count what a destination's filters and functions kept back, each try of an event by itself."""
    return await _of_destination(call, query, overview.filtered_at_destination)


@routes.get("/delivery-overview/failed-delivery", overview.failed_delivery, query=_OF_DESTINATION)
async def getEgressFailedMetricsFromDeliveryOverview(call: TheCall, query: TheQuery) -> Overview:
    """Count what a destination did not take, each try of an event by itself."""
    return await _of_destination(call, query, overview.failed_delivery)


@routes.get("/delivery-overview/successful-delivery", overview.successful_delivery, query=_OF_DESTINATION)
async def getEgressSuccessMetricsFromDeliveryOverview(call: TheCall, query: TheQuery) -> Overview:
    """Count what a destination took. Its discard reasons are `successes.attempt.1` and so on."""
    return await _of_destination(call, query, overview.successful_delivery)


async def _of_source(call: Call, query: queries.Query, stage: UseCase[[str, Question], Answer]) -> Overview:
    source = queries.required(query, "sourceId")
    return await _told(query, partial(stage, call, source), stage.__name__, source)


async def _of_destination(call: Call, query: queries.Query, stage: UseCase[[str, str, Question], Answer]) -> Overview:
    both = queries.required(query, "sourceId"), queries.required(query, "destinationConfigId")
    return await _told(query, partial(stage, call, *both), stage.__name__, *both)


async def _told(query: queries.Query, ask: Callable[[Question], Awaitable[Answer]], *about: str) -> Overview:
    given = queries.inner(query, "filter")
    filters = {name: queries.texts(given, name) for name in given}
    # A parameter of its own in some versions of Segment's SDKs, a filter in others.
    filters |= {name: queries.texts(query, name) for name in ("subscriptionId",) if name in query}
    question, name = question_of(query, "delivery overview", filters, *about)
    answer = await ask(question)
    return Overview(total=answer.tally.total, dataset=_shaped(answer), pagination=pagination_of(answer, question, name))


def _shaped(answer: Answer) -> tuple[Dataset, ...]:
    return tuple(
        Dataset(
            **dict(zip(answer.by, series.values, strict=True)),
            total=series.total,
            series=tuple(
                Datapoint(time=iso(point.time), count=point.count, retryCount=point.retried if answer.retries else None)
                for point in series.points
            ),
            totalRetryCount=series.retried if answer.retries else None,
        )
        for series in answer.tally.series
    )
