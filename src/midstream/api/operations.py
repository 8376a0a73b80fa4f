"""/healthz, /readyz and /metrics (contract §4.3).

Enters: what the process knows of itself. Leaves: answers for orchestrators and Prometheus; no names of people, no settings.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from midstream import telemetry
from midstream.errors import Unavailable

Readiness = Callable[[], Awaitable[Mapping[str, bool]]]
Pending = Callable[[], Awaitable[Mapping[str, int]]]


def routes(ready: Readiness, pending: Pending) -> list[Route]:
    """Return the routes. `ready` says of each part whether it can serve; `pending` counts messages a destination has before it."""

    async def healthz(request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(request: Request) -> Response:
        parts = dict(await ready())
        return JSONResponse({"ready": all(parts.values()), "parts": parts}, 200 if all(parts.values()) else 503)

    async def metrics(request: Request) -> Response:
        body = generate_latest(telemetry.gathered()) + generate_latest(await _pending(pending))
        return Response(body, media_type=CONTENT_TYPE_LATEST)

    return [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)]


async def _pending(pending: Pending) -> CollectorRegistry:
    registry = CollectorRegistry()
    gauge = Gauge(
        telemetry.log_pending, "Log messages a destination still has before it.", ["destination"], registry=registry
    )
    try:
        for destination, count in (await pending()).items():
            gauge.labels(destination).set(count)
    except Unavailable:
        pass  # no figure is the truth while the log is away; the counters still speak
    return registry
