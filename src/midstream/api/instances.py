"""`/insert-function-instances`: functions connected to destinations. `functionId` may be bare, `classId` always is (Segment's)."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Response
from pydantic import Field

from midstream.api import queries
from midstream.api.office import TheCall, TheQuery, tagged
from midstream.api.paging import PARAMETERS, Pagination, paged
from midstream.api.routing import Body, Done, Routes, Shape
from midstream.control import instances
from midstream.control.instances import InstanceView
from midstream.control.settings import MASKED
from midstream.domain.times import iso
from midstream.domain.topology import OnError

routes = Routes("Insert function instances")

_FUNCTION_ID = {"name": "functionId", "in": "query", "schema": {"type": "string"}}
_INTEGRATION_ID = {"name": "integrationId", "in": "query", "schema": {"type": "string"}}


class CreateInstance(Body):
    """A function to connect to a destination, at the end of its chain."""

    functionId: str
    integrationId: str
    name: str
    settings: dict[str, Any]
    enabled: bool = False
    onError: OnError = OnError.BLOCK


class UpdateInstance(Body):
    """What to change. Settings that are not named stay, those that are null go; masked values stay too."""

    settings: dict[str, Any] | None = None
    enabled: bool | None = None
    name: str | None = None
    onError: OnError | None = None
    position: Annotated[int | None, Field(ge=0, le=10_000)] = None


class Instance(Shape):
    """A function connected to a destination. Of sensitive settings only the names are told."""

    id: str
    name: str
    integrationId: str
    classId: str
    enabled: bool
    createdAt: str
    updatedAt: str
    settings: dict[str, Any]
    encryptedSettings: dict[str, Any]
    onError: str
    position: int
    versionId: str
    versionNumber: int
    deployedAt: str | None


class OneInstance(Shape):
    """An instance."""

    insertFunctionInstance: Instance


class InstanceList(Shape):
    """Instances."""

    instances: tuple[Instance, ...]
    pagination: Pagination


@routes.get("/insert-function-instances", instances.instances, query=[*PARAMETERS, _FUNCTION_ID, _INTEGRATION_ID])
async def listInsertFunctionInstances(call: TheCall, query: TheQuery) -> InstanceList:
    """List instances, by destination and place in its chain; of one function or destination where named."""
    function, destination = queries.text(query, "functionId"), queries.text(query, "integrationId")
    page = await paged(
        lambda place: instances.instances(call, place, function_id=function, destination_id=destination),
        query,
        f"instances of {function or 'any'} at {destination or 'any'}",
    )
    return InstanceList(instances=tuple(shaped(each) for each in page.items), pagination=page.pagination)


@routes.post("/insert-function-instances", instances.create_instance)
async def createInsertFunctionInstance(call: TheCall, body: CreateInstance, response: Response) -> OneInstance:
    """Connect a function to a destination. It has to be enabled explicitly."""
    view = await instances.create_instance(
        call,
        body.functionId,
        body.integrationId,
        name=body.name,
        settings=body.settings,
        enabled=body.enabled,
        on_error=body.onError,
    )
    return _one(view, response)


@routes.get("/insert-function-instances/{instanceId}", instances.get_instance)
async def getInsertFunctionInstance(call: TheCall, instanceId: str, response: Response) -> OneInstance:
    """Show an instance."""
    return _one(await instances.get_instance(call, instanceId), response)


@routes.patch("/insert-function-instances/{instanceId}", instances.update_instance)
async def updateInsertFunctionInstance(
    call: TheCall, instanceId: str, body: UpdateInstance, response: Response
) -> OneInstance:
    """Change an instance: enable or disable it, its settings, its name, what happens to events it discards."""
    view = await instances.update_instance(
        call,
        instanceId,
        name=body.name,
        settings=body.settings,
        enabled=body.enabled,
        on_error=body.onError,
        position=body.position,
    )
    return _one(view, response)


@routes.delete("/insert-function-instances/{instanceId}", instances.delete_instance)
async def deleteInsertFunctionInstance(call: TheCall, instanceId: str) -> Done:
    """Disconnect a function from its destination; the values of its settings go with it."""
    await instances.delete_instance(call, instanceId)
    return Done()


def _one(view: InstanceView, response: Response) -> OneInstance:
    tagged(response, view.updated_at)
    return OneInstance(insertFunctionInstance=shaped(view))


def shaped(view: InstanceView) -> Instance:
    """Return an instance in Segment's shape."""
    return Instance(
        id=view.id,
        name=view.name,
        integrationId=view.destination_id,
        classId=view.function_id.removeprefix("ifnd_"),
        enabled=view.enabled,
        createdAt=iso(view.created_at),
        updatedAt=iso(view.updated_at),
        settings=view.settings,
        encryptedSettings=dict.fromkeys(view.sensitive, MASKED),
        onError=view.on_error,
        position=view.position,
        versionId=view.version_id,
        versionNumber=view.version,
        deployedAt=iso(view.deployed_at) if view.deployed_at else None,
    )
