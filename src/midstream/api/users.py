"""`/users` and `/invites`: who belongs to the workspace, who is asked to, and what they are granted."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import Response
from pydantic import Field

from midstream.api import permissions, queries
from midstream.api.office import TheCall, TheQuery, tagged
from midstream.api.paging import PARAMETERS, Pagination, paged
from midstream.api.permissions import Permission, PermissionInput, PermissionList, Permissions
from midstream.api.routing import Body, Done, Routes, Shape
from midstream.control import invites, members
from midstream.control.invites import Invitation
from midstream.control.members import MemberView

routes = Routes("Users")


class User(Shape):
    """A member. Permissions are their own, without those of their groups."""

    id: str
    name: str
    email: str
    permissions: tuple[Permission, ...]


class OneUser(Shape):
    """A member."""

    user: User


class UserList(Shape):
    """Members."""

    users: tuple[User, ...]
    pagination: Pagination


class MinimalGroup(Shape):
    """A group."""

    id: str
    name: str


class GroupsOfUser(Shape):
    """The groups of a member."""

    groups: tuple[MinimalGroup, ...]
    pagination: Pagination


class InviteInput(Body):
    """Somebody to invite. Without permissions they become Workspace Member."""

    email: str
    permissions: tuple[PermissionInput, ...] = ()


class CreateInvites(Body):
    """Whom to invite."""

    invites: Annotated[tuple[InviteInput, ...], Field(min_length=1, max_length=100)]


class MadeInvite(Shape):
    """An invite. The secret of its link is shown this once; handing it on is up to you."""

    email: str
    secret: str
    expiresAt: datetime


class MadeInvites(Shape):
    """Who was invited."""

    emails: tuple[str, ...]
    invites: tuple[MadeInvite, ...]


class InviteList(Shape):
    """Who is invited."""

    invites: tuple[str, ...]
    pagination: Pagination


@routes.get("/users", members.members, query=PARAMETERS)
async def listUsers(call: TheCall, query: TheQuery) -> UserList:
    """List the members."""
    page = await paged(lambda place: members.members(call, place), query, "users")
    return UserList(users=tuple(_shaped(each) for each in page.items), pagination=page.pagination)


@routes.delete("/users", members.remove_members, query=permissions.listed("userIds"))
async def deleteUsers(call: TheCall, query: TheQuery) -> Done:
    """Remove members: all of those named, or none. Their tokens and sessions end with it."""
    await members.remove_members(call, queries.required_texts(query, "userIds"))
    return Done()


@routes.get("/users/{userId}", members.get_member)
async def getUser(call: TheCall, userId: str, response: Response) -> OneUser:
    """Show a member."""
    view = await members.get_member(call, userId)
    tagged(response, view.updated_at)
    return OneUser(user=_shaped(view))


@routes.get("/users/{userId}/groups", members.groups_of_member, query=PARAMETERS)
async def listUserGroupsFromUser(call: TheCall, userId: str, query: TheQuery) -> GroupsOfUser:
    """List the groups of a member."""
    page = await paged(lambda place: members.groups_of_member(call, userId, place), query, f"groups of {userId}")
    groups = tuple(MinimalGroup(id=each.id, name=each.name) for each in page.items)
    return GroupsOfUser(groups=groups, pagination=page.pagination)


@routes.post("/users/{userId}/permissions", members.add_member_permissions)
async def addPermissionsToUser(call: TheCall, userId: str, body: Permissions) -> PermissionList:
    """Grant a member more."""
    held = await members.add_member_permissions(call, userId, permissions.asked(body.permissions))
    return PermissionList(permissions=permissions.shaped(held))


@routes.put("/users/{userId}/permissions", members.replace_member_permissions)
async def replacePermissionsForUser(call: TheCall, userId: str, body: Permissions) -> PermissionList:
    """Grant a member this instead of what they have."""
    held = await members.replace_member_permissions(call, userId, permissions.asked(body.permissions))
    return PermissionList(permissions=permissions.shaped(held))


@routes.get("/invites", invites.invites, query=PARAMETERS)
async def listInvites(call: TheCall, query: TheQuery) -> InviteList:
    """List who is invited and has not joined yet."""
    page = await paged(lambda place: invites.invites(call, place), query, "invites")
    return InviteList(invites=tuple(each.email for each in page.items), pagination=page.pagination)


@routes.post("/invites", invites.create_invites, status=201)
async def createInvites(call: TheCall, body: CreateInvites) -> MadeInvites:
    """Invite people: all of those named, or none. Inviting somebody again makes a new link, and the old one is void."""
    wanted = [
        Invitation(each.email, permissions.asked(each.permissions, f"invites[{place}].permissions"))
        for place, each in enumerate(body.invites)
    ]
    made = await invites.create_invites(call, wanted)
    return MadeInvites(
        emails=tuple(each.email for each in made),
        invites=tuple(MadeInvite(email=it.email, secret=it.secret or "", expiresAt=it.expires_at) for it in made),
    )


@routes.delete("/invites", invites.delete_invites, query=permissions.listed("emails"))
async def deleteInvites(call: TheCall, query: TheQuery) -> Done:
    """Take invites back: all of those named, or none."""
    await invites.delete_invites(call, queries.required_texts(query, "emails"))
    return Done()


def _shaped(view: MemberView) -> User:
    return User(id=view.id, name=view.name, email=view.email, permissions=permissions.shaped(view.permissions))
