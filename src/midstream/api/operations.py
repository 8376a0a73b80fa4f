"""/healthz, /readyz and /metrics (contract §4.3).

Enters: what the process knows of itself. Leaves: answers for orchestrators and Prometheus; no names of people, no settings.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping

from prometheus_client import CONTENT_TYPE_LATEST, Metric, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
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
        registry = telemetry.gathered()
        registry.register(_Pending(await _pending(pending)))
        body = generate_latest(registry)
        return Response(body, media_type=CONTENT_TYPE_LATEST)

    return [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)]


class _Pending(Collector):
    """What each destination has before it. Not one of the counters in files: it is asked for, not counted."""

    def __init__(self, counts: Mapping[str, int]) -> None:
        self._counts = counts

    def collect(self) -> Iterable[Metric]:
        """Return the gauge."""
        gauge = GaugeMetricFamily(
            telemetry.log_pending, "Log messages a destination still has before it.", labels=["destination"]
        )
        for destination, count in self._counts.items():
            gauge.add_metric([destination], count)
        return [gauge]


async def _pending(pending: Pending) -> Mapping[str, int]:
    try:
        return await pending()
    except Unavailable:
        return {}  # no figure is the truth while the log is away; the counters still speak
