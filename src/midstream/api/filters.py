"""`/destination/{id}/filters` (singular, as Segment has it): which events go to a destination, with which properties."""

from __future__ import annotations

from typing import Any

from fastapi import Response
from pydantic import Field

from midstream.api.office import TheCall, TheQuery, tagged
from midstream.api.paging import PARAMETERS, Pagination, page_of
from midstream.api.routing import Body, Done, Routes, Shape
from midstream.control import filters
from midstream.control.filters import FilterView
from midstream.domain.filters import FilterChange, FilterSection, Rule
from midstream.domain.times import iso

routes = Routes("Destination filters")


class CreateFilter(FilterSection):
    """A filter to be made. `sourceId` is the destination's."""

    sourceId: str | None = None


class PreviewFilter(Body):
    """A filter, and an event to try it on."""

    filter: Rule
    payload: dict[str, Any]


class Filter(Shape):
    """A filter."""

    id: str
    sourceId: str
    destinationId: str
    if_: str = Field(alias="if")
    title: str
    description: str
    actions: list[dict[str, Any]]
    enabled: bool
    createdAt: str
    updatedAt: str


class OneFilter(Shape):
    """A filter."""

    filter: Filter


class FilterList(Shape):
    """Filters, the oldest first."""

    filters: tuple[Filter, ...]
    pagination: Pagination


class Previewed(Shape):
    """What came in, and what the filter would leave of it; null when it would drop it."""

    inputPayload: dict[str, Any]
    result: dict[str, Any] | None


@routes.post("/destination/filters/preview", filters.preview_filter)
async def previewDestinationFilter(call: TheCall, body: PreviewFilter) -> Previewed:
    """Try a filter on an event; nothing is saved."""
    found = await filters.preview_filter(call, body.filter, body.payload)
    return Previewed(inputPayload=body.payload, result=found)


@routes.get("/destination/{destinationId}/filters", filters.filters, query=PARAMETERS)
async def listFiltersFromDestination(call: TheCall, destinationId: str, query: TheQuery) -> FilterList:
    """List the filters of a destination, the oldest first."""
    page = page_of(await filters.filters(call, destinationId), query, f"filters of {destinationId}")
    return FilterList(filters=tuple(_shaped(each) for each in page.items), pagination=page.pagination)


@routes.post("/destination/{destinationId}/filters", filters.create_filter)
async def createFilterForDestination(
    call: TheCall, destinationId: str, body: CreateFilter, response: Response
) -> OneFilter:
    """Add a filter to a destination; it holds within a second."""
    return _one(await filters.create_filter(call, destinationId, body, source_id=body.sourceId), response)


@routes.get("/destination/{destinationId}/filters/{filterId}", filters.get_filter)
async def getFilterInDestination(call: TheCall, destinationId: str, filterId: str, response: Response) -> OneFilter:
    """Show a filter."""
    return _one(await filters.get_filter(call, filterId, destination_id=destinationId), response)


@routes.patch("/destination/{destinationId}/filters/{filterId}", filters.update_filter)
async def updateFilterForDestination(
    call: TheCall, destinationId: str, filterId: str, body: FilterChange, response: Response
) -> OneFilter:
    """Change a filter."""
    return _one(await filters.update_filter(call, filterId, body, destination_id=destinationId), response)


@routes.delete("/destination/{destinationId}/filters/{filterId}", filters.delete_filter)
async def removeFilterFromDestination(call: TheCall, destinationId: str, filterId: str) -> Done:
    """Delete a filter; events that come from then on do not meet it any more."""
    await filters.delete_filter(call, filterId, destination_id=destinationId)
    return Done()


def _one(view: FilterView, response: Response) -> OneFilter:
    tagged(response, view.updated_at)
    return OneFilter(filter=_shaped(view))


def _shaped(view: FilterView) -> Filter:
    return Filter(
        id=view.id,
        sourceId=view.source_id,
        destinationId=view.destination_id,
        **{"if": view.if_},
        title=view.title,
        description=view.description,
        actions=view.actions,
        enabled=view.enabled,
        createdAt=iso(view.created_at),
        updatedAt=iso(view.updated_at),
    )
