"""Delivery Overview, events volume and metrics as use cases: what may be asked, by whom, and what is answered."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from midstream.control import destinations, overview, sources
from midstream.control.act import Call
from midstream.control.metrics import delivery_metrics
from midstream.control.overview import Answer, Question
from midstream.domain.access import Caller, Grant, Role
from midstream.domain.attempt import Attempt
from midstream.errors import RequestError
from midstream.secrets import Vault
from midstream.store import attempts
from midstream.store.received import Arrived, record
from midstream.store.session import Sessions
from midstream.store.tally import Dimension
from tests.integration.database import database_url, postgres_server, postgres_url, sessions, vault
from tests.integration.office import call_in

__all__ = ["database_url", "postgres_server", "postgres_url", "sessions", "vault"]

NOW = datetime.now(UTC)
AGO = NOW - timedelta(minutes=30)


@dataclass
class Shop:
    """A workspace with two sources; the first one's destination got some events and refused others."""

    call: Call
    web: str
    app: str
    hook: str

    def ask(self, **more: Any) -> Question:
        asked = {"granularity": "MINUTE", "start": (NOW - timedelta(hours=1)).isoformat(), "end": NOW.isoformat()}
        return Question(**(asked | more))

    def member(self, *grants: Grant) -> Call:
        return replace(self.call, caller=Caller("usr_1", self.call.caller.workspace_id, grants))


@pytest.fixture
async def shop(sessions: Sessions, vault: Vault) -> Shop:
    call = await call_in(sessions, vault)
    web, app = [(await sources.create_source(call, slug=slug, name=slug)).id for slug in ("web", "app")]
    hook = await destinations.create_destination(call, web, type="sink", name="Hook", settings={}, enabled=True)
    brought = [
        Arrived(web, AGO, Counter({("track", "Paid", "1.0"): 3, ("page", "Home", ""): 1})),
        Arrived(app, AGO, Counter({("track", "Paid", "2.0"): 5})),
    ]
    await record(sessions, "events", 1, 1, brought)
    await attempts.record(sessions, 1, [*_ended(web, hook.id), *_ended(web, "dst_other")])
    return Shop(call, web, app, hook.id)


def _ended(source: str, destination: str) -> list[Attempt]:
    def attempt(outcome: str, stage: str, reason: str, number: int = 1, to: str = destination) -> Attempt:
        at = round(AGO.timestamp() * 1000)
        return Attempt(to, source, at, "m", "track", "Paid", outcome, stage, reason, number, 1.0, app_version="1.0")

    return [
        attempt("delivered", "successful-delivery", "successes.attempt.1"),
        attempt("delivered", "successful-delivery", "successes.attempt.2", 2),
        attempt("retrying", "failed-delivery", "503"),
        attempt("discarded", "failed-delivery", "400"),
        attempt("quarantined", "filtered-at-destination", "bad_request"),
        attempt("filtered", "filtered-at-destination", "FILTERED_BY_RULES"),
        attempt("rejected", "failed-on-ingest", "id_required", to=""),
    ]


def totals(answer: Answer) -> dict[Any, int]:
    return {each.values if len(each.values) != 1 else each.values[0]: each.total for each in answer.tally.series}


async def test_each_stage_tells_what_ended_there(shop: Shop) -> None:
    call, web, hook = shop.call, shop.web, shop.hook
    by_reason = shop.ask(group_by=["discardReason"])
    assert totals(await overview.successfully_received(call, web, shop.ask(group_by=["eventName"]))) == {
        "Paid": 3,
        "Home": 1,
    }
    assert totals(await overview.failed_on_ingest(call, web, by_reason)) == {"id_required": 2}
    assert totals(await overview.filtered_at_source(call, web, by_reason)) == {}
    assert totals(await overview.filtered_at_destination(call, web, hook, by_reason)) == {
        "FILTERED_BY_RULES": 1,
        "bad_request": 1,
    }
    assert totals(await overview.failed_delivery(call, web, hook, by_reason)) == {"400": 1, "503": 1}
    delivered = await overview.successful_delivery(call, web, hook, by_reason)
    assert totals(delivered) == {"successes.attempt.1": 1, "successes.attempt.2": 1}
    assert sum(each.retried for each in delivered.tally.series) == 1


async def test_deliveries_on_a_try_are_found_by_its_number(shop: Shop) -> None:
    question = shop.ask(filters={"discardReason": ["successes.attempt.2"], "appVersion": ["1.0"]})
    answer = await overview.successful_delivery(shop.call, shop.web, shop.hook, question)
    assert (answer.tally.total, answer.by, answer.retries) == (1, (), True)


async def test_a_source_without_events_has_an_empty_answer(shop: Shop) -> None:
    answer = await overview.failed_on_ingest(shop.call, shop.app, shop.ask())
    assert (answer.tally.total, answer.tally.groups, answer.tally.series) == (0, 0, [])


