"""Invites: a link whose secret makes whoever has it a member, with the roles and groups the invite was given.

Enters: addresses to invite; later the secret of a link. Leaves: the secret, once; a member. The link is handed on by
whoever invites: midstream sends no mail.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import select

from midstream.control import grants
from midstream.control.act import Act, Writes, use_case
from midstream.control.grants import Granted, Held
from midstream.control.members import drop_invite, leave_groups
from midstream.control.parts import ALL, Part, part
from midstream.domain.access import Permission, Role
from midstream.domain.audit import Action, Resource
from midstream.domain.bearer import hash_of
from midstream.domain.email import normalised
from midstream.errors import Invalid, RequestError
from midstream.store.ids import new_id
from midstream.store.people import InviteRow, MemberRow, UserRow

_GOOD_FOR = timedelta(days=7)


class Invitation(msgspec.Struct, frozen=True):
    """Somebody to invite. Without permissions they become Workspace Member."""

    email: str
    permissions: tuple[Granted, ...] = ()


class InviteView(msgspec.Struct, frozen=True):
    """An invite. `secret` is that of its link, and known only when it was made just now."""

    id: str
    email: str
    permissions: tuple[Granted, ...]
    created_at: datetime
    expires_at: datetime
    secret: str | None = None


def resource(row: InviteRow) -> Resource:
    """Name an invite for the audit trail."""
    return Resource("invite", row.id, row.email)


async def list_invites(act: Act, place: slice = ALL) -> Part[InviteView]:
    """List the invites that were not accepted, by address; those that expired too, until they are renewed or deleted."""
    query = select(InviteRow).where(InviteRow.workspace_id == act.workspace_id).order_by(InviteRow.email)
    rows = await part(act.session, query, place)
    return rows.of(await _views(act, rows))


async def create(act: Act, invitations: Sequence[Invitation]) -> list[InviteView]:
    """Invite people. Inviting somebody again makes a new link; the old one is good for nothing then."""
    emails = [normalised(each.email, f"invites[{place}].email") for place, each in enumerate(invitations)]
    made = []
    for place, (email, each) in enumerate(zip(emails, invitations, strict=True)):
        at = f"invites[{place}]"
        if email in emails[:place]:
            raise Invalid(f"{email} is listed twice", f"{at}.email")
        await _check_new(act, email, f"{at}.email")
        held = await grants.checked(act, each.permissions or [Granted(Role.WORKSPACE_MEMBER)], f"{at}.permissions")
        made.append(await _invite(act, email, held))
    return made


async def _check_new(act: Act, email: str, where: str) -> None:
    here = (MemberRow.workspace_id == act.workspace_id, UserRow.email == email)
    if await act.session.scalar(select(UserRow.id).join(MemberRow, MemberRow.user_id == UserRow.id).where(*here)):
        raise RequestError(409, "conflict", f"{email} is a member of the workspace already", where)


async def _invite(act: Act, email: str, held: Held) -> InviteView:
    await drop_invite(act, email)
    secret = f"inv_{secrets.token_urlsafe(32)}"
    row = InviteRow(
        id=new_id("inv"),
        workspace_id=act.workspace_id,
        email=email,
        hash=hash_of(secret),
        created_at=act.at,
        expires_at=act.at + _GOOD_FOR,
    )
    act.session.add(row)
    await act.session.flush()
    await grants.let_hold(act, row.id, held)
    act.note(Action.USER_INVITED, resource(row), *grants.said(held))
    [view] = await _views(act, [row])
    return msgspec.structs.replace(view, secret=secret)


async def remove(act: Act, emails: Sequence[str]) -> None:
    """Take invites back; 404 when there is none for an address."""
    for place, each in enumerate(emails):
        email = normalised(each, f"emails[{place}]")
        row = await drop_invite(act, email)
        if row is None:
            raise RequestError(404, "not-found", f"there is no invite for {email}", f"emails[{place}]")
        await leave_groups(act, email)
        act.note(Action.INVITE_DELETED, resource(row))


async def _views(act: Act, rows: Sequence[InviteRow]) -> list[InviteView]:
    held = await grants.shown(act, [row.id for row in rows])
    return [InviteView(row.id, row.email, held[row.id], row.created_at, row.expires_at) for row in rows]


invites = use_case(list_invites, Permission.ACCESS_MANAGE)
create_invites = use_case(create, Permission.ACCESS_MANAGE, writes=Writes.PEOPLE)
delete_invites = use_case(remove, Permission.ACCESS_MANAGE, writes=Writes.PEOPLE)
