"""`/sources`: where events come from, and their write keys, which are shown whole only when they are made."""

from __future__ import annotations

from typing import Any

from fastapi import Response
from pydantic import Field

from midstream.api.catalog import SourceMetadata
from midstream.api.destinations import Destination
from midstream.api.destinations import shaped as destination_shape
from midstream.api.office import TheCall, TheQuery, tagged
from midstream.api.paging import PARAMETERS, Pagination, paged
from midstream.api.routing import Body, Done, Routes, Shape
from midstream.control import destinations, sources
from midstream.control.sources import SourceView
from midstream.domain.slugs import Slug
from midstream.errors import RequestError

routes = Routes("Sources")


class CreateSource(Body):
    """A source to be made. It gets a write key, which the answer shows this once."""

    slug: Slug
    enabled: bool
    metadataId: str = "http-api"
    name: str | None = None
    settings: dict[str, Any] | None = None


class UpdateSource(Body):
    """What to change of a source."""

    name: str | None = None
    slug: Slug | None = None
    enabled: bool | None = None
    settings: dict[str, Any] | None = None


class LabelShape(Shape):
    """A label."""

    key: str
    value: str


class Source(Shape):
    """A source. Write keys are masked, but for one made just now."""

    id: str
    slug: str
    name: str
    metadata: SourceMetadata = SourceMetadata()
    workspaceId: str
    enabled: bool
    writeKeys: tuple[str, ...]
    settings: dict[str, Any] = Field(default_factory=dict)
    labels: tuple[LabelShape, ...]


class OneSource(Shape):
    """A source. There are no tracking plans."""

    source: Source
    trackingPlanId: str | None = None


class SourceList(Shape):
    """Sources."""

    sources: tuple[Source, ...]
    pagination: Pagination


class ConnectedDestinations(Shape):
    """The destinations of a source."""

    destinations: tuple[Destination, ...]
    pagination: Pagination


@routes.get("/sources", sources.sources, query=PARAMETERS)
async def listSources(call: TheCall, query: TheQuery) -> SourceList:
    """List the sources."""
    page = await paged(lambda place: sources.sources(call, place), query, "sources")
    return SourceList(sources=tuple(shaped(each) for each in page.items), pagination=page.pagination)


@routes.post("/sources", sources.create_source, status=201)
async def createSource(call: TheCall, body: CreateSource, response: Response) -> OneSource:
    """Make a source, with a write key that is shown this once."""
    if body.metadataId != SourceMetadata().id:
        message = f"there is no type of source {body.metadataId!r}; there is: {SourceMetadata().id}"
        raise RequestError(422, "input-validation", message, "metadataId")
    _no_settings(body.settings)
    view = await sources.create_source(call, slug=body.slug, name=body.name, enabled=body.enabled)
    return _one(view, response)


@routes.get("/sources/{sourceId}", sources.get_source)
async def getSource(call: TheCall, sourceId: str, response: Response) -> OneSource:
    """Show a source."""
    return _one(await sources.get_source(call, sourceId), response)


@routes.patch("/sources/{sourceId}", sources.update_source)
async def updateSource(call: TheCall, sourceId: str, body: UpdateSource, response: Response) -> OneSource:
    """Change a source: its name, slug, or whether it takes events."""
    _no_settings(body.settings)
    view = await sources.update_source(call, sourceId, name=body.name, slug=body.slug, enabled=body.enabled)
    return _one(view, response)


@routes.delete("/sources/{sourceId}", sources.delete_source)
async def deleteSource(call: TheCall, sourceId: str) -> Done:
    """Delete a source and its write keys. Refused while it has destinations."""
    await sources.delete_source(call, sourceId)
    return Done()


@routes.get("/sources/{sourceId}/connected-destinations", destinations.connected_destinations, query=PARAMETERS)
async def listConnectedDestinationsFromSource(call: TheCall, sourceId: str, query: TheQuery) -> ConnectedDestinations:
    """List the destinations of a source."""
    name = f"destinations of {sourceId}"
    page = await paged(lambda place: destinations.connected_destinations(call, sourceId, place), query, name)
    return ConnectedDestinations(
        destinations=tuple(destination_shape(each) for each in page.items), pagination=page.pagination
    )


@routes.post("/sources/{sourceId}/writekey", sources.create_write_key)
async def createWriteKeyForSource(call: TheCall, sourceId: str, response: Response) -> OneSource:
    """Make another write key, the last of those shown and whole this once. The others go on until they are removed."""
    return _one(await sources.create_write_key(call, sourceId), response)


@routes.delete("/sources/{sourceId}/writekey/{writeKey}", sources.delete_write_key)
async def removeWriteKeyFromSource(call: TheCall, sourceId: str, writeKey: str) -> Done:
    """Remove a write key, named whole or as it is shown masked. Events sent with it get 401 within a second."""
    await sources.delete_write_key(call, sourceId, writeKey)
    return Done()


def _no_settings(settings: dict[str, Any] | None) -> None:
    if settings:
        message = f"a source of this type has no settings, got {', '.join(sorted(settings))}"
        raise RequestError(422, "input-validation", message, "settings")


def _one(view: SourceView, response: Response) -> OneSource:
    tagged(response, view.updated_at)
    return OneSource(source=shaped(view))


def shaped(view: SourceView) -> Source:
    """Return a source in Segment's shape."""
    keys = view.write_keys
    if view.made is not None:
        keys = (*(key for key in keys if key[-4:] != view.made[-4:]), view.made)
    return Source(
        id=view.id,
        slug=view.slug,
        name=view.name,
        workspaceId=view.workspace_id,
        enabled=view.enabled,
        writeKeys=keys,
        labels=tuple(LabelShape(key=key, value=value) for key, value in view.labels),
    )
