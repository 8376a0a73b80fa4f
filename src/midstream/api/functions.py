"""`/functions`: functions in Segment's shapes; that they are deployed to chosen instances is ours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

from fastapi import Response

from midstream.api import queries
from midstream.api.definitions import Setting, Settings, defined
from midstream.api.definitions import shaped as settings_shape
from midstream.api.instances import Instance
from midstream.api.instances import shaped as instance_shape
from midstream.api.office import TheCall, TheOffice, TheQuery, tagged
from midstream.api.paging import PARAMETERS, Pagination, page_of, paged
from midstream.api.routing import Body, Done, Routes, Shape
from midstream.authoring.check import check
from midstream.control import functions, instances
from midstream.control.functions import FunctionView
from midstream.domain.function import Forming
from midstream.domain.slugs import Slug
from midstream.domain.times import iso
from midstream.errors import RequestError

routes = Routes("Functions")

ResourceType = Literal["INSERT_DESTINATION", "DESTINATION", "SOURCE", "INSERT_SOURCE", "INSERT_TRANSFORMATION"]
_TYPES: tuple[str, ...] = get_args(ResourceType)
_RESOURCE_TYPE = {
    "name": "resourceType",
    "in": "query",
    "required": True,
    "schema": {"type": "string", "enum": list(_TYPES)},
}


class CreateFunction(Body):
    """A function to be made. Without a slug it gets one made of its name."""

    code: str
    displayName: str
    slug: Slug | None = None
    resourceType: ResourceType = "INSERT_DESTINATION"
    settings: Settings = ()
    description: str = ""
    logoUrl: str = ""
    allowedHosts: tuple[str, ...] = ()
    batchMaxCount: int = Forming().max_count
    batchMaxWait: float = Forming().max_wait
    message: str = ""


class UpdateFunction(Body):
    """What to save of a function. What is not given stays; null is the same as not given."""

    code: str | None = None
    displayName: str | None = None
    settings: Settings | None = None
    description: str | None = None
    logoUrl: str | None = None
    allowedHosts: tuple[str, ...] | None = None
    batchMaxCount: int | None = None
    batchMaxWait: float | None = None
    message: str = ""


class Deploy(Body):
    """Where to. Without `instanceIds` all of the function's instances; without `versionId` its latest version."""

    instanceIds: tuple[str, ...] | None = None
    versionId: str | None = None


class FunctionItem(Shape):
    """A function in a list."""

    id: str
    slug: str
    workspaceId: str
    displayName: str
    description: str
    logoUrl: str
    resourceType: str
    createdAt: str
    createdBy: str
    updatedAt: str
    catalogId: str
    deployedAt: str | None


class Connected(Shape):
    """Where a function runs, and which version."""

    instanceId: str
    name: str
    destinationId: str
    destinationName: str
    versionId: str
    versionNumber: int
    enabled: bool


class Function(FunctionItem):
    """A function, with the code and settings of its latest version."""

    code: str
    settings: tuple[Setting, ...]
    previewWebhookUrl: str
    buildpack: str
    batchMaxCount: int
    batchMaxWait: float
    allowedHosts: tuple[str, ...]
    isLatestVersion: bool
    latestVersionId: str
    latestVersionNumber: int
    instances: tuple[Connected, ...]


class OneFunction(Shape):
    """A function."""

    function: Function
    warnings: tuple[str, ...] = ()


class FunctionList(Shape):
    """Functions."""

    functions: tuple[FunctionItem, ...]
    pagination: Pagination


class Deployment(Shape):
    """How deploying went. It is all or nothing, so there is no other status."""

    status: str = "SUCCESS"


class Deployed(Shape):
    """What runs the version now."""

    functionDeployment: Deployment
    instances: tuple[Instance, ...]


@routes.get("/functions", functions.functions, query=[*PARAMETERS, _RESOURCE_TYPE])
async def listFunctions(call: TheCall, query: TheQuery) -> FunctionList:
    """List the functions of a type. Those of the other types than INSERT_DESTINATION are none."""
    kind = queries.required(query, "resourceType")
    if kind not in _TYPES:
        raise RequestError(422, "input-validation", f"expected one of {', '.join(_TYPES)}", "resourceType")
    name = f"functions of type {kind}"
    if kind == "INSERT_DESTINATION":
        page = await paged(lambda place: functions.functions(call, place), query, name)
    else:
        page = page_of((), query, name)
    return FunctionList(
        functions=tuple(_item(each, call.caller.workspace_id) for each in page.items), pagination=page.pagination
    )


