"""`Idempotency-Key`: a POST that is sent again with its key is answered as the first time, and not done again.

Enters: a request with the header. Leaves: the first answer, kept sealed for a day since it may hold a token; 409 while
the first is under way; 422 when the key was used for another request. A 5xx is not kept: trying again is right.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from midstream.api.office import call_of
from midstream.api.readable import check_body
from midstream.control.answered import keep, let_go, reserve
from midstream.errors import RequestError

_LONGEST = 255  # characters of a key


class Once(APIRoute):
    """A route that answers a repeated POST from what it answered before."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the framework's handler."""
        handle = super().get_route_handler()

        async def once(request: Request) -> Response:
            await check_body(request)
            key = request.headers.get("idempotency-key")
            if key is None or request.method != "POST":
                return await handle(request)
            return await _repeatable(request, key, handle)

        return once


async def _repeatable(
    request: Request, key: str, handle: Callable[[Request], Coroutine[Any, Any, Response]]
) -> Response:
    if not 1 <= len(key) <= _LONGEST or not key.isprintable():
        raise RequestError(422, "input-validation", f"expected a key of 1 to {_LONGEST} characters", "Idempotency-Key")
    call = await call_of(request)
    asked = hashlib.sha256(
        b"\0".join((request.method.encode(), str(request.url.path).encode(), await request.body()))
    ).hexdigest()
    before = await reserve(call, key, asked)
    if before is not None:
        return Response(
            before.body, before.status, media_type="application/json", headers={"Idempotent-Replayed": "true"}
        )
    try:
        response = await handle(request)
    except BaseException:
        await let_go(call, key)
        raise
    if response.status_code >= 500:
        await let_go(call, key)
    else:
        await keep(call, key, response.status_code, bytes(response.body))
    return response
