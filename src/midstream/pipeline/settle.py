"""settle: store what became of a batch, so that it can be acknowledged.

Enters: passages with outcomes. Leaves: nothing but durable facts: retries scheduled, quarantined events kept, outcomes
and samples written. Only when this returns may the batch be acked; if it raises, the batch comes again.
"""

from __future__ import annotations

import asyncio
import json
import math
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, assert_never

import msgspec

from midstream import telemetry
from midstream.domain.attempt import OUTCOMES, Attempt, Record, Sample, written
from midstream.domain.function import ErrorInfo, Invocation, LogLine, Request
from midstream.domain.outcome import Delivered, Discarded, Filtered, Outcome, Quarantined, Retrying, Stage
from midstream.domain.redact import Redactor
from midstream.domain.times import iso
from midstream.domain.topology import Destination
from midstream.log import Appender, Log
from midstream.pipeline import retries
from midstream.pipeline.passage import Passage

# Event Delivery keeps the last 20 of a destination and reason; more than these in a second would only push each other out.
SAMPLES_A_SECOND = 20
# Bounds of what one sample and one count may take in a log message, whatever the event or the function made of them.
_SAMPLE_BYTES = 256 * 1024
_SAMPLE_LOG_CHARACTERS = 16 * 1024
_SAMPLE_REQUESTS = 20
_SAMPLE_TEXT = 4096
_LABEL = 200

_encode = msgspec.json.Encoder().encode


class Settler:
    """Stores the outcomes of one destination."""

    def __init__(self, log: Log, notes: Appender) -> None:
        self._log = log
        self._notes = notes
        self._sampled: dict[str, tuple[int, int]] = {}  # reason → (second, samples in it)
        self._redactor: tuple[Destination, Redactor] | None = None

    async def settle(self, passages: Sequence[Passage], destination: Destination, *, batch_id: str) -> None:
        """Make the outcomes durable. `batch_id` names the batch the same way each time it comes."""
        now = datetime.now(UTC)
        redactor = self._redactor_for(destination)
        record = Record(
            [_attempt(passage, destination, now) for passage in passages],
            [
                _sample(passage, destination, now, redactor)
                for passage in passages
                if not isinstance(passage.outcome, Delivered) and self._may_sample(_reason(passage))
            ],
        )
        kept = [passage for passage in passages if isinstance(passage.outcome, Quarantined)]
        # Retries and quarantine drop repeats by name, a count cannot: so it comes last, when nothing else can fail.
        await asyncio.gather(
            retries.put_off(self._log, destination.id, passages),
            self._quarantine(destination, kept, redactor, batch_id),
        )
        await self._notes.put(OUTCOMES, written(record) + b"\n")
        _count(passages, destination, now)

    async def _quarantine(
        self, destination: Destination, kept: Sequence[Passage], redactor: Redactor, batch_id: str
    ) -> None:
        if not kept:
            return
        # The event itself is kept as it came, since it is to be run again; only what we say about it is redacted.
        lines = [
            b"[%s,%s]" % (_encode({"reason": _reason(each), "detail": redactor.text(_detail(each))}), each.raw)
            for each in kept
        ]
        for start in range(0, len(lines), 10):  # a returned event may be 512 KB, and a message holds 8 MB
            await self._log.append(
                f"quarantine.{destination.id}",
                b"\n".join(lines[start : start + 10]),
                message_id=f"{batch_id}-{start}",
            )

    def _redactor_for(self, destination: Destination) -> Redactor:
        if self._redactor is None or self._redactor[0] is not destination:
            self._redactor = (destination, Redactor(destination.secrets))
        return self._redactor[1]

    def _may_sample(self, reason: str) -> bool:
        second = int(time.monotonic())
        last, taken = self._sampled.get(reason, (second, 0))
        if last != second:
            taken = 0
        self._sampled[reason] = (second, taken + 1)
        return taken < SAMPLES_A_SECOND


def _reason(passage: Passage) -> str:
    match passage.outcome:
        case Delivered():
            return f"successes.attempt.{passage.attempt}"  # segment.md §8.3
        case Filtered(reason) | Discarded(reason) | Retrying(reason) | Quarantined(reason):
            return reason
        case None:
            raise AssertionError("a passage was settled without an outcome")
        case never:
            assert_never(never)


def _detail(passage: Passage) -> str:
    return passage.outcome.detail if passage.outcome else ""


def kind_of(outcome: Outcome | None) -> str:
    """Return an outcome's name as Event Delivery and metrics spell it."""
    return type(outcome).__name__.lower()


