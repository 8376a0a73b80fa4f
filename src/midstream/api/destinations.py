"""`/destinations`: where a source's events go, in Segment's shapes."""

from __future__ import annotations

from typing import Any

from fastapi import Response

from midstream.api.catalog import DestinationMetadata, described
from midstream.api.office import TheCall, TheQuery, tagged
from midstream.api.paging import PARAMETERS, Pagination, paged
from midstream.api.routing import Body, Done, Routes, Shape
from midstream.control import destinations
from midstream.control.destinations import DestinationView, kind_of
from midstream.control.settings import MASKED
from midstream.errors import Invalid, RequestError

routes = Routes("Destinations")


class CreateDestination(Body):
    """A destination to be made; `metadataId` is its type in the catalog."""

    sourceId: str
    metadataId: str
    settings: dict[str, Any]
    name: str | None = None
    enabled: bool = True


class UpdateDestination(Body):
    """What to change. Settings that are not named stay, those that are null go; masked values stay too."""

    name: str | None = None
    enabled: bool | None = None
    settings: dict[str, Any] | None = None


class Destination(Shape):
    """A destination. Of sensitive settings only the names are told."""

    id: str
    slug: str
    name: str
    enabled: bool
    metadata: DestinationMetadata
    sourceId: str
    settings: dict[str, Any]


class OneDestination(Shape):
    """A destination."""

    destination: Destination


class DestinationList(Shape):
    """Destinations."""

    destinations: tuple[Destination, ...]
    pagination: Pagination


@routes.get("/destinations", destinations.destinations, query=PARAMETERS)
async def listDestinations(call: TheCall, query: TheQuery) -> DestinationList:
    """List the destinations."""
    page = await paged(lambda place: destinations.destinations(call, place), query, "destinations")
    return DestinationList(destinations=tuple(shaped(each) for each in page.items), pagination=page.pagination)


@routes.post("/destinations", destinations.create_destination)
async def createDestination(call: TheCall, body: CreateDestination, response: Response) -> OneDestination:
    """Connect a destination to a source. Unless it is made disabled, events flow within a second."""
    try:
        kind_of(body.metadataId)
    except Invalid as fault:
        raise RequestError(422, "input-validation", str(fault), "metadataId") from None
    view = await destinations.create_destination(
        call, body.sourceId, type=body.metadataId, name=body.name, settings=body.settings, enabled=body.enabled
    )
    return _one(view, response)


@routes.get("/destinations/{destinationId}", destinations.get_destination)
async def getDestination(call: TheCall, destinationId: str, response: Response) -> OneDestination:
    """Show a destination."""
    return _one(await destinations.get_destination(call, destinationId), response)


@routes.patch("/destinations/{destinationId}", destinations.update_destination)
async def updateDestination(
    call: TheCall, destinationId: str, body: UpdateDestination, response: Response
) -> OneDestination:
    """Change a destination: its name, its settings, whether events flow to it."""
    view = await destinations.update_destination(
        call, destinationId, name=body.name, enabled=body.enabled, settings=body.settings
    )
    return _one(view, response)


@routes.delete("/destinations/{destinationId}", destinations.delete_destination)
async def deleteDestination(call: TheCall, destinationId: str) -> Done:
    """Delete a destination. Refused while functions are connected. Events that wait for it are not delivered."""
    await destinations.delete_destination(call, destinationId)
    return Done()


def _one(view: DestinationView, response: Response) -> OneDestination:
    tagged(response, view.updated_at)
    return OneDestination(destination=shaped(view))


def shaped(view: DestinationView) -> Destination:
    """Return a destination in Segment's shape."""
    return Destination(
        id=view.id,
        slug=view.slug,
        name=view.name,
        enabled=view.enabled,
        metadata=described(kind_of(view.type)),
        sourceId=view.source_id,
        settings=view.settings | dict.fromkeys(view.sensitive, MASKED),
    )