@routes.post("/functions", functions.create_function)
async def createFunction(call: TheCall, office: TheOffice, body: CreateFunction, response: Response) -> OneFunction:
    """Make a function with its first version. Nothing runs it until it is connected and deployed."""
    if body.resourceType != "INSERT_DESTINATION":
        message = f"there are no functions of type {body.resourceType} yet: expected INSERT_DESTINATION"
        raise RequestError(422, "input-validation", message, "resourceType")
    await functions.create_function.admit(call)
    warnings = await _looked_over(office, body.code)
    view = await functions.create_function(
        call,
        code=body.code,
        name=body.displayName,
        slug=body.slug,
        schema=defined(body.settings),
        description=body.description,
        logo_url=body.logoUrl,
        hosts=body.allowedHosts,
        forming=Forming(body.batchMaxCount, body.batchMaxWait),
        message=body.message,
    )
    return _one(view, call.caller.workspace_id, response, warnings)


@routes.get("/functions/{functionId}", functions.get_function)
async def getFunction(call: TheCall, functionId: str, response: Response) -> OneFunction:
    """Show a function with the code of its latest version, and where which version runs."""
    return _one(await functions.get_function(call, functionId), call.caller.workspace_id, response)


@routes.patch("/functions/{functionId}", functions.update_function)
async def updateFunction(
    call: TheCall, office: TheOffice, functionId: str, body: UpdateFunction, response: Response
) -> OneFunction:
    """Save a function. Code or settings that differ make a new version; what runs goes on until it is deployed."""
    await functions.update_function.admit(call, functionId)
    warnings = await _looked_over(office, body.code) if body.code is not None else ()
    view = await functions.update_function(
        call,
        functionId,
        code=body.code,
        schema=None if body.settings is None else defined(body.settings),
        message=body.message,
        name=body.displayName,
        description=body.description,
        logo_url=body.logoUrl,
        hosts=body.allowedHosts,
        batch_max_count=body.batchMaxCount,
        batch_max_wait=body.batchMaxWait,
    )
    return _one(view, call.caller.workspace_id, response, warnings)


@routes.delete("/functions/{functionId}", functions.delete_function)
async def deleteFunction(call: TheCall, functionId: str) -> Done:
    """Delete a function and its versions. Refused, with the list, while it is connected."""
    await functions.delete_function(call, functionId)
    return Done()


@routes.post("/functions/{functionId}/deploy", instances.deploy_function)
async def createFunctionDeployment(call: TheCall, functionId: str, body: Deploy | None = None) -> Deployed:
    """Let instances run a version: all or chosen ones, the latest version or a named one."""
    body = body or Deploy()
    found = await instances.deploy_function(call, functionId, instance_ids=body.instanceIds, version_id=body.versionId)
    return Deployed(functionDeployment=Deployment(), instances=tuple(instance_shape(each) for each in found))


async def _looked_over(office: TheOffice, code: str) -> tuple[str, ...]:
    """Refuse code that does not load, with its line; return what is worth a warning."""
    async with office.trying:
        found = await check(code, office.bench, types="none")
    for each in found.diagnoses:
        if each.severity == "error":
            place = f" (line {each.line}, column {each.column})" if each.line else ""
            raise RequestError(422, "input-validation", f"{each.message}{place}", "code")
    return tuple(each.message for each in found.diagnoses)


def _one(view: FunctionView, workspace_id: str, response: Response, warnings: Sequence[str] = ()) -> OneFunction:
    tagged(response, view.updated_at)
    return OneFunction(function=_whole(view, workspace_id), warnings=tuple(warnings))


def _facts(view: functions.FunctionItem, workspace_id: str) -> dict[str, Any]:
    return {
        "id": view.id,
        "slug": view.slug,
        "workspaceId": workspace_id,
        "displayName": view.name,
        "description": view.description,
        "logoUrl": view.logo_url,
        "resourceType": "INSERT_DESTINATION",
        "createdAt": iso(view.created_at),
        "createdBy": view.created_by,
        "updatedAt": iso(view.updated_at),
        "catalogId": view.id,
        "deployedAt": iso(view.deployed_at) if view.deployed_at else None,
    }


def _item(view: functions.FunctionItem, workspace_id: str) -> FunctionItem:
    return FunctionItem(**_facts(view, workspace_id))


def _whole(view: FunctionView, workspace_id: str) -> Function:
    return Function(
        **_facts(view, workspace_id),
        code=view.code,
        settings=settings_shape(view.schema),
        previewWebhookUrl="",
        buildpack="boreal",  # what Segment's own are made with, and clients have seen
        batchMaxCount=view.forming.max_count,
        batchMaxWait=view.forming.max_wait,
        allowedHosts=view.hosts,
        isLatestVersion=view.is_latest,
        latestVersionId=view.version_id,
        latestVersionNumber=view.version,
        instances=tuple(
            Connected(
                instanceId=each.instance_id,
                name=each.name,
                destinationId=each.destination_id,
                destinationName=each.destination,
                versionId=each.version_id,
                versionNumber=each.version,
                enabled=each.enabled,
            )
            for each in view.connections
        ),
    )
