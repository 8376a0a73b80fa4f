"""`/functions`: functions and their versions, in Segment's shapes; deploying to chosen instances, trying and checking are ours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, get_args

import msgspec
from fastapi import Response
from pydantic import Field

from midstream.api import queries
from midstream.api.instances import Instance
from midstream.api.instances import shaped as instance_shape
from midstream.api.office import TheCall, TheOffice, TheQuery, tagged
from midstream.api.paging import PARAMETERS, Pagination, page_of
from midstream.api.routing import Body, Done, Routes, Shape
from midstream.api.sources import Slug
from midstream.authoring.check import check
from midstream.authoring.mocked import Mocked, replies_of
from midstream.authoring.preview import Trial, preview
from midstream.control import functions, instances
from midstream.control.functions import FunctionView, VersionView
from midstream.domain.event import iso
from midstream.domain.function import Forming
from midstream.domain.settings import MAX_NAME, Definition, check_values, name_of
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

_SINCE = {
    "name": "since",
    "in": "query",
    "schema": {"type": "string"},
    "description": "The version it is compared with.",
}


class SettingIn(Body):
    """A setting as it is declared. Without a name it gets one made of its label."""

    label: str = ""
    name: Annotated[str, Field(max_length=MAX_NAME)] = ""
    type: Literal["STRING", "BOOLEAN", "ARRAY", "TEXT_MAP"] = "STRING"
    description: str = ""
    required: bool = False
    sensitive: bool = False
    sealedHosts: tuple[str, ...] = ()


# So many of a function, our bound: names are made of labels, each unlike all others.
Settings = Annotated[tuple[SettingIn, ...], Field(max_length=200)]


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


class RestoreVersion(Body):
    """Which version to make the latest."""

    versionId: str


class Deploy(Body):
    """Where to. Without `instanceIds` all of the function's instances; without `versionId` its latest version."""

    instanceIds: tuple[str, ...] | None = None
    versionId: str | None = None


class PreviewFunction(Body):
    """Code to run on events, as production would. `responses` answer its requests instead of the network."""

    code: str
    events: tuple[dict[str, Any], ...] = Field(min_length=1, max_length=400)
    settings: dict[str, Any] = Field(default_factory=dict)
    settingsSchema: Settings = ()
    responses: Annotated[list[dict[str, Any]] | None, Field(max_length=1000)] = None
    allowedHosts: tuple[str, ...] = ()


class CheckFunction(Body):
    """Code to look over without running a handler."""

    code: str
    settingsSchema: Settings | None = None
    types: Literal["none", "names", "all"] = "none"


class Setting(Shape):
    """A setting a function declares."""

    name: str
    label: str
    description: str
    type: str
    required: bool
    sensitive: bool
    sealedHosts: tuple[str, ...]


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


class Version(Shape):
    """A version of a function."""

    id: str
    number: int
    code: str
    settings: tuple[Setting, ...]
    author: str
    message: str
    isDeployed: bool
    createdAt: str
    updatedAt: str
    # Segment's clients know no null here.
    deployedAt: str | None = Field(default=None, exclude_if=lambda at: at is None)


class OneFunction(Shape):
    """A function."""

    function: Function
    warnings: tuple[str, ...] = ()


class FunctionList(Shape):
    """Functions."""

    functions: tuple[FunctionItem, ...]
    pagination: Pagination


class OneVersion(Shape):
    """A version."""

    version: Version


class VersionDiff(Shape):
    """What differs, as a unified diff of code and settings; empty when nothing does."""

    diff: str


class VersionList(Shape):
    """Versions, the newest first."""

    versions: tuple[Version, ...]
    pagination: Pagination


class Deployment(Shape):
    """How deploying went. It is all or nothing, so there is no other status."""

    status: str = "SUCCESS"


class Deployed(Shape):
    """What runs the version now."""

    functionDeployment: Deployment
    instances: tuple[Instance, ...]


class Previewed(Shape):
    """What came of each event, in order: contract §4.2's `results`."""

    results: list[dict[str, Any]]
    warnings: list[str]


class CheckedOver(Shape):
    """What was found in the code."""

    handlers: tuple[str, ...]
    diagnoses: list[dict[str, Any]]


@routes.get("/functions", functions.functions, query=[*PARAMETERS, _RESOURCE_TYPE])
async def listFunctions(call: TheCall, query: TheQuery) -> FunctionList:
    """List the functions of a type. Those of the other types than INSERT_DESTINATION are none."""
    kind = queries.required(query, "resourceType")
    if kind not in _TYPES:
        raise RequestError(422, "input-validation", f"expected one of {', '.join(_TYPES)}", "resourceType")
    found = await functions.functions(call) if kind == "INSERT_DESTINATION" else []
    page = page_of(found, query, f"functions of type {kind}")
    return FunctionList(
        functions=tuple(_item(each, call.caller.workspace_id) for each in page.items), pagination=page.pagination
    )


