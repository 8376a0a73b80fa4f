"""`/destinations/{id}/delivery-metrics`: how attempts at a destination ended, in Segment's shapes."""

from __future__ import annotations

from midstream.api import queries
from midstream.api.counted import WINDOW, parameter
from midstream.api.office import TheCall, TheQuery
from midstream.api.routing import Routes, Shape
from midstream.control.metrics import Summary, delivery_metrics

routes = Routes("Destinations")

_PARAMETERS = [
    parameter("sourceId", {"type": "string"}, "The destination's source."),
    *({**each, "required": False} for each in WINDOW),
]


class Part(Shape):
    """How often a metric was for one reason."""

    metricName: str
    value: int


class Metric(Shape):
    """How often attempts ended in a way, by reason."""

    metricName: str
    total: int
    breakdown: tuple[Part, ...]


class MetricsSummary(Shape):
    """The metrics of a destination: successes, errors.discarded, errors.awaiting-retry and filtered."""

    sourceId: str
    destinationMetadataId: str
    metrics: tuple[Metric, ...]


class OneSummary(Shape):
    """The metrics of a destination."""

    deliveryMetricsSummary: MetricsSummary


@routes.get("/destinations/{destinationId}/delivery-metrics", delivery_metrics, query=_PARAMETERS)
async def listDeliveryMetricsSummaryFromDestination(call: TheCall, destinationId: str, query: TheQuery) -> OneSummary:
    """Sum up how attempts at a destination ended, by default in the last hour."""
    summary = await delivery_metrics(
        call,
        destinationId,
        source_id=queries.text(query, "sourceId"),
        granularity=queries.text(query, "granularity"),
        start=queries.text(query, "startTime"),
        end=queries.text(query, "endTime"),
    )
    return OneSummary(deliveryMetricsSummary=_shaped(summary))


def _shaped(summary: Summary) -> MetricsSummary:
    return MetricsSummary(
        sourceId=summary.source_id,
        destinationMetadataId=summary.type,
        metrics=tuple(
            Metric(
                metricName=name,
                total=sum(reasons.values()),
                breakdown=tuple(Part(metricName=reason, value=count) for reason, count in reasons.items()),
            )
            for name, reasons in summary.metrics.items()
        ),
    )
