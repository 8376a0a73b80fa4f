"""The Public API as one ASGI application: every resource's routes, errors in one form, a limit on bodies.

Enters: an `Office`. Leaves: a FastAPI application, served at the root of the one port by the control process.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.routing import BaseRoute, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from midstream.api import (
    audit,
    catalog,
    delivery_metrics,
    delivery_overview,
    destinations,
    events_volume,
    filters,
    functions,
    groups,
    instances,
    labels,
    permissions,
    problems,
    sources,
    tokens,
    trying,
    users,
    versions,
    workspace,
)
from midstream.api.office import Office
from midstream.api.problems import Fault
from midstream.api.routing import Routes
from midstream.control.act import UseCase
from midstream.domain.provenance import SESSION, WORKSPACE

# Paths that are fixed come before those with an id in the same place.
RESOURCES: tuple[Routes, ...] = (
    workspace.routes,
    trying.routes,
    functions.routes,
    versions.routes,
    instances.routes,
    sources.routes,
    destinations.routes,
    filters.routes,
    catalog.routes,
    tokens.routes,
    delivery_metrics.routes,
    delivery_overview.routes,
    events_volume.routes,
    users.routes,
    groups.routes,
    permissions.routes,
    labels.routes,
    audit.routes,
)
BODY_BYTES = 1536 * 1024  # a function's code of 1 MB fits, however it is written

_ABOUT = """Segment's Public API, as far as midstream has what it is about, and midstream's own beside it.

Segment's SDKs work with their base path and token changed. Lists are paged by `pagination[count]` and
`pagination[cursor]`; changes take `If-Match` with the `ETag` of what was read, and `POST` an `Idempotency-Key`."""

_SCHEMES = {
    "token": {"type": "http", "scheme": "bearer"},
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": f"__Host-{SESSION}",
        "description": f"Of somebody signed in, for midstream's own pages: a request of another origin is refused. `{SESSION}` "
        "where there is no TLS. Counts only where no `Authorization` is sent.",
    },
    "workspace": {
        "type": "apiKey",
        "in": "header",
        "name": WORKSPACE.title(),
        "description": "The id of the workspace that somebody signed in asks in.",
    },
}
# What is answered is one caller's, for them alone: no cache keeps it, and no page of another origin can embed it.
_PRIVATE = {
    "cache-control": "no-store",
    "cross-origin-resource-policy": "same-origin",
    "x-content-type-options": "nosniff",
}


def decided() -> Mapping[tuple[str, str], UseCase[..., Any]]:
    """Return the use case of every route, by method and path."""
    return {key: use for each in RESOURCES for key, use in each.decided.items()}


def document() -> dict[str, Any]:
    """Return the API's OpenAPI document."""
    return _api().openapi()


def application(office: Office, *, beside: Sequence[BaseRoute] = ()) -> ASGIApp:
    """Build the application. `beside` are routes of others, such as the pages'."""
    app: ASGIApp = Router(beside, redirect_slashes=False, default=_api()) if beside else _api()
    return _Served(_Limited(app), office)


class _Api(FastAPI):
    """FastAPI, whose document says more, and is made when it is first asked for."""

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document."""
        if not self.openapi_schema:
            self.openapi_schema = _secured(super().openapi())
        return self.openapi_schema


@cache
def _api() -> FastAPI:
    """Build the routes, once: which office they serve is told with each request."""
    app = _Api(
        title="midstream",
        version=version("midstream"),
        description=_ABOUT,
        openapi_url="/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        separate_input_output_schemas=False,
    )
    problems.install(app)
    for resource in RESOURCES:
        app.include_router(resource.router)
    return app


def _secured(document: dict[str, Any]) -> dict[str, Any]:
    """Say in the document how every operation is told who asks, and media types as they are."""
    document.setdefault("components", {})["securitySchemes"] = _SCHEMES
    document["security"] = [{"token": []}, {"session": [], "workspace": []}]
    for operations in document["paths"].values():
        for operation in operations.values():
            for status, answer in operation["responses"].items():
                if not status.startswith("2"):
                    schema = {"$ref": "#/components/schemas/Problem"}
                    answer["content"] = {problems.MEDIA_TYPE: {"schema": schema}}
    document["components"]["schemas"].pop("HTTPValidationError", None)
    document["components"]["schemas"].pop("ValidationError", None)
    return document


class _Served:
    """Gives each request the office, and each answer what says whose it is and how they stand with their rate."""

    def __init__(self, app: ASGIApp, office: Office) -> None:
        self._app = app
        self._office = office

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("state", {})["office"] = self._office

        async def told(message: Message) -> None:
            rate: Mapping[str, str] = scope.get("state", {}).get("rate", {})
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(rate)
                for name, value in _PRIVATE.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, told)


class _Limited:
    """Refuses a body that is too large, before it is in memory."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = b""
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return  # the caller has gone
            body += message.get("body", b"")
            if len(body) > BODY_BYTES:
                await _too_large(scope, receive, send)
                return
            if not message.get("more_body", False):
                break
        given = False

        async def again() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, again, send)


async def _too_large(scope: Scope, receive: Receive, send: Send) -> None:
    fault = Fault(type="too-large", message=f"the body is larger than {BODY_BYTES} bytes")
    await problems.answer(413, [fault], {"connection": "close"})(scope, receive, send)
