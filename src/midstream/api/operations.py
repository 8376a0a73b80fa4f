"""/healthz, /readyz and /metrics (contract §4.3).

Enters: what the process knows of itself. Leaves: answers for orchestrators and Prometheus; no names of people, no settings.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass

from prometheus_client import CONTENT_TYPE_LATEST, Metric, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from midstream import telemetry
from midstream.errors import Unavailable

Readiness = Callable[[], Awaitable[Mapping[str, bool]]]


@dataclass(frozen=True, slots=True)
class Log:
    """How the log is: `pending`, messages each destination has before it; `held` and `limits`, bytes of each stream."""

    pending: Mapping[str, int]
    held: Mapping[str, int]
    limits: Mapping[str, int]


Asking = Callable[[], Awaitable[Log]]


def routes(ready: Readiness, asking: Asking) -> list[Route]:
    """Return the routes. `ready` says of each part whether it can serve; `asking` is how to ask for the state of the log."""

    async def healthz(request: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(request: Request) -> Response:
        parts = dict(await ready())
        return JSONResponse({"ready": all(parts.values()), "parts": parts}, 200 if all(parts.values()) else 503)

    async def metrics(request: Request) -> Response:
        registry = telemetry.gathered()
        registry.register(_Asked(await _asked(asking)))
        body = generate_latest(registry)
        return Response(body, media_type=CONTENT_TYPE_LATEST)

    return [Route("/healthz", healthz), Route("/readyz", readyz), Route("/metrics", metrics)]


class _Asked(Collector):
    """What the log says of itself: not one of the counters in files, and nothing while the log is away."""

    def __init__(self, log: Log | None) -> None:
        self._log = log

    def collect(self) -> Iterable[Metric]:
        """Return the gauges."""
        if self._log is None:
            return []
        return [
            _gauge(
                telemetry.log_pending,
                "Log messages a destination still has before it.",
                "destination",
                self._log.pending,
            ),
            _gauge(telemetry.log_bytes, "Bytes a stream of the log holds.", "stream", self._log.held),
            _gauge(telemetry.log_limit, "Bytes a stream of the log may hold.", "stream", self._log.limits),
        ]


def _gauge(name: str, what: str, label: str, values: Mapping[str, int]) -> Metric:
    gauge = GaugeMetricFamily(name, what, labels=[label])
    for value, count in values.items():
        gauge.add_metric([value], count)
    return gauge


async def _asked(asking: Asking) -> Log | None:
    try:
        return await asking()
    except Unavailable:
        return None  # no figure is the truth while the log is away; the counters still speak
