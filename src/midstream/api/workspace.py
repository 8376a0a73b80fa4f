"""`GET /` and `/echo`: which workspace a token is for, and whether a client gets through at all."""

from __future__ import annotations

from fastapi import Request

from midstream.api import queries
from midstream.api.office import TheCall, TheQuery
from midstream.api.routing import Routes, Shape
from midstream.control import sources
from midstream.errors import RequestError

routes = Routes("Workspace")

_SHOWN = ("accept", "content-type", "user-agent", "host")  # of the headers: never the token
_MESSAGE = {"name": "message", "in": "query", "required": True, "schema": {"type": "string"}}


class Workspace(Shape):
    """A workspace."""

    id: str
    slug: str
    name: str


class OneWorkspace(Shape):
    """The caller's workspace."""

    workspace: Workspace


class Echo(Shape):
    """What came."""

    method: str
    message: str
    headers: dict[str, str]


@routes.get("/", sources.get_workspace, also="text/html")
async def getWorkspace(call: TheCall) -> OneWorkspace:
    """Show the workspace the token is for. Who asks for HTML and has no token gets a page."""
    row = await sources.get_workspace(call)
    return OneWorkspace(workspace=Workspace(id=row.id, slug=row.slug, name=row.name))


@routes.get("/echo", sources.get_workspace, query=[_MESSAGE])
async def echo(call: TheCall, query: TheQuery, request: Request) -> Echo:
    """Say back what came; with `triggerError=true`, show what an error looks like."""
    await sources.get_workspace(call)
    message = queries.required(query, "message")
    if queries.text(query, "triggerError") == "true":
        raise RequestError(400, "bad-request", message, "message")
    headers = {name: value for name, value in request.headers.items() if name in _SHOWN}
    return Echo(method=request.method.lower(), message=message, headers=headers)