def _attempt(passage: Passage, destination: Destination, now: datetime) -> Attempt:
    return Attempt(
        destination_id=destination.id,
        source_id=destination.source_id,
        at=int(now.timestamp() * 1000),
        message_id=passage.head.messageId,
        type=passage.head.type,
        event=passage.head.label[:_LABEL],
        outcome=kind_of(passage.outcome),
        stage=(passage.outcome.stage if passage.outcome else Stage.FAILED).value,
        reason=_reason(passage),
        attempt=passage.attempt,
        latency_ms=max(0.0, (now - passage.received).total_seconds() * 1000),
        version_ids=passage.versions,
        app_version=passage.head.app_version[:_LABEL],
    )


def _sample(passage: Passage, destination: Destination, now: datetime, redactor: Redactor) -> Sample:
    try:
        body = _body(passage, redactor)
    except Exception:  # noqa: BLE001 # whatever an event or a function made of it: a sample may fail, its batch may not
        telemetry.logger().exception("a sample could not be made", destination=destination.id)
        body = {"outcome": kind_of(passage.outcome), "detail": "this sample could not be made; see the server's log"}
    return Sample(
        destination.id,
        destination.source_id,
        _reason(passage),
        int(now.timestamp() * 1000),
        passage.head.messageId,
        passage.head.type,
        passage.head.label[:_LABEL],
        passage.attempt,
        body,
    )


def _body(passage: Passage, redactor: Redactor) -> dict[str, Any]:
    body: dict[str, Any] = {
        "outcome": kind_of(passage.outcome),
        "detail": _detail(passage)[:_SAMPLE_TEXT],
        "exhausted": getattr(passage.outcome, "exhausted", False),
        "nextAttemptAt": iso(passage.due) if passage.due else None,
        "error": _error(passage.invocations),
        "logs": _logs(passage.invocations),
        "requests": [*_requests(passage.invocations), *([passage.request] if passage.request else [])],
        "versionIds": passage.versions,
    }
    # Value by value: in serialised form a secret may be escaped twice, or stand outside quotes and break the JSON.
    redacted: dict[str, Any] = {name: redactor.values(part) for name, part in msgspec.to_builtins(body).items()}
    redacted["event"] = redactor.values(json.loads(passage.raw, parse_int=_number, parse_float=_number))
    size = len(_encode(redacted))
    return redacted if size <= _SAMPLE_BYTES else redacted | {"logs": [], "requests": [], "cut": f"{size:,} bytes"}


def _number(text: str) -> int | float | str:
    """Read a number; one that is too large, which a client may well send, is shown as its text."""
    if text.lstrip("-").isdigit():
        return int(text) if len(text) < 19 else text
    return number if math.isfinite(number := float(text)) else text


def _requests(invocations: Sequence[Invocation]) -> list[Request]:
    """Return the first requests: their number is the author's, their bodies are cut where they are captured."""
    return [request for each in invocations for request in each.requests][:_SAMPLE_REQUESTS]


def _error(invocations: Sequence[Invocation]) -> ErrorInfo | None:
    error = next((each.error for each in reversed(invocations) if each.error), None)
    if error is None:
        return None
    stack = error.stack[:_SAMPLE_TEXT] if error.stack else None
    return replace(error, name=error.name[:_LABEL], message=error.message[:_SAMPLE_TEXT], stack=stack)


def _logs(invocations: Sequence[Invocation]) -> list[LogLine]:
    """Return the first lines, as many as a sample may hold."""
    kept: list[LogLine] = []
    room = _SAMPLE_LOG_CHARACTERS
    lines = [line for each in invocations for line in each.logs]
    for line in lines:
        if room <= 0:
            kept.append(LogLine("warn", f"… and {len(lines) - len(kept)} more lines", line.at))
            break
        kept.append(replace(line, message=line.message[:room]))
        room -= len(line.message) + 1
    return kept


def _count(passages: Sequence[Passage], destination: Destination, now: datetime) -> None:
    tally: dict[tuple[str, str], int] = {}
    for passage in passages:
        key = (kind_of(passage.outcome), _reason(passage))
        tally[key] = tally.get(key, 0) + 1
        if isinstance(passage.outcome, Delivered):
            telemetry.delivery_latency.observe((now - passage.received).total_seconds())
    for (kind, reason), count in tally.items():
        telemetry.deliveries.labels(destination.id, kind, reason).inc(count)
        if kind == "retrying":
            telemetry.retries_scheduled.labels(destination.id, reason).inc(count)
