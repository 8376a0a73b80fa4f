"""Who is at a page, or asks the API from one: the person behind the browser's cookie, looked up at each request."""

from __future__ import annotations

from starlette.requests import Request

from midstream.control import signed_in
from midstream.control.signed_in import Lifetimes, Person
from midstream.domain.access import Caller
from midstream.domain.provenance import SESSION, WORKSPACE
from midstream.errors import RequestError
from midstream.store.session import Sessions
from midstream.web.browser import Site


class Visitors:
    """Knows people by their sessions."""

    def __init__(self, sessions: Sessions, site: Site, lifetimes: Lifetimes) -> None:
        self.lifetimes = lifetimes
        self._sessions, self._site = sessions, site

    async def person(self, request: Request) -> Person | None:
        """Return who is signed in, if anybody."""
        secret = self._site.cookie(request, SESSION)
        return await signed_in.person_of(self._sessions, secret, self.lifetimes) if secret else None

    async def caller(self, request: Request) -> Caller:
        """Return who asks the API from one of our pages, in the workspace that the request names.

        Raises 403 unless it is a page of ours, 401 when nobody is signed in, 404 where they are no member.
        """
        self._site.check_script(request)
        person = await self.person(request)
        if person is None:
            raise RequestError(401, "unauthorized", "nobody is signed in, or not any more: sign in again under /app/")
        return await signed_in.caller_of(self._sessions, person, request.headers[WORKSPACE])
