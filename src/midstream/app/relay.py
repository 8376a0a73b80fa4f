"""Hands what the front does not answer itself to the control process, over a socket that only the two can reach.

Enters: an ASGI request. Leaves: the control process's answer as it comes, or 503 while there is none.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send
from yarl import URL

# Of one connection, not of the message (RFC 9110, 7.6.1); and what only the front may say.
_OURS = frozenset(
    (
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "forwarded",
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-forwarded-host",
    )
)
_PATIENCE = aiohttp.ClientTimeout(total=None, sock_connect=2, sock_read=120)
_UPLOAD = 60.0  # seconds for a body, of 1.5 MB at most


class _LateError(Exception):
    """The body took too long."""


class Relay:
    """An ASGI application that is another process. Close it when nothing more comes. `upload`: seconds a body may take."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.upload = _UPLOAD
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """Let go of the connections."""
        if self._session is not None:
            await self._session.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        try:
            response = await self._ask(request)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            if isinstance(error.__cause__, ClientDisconnect):
                return
            response = _late() if isinstance(error.__cause__, _LateError) else _away()
        await response(scope, receive, send)

    async def _ask(self, request: Request) -> Response:
        headers = [(name, value) for name, value in request.headers.items() if name not in _OURS]
        headers.append(("x-forwarded-for", request.client.host if request.client else "127.0.0.1"))
        headers.append(("x-forwarded-proto", request.url.scheme))
        has_body = "content-length" in request.headers or "transfer-encoding" in request.headers
        answer = await self._pool().request(
            request.method,
            # As it came: what the path means is the other's to say.
            _url(request.scope),
            headers=headers,
            data=self._body(request) if has_body else None,
            allow_redirects=False,
        )
        response = StreamingResponse(answer.content.iter_any(), answer.status)
        response.raw_headers = [
            (name.lower(), value) for name, value in answer.raw_headers if name.decode("latin-1").lower() not in _OURS
        ]
        return response

    async def _body(self, request: Request) -> AsyncIterator[bytes]:
        until = asyncio.get_running_loop().time() + self.upload
        pieces = aiter(request.stream())
        while True:
            try:
                async with asyncio.timeout_at(until):
                    piece = await anext(pieces)
            except StopAsyncIteration:
                return
            except TimeoutError:
                raise _LateError from None
            yield piece

    def _pool(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                # As many as there are callers, or slow ones would keep all others waiting; and each request on one of
                # its own: what is left of a request is never the beginning of somebody else's.
                connector=aiohttp.UnixConnector(self._path, limit=0, force_close=True),
                timeout=_PATIENCE,
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=("user-agent", "accept", "accept-encoding", "content-type"),
            )
        return self._session


def _url(scope: Scope) -> URL:
    path = scope.get("raw_path") or scope["path"].encode()
    query = scope["query_string"]
    target = path.split(b"?")[0].decode("latin-1") + (f"?{query.decode('latin-1')}" if query else "")
    return URL(f"http://control{target}", encoded=True)


def _away() -> Response:
    message = "the control process does not answer; events are taken all the same"
    return _trouble(503, "Service Unavailable", "unavailable", message, {"retry-after": "1"})


def _late() -> Response:
    message = "the body took too long to arrive; send it again"
    return _trouble(408, "Request Timeout", "timeout", message, {"connection": "close"})


def _trouble(status: int, title: str, kind: str, message: str, headers: dict[str, str]) -> Response:
    problem = {
        "type": "about:blank",
        "title": title,
        "status": status,
        "errors": [{"type": kind, "message": message}],
    }
    return JSONResponse(problem, status, headers=headers, media_type="application/problem+json")
