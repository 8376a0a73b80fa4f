"""API tokens: made for somebody, shown once, kept as a hash; and who a token says is asking.

A token acts as its creator and never has more rights than both (contract §1), so what it may is looked up at each request:
taking a role from somebody takes it from their tokens as well.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from midstream.control.act import Act, Writes, use_case, use_case_on
from midstream.control.grants import (
    Granted,
    checked,
    effective_grants,
    effective_grants_of,
    grant_of,
    grants_of,
    let_hold,
    said,
    said_of,
    shown,
)
from midstream.control.parts import ALL, Part, part
from midstream.control.transaction import check_name
from midstream.domain.access import Caller, Permission, Role, shared
from midstream.domain.audit import Action, Resource
from midstream.domain.bearer import hash_of
from midstream.errors import Invalid, RequestError
from midstream.store.ids import new_id
from midstream.store.people import GrantRow, MemberRow, TokenRow, UserRow
from midstream.store.session import Sessions, reading

_LONGEST = timedelta(days=3650)


class TokenView(msgspec.Struct, frozen=True):
    """A token. `secret` is there once, just after it was made.

    `permissions` are what it was granted, `effective` what its creator leaves of them.
    """

    id: str
    name: str
    creator_id: str
    creator: str  # e-mail address
    last4: str
    permissions: tuple[Granted, ...]
    effective: tuple[Granted, ...]
    created_at: datetime
    expires_at: datetime | None
    secret: str | None = None


async def make(
    act: Act,
    *,
    name: str,
    permissions: Sequence[Granted] = (),
    creator_id: str | None = None,
    expires_in: timedelta | None = None,
) -> TokenView:
    """Make a token that acts as a member: the caller, unless the operator names another.

    Without permissions it may all that its creator may; in any case no more than they.
    """
    check_name(name)
    creator, _ = await act.find(UserRow, creator_id or act.caller.user_id)
    if expires_in is not None and not timedelta() < expires_in <= _LONGEST:
        raise Invalid(f"a token is good for up to {_LONGEST.days} days", "expiresIn")
    secret = "mst_" + secrets.token_urlsafe(32)
    row = TokenRow(
        id=new_id("tok"),
        workspace_id=act.workspace_id,
        creator_id=creator.id,
        name=name,
        hash=hash_of(secret),
        last4=secret[-4:],
        created_at=act.at,
        expires_at=None if expires_in is None else act.at + expires_in,
    )
    act.session.add(row)
    held = await checked(act, permissions) if permissions else {Role.WORKSPACE_OWNER: None}
    await let_hold(act, row.id, held)
    act.note(Action.TOKEN_CREATED, resource(row), *said(held))
    await act.session.flush()
    [view] = await _views(act, [row])
    return msgspec.structs.replace(view, secret=secret)


async def revoke(act: Act, row: TokenRow) -> None:
    """Take a token away; requests with it get 401 from now on."""
    await act.session.execute(delete(GrantRow).where(GrantRow.subject_id == row.id))
    await act.session.delete(row)
    act.note(Action.TOKEN_DELETED, resource(row))


async def list_tokens(act: Act, place: slice = ALL) -> Part[TokenView]:
    """List the workspace's tokens, the oldest first."""
    query = select(TokenRow).where(TokenRow.workspace_id == act.workspace_id).order_by(TokenRow.id)
    rows = await part(act.session, query, place)
    return rows.of(await _views(act, rows))


async def _views(act: Act, rows: Sequence[TokenRow]) -> list[TokenView]:
    query = select(UserRow).where(UserRow.id.in_({row.creator_id for row in rows}))
    creators = {user.id: user for user in await act.session.scalars(query)}
    held = await shown(act, [row.id for row in rows])
    within = await effective_grants_of(act.session, act.workspace_id, list(creators.values()))
    return [
        TokenView(
            id=row.id,
            name=row.name,
            creator_id=row.creator_id,
            creator=creators[row.creator_id].email,
            last4=row.last4,
            permissions=held[row.id],
            effective=said_of(act, shared(map(grant_of, held[row.id]), within[row.creator_id])),
            created_at=row.created_at,
            expires_at=row.expires_at,
        )
        for row in rows
    ]


def resource(row: TokenRow) -> Resource:
    """Name a token for the audit trail."""
    return Resource("token", row.id, row.name)


async def authenticate(sessions: Sessions, secret: str, now: datetime) -> Caller:
    """Return who asks with this token; a 401 that says why when it is nobody."""
    async with reading(sessions) as session:
        row = await session.scalar(select(TokenRow).where(TokenRow.hash == hash_of(secret)))
        if row is None:
            raise RequestError(401, "unauthorized", "there is no such token, or it was taken away")
        if row.expires_at is not None and row.expires_at <= now:
            raise RequestError(401, "unauthorized", f"the token expired at {row.expires_at:%Y-%m-%dT%H:%M:%SZ}")
        return await _caller(session, row)


async def _caller(session: AsyncSession, row: TokenRow) -> Caller:
    creator = await session.get_one(UserRow, row.creator_id)
    if await session.get(MemberRow, (row.workspace_id, creator.id)) is None:
        raise RequestError(401, "unauthorized", "whoever made this token has left the workspace")
    return Caller(
        id=row.id,
        workspace_id=row.workspace_id,
        grants=await grants_of(session, row.workspace_id, row.id),
        within=await effective_grants(session, row.workspace_id, creator),
        email=creator.email,
        user_id=creator.id,
    )


tokens = use_case(list_tokens, Permission.ACCESS_MANAGE)
create_token = use_case(make, Permission.ACCESS_MANAGE, writes=Writes.PEOPLE)
delete_token = use_case_on(TokenRow, revoke, Permission.ACCESS_MANAGE, writes=Writes.PEOPLE)
