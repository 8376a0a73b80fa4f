"""`/tokens`: API tokens. Ours: Segment's API cannot make them."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from midstream.api.office import TheCall, TheQuery
from midstream.api.paging import PARAMETERS, Pagination, paged
from midstream.api.permissions import Permission, PermissionInput, asked, shaped
from midstream.api.routing import Body, Done, Routes, Shape
from midstream.control import tokens
from midstream.control.tokens import TokenView
from midstream.domain.times import iso

routes = Routes("Tokens")


class CreateToken(Body):
    """A token to be made. Without permissions it may what its creator may."""

    name: str
    permissions: Annotated[tuple[PermissionInput, ...], Field(max_length=100)] = ()
    expiresInDays: float | None = Field(default=None, gt=0, le=3650)


class Token(Shape):
    """A token. `token` is itself, told once."""

    id: str
    name: str
    creatorId: str
    creatorEmail: str
    endsWith: str
    permissions: tuple[Permission, ...]
    createdAt: str
    expiresAt: str | None
    token: str | None = None


class OneToken(Shape):
    """A token."""

    token: Token


class TokenList(Shape):
    """Tokens."""

    tokens: tuple[Token, ...]
    pagination: Pagination


@routes.get("/tokens", tokens.tokens, query=PARAMETERS)
async def listTokens(call: TheCall, query: TheQuery) -> TokenList:
    """List the tokens. What they are is not known any more."""
    page = await paged(lambda place: tokens.tokens(call, place), query, "tokens")
    return TokenList(tokens=tuple(_shaped(each) for each in page.items), pagination=page.pagination)


@routes.post("/tokens", tokens.create_token)
async def createToken(call: TheCall, body: CreateToken) -> OneToken:
    """Make a token that acts as who asks, with no more rights than these and theirs. It is told this once."""
    lifetime = None if body.expiresInDays is None else timedelta(days=body.expiresInDays)
    made = await tokens.create_token(call, name=body.name, permissions=asked(body.permissions), expires_in=lifetime)
    return OneToken(token=_shaped(made))


@routes.delete("/tokens/{tokenId}", tokens.delete_token)
async def deleteToken(call: TheCall, tokenId: str) -> Done:
    """Take a token away: requests with it get 401 from now on."""
    await tokens.delete_token(call, tokenId)
    return Done()


def _shaped(view: TokenView) -> Token:
    return Token(
        id=view.id,
        name=view.name,
        creatorId=view.creator_id,
        creatorEmail=view.creator,
        endsWith=view.last4,
        permissions=shaped(view.permissions),
        createdAt=iso(view.created_at),
        expiresAt=iso(view.expires_at) if view.expires_at else None,
        token=view.secret,
    )
