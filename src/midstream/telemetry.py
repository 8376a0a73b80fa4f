"""Structured logs and the one list of metric names.

Metrics of all processes are gathered through the files of prometheus-client's multiprocess mode, so `/metrics` on the
one HTTP port speaks for the workers too.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import TextIO, cast

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.multiprocess import MultiProcessCollector

NONE = CollectorRegistry()  # instruments live in files; nothing is read from an in-process registry

# Names and labels are fixed by contract §4.3.
events_received = Counter(
    "midstream_events_received_total", "Events accepted, durably in the log.", ["source", "type"], registry=NONE
)
events_rejected = Counter("midstream_events_rejected_total", "Events refused at ingest.", ["reason"], registry=NONE)
deliveries = Counter(
    "midstream_deliveries_total", "Outcomes of events.", ["destination", "outcome", "reason"], registry=NONE
)
retries_scheduled = Counter(
    "midstream_retries_scheduled_total", "Events put off for another try.", ["destination", "reason"], registry=NONE
)
delivery_latency = Histogram(
    "midstream_delivery_latency_seconds",
    "From acceptance to a successful delivery.",
    registry=NONE,
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600, 3600, 14400),
)
invocation_seconds = Histogram(
    "midstream_invocation_seconds",
    "Wall time of one crossing into a function.",
    ["function"],
    registry=NONE,
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
runtime_processes = Gauge(
    "midstream_runtime_processes", "Function processes alive.", ["state"], registry=NONE, multiprocess_mode="livesum"
)
runtime_kills = Counter(
    "midstream_runtime_kills_total", "Function processes that were stopped or died.", ["reason"], registry=NONE
)
log_pending = "midstream_log_pending"  # {destination}: read from the log when asked, see api/operations
log_bytes = "midstream_log_bytes"  # {stream}: likewise
log_limit = "midstream_log_limit_bytes"  # {stream}: likewise, of the streams whose limit keeps events out


def share_metrics(folder: Path) -> None:
    """Name the empty folder the processes share for metrics. Children started from then on use it."""
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)


def gathered() -> CollectorRegistry:
    """Return a registry that reads what all processes counted."""
    registry = CollectorRegistry()
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call] # untyped upstream
    return registry


class _StandardError:
    """Standard error as it is when something is said: a command may be called in a process that lends it another one."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


_STDERR = cast("TextIO", _StandardError())  # all that the two loggers ask of a stream


def configure(level: str, style: str, process: str) -> None:
    """Send logs to standard error: readable lines for people, JSON for machines. `process` marks who speaks."""
    logging.basicConfig(format="%(message)s", stream=_STDERR, level=level.upper(), force=True)
    if style == "json":
        # Also what libraries say, tracebacks among it: a line that is no object ends many a reader of logs.
        logging.root.handlers[0].setFormatter(
            structlog.stdlib.ProcessorFormatter(
                processors=[
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.processors.format_exc_info,
                    structlog.processors.JSONRenderer(),
                ],
                foreign_pre_chain=[
                    structlog.contextvars.merge_contextvars,
                    structlog.stdlib.add_log_level,
                    structlog.processors.TimeStamper(fmt="iso", utc=True),
                ],
            )
        )
    # Third parties are heard when something is wrong; their routine is not ours.
    for noisy in ("nats", "aiohttp", "alembic", "asyncio", "uvicorn", "uvicorn.access"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, logging.getLevelNamesMapping()[level.upper()]))
    renderer: structlog.types.Processor = (
        structlog.processors.JSONRenderer()
        if style == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(_STDERR),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(process=process)


def logger() -> structlog.typing.FilteringBoundLogger:
    """Return the logger all rooms use."""
    log: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return log
