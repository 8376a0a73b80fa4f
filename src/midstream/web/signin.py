"""What happens under `/app/` when somebody signs in or out, takes up an invite, or looks at their sessions.

Enters: forms, and the browser's cookie. Leaves: pages of `signin_pages`, or a redirect with the cookie of a new session.
Forms are taken from our own pages only, and nothing is kept in a cache.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from midstream.control import signed_in
from midstream.control.oidc import FLOW_SECONDS, Provider, flow_of
from midstream.control.sign_in import Refused, SignedIn, SignIn
from midstream.control.signed_in import Lifetimes, Person
from midstream.errors import RequestError, Unavailable
from midstream.secrets import Vault
from midstream.store.session import Sessions
from midstream.web import signin_pages as pages
from midstream.web.browser import FLOW, SESSION, Site, fields, whence

Handler = Callable[[Request], Awaitable[Response]]


def routes(
    sessions: Sessions, way: SignIn, provider: Provider | None, vault: Vault, *, lifetimes: Lifetimes, site: Site
) -> list[BaseRoute]:
    """Return the routes. Without a `provider` nothing leads to one."""
    desk = Desk(sessions, way, site, lifetimes)
    through = Through(desk, provider, vault)

    def get(path: str, handler: Handler) -> Route:
        return Route(path, _shown(handler))

    def post(path: str, handler: Handler) -> Route:
        async def checked(request: Request) -> Response:
            site.check_origin(request)
            return await handler(request)

        return Route(path, _shown(checked), methods=["POST"])

    return [
        get("/app", desk.home),
        get("/app/", desk.account),
        get("/app/sign-in", through.ask),
        post("/app/sign-in", through.enter),
        post("/app/sign-out", desk.leave),
        post("/app/sessions/revoke", desk.revoke),
        post("/app/password", desk.change_password),
        get("/app/oidc/start", through.send_away),
        get("/app/oidc/callback", through.come_back),
        get("/app/invite/{secret}", desk.show_invite),
        post("/app/invite/{secret}", desk.take_up),
    ]


class Desk:
    """Lets people in by a form, and shows those who are in what is theirs."""

    def __init__(self, sessions: Sessions, way: SignIn, site: Site, lifetimes: Lifetimes) -> None:
        self.sessions, self.way, self.site, self.lifetimes = sessions, way, site, lifetimes

    async def person(self, request: Request) -> Person | None:
        """Return who is signed in, if anybody."""
        secret = self.site.cookie(request, SESSION)
        return await signed_in.person_of(self.sessions, secret, self.lifetimes) if secret else None

    async def home(self, request: Request) -> Response:
        """Add the slash."""
        return _go("/app/")

    async def account(self, request: Request) -> Response:
        """Show who one is, and one's sessions."""
        person = await self.person(request)
        if person is None:
            return _go("/app/sign-in")
        listed = await signed_in.sessions_of(self.sessions, person, self.lifetimes)
        return pages.account(person, listed)

    async def leave(self, request: Request) -> Response:
        """Sign out."""
        if person := await self.person(request):
            await signed_in.sign_out(self.sessions, person, whence(request).address)
        response = _go("/app/sign-in")
        self.site.set_cookie(request, response, SESSION, "", 0)
        return response

    async def revoke(self, request: Request) -> Response:
        """End one of one's sessions, or all but this one."""
        person = await self.person(request)
        if person is None:
            return _go("/app/sign-in")
        form = await fields(request)
        if session_id := form.get("session"):
            await signed_in.revoke(self.sessions, person, session_id, whence(request).address)
        else:
            await signed_in.revoke_others(self.sessions, person, whence(request).address)
        return _go("/app/")

    async def change_password(self, request: Request) -> Response:
        """Change one's password."""
        person = await self.person(request)
        if person is None:
            return _go("/app/sign-in")
        form = await fields(request)
        refused = await self.way.change_password(person, form.get("current", ""), form.get("new", ""), whence(request))
        if refused is None:
            return _go("/app/")
        return pages.account(person, await signed_in.sessions_of(self.sessions, person, self.lifetimes), refused)

    async def show_invite(self, request: Request) -> Response:
        """Show what an invite is to, and ask for what it takes."""
        invitation = await self.way.invited(request.path_params["secret"])
        return pages.invite(invitation) if invitation else pages.fault(404, pages.NO_INVITE)

    async def take_up(self, request: Request) -> Response:
        """Take up an invite."""
        secret, form = request.path_params["secret"], await fields(request)
        answer = await self.way.with_invite(secret, form.get("name", ""), form.get("password", ""), whence(request))
        if isinstance(answer, SignedIn):
            return self.welcome(request, answer)
        invitation = await self.way.invited(secret)
        if invitation is None:
            return pages.fault(answer.status, answer.message)
        return pages.invite(invitation, answer, name=form.get("name", ""))

    def welcome(self, request: Request, answer: SignedIn) -> Response:
        """Lead somebody in."""
        response = _go("/app/")
        self.site.set_cookie(request, response, SESSION, answer.secret, self.lifetimes.whole.total_seconds())
        return response


class Through:
    """Lets people in by the sign-in page: with a password, or by way of the provider and back."""

    def __init__(self, desk: Desk, provider: Provider | None, vault: Vault) -> None:
        self._desk, self._provider, self._vault = desk, provider, vault

    async def ask(self, request: Request) -> Response:
        """Show the form."""
        return _go("/app/") if await self._desk.person(request) else self._form()

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
        response = _go(url)
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

    def _form(self, refused: Refused | None = None, email: str = "") -> Response:
        return pages.sign_in(self._provider.name if self._provider else None, refused, email)


def _shown(handler: Handler) -> Handler:
    """Turn our own errors into pages, and keep everything out of caches."""

    async def shown(request: Request) -> Response:
        try:
            response = await handler(request)
        except RequestError as error:
            response = pages.fault(error.status, str(error))
        except Unavailable as error:
            response = pages.fault(503, str(error))
        response.headers["cache-control"] = "no-store"
        return response

    return shown


def _go(url: str) -> Response:
    return RedirectResponse(url, 303)
