"""What the API works with, and how a request becomes a `Call`: who asks, from where, under which entity tags."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Request, Response

from midstream.api import queries
from midstream.api.rates import Rates
from midstream.authoring.preview import Workbench
from midstream.control.act import Call
from midstream.control.locate import tag_of
from midstream.control.sources import COMMAND_LINE
from midstream.control.tokens import authenticate
from midstream.domain.access import Caller
from midstream.domain.provenance import WORKSPACE
from midstream.errors import RequestError
from midstream.runtime import Fetcher
from midstream.secrets import Vault
from midstream.store.session import Sessions

_SCHEME = "bearer "


@dataclass(frozen=True, slots=True)
class Office:
    """The parts an API needs. Whoever made them closes them."""

    sessions: Sessions
    vault: Vault
    bench: Workbench
    network: Fetcher  # for code that is only tried
    trying: asyncio.Semaphore  # how much code is tried at once
    rates: Rates
    visitor: Callable[[Request], Awaitable[Caller]] | None = None  # who asks by a session, where people can sign in
    caller: Caller | None = None  # who asks, where no request says it: a command on the data dir


async def call_of(request: Request) -> Call:
    """Authenticate a request and count it, unless it is known who asks. Raises RequestError 401, and TooManyRequests."""
    known: Call | None = getattr(request.state, "call", None)  # a repeatable request asks twice
    if known is not None:
        return known
    office: Office = request.state.office
    if office.caller is not None:
        return Call(office.sessions, office.vault, office.caller, COMMAND_LINE, request.headers.get("if-match"))
    caller = await _caller_of(request, office)
    request.state.rate = office.rates.count(caller.id)
    origin = request.client.host if request.client else ""
    call = Call(office.sessions, office.vault, caller, origin, request.headers.get("if-match"))
    request.state.call = call
    return call


async def _caller_of(request: Request, office: Office) -> Caller:
    """Return who asks: by a token, or from a page by a session, which counts only where no token is sent."""
    header = request.headers.get("authorization")
    if header is None and office.visitor is not None and WORKSPACE in request.headers:
        return await office.visitor(request)
    if header is None or not header.lower().startswith(_SCHEME):
        raise RequestError(401, "unauthorized", "a token is needed: send the header `Authorization: Bearer mst_…`")
    return await authenticate(office.sessions, header[len(_SCHEME) :].strip(), datetime.now(UTC))


async def office_of(request: Request) -> Office:
    """Return what the API works with."""
    office: Office = request.state.office
    return office


async def query_of(request: Request) -> queries.Query:
    """Read the query string as Segment's clients write it."""
    return queries.read(request.url.query)


TheCall = Annotated[Call, Depends(call_of)]
TheOffice = Annotated[Office, Depends(office_of)]
TheQuery = Annotated[queries.Query, Depends(query_of)]


def tagged(response: Response, changed: datetime) -> None:
    """Give an answer the entity tag that `If-Match` is compared with."""
    response.headers["ETag"] = tag_of(changed)
