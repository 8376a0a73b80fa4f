"""`/groups`: groups of members and what they are granted. Two of the paths are in the singular: so they are Segment's."""

from __future__ import annotations

from typing import Annotated

from fastapi import Response
from pydantic import Field

from midstream.api import permissions, queries
from midstream.api.office import TheCall, TheQuery, tagged
from midstream.api.paging import PARAMETERS, Pagination, paged
from midstream.api.permissions import Permission, PermissionList, Permissions
from midstream.api.routing import Body, Done, Routes, Shape
from midstream.control import groups
from midstream.control.groups import GroupView

routes = Routes("Groups")


class GroupName(Body):
    """What a group is called."""

    name: str


class Emails(Body):
    """Members, and people who are invited."""

    emails: Annotated[tuple[str, ...], Field(max_length=1000)]


class Group(Shape):
    """A group. Who is only invited yet is not counted."""

    id: str
    name: str
    memberCount: int
    permissions: tuple[Permission, ...]


class OneGroup(Shape):
    """A group."""

    userGroup: Group


class GroupList(Shape):
    """Groups."""

    userGroups: tuple[Group, ...]
    pagination: Pagination


class MinimalUser(Shape):
    """A member of a group."""

    id: str
    name: str
    email: str


class UsersOfGroup(Shape):
    """The members of a group."""

    users: tuple[MinimalUser, ...]
    pagination: Pagination


class InvitesOfGroup(Shape):
    """Who will be in a group once they join."""

    emails: tuple[str, ...]
    pagination: Pagination


@routes.get("/groups", groups.groups, query=PARAMETERS)
async def listUserGroups(call: TheCall, query: TheQuery) -> GroupList:
    """List the groups."""
    page = await paged(lambda place: groups.groups(call, place), query, "groups")
    return GroupList(userGroups=tuple(_shaped(each) for each in page.items), pagination=page.pagination)


@routes.post("/groups", groups.create_group)
async def createUserGroup(call: TheCall, body: GroupName, response: Response) -> OneGroup:
    """Make a group."""
    return _one(await groups.create_group(call, name=body.name), response)


@routes.get("/groups/{userGroupId}", groups.get_group)
async def getUserGroup(call: TheCall, userGroupId: str, response: Response) -> OneGroup:
    """Show a group."""
    return _one(await groups.get_group(call, userGroupId), response)


@routes.patch("/groups/{userGroupId}", groups.update_group)
async def updateUserGroup(call: TheCall, userGroupId: str, body: GroupName, response: Response) -> OneGroup:
    """Rename a group."""
    return _one(await groups.update_group(call, userGroupId, name=body.name), response)


@routes.delete("/groups/{userGroupId}", groups.delete_group)
async def deleteUserGroup(call: TheCall, userGroupId: str) -> Done:
    """Delete a group; its members stay members."""
    await groups.delete_group(call, userGroupId)
    return Done()


@routes.post("/groups/{userGroupId}/permissions", groups.add_group_permissions)
async def addPermissionsToUserGroup(call: TheCall, userGroupId: str, body: Permissions) -> PermissionList:
    """Grant a group more."""
    held = await groups.add_group_permissions(call, userGroupId, permissions.asked(body.permissions))
    return PermissionList(permissions=permissions.shaped(held))


@routes.put("/groups/{userGroupId}/permissions", groups.replace_group_permissions)
async def replacePermissionsForUserGroup(call: TheCall, userGroupId: str, body: Permissions) -> PermissionList:
    """Grant a group this instead of what it has."""
    held = await groups.replace_group_permissions(call, userGroupId, permissions.asked(body.permissions))
    return PermissionList(permissions=permissions.shaped(held))


@routes.get("/groups/{userGroupId}/users", groups.people_of_group, query=PARAMETERS)
async def listUsersFromUserGroup(call: TheCall, userGroupId: str, query: TheQuery) -> UsersOfGroup:
    """List the members of a group."""
    page = await paged(lambda place: groups.people_of_group(call, userGroupId, place), query, f"users of {userGroupId}")
    users = tuple(MinimalUser(id=each.id, name=each.name, email=each.email) for each in page.items)
    return UsersOfGroup(users=users, pagination=page.pagination)


@routes.get("/groups/{userGroupId}/invites", groups.invited_to_group, query=PARAMETERS)
async def listInvitesFromUserGroup(call: TheCall, userGroupId: str, query: TheQuery) -> InvitesOfGroup:
    """List who will be in a group once they join."""
    page = await paged(
        lambda place: groups.invited_to_group(call, userGroupId, place), query, f"invites of {userGroupId}"
    )
    return InvitesOfGroup(emails=tuple(page.items), pagination=page.pagination)


@routes.post("/groups/{userGroupId}/users", groups.add_to_group)
async def addUsersToUserGroup(call: TheCall, userGroupId: str, body: Emails, response: Response) -> OneGroup:
    """Put members and invited people into a group."""
    return _one(await groups.add_to_group(call, userGroupId, body.emails), response)


@routes.put("/group/{userGroupId}/users", groups.replace_in_group)
async def replaceUsersInUserGroup(call: TheCall, userGroupId: str, body: Emails, response: Response) -> OneGroup:
    """Let a group hold these people and nobody else."""
    return _one(await groups.replace_in_group(call, userGroupId, body.emails), response)


@routes.delete("/group/{userGroupId}/users", groups.remove_from_group, query=permissions.listed("emails"))
async def removeUsersFromUserGroup(call: TheCall, userGroupId: str, query: TheQuery) -> Done:
    """Take people out of a group."""
    await groups.remove_from_group(call, userGroupId, queries.required_texts(query, "emails"))
    return Done()


def _one(view: GroupView, response: Response) -> OneGroup:
    tagged(response, view.updated_at)
    return OneGroup(userGroup=_shaped(view))


def _shaped(view: GroupView) -> Group:
    return Group(
        id=view.id,
        name=view.name,
        memberCount=view.member_count,
        permissions=permissions.shaped(view.permissions),
    )
