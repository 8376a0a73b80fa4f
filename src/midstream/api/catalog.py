"""`/catalog`: what can be connected, in Segment's shapes. Which types of destination there are is what the code has."""

from __future__ import annotations

from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from midstream import destinations as catalog
from midstream.api.office import TheCall, TheQuery
from midstream.api.paging import PARAMETERS, Pagination, page_of
from midstream.api.routing import Routes, Shape
from midstream.control import sources
from midstream.destinations import Kind
from midstream.errors import RequestError

routes = Routes("Catalog")

_WEBSITE = ""  # nothing of ours is elsewhere


class Logos(Shape):
    """No logo is shipped."""

    default: str = ""
    mark: str | None = None
    alt: str | None = None


class Option(Shape):
    """A setting."""

    name: str
    type: str
    required: bool
    description: str
    defaultValue: Any
    label: str


class Features(Shape):
    """What a destination can do. All of ours are reached from the server."""

    cloudModeInstances: str = "MULTIPLE"
    deviceModeInstances: str = "NONE"
    replay: bool = True
    browserUnbundling: bool = False
    browserUnbundlingPublic: bool = False


class Methods(Shape):
    """Which types of events it takes."""

    pageview: bool
    identify: bool
    alias: bool
    track: bool
    group: bool


class Platforms(Shape):
    """Where events for it may come from."""

    browser: bool = True
    server: bool = True
    mobile: bool = True
    warehouse: bool = False
    cloudAppObject: bool = False
    linkedAudiences: bool = False


class DestinationMetadata(Shape):
    """A type of destination."""

    id: str
    name: str
    description: str
    slug: str
    logos: Logos = Logos()
    options: tuple[Option, ...]
    status: str = "PUBLIC"
    previousNames: tuple[str, ...]
    categories: tuple[str, ...] = ()
    website: str = _WEBSITE
    components: tuple[dict[str, str], ...] = ()
    supportedFeatures: Features = Features()
    supportedMethods: Methods
    supportedPlatforms: Platforms = Platforms()
    actions: tuple[dict[str, Any], ...] = ()
    presets: tuple[dict[str, Any], ...] = ()


class SourceMetadata(Shape):
    """A type of source. There is one: events come over HTTP, from any of Segment's SDKs."""

    id: str = "http-api"
    name: str = "HTTP API"
    slug: str = "http-api"
    description: str = "Events over HTTP, from any of Segment's SDKs."
    logos: Logos = Logos()
    options: tuple[Option, ...] = ()
    categories: tuple[str, ...] = ("Server",)
    isCloudEventSource: bool = False


class DestinationCatalog(Shape):
    """Types of destination."""

    destinationsCatalog: tuple[DestinationMetadata, ...]
    pagination: Pagination


class OneDestination(Shape):
    """A type of destination."""

    destinationMetadata: DestinationMetadata


class SourceCatalog(Shape):
    """Types of source."""

    sourcesCatalog: tuple[SourceMetadata, ...]
    pagination: Pagination


class OneSource(Shape):
    """A type of source."""

    sourceMetadata: SourceMetadata


class WarehouseCatalog(Shape):
    """Types of warehouse: none."""

    warehousesCatalog: tuple[dict[str, Any], ...]
    pagination: Pagination


@routes.get("/catalog/destinations", sources.get_workspace, query=PARAMETERS)
async def getDestinationsCatalog(call: TheCall, query: TheQuery) -> DestinationCatalog:
    """List the types of destination."""
    await sources.get_workspace(call)
    page = page_of(list(catalog.CATALOG.values()), query, "catalog of destinations")
    return DestinationCatalog(
        destinationsCatalog=tuple(described(each) for each in page.items), pagination=page.pagination
    )


@routes.get("/catalog/destinations/{destinationMetadataId}", sources.get_workspace)
async def getDestinationMetadata(call: TheCall, destinationMetadataId: str) -> OneDestination:
    """Show a type of destination, with its settings."""
    await sources.get_workspace(call)
    kind = catalog.CATALOG.get(destinationMetadataId)
    if kind is None:
        known = ", ".join(catalog.CATALOG)
        raise RequestError(404, "not-found", f"there is no type {destinationMetadataId!r}; there are: {known}")
    return OneDestination(destinationMetadata=described(kind))


@routes.get("/catalog/sources", sources.get_workspace, query=PARAMETERS)
async def getSourcesCatalog(call: TheCall, query: TheQuery) -> SourceCatalog:
    """List the types of source."""
    await sources.get_workspace(call)
    page = page_of([SourceMetadata()], query, "catalog of sources")
    return SourceCatalog(sourcesCatalog=tuple(page.items), pagination=page.pagination)


@routes.get("/catalog/sources/{sourceMetadataId}", sources.get_workspace)
async def getSourceMetadata(call: TheCall, sourceMetadataId: str) -> OneSource:
    """Show a type of source."""
    await sources.get_workspace(call)
    if sourceMetadataId != SourceMetadata().id:
        raise RequestError(404, "not-found", f"there is no type {sourceMetadataId!r}; there is: http-api")
    return OneSource(sourceMetadata=SourceMetadata())


@routes.get("/catalog/warehouses", sources.get_workspace, query=PARAMETERS)
async def getWarehousesCatalog(call: TheCall, query: TheQuery) -> WarehouseCatalog:
    """List the types of warehouse, of which there are none."""
    await sources.get_workspace(call)
    nothing: list[dict[str, Any]] = []
    return WarehouseCatalog(
        warehousesCatalog=(), pagination=page_of(nothing, query, "catalog of warehouses").pagination
    )


@routes.get("/catalog/warehouses/{warehouseMetadataId}", sources.get_workspace)
async def getWarehouseMetadata(call: TheCall, warehouseMetadataId: str) -> WarehouseCatalog:
    """Find no type of warehouse: there are none."""
    await sources.get_workspace(call)
    raise RequestError(404, "not-found", f"there is no type of warehouse {warehouseMetadataId!r}; there are none")


@cache
def described(kind: Kind) -> DestinationMetadata:
    """Return a type of destination in Segment's shape."""
    takes = kind.event_types
    return DestinationMetadata(
        id=kind.slug,
        name=kind.name,
        description=kind.description,
        slug=kind.slug,
        options=_options(kind.settings),
        previousNames=(kind.name,),
        supportedMethods=Methods(
            pageview="page" in takes,
            identify="identify" in takes,
            alias="alias" in takes,
            track="track" in takes,
            group="group" in takes,
        ),
    )


def _options(model: type[BaseModel]) -> tuple[Option, ...]:
    properties = model.model_json_schema().get("properties", {})
    return tuple(
        Option(
            name=name,
            type=_type(properties.get(name, {})),
            required=field.is_required(),
            description=field.description or "",
            defaultValue=None if field.default is PydanticUndefined else properties.get(name, {}).get("default"),
            label=name.replace("_", " ").capitalize(),
        )
        for name, field in model.model_fields.items()
    )


def _type(schema: dict[str, Any]) -> str:
    kinds = [schema, *schema.get("anyOf", ())]
    named = [each["type"] for each in kinds if each.get("type") not in (None, "null")]
    return {"integer": "number", "object": "map"}.get(named[0], named[0]) if named else "string"
