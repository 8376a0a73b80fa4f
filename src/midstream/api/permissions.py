"""Permissions in Segment's shape: a role and the resources it is on, of users, groups and invites alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any

from pydantic import Field

from midstream.api.labels import LabelInput
from midstream.api.office import TheCall, TheQuery
from midstream.api.paging import PARAMETERS, Pagination, page_of
from midstream.api.routing import Body, Routes, Shape
from midstream.control import grants
from midstream.control.grants import Granted, Target
from midstream.domain.access import ROLES, Role
from midstream.errors import Invalid

routes = Routes("Roles")


class ResourceInput(Body):
    """What a role is granted on: FUNCTION, SOURCE, or WORKSPACE for all of them."""

    id: str
    type: str
    labels: tuple[LabelInput, ...] = ()


class PermissionInput(Body):
    """A role on resources. Without resources it is one on the workspace itself."""

    roleId: str
    resources: Annotated[tuple[ResourceInput, ...], Field(max_length=1000)] = ()
    labels: tuple[LabelInput, ...] = ()


class Permissions(Body):
    """Permissions to add, or to have instead."""

    permissions: Annotated[tuple[PermissionInput, ...], Field(max_length=100)]


class ResourceShape(Shape):
    """What a role is granted on."""

    id: str
    type: str


class Permission(Shape):
    """A role, and what it is granted on."""

    roleId: str
    roleName: str
    resources: tuple[ResourceShape, ...]


class PermissionList(Shape):
    """What somebody is granted now."""

    permissions: tuple[Permission, ...]


class RoleShape(Shape):
    """A role."""

    id: str
    name: str
    description: str


class RoleList(Shape):
    """The roles there are."""

    roles: tuple[RoleShape, ...]
    pagination: Pagination


@routes.get("/roles", grants.roles, query=PARAMETERS)
async def listRoles(call: TheCall, query: TheQuery) -> RoleList:
    """List the roles that can be granted."""
    page = page_of(await grants.roles(call), query, "roles")
    roles = tuple(RoleShape(id=each.id, name=each.name, description=each.description) for each in page.items)
    return RoleList(roles=roles, pagination=page.pagination)


def asked(permissions: Sequence[PermissionInput], where: str = "permissions") -> tuple[Granted, ...]:
    """Read permissions. One that is narrowed by labels is refused: taken without them it would be wider."""
    for place, each in enumerate(permissions):
        if each.labels or any(resource.labels for resource in each.resources):
            raise Invalid("nothing is granted by label here: list the resources", f"{where}[{place}].labels")
    return tuple(
        Granted(each.roleId, tuple(Target(resource.id, resource.type) for resource in each.resources))
        for each in permissions
    )


def shaped(granted: Iterable[Granted]) -> tuple[Permission, ...]:
    """Return permissions in Segment's shape."""
    return tuple(
        Permission(
            roleId=each.role,
            roleName=ROLES[Role(each.role)].name,
            resources=tuple(ResourceShape(id=one.id, type=one.type) for one in each.resources),
        )
        for each in granted
    )


def listed(name: str) -> list[dict[str, Any]]:
    """Document a query parameter that is a list: a DELETE has no body."""
    schema = {"type": "array", "items": {"type": "string"}, "minItems": 1}
    return [{"name": name, "in": "query", "required": True, "schema": schema}]
