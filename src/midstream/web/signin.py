"""What happens under `/app/` when somebody signs in or out, takes up an invite, or looks at their sessions.

Enters: forms, and the browser's cookie. Leaves: pages of `signin_pages`, or a redirect with the cookie of a new session.
Forms are taken from our own pages only, and nothing is kept in a cache.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from midstream.control import signed_in
from midstream.control.oidc import FLOW_SECONDS, Provider, flow_of
from midstream.control.sign_in import Refused, SignedIn, SignIn
from midstream.domain.provenance import SESSION
from midstream.errors import RequestError, Unavailable
from midstream.secrets import Vault
from midstream.store.session import Sessions
from midstream.web import signin_pages as pages
from midstream.web.browser import FLOW, Site, fields, whence
from midstream.web.page import fault
from midstream.web.routing import get, go, post
from midstream.web.visitors import Visitors


def routes(
    sessions: Sessions, way: SignIn, visitors: Visitors, vault: Vault, provider: Provider | None, *, site: Site
) -> list[BaseRoute]:
    """Return the routes. Without a `provider` nothing leads to one."""
    desk = Desk(sessions, way, visitors, site)
    through = Through(desk, provider, vault)
    return [
        get("/app", desk.home),
        get("/app/", desk.account),
        get("/app/sign-in", through.ask),
        post("/app/sign-in", through.enter, site),
        post("/app/sign-out", desk.leave, site),
        post("/app/sessions/revoke", desk.revoke, site),
        post("/app/password", desk.change_password, site),
        get("/app/oidc/start", through.send_away),
        get("/app/oidc/callback", through.come_back),
        get("/app/invite/{secret}", desk.show_invite),
        post("/app/invite/{secret}", desk.take_up, site),
    ]


class Desk:
    """Lets people in by a form, and shows those who are in what is theirs."""

    def __init__(self, sessions: Sessions, way: SignIn, visitors: Visitors, site: Site) -> None:
        self.sessions, self.way, self.visitors, self.site = sessions, way, visitors, site

    async def home(self, request: Request) -> Response:
        """Add the slash."""
        return go("/app/")

    async def account(self, request: Request) -> Response:
        """Show who one is, and one's sessions."""
        person = await self.visitors.person(request)
        if person is None:
            return go("/app/sign-in")
        listed = await signed_in.sessions_of(self.sessions, person, self.visitors.lifetimes)
        return pages.account(person, listed, done=request.query_params.get("done"))

    async def leave(self, request: Request) -> Response:
        """Sign out."""
        if person := await self.visitors.person(request):
            await signed_in.sign_out(self.sessions, person, whence(request).address)
        response = go("/app/sign-in?done=signed-out")
        self.site.set_cookie(request, response, SESSION, "", 0)
        return response

    async def revoke(self, request: Request) -> Response:
        """End one of one's sessions, or all but this one."""
        person = await self.visitors.person(request)
        if person is None:
            return go("/app/sign-in")
        form = await fields(request)
        if session_id := form.get("session"):
            await signed_in.revoke(self.sessions, person, session_id, whence(request).address)
            return go("/app/?done=session")
        await signed_in.revoke_others(self.sessions, person, whence(request).address)
        return go("/app/?done=sessions")

    async def change_password(self, request: Request) -> Response:
        """Change one's password."""
        person = await self.visitors.person(request)
        if person is None:
            return go("/app/sign-in")
        form = await fields(request)
        refused = await self.way.change_password(person, form.get("current", ""), form.get("new", ""), whence(request))
        if refused is None:
            return go("/app/?done=password")
        return pages.account(
            person, await signed_in.sessions_of(self.sessions, person, self.visitors.lifetimes), refused
        )

    async def show_invite(self, request: Request) -> Response:
        """Show what an invite is to, and ask for what it takes."""
        invitation = await self.way.invited(request.path_params["secret"])
        return pages.invite(invitation) if invitation else fault(404, pages.NO_INVITE)

    async def take_up(self, request: Request) -> Response:
        """Take up an invite."""
        secret, form = request.path_params["secret"], await fields(request)
        answer = await self.way.with_invite(secret, form.get("name", ""), form.get("password", ""), whence(request))
        if isinstance(answer, SignedIn):
            return self.welcome(request, answer)
        invitation = await self.way.invited(secret)
        if invitation is None:
            return fault(answer.status, answer.message)
        return pages.invite(invitation, answer, name=form.get("name", ""))

    def welcome(self, request: Request, answer: SignedIn) -> Response:
        """Lead somebody in."""
        response = go("/app/")
        self.site.set_cookie(request, response, SESSION, answer.secret, self.visitors.lifetimes.whole.total_seconds())
        return response


class Through:
    """Lets people in by the sign-in page: with a password, or by way of the provider and back."""

    def __init__(self, desk: Desk, provider: Provider | None, vault: Vault) -> None:
        self._desk, self._provider, self._vault = desk, provider, vault

    async def ask(self, request: Request) -> Response:
        """Show the form."""
        return (
            go("/app/")
            if await self._desk.visitors.person(request)
            else self._form(done=request.query_params.get("done"))
        )

    async def enter(self, request: Request) -> Response:
        """Sign in with a password."""
        form = await fields(request)
        email = form.get("email", "")
        answer = await self._desk.way.with_password(email, form.get("password", ""), whence(request))
        return self._desk.welcome(request, answer) if isinstance(answer, SignedIn) else self._form(answer, email)

    async def send_away(self, request: Request) -> Response:
        """Send the browser to the provider, with a cookie for the way back."""
        provider = self._configured()
        url, flow = await provider.start(self._desk.site.url(request, "/app/oidc/callback"))
        response = go(url)
        self._desk.site.set_cookie(request, response, FLOW, flow.sealed(self._vault), FLOW_SECONDS)
        return response

    async def come_back(self, request: Request) -> Response:
        """Sign in whom the provider sent back. The cookie for it has served then, whatever came of it."""
        try:
            response = await self._let_in(request)
        except (RequestError, Unavailable) as error:
            response = self._form(Refused(str(error), getattr(error, "status", 503)))
        self._desk.site.set_cookie(request, response, FLOW, "", 0)
        return response

    async def _let_in(self, request: Request) -> Response:
        provider = self._configured()
        if refused := await self._desk.way.throttled(whence(request)):
            return self._form(refused)
        flow = flow_of(self._vault, self._desk.site.cookie(request, FLOW))
        code, flow = provider.code_of(request.query_params, flow)
        try:
            identity = await provider.redeem(code, flow)
        except RequestError:
            # What any page could have sent this browser to with a wrong state does not count, this does.
            await self._desk.way.failed(whence(request))
            raise
        answer = await self._desk.way.with_identity(identity, whence(request))
        return self._desk.welcome(request, answer) if isinstance(answer, SignedIn) else self._form(answer)

    def _configured(self) -> Provider:
        if self._provider is None:
            raise RequestError(404, "not-found", "No identity provider is configured here.")
        return self._provider

    def _form(self, refused: Refused | None = None, email: str = "", done: str | None = None) -> Response:
        return pages.sign_in(self._provider.name if self._provider else None, refused, email, done)
