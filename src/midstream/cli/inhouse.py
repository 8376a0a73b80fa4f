"""The Public API in the process of a command: the same application, called directly, on the data dir of this machine.

Enters: a configuration. Leaves: a way to send requests to the API as the operator, whom no token has to name: whoever
can run a command on the data dir owns all that is in it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import unquote

from starlette.types import ASGIApp, Message, Scope

from midstream.api.application import application
from midstream.api.office import Office
from midstream.api.rates import Rates
from midstream.cli.operating import operating
from midstream.cli.server import Send
from midstream.cli.trying import bench_of
from midstream.config import Config
from midstream.egress import Egress


@asynccontextmanager
async def inhouse(config: Config) -> AsyncIterator[Send]:
    """Open the database and build the API on it."""
    egress = Egress(allow=config.egress_allow, deny=config.egress_deny)
    try:
        async with operating(config, None, begin=True) as call:
            office = Office(
                sessions=call.sessions,
                vault=call.vault,
                bench=bench_of(config),
                network=egress.send,
                trying=asyncio.Semaphore(1),
                rates=Rates(config.api_rate),
                caller=call.caller,
            )
            yield caller_of(application(office))
    finally:
        await egress.close()


def caller_of(app: ASGIApp) -> Send:
    """Return a way to call an ASGI application."""

    async def send(method: str, target: str, body: bytes | None) -> tuple[int, bytes]:
        received: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": body or b"", "more_body": False}

        async def keep(message: Message) -> None:
            received.append(message)

        await app(_scope(method, target), receive, keep)
        start, *rest = received
        return int(start["status"]), b"".join(each.get("body", b"") for each in rest)

    return send


def _scope(method: str, target: str) -> Scope:
    path, _, query = target.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "scheme": "http",
        "method": method,
        "path": unquote(path),
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(b"host", b"midstream"), (b"content-type", b"application/json")],
        "client": None,
        "server": None,
    }
