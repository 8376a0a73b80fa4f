"""How commands ask the Public API: over HTTP where a URL is given, else in this process on the data dir.

Enters: a method, a path, a body. Leaves: the answer's `data`, or an error from `errors` that carries the exit code. So
each command exists once, and does the same on this machine as from afar.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, TypeVar
from urllib.parse import urlencode

import typer

from midstream.cli.options import configured
from midstream.domain.http import NoAnswer, Outbound
from midstream.egress import Egress
from midstream.errors import ConfigError, RequestError, Unavailable

T = TypeVar("T")
# Sends method, path with query, and body. Returns status and body.
Send = Callable[[str, str, bytes | None], Awaitable[tuple[int, bytes]]]

Url = Annotated[
    str | None,
    typer.Option(
        help="A midstream elsewhere, asked with the token in MIDSTREAM_TOKEN or in the file MIDSTREAM_TOKEN_FILE.",
        envvar="MIDSTREAM_URL",
        show_envvar=True,
    ),
]
_PAGE = 200
# Loading a function to see whether it works may have to wait for others that are tried.
_PATIENCE = timedelta(seconds=60)
_ANSWER_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Server:
    """A Public API that can be asked. `name` is what messages call it."""

    send: Send
    name: str

    async def ask(self, method: str, path: str, body: Any = None, query: Mapping[str, Any] | None = None) -> Any:
        """Return the `data` of an answer. A problem raises: `Unavailable` when trying again may help, else `RequestError`."""
        target = f"{path}?{urlencode(query)}" if query else path
        content = None if body is None else json.dumps(body).encode()
        status, answer = await self.send(method, target, content)
        found = _read(answer)
        if status < 300 and "data" in found:
            return found["data"]
        faults = found.get("errors")
        if status < 400 or not isinstance(faults, list) or not all("message" in each for each in faults):
            raise Unavailable(f"{self.name} answered {status}, but not as midstream's Public API does; check the URL")
        said = "; ".join(map(_said, faults))
        if status >= 500:
            raise Unavailable(f"{self.name} answered {status}: {said}")
        raise RequestError(status, "refused", said)

    async def every(self, path: str, member: str, query: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """Return all of a list, page by page."""
        found: list[dict[str, Any]] = []
        cursor: str | None = None
        while True:
            page = {"pagination[count]": _PAGE} | ({"pagination[cursor]": cursor} if cursor else {})
            data = await self.ask("GET", path, query={**(query or {}), **page})
            found += data[member]
            cursor = data["pagination"].get("next")
            if cursor is None:
                return found


def asked(work: Callable[[Server], Awaitable[T]], *, url: str | None, data_dir: Path | None) -> T:
    """Do work on the server that is meant: a data dir named by a flag, else a URL, else the configured data dir."""

    async def run() -> T:
        async with server(url, data_dir) as found:
            return await work(found)

    return asyncio.run(run())


@asynccontextmanager
async def server(url: str | None, data_dir: Path | None) -> AsyncIterator[Server]:
    """Open the server that is meant, and close what was opened for it."""
    if url and data_dir is None:
        async with _elsewhere(url.rstrip("/")) as found:
            yield found
        return
    # The API's framework takes a while to load, which a command that asks over HTTP need not wait for.
    from midstream.cli.inhouse import inhouse

    async with inhouse(configured(data_dir=data_dir)) as send:
        yield Server(send, "midstream")


@asynccontextmanager
async def _elsewhere(url: str) -> AsyncIterator[Server]:
    headers = (("authorization", f"Bearer {token(os.environ, url)}"), ("content-type", "application/json"))
    # The person names the server: that is all the permission this needs.
    egress = Egress(allow=["0.0.0.0/0", "::/0"])

    async def send(method: str, path: str, body: bytes | None) -> tuple[int, bytes]:
        request = Outbound(method, url + path, headers, body, _PATIENCE, max_response_bytes=_ANSWER_BYTES)
        answer = await egress.send(request)
        if isinstance(answer, NoAnswer):
            raise Unavailable(f"cannot reach midstream at {url}: {answer.message}")
        return answer.status, answer.body

    try:
        yield Server(send, url)
    finally:
        await egress.close()


def token(environ: Mapping[str, str], url: str) -> str:
    """Return the token from the environment, never from an argument: those are seen by every user of a machine."""
    named = environ.get("MIDSTREAM_TOKEN_FILE")
    found = environ.get("MIDSTREAM_TOKEN", "")
    if not found and named:
        try:
            found = Path(named).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"MIDSTREAM_TOKEN_FILE names {named}, which cannot be read: {error}") from None
    if found := found.strip():
        return found
    raise RequestError(
        401,
        "unauthorized",
        f"{url} wants a token: put one that `midstream token create` made into MIDSTREAM_TOKEN, or name its file in "
        "MIDSTREAM_TOKEN_FILE. With --data-dir the data dir of this machine is used instead",
    )


def _read(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _said(fault: Mapping[str, Any]) -> str:
    """Return one of a problem's errors as a sentence, which says the field unless the message does."""
    message, field = str(fault.get("message")), fault.get("field")
    return f"{field}: {message}" if field and not message.startswith(f"{field}:") else message
