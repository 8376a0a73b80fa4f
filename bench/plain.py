"""Ingest's baseline, a process of its own: the same server and routing, but it only parses and answers."""

from __future__ import annotations

import socket

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from midstream.domain.rules import SHORT_FORMS, TYPES

_OK = Response(b'{"success":true}', media_type="application/json", headers={"access-control-allow-origin": "*"})


async def _parse(request: Request) -> Response:
    msgspec.json.decode(await request.body())
    return _OK


def main() -> None:
    """Serve until killed."""
    paths = (*TYPES, *SHORT_FORMS, "batch", "b", "import")
    app = Starlette(routes=[Route(f"/v1/{path}", _parse, methods=["POST"]) for path in paths])
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    print(listener.getsockname()[1], flush=True)
    config = uvicorn.Config(
        app, http="httptools", loop="uvloop", lifespan="off", log_config=None, access_log=False, server_header=False
    )
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
