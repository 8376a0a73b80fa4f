"""deliver: take a batch of events to one destination, and say for each what became of it.

Enters: passages. Leaves: the same passages, each with an outcome, and those worth another try with the time for it. The
first step that says no ends an event's way.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from midstream import telemetry
from midstream.destinations import CATALOG, Sender
from midstream.domain.function import FunctionSpec, Invocation, outcome_of
from midstream.domain.outcome import Delivered, Discarded, Filtered, Outcome, Quarantined, Retrying, Stage
from midstream.domain.retry import RetryPolicy, next_attempt
from midstream.domain.routing import refusal
from midstream.domain.sieve import Sieve
from midstream.domain.topology import Destination, Instance, OnError
from midstream.pipeline.passage import Passage


class Runtime(Protocol):
    """What runs functions: the pool, or a fake of it."""

    async def invoke(self, spec: FunctionSpec, events: Sequence[bytes]) -> list[Invocation]:
        """Run one function on each event."""
        ...

    def forms(self, spec: FunctionSpec) -> bool:
        """Say whether its events wait for others, to be given to it together."""
        ...


@dataclass(frozen=True, slots=True)
class Way:
    """All that lies between the log and one destination. `sender` is None when its settings cannot be used.

    Making one compiles the destination's filters; it serves all events until the destination changes.
    """

    destination: Destination
    sender: Sender | None
    runtime: Runtime
    policy: RetryPolicy
    sieve: Sieve = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sieve", Sieve(self.destination.filters))

    @property
    def forms(self) -> bool:
        """Whether events wait on their way for others of their destination."""
        return any(each.spec is not None and self.runtime.forms(each.spec) for each in self.destination.instances)


async def deliver(passages: Sequence[Passage], way: Way, now: datetime) -> None:
    """Give every passage its outcome. `now` is when this attempt began."""
    _route(passages, way)
    if way.sieve:
        _sift(_going(passages), way.sieve)
    for instance in way.destination.instances:
        await _invoke(_going(passages), instance, way, now)
    await _send(_going(passages), way)
    _put_off(passages, way, now)


def _going(passages: Sequence[Passage]) -> list[Passage]:
    return [passage for passage in passages if passage.outcome is None]


def _route(passages: Sequence[Passage], way: Way) -> None:
    kind = CATALOG[way.destination.type]
    names = (way.destination.name, kind.name)
    for passage in passages:
        passage.outcome = refusal(passage.head, names, kind.event_types)


def _sift(passages: Sequence[Passage], sieve: Sieve) -> None:
    """Apply the filters, always to the event as logged: a retry meets what the first attempt met."""
    for passage in passages:
        match sieve.sift(passage.raw, passage.head.messageId):
            case Filtered() as outcome:
                passage.outcome = outcome
            case event:
                passage.event = event


async def _invoke(passages: Sequence[Passage], instance: Instance, way: Way, now: datetime) -> None:
    if not passages:
        return
    if instance.spec is None:
        for passage in passages:
            _fail(passage, Retrying("invalid_settings", instance.fault, Stage.FILTERED), instance, way, now)
        return
    started = time.perf_counter()
    invocations = await way.runtime.invoke(instance.spec, [passage.event for passage in passages])
    telemetry.invocation_seconds.labels(instance.function_id).observe(time.perf_counter() - started)
    for passage, invocation in zip(passages, invocations, strict=True):
        passage.versions += (instance.spec.version_id,)
        outcome = outcome_of(invocation)
        if outcome is None and invocation.event is not None:
            passage.event = invocation.event
        elif outcome is not None:
            passage.invocations.append(invocation)
            _fail(passage, outcome, instance, way, now)


def _fail(passage: Passage, outcome: Outcome, instance: Instance, way: Way, now: datetime) -> None:
    """Apply the instance's `on_error` to what its function discarded, or would retry but may not any more."""
    if isinstance(outcome, Retrying) and _due(passage, outcome, way.policy, now) is None:
        outcome = Discarded(outcome.reason, outcome.detail, outcome.stage, exhausted=True)
    if isinstance(outcome, Discarded):
        match instance.on_error:
            case OnError.PASS:
                return  # as it entered this function
            case OnError.QUARANTINE:
                outcome = Quarantined(outcome.reason, outcome.detail, outcome.stage, outcome.exhausted)
            case OnError.BLOCK:
                pass
    passage.outcome = outcome


async def _send(passages: Sequence[Passage], way: Way) -> None:
    if not passages:
        return
    if way.sender is None:
        for passage in passages:
            passage.outcome = Retrying("invalid_settings", way.destination.fault, Stage.FAILED)
        return
    results = await way.sender.send(
        [passage.event for passage in passages], [passage.head.messageId for passage in passages]
    )
    for passage, sent in zip(passages, results, strict=True):
        passage.outcome = sent.outcome
        if not isinstance(sent.outcome, Delivered):
            passage.request = sent.request


def _put_off(passages: Sequence[Passage], way: Way, now: datetime) -> None:
    """Set the time of the next try. One draw of jitter serves the batch, so that what failed together is one group."""
    jitter = random.uniform(0.5, 1.5)  # noqa: S311 # spreads load, guards nothing
    for passage in passages:
        if isinstance(passage.outcome, Retrying):
            passage.due = _due(passage, passage.outcome, way.policy, now, jitter)
            if passage.due is None:
                retrying = passage.outcome
                passage.outcome = Discarded(retrying.reason, retrying.detail, retrying.stage, exhausted=True)


def _due(
    passage: Passage, outcome: Retrying, policy: RetryPolicy, now: datetime, jitter: float = 1.0
) -> datetime | None:
    return next_attempt(
        policy,
        attempt=passage.attempt,
        first=passage.first,
        now=now,
        jitter=jitter,
        retry_after=outcome.retry_after,
    )
