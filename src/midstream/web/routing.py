"""How a page's route is declared: forms from our own pages only, our errors as pages, and nothing kept in a cache."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from midstream.errors import RequestError, Unavailable
from midstream.web.browser import Site
from midstream.web.page import fault

Handler = Callable[[Request], Awaitable[Response]]


def get(path: str, handler: Handler) -> Route:
    """Declare a page."""
    return Route(path, _shown(handler))


def post(path: str, handler: Handler, site: Site) -> Route:
    """Declare what takes a form."""

    async def checked(request: Request) -> Response:
        site.check_form(request)
        return await handler(request)

    return Route(path, _shown(checked), methods=["POST"])


def go(url: str) -> Response:
    """Send the browser on."""
    return RedirectResponse(url, 303)


def _shown(handler: Handler) -> Handler:
    async def shown(request: Request) -> Response:
        try:
            response = await handler(request)
        except RequestError as error:
            response = fault(error.status, str(error))
        except Unavailable as error:
            response = fault(503, str(error))
        response.headers["cache-control"] = "no-store"
        return response

    return shown
