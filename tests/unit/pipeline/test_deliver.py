"""deliver gives every event exactly one outcome, and `on_error` its meaning."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midstream.destinations import Sent
from midstream.domain.filters import DestinationFilter, Rule, held
from midstream.domain.function import Ending, ErrorInfo, FunctionSpec, Invocation
from midstream.domain.outcome import Delivered, Discarded, Filtered, Outcome, Quarantined, Retrying, Stage
from midstream.domain.retry import RetryPolicy
from midstream.domain.topology import Destination, Instance, OnError
from midstream.pipeline.deliver import Way, deliver
from midstream.pipeline.passage import Passage, begin

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RETURNED = Invocation(Ending.RETURNED, b'{"type":"track","changed":true}')


def threw(name: str) -> Invocation:
    return Invocation(Ending.THREW, error=ErrorInfo(name, "why"))


class FakeRuntime:
    def __init__(self, answer: Callable[[bytes], Invocation]) -> None:
        self.answer = answer
        self.seen: list[bytes] = []

    async def invoke(self, spec: FunctionSpec, events: Sequence[bytes]) -> list[Invocation]:
        self.seen += events
        return [self.answer(event) for event in events]


class FakeSender:
    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        self.seen: list[bytes] = []

    async def send(self, events: Sequence[bytes], ids: Sequence[str]) -> Sequence[Sent]:
        self.seen += events
        return [Sent(self.outcome) for _ in events]

    async def close(self) -> None:
        pass


def instance(on_error: OnError = OnError.BLOCK, *, broken: bool = False) -> Instance:
    spec = None if broken else FunctionSpec("ifi_1", "ver_1", "")
    return Instance("ifi_1", "mask", "ifnd_1", on_error, spec, "cannot be decrypted" if broken else "")


def way(
    *instances: Instance,
    runtime: FakeRuntime | None = None,
    sender: FakeSender | None = None,
    policy: RetryPolicy | None = None,
    filters: Sequence[DestinationFilter] = (),
) -> Way:
    destination = Destination(
        "dst_1", "src_1", "webhook", "Hook", True, NOW, NOW, None, {}, instances=instances, filters=filters
    )
    return Way(
        destination,
        sender or FakeSender(Delivered()),
        runtime or FakeRuntime(lambda _: RETURNED),
        policy or RetryPolicy(),
    )


def passage(attempt: int = 1, first: datetime = NOW, **event: Any) -> Passage:
    return begin(
        json.dumps({"type": "track", "event": "e", "messageId": "m", **event}).encode(), attempt=attempt, first=first
    )


async def through(taken: Way, *passages: Passage) -> None:
    await deliver(passages, taken, NOW)


async def test_what_the_function_returned_is_what_the_destination_gets() -> None:
    taken, event = way(instance()), passage()
    await through(taken, event)
    assert isinstance(event.outcome, Delivered)
    assert taken.sender is not None
    assert taken.sender.seen == [RETURNED.event]  # type: ignore[attr-defined] # a fake
    assert event.versions == ("ver_1",)


async def test_functions_of_a_chain_are_fed_with_what_the_one_before_returned() -> None:
    runtime = FakeRuntime(lambda _: RETURNED)
    event = passage()
    await through(way(instance(), instance(), runtime=runtime), event)
    assert runtime.seen == [event.raw, RETURNED.event]


async def test_an_event_that_does_not_want_to_go_meets_no_function() -> None:
    runtime = FakeRuntime(lambda _: RETURNED)
    event = passage(integrations={"All": False})
    await through(way(instance(), runtime=runtime), event)
    assert isinstance(event.outcome, Filtered)
    assert runtime.seen == []


def filtering(condition: str, **action: Any) -> DestinationFilter:
    rule = held(Rule, {"if": condition, "actions": [action]})
    return DestinationFilter("flt_1", "Filter", rule.if_, rule.actions)


DROPPED = Filtered("FILTERED_BY_RULES", "dropped by filter 'Filter'")


async def test_what_a_filter_drops_meets_no_function_and_what_it_does_not_is_left_as_it_was() -> None:
    runtime = FakeRuntime(lambda _: RETURNED)
    dropped, kept = passage(), passage(event="other")
    await through(way(instance(), runtime=runtime, filters=[filtering("event = 'e'", type="DROP")]), dropped, kept)
    assert dropped.outcome == DROPPED
    assert isinstance(kept.outcome, Delivered)
    assert runtime.seen == [kept.raw]
    assert runtime.seen[0] is kept.raw


async def test_a_function_gets_what_a_filter_left_of_the_event_at_each_attempt() -> None:
    filters = [filtering("properties.n = 1", type="DROP_PROPERTIES", fields={"properties": ["n"]})]
    runtime = FakeRuntime(lambda _: threw("RetryError"))
    first = passage(properties={"n": 1, "m": 2})
    await through(way(instance(), runtime=runtime, filters=filters), first)
    again = begin(first.raw, attempt=2, first=NOW)  # as the log gives it back
    await through(way(instance(OnError.PASS), runtime=runtime, filters=filters), again)
    assert [json.loads(event)["properties"] for event in runtime.seen] == [{"m": 2}, {"m": 2}]


async def test_an_event_passed_on_in_spite_of_its_function_is_passed_as_the_filter_left_it() -> None:
    sender = FakeSender(Delivered())
    filters = [filtering("all", type="ALLOW_PROPERTIES", fields={"": ["messageId"]})]
    taken = way(instance(OnError.PASS), runtime=FakeRuntime(lambda _: threw("E")), sender=sender, filters=filters)
    await through(taken, passage())
    assert sender.seen == [b'{"messageId":"m"}']


async def test_integrations_and_the_type_are_asked_before_the_filters() -> None:
    drop_all = [filtering("all", type="DROP")]
    unwanted, odd, plain = passage(integrations={"Hook": False}), passage(type="heartbeat"), passage()
    await through(way(filters=drop_all), unwanted, odd, plain)
    assert [each.outcome.reason for each in (unwanted, odd, plain) if isinstance(each.outcome, Filtered)] == [
        "FILTERED_BY_INTEGRATIONS_OBJECT",
        "UNSUPPORTED_EVENT_TYPE",
        "FILTERED_BY_RULES",
    ]


async def test_a_filter_that_has_no_answer_stops_the_event() -> None:
    event = passage(properties={"n": 1})
    await through(way(filters=[filtering("length(properties.n) > 1", type="SAMPLE", percent=1)]), event)
    detail = "filter 'Filter' has no answer: length takes a list or a string, got number"
    assert event.outcome == Filtered("FILTERED_BY_RULES", detail)


@pytest.mark.parametrize(
    ("on_error", "outcome"),
    [
        (OnError.BLOCK, Discarded("bad_request", "TypeError: why", Stage.FILTERED)),
        (OnError.PASS, Delivered()),
        (OnError.QUARANTINE, Quarantined("bad_request", "TypeError: why", Stage.FILTERED)),
    ],
)
async def test_on_error_decides_what_a_discarded_event_becomes(on_error: OnError, outcome: Outcome) -> None:
    sender = FakeSender(Delivered())
    event = passage()
    await through(way(instance(on_error), runtime=FakeRuntime(lambda _: threw("TypeError")), sender=sender), event)
    assert event.outcome == outcome
    assert sender.seen == ([event.raw] if on_error is OnError.PASS else [])


@pytest.mark.parametrize("on_error", list(OnError))
async def test_a_retry_is_never_passed_on_while_tries_are_left(on_error: OnError) -> None:
    sender = FakeSender(Delivered())
    event = passage()
    await through(way(instance(on_error), runtime=FakeRuntime(lambda _: threw("RetryError")), sender=sender), event)
    assert isinstance(event.outcome, Retrying)
    assert event.due is not None
    assert event.due > NOW
    assert sender.seen == []


@pytest.mark.parametrize(
    ("on_error", "outcome"),
    [
        (OnError.BLOCK, Discarded("retry", "why", Stage.FILTERED, exhausted=True)),
        (OnError.PASS, Delivered()),
        (OnError.QUARANTINE, Quarantined("retry", "why", Stage.FILTERED, exhausted=True)),
    ],
)
async def test_used_up_retries_fall_under_on_error(on_error: OnError, outcome: Outcome) -> None:
    event = passage(attempt=10)
    await through(way(instance(on_error), runtime=FakeRuntime(lambda _: threw("RetryError"))), event)
    assert event.outcome == outcome


async def test_dropping_an_event_is_no_error() -> None:
    event = passage()
    await through(way(instance(OnError.PASS), runtime=FakeRuntime(lambda _: threw("DropEvent"))), event)
    assert event.outcome == Filtered("Filtered at insert function", "why")


async def test_settings_that_cannot_be_decrypted_hold_the_event() -> None:
    event = passage()
    await through(way(instance(broken=True)), event)
    assert event.outcome == Retrying("invalid_settings", "cannot be decrypted", Stage.FILTERED)
    assert event.due is not None


async def test_a_failed_delivery_is_put_off_as_the_destination_asks() -> None:
    event = passage()
    asked = Retrying("429", "", Stage.FAILED, retry_after=timedelta(seconds=90))
    await through(way(sender=FakeSender(asked)), event)
    assert event.due == NOW + timedelta(seconds=90)


async def test_a_delivery_that_fails_for_the_last_time_is_exhausted() -> None:
    event = passage(attempt=3)
    sender = FakeSender(Retrying("503", "down", Stage.FAILED))
    await through(way(sender=sender, policy=RetryPolicy(attempts=3)), event)
    assert event.outcome == Discarded("503", "down", Stage.FAILED, exhausted=True)
    assert event.due is None


ENDINGS = st.sampled_from(
    [
        RETURNED,
        Invocation(Ending.NOTHING),
        Invocation(Ending.TIMEOUT),
        Invocation(Ending.NO_HANDLER),
        threw("RetryError"),
        threw("E"),
    ]
)
OUTCOMES = st.sampled_from([Delivered(), Discarded("400", "", Stage.FAILED), Retrying("503", "", Stage.FAILED)])


@given(
    st.lists(st.tuples(ENDINGS, st.integers(1, 12), st.integers(0, 5)), min_size=1, max_size=8),
    st.sampled_from(list(OnError)),
    OUTCOMES,
)
async def test_every_event_has_exactly_one_outcome_and_a_due_time_exactly_when_it_is_retried(
    events: list[tuple[Invocation, int, int]], on_error: OnError, outcome: Outcome
) -> None:
    endings = iter([ending for ending, _, _ in events])
    passages = [passage(attempt, NOW - timedelta(hours=hours)) for _, attempt, hours in events]
    await through(
        way(instance(on_error), runtime=FakeRuntime(lambda _: next(endings)), sender=FakeSender(outcome)), *passages
    )
    for each in passages:
        assert each.outcome is not None
        assert (each.due is not None) == isinstance(each.outcome, Retrying)
