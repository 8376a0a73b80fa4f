"""One's API tokens under `/app/tokens`: made by a form and shown once, listed, taken away.

Enters: forms of somebody who is signed in. Leaves: pages of `token_pages`. What they may is asked by the use cases.
"""

from __future__ import annotations

from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from midstream.control import tokens
from midstream.control.act import Call
from midstream.control.sign_in import Refused
from midstream.control.signed_in import Person, caller_of
from midstream.domain.access import Permission
from midstream.errors import Invalid
from midstream.secrets import Vault
from midstream.store.session import Sessions
from midstream.web import token_pages as pages
from midstream.web.browser import Site, fields, whence
from midstream.web.routing import get, go, post
from midstream.web.token_pages import DAYS, Held
from midstream.web.visitors import Visitors

_HERE = "/app/tokens"


def routes(sessions: Sessions, vault: Vault, visitors: Visitors, site: Site) -> list[BaseRoute]:
    """Return the routes."""
    shelf = Shelf(sessions, vault, visitors)
    return [
        get(_HERE, shelf.show),
        post(_HERE, shelf.make, site),
        post(f"{_HERE}/delete", shelf.delete, site),
    ]


class Shelf:
    """Where somebody's tokens are."""

    def __init__(self, sessions: Sessions, vault: Vault, visitors: Visitors) -> None:
        self._sessions, self._vault, self._visitors = sessions, vault, visitors

    async def show(self, request: Request) -> Response:
        """Show them."""
        person = await self._visitors.person(request)
        if person is None:
            return go("/app/sign-in")
        return pages.tokens(await self._held(request, person), deleted=request.query_params.get("done") == "deleted")

    async def make(self, request: Request) -> Response:
        """Make one, which is shown in the answer and never again."""
        person = await self._visitors.person(request)
        if person is None:
            return go("/app/sign-in")
        form = await fields(request)
        name, days = form.get("name", ""), form.get("days", "")
        call = await self._call(request, person, form.get("workspace", ""))
        try:
            made = await tokens.create_token(call, name=name, expires_in=_lifetime(days))
        except Invalid as error:
            refused = Refused(f"{error}."[0].upper() + f"{error}."[1:], 422, field="name")
            return pages.tokens(await self._held(request, person), refused=refused, name=name, days=days)
        return pages.tokens(await self._held(request, person), made=made)

    async def delete(self, request: Request) -> Response:
        """Take one away."""
        person = await self._visitors.person(request)
        if person is None:
            return go("/app/sign-in")
        form = await fields(request)
        call = await self._call(request, person, form.get("workspace", ""))
        await tokens.delete_token(call, form.get("token", ""))
        return go(f"{_HERE}?done=deleted")

    async def _held(self, request: Request, person: Person) -> list[Held]:
        """Return the tokens somebody has in each workspace where they may have any, the newest first."""
        calls = [(each, await self._call(request, person, each.id)) for each in person.workspaces]
        return [
            Held(workspace, [it for it in reversed(await tokens.tokens(call)) if it.creator_id == person.user_id])
            for workspace, call in calls
            if call.caller.may(Permission.ACCESS_MANAGE)
        ]

    async def _call(self, request: Request, person: Person, workspace_id: str) -> Call:
        caller = await caller_of(self._sessions, person, workspace_id)
        return Call(self._sessions, self._vault, caller, whence(request).address)


def _lifetime(days: str) -> timedelta | None:
    """Return how long one of the choices is; the first when it is none of them. None is for ever."""
    chosen = days if days in dict(DAYS) else DAYS[0][0]
    return timedelta(days=int(chosen)) if chosen else None