@pytest.mark.parametrize(
    ("more", "field", "says"),
    [
        ({"granularity": "WEEK"}, "granularity", "MINUTE, HOUR or DAY"),
        ({"start": NOW.isoformat()}, "endTime", "after startTime"),
        ({"start": (NOW - timedelta(hours=5)).isoformat()}, "endTime", "4 hours"),
        ({"group_by": ["discardReason"]}, "groupBy", "expected one of eventName, eventType, appVersion"),
        ({"group_by": ["subscriptionId"]}, "groupBy", "nothing of the kind"),
        ({"filters": {"userId": ["u"]}}, "filter.userId", "'userId' is not known here"),
        ({"offset": 5}, "pagination.cursor", "begin again"),
    ],
)
async def test_a_question_that_cannot_be_answered_names_its_field(
    shop: Shop, more: dict[str, Any], field: str, says: str
) -> None:
    with pytest.raises(RequestError, match=says) as caught:
        await overview.successfully_received(shop.call, shop.web, shop.ask(**more))
    assert (caught.value.status, caught.value.field) == (422, field)


async def test_reading_the_source_is_what_it_takes(shop: Shop) -> None:
    question = shop.ask()
    for role in (Role.SOURCE_READ_ONLY, Role.SOURCE_ADMIN):
        reader = shop.member(Grant(role, frozenset({shop.web})))
        assert (await overview.successfully_received(reader, shop.web, question)).tally.total == 4
        assert (await overview.failed_delivery(reader, shop.web, shop.hook, question)).tally.total == 2
        assert await delivery_metrics(reader, shop.hook)
        with pytest.raises(RequestError) as caught:
            await overview.successfully_received(reader, shop.app, question)
        assert caught.value.status == 403
    other = shop.member(Grant(Role.SOURCE_READ_ONLY, frozenset({shop.app})), Grant(Role.FUNCTIONS_ADMIN))
    with pytest.raises(RequestError) as caught:
        await delivery_metrics(other, shop.hook)
    assert caught.value.status == 403
    # A permission on one source is none on another one's destinations.
    with pytest.raises(RequestError) as caught:
        await overview.failed_delivery(other, shop.app, shop.hook, question)
    assert caught.value.status == 404


async def test_events_volume_is_of_the_sources_one_may_read(shop: Shop) -> None:
    question = shop.ask(group_by=["source"], filters={"eventName": ["Paid"], "appVersion": ["1.0", "2.0"]})
    answer = await overview.events_volume(shop.call, question)
    assert (answer.by, totals(answer)) == ((Dimension.SOURCE,), {shop.app: 5, shop.web: 3})
    assert {row.slug for row in answer.sources.values()} == {"web", "app"}
    reader = shop.member(Grant(Role.SOURCE_READ_ONLY, frozenset({shop.web})))
    assert totals(await overview.events_volume(reader, question)) == {shop.web: 3}
    assert totals(await overview.events_volume(reader, question, source_ids=[shop.web])) == {shop.web: 3}
    assert totals(await overview.events_volume(shop.member(Grant(Role.WORKSPACE_MEMBER)), question)) == {}
    for key, status in ((shop.app, 403), ("src_none", 404)):
        with pytest.raises(RequestError) as caught:
            await overview.events_volume(reader, question, source_ids=[key])
        assert caught.value.status == status
    with pytest.raises(RequestError, match="expected one of eventName, eventType, source"):
        await overview.events_volume(shop.call, shop.ask(group_by=["appVersion"]))


async def test_metrics_sum_up_how_attempts_ended(shop: Shop) -> None:
    summary = await delivery_metrics(shop.call, shop.hook, source_id=shop.web)
    assert (summary.source_id, summary.type) == (shop.web, "sink")
    assert summary.metrics == {
        "successes": {"successes.attempt.1": 1, "successes.attempt.2": 1},
        "errors.discarded": {"errors.discarded.400": 1, "errors.discarded.bad_request": 1},
        "errors.awaiting-retry": {"errors.awaiting-retry.503": 1},
        "filtered": {"filtered.FILTERED_BY_RULES": 1},
    }
    for size in ("HOUR", "DAY"):
        assert (await delivery_metrics(shop.call, shop.hook, granularity=size)).metrics == summary.metrics
    before = await delivery_metrics(shop.call, shop.hook, end=(NOW - timedelta(minutes=40)).isoformat())
    assert before.metrics == {name: {} for name in summary.metrics}


async def test_metrics_are_not_told_of_another_source_or_a_longer_time(shop: Shop) -> None:
    with pytest.raises(RequestError) as caught:
        await delivery_metrics(shop.call, shop.hook, source_id=shop.app)
    assert (caught.value.status, caught.value.field) == (404, "sourceId")
    with pytest.raises(RequestError, match="more than 14 days"):
        await delivery_metrics(shop.call, shop.hook, granularity="DAY", start=(NOW - timedelta(days=15)).isoformat())