@routes.post("/functions", functions.create_function)
async def createFunction(call: TheCall, office: TheOffice, body: CreateFunction, response: Response) -> OneFunction:
    """Make a function with its first version. Nothing runs it until it is connected and deployed."""
    if body.resourceType != "INSERT_DESTINATION":
        message = f"functions of type {body.resourceType} cannot be made here; INSERT_DESTINATION can"
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


@routes.get("/functions/{functionId}/versions", functions.versions, query=PARAMETERS)
async def listFunctionVersions(call: TheCall, functionId: str, query: TheQuery) -> VersionList:
    """List a function's versions, the newest first."""
    page = page_of(await functions.versions(call, functionId), query, f"versions of {functionId}")
    return VersionList(versions=tuple(_version(each) for each in page.items), pagination=page.pagination)


@routes.post("/functions/{functionId}/versions", functions.restore_version)
async def restoreFunctionVersion(call: TheCall, functionId: str, body: RestoreVersion) -> OneVersion:
    """Make an old version the latest, as a new one. What runs goes on until it is deployed."""
    return OneVersion(version=_version(await functions.restore_version(call, functionId, version_id=body.versionId)))


@routes.get("/functions/{functionId}/versions/{versionId}", functions.get_version)
async def getFunctionVersion(call: TheCall, functionId: str, versionId: str) -> OneVersion:
    """Show a version; `latest` is one too."""
    return OneVersion(version=_version(await functions.get_version(call, functionId, versionId)))


@routes.get("/functions/{functionId}/versions/{versionId}/diff", functions.compare_versions, query=[_SINCE])
async def getFunctionVersionDiff(call: TheCall, functionId: str, versionId: str, query: TheQuery) -> VersionDiff:
    """Show what a version changed since the one before it, or since another one, as a unified diff."""
    told = await functions.compare_versions(call, functionId, versionId, since=queries.text(query, "since"))
    return VersionDiff(diff=told)


@routes.post("/functions/preview", functions.try_code)
async def previewFunction(call: TheCall, office: TheOffice, body: PreviewFunction) -> Previewed:
    """Run code on events in a sandbox of its own; nothing is saved or delivered."""
    await functions.try_code(call)
    schema = defined(body.settingsSchema)
    check_values(schema, body.settings)
    trial = Trial(body.code, body.events, body.settings, schema, tuple(body.allowedHosts))
    network = office.network if body.responses is None else Mocked(replies_of(body.responses, "responses")).send
    async with office.trying:
        shown = await preview(trial, network, office.bench)
    return Previewed(results=shown.results, warnings=shown.warnings)


@routes.post("/functions/check", functions.try_code)
async def checkFunction(call: TheCall, office: TheOffice, body: CheckFunction) -> CheckedOver:
    """Look code over: does it load, which handlers has it, what does it name that is not there."""
    await functions.try_code(call)
    schema = None if body.settingsSchema is None else defined(body.settingsSchema)
    async with office.trying:
        found = await check(body.code, office.bench, schema=schema, types=body.types)
    return CheckedOver(handlers=found.handlers, diagnoses=[msgspec.to_builtins(each) for each in found.diagnoses])


def defined(settings: Sequence[SettingIn]) -> tuple[Definition, ...]:
    """Return declared settings as a version keeps them, those without a name named after their label."""
    taken = {it.name for it in settings if it.name}
    found = []
    for it in settings:
        name = it.name or name_of(it.label, taken)
        taken.add(name)
        found.append(
            Definition(name, it.label or name, it.description, it.type, it.required, it.sensitive, it.sealedHosts)
        )
    return tuple(found)


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


def _facts(view: FunctionView, workspace_id: str) -> dict[str, Any]:
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


def _item(view: FunctionView, workspace_id: str) -> FunctionItem:
    return FunctionItem(**_facts(view, workspace_id))


def _whole(view: FunctionView, workspace_id: str) -> Function:
    return Function(
        **_facts(view, workspace_id),
        code=view.code,
        settings=_settings(view.schema),
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


def _settings(schema: Sequence[Definition]) -> tuple[Setting, ...]:
    return tuple(
        Setting(
            name=it.name,
            label=it.label,
            description=it.description,
            type=it.type,
            required=it.required,
            sensitive=it.sensitive,
            sealedHosts=it.sealed,
        )
        for it in schema
    )


def _version(view: VersionView) -> Version:
    return Version(
        id=view.id,
        number=view.number,
        code=view.code,
        settings=_settings(view.schema),
        author=view.author,
        message=view.message,
        isDeployed=view.deployed,
        createdAt=iso(view.created_at),
        updatedAt=iso(view.created_at),
        deployedAt=iso(view.deployed_at) if view.deployed_at else None,
    )
