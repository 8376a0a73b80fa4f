"""Delivery Overview, delivery metrics and events volume over HTTP, as Segment's clients ask and read them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from midstream.domain.access import Grant, Role
from midstream.domain.attempt import Attempt
from midstream.store import attempts
from midstream.store.received import Arrived, record
from tests.integration.api.desk import Desk, desk
from tests.integration.database import database_url, postgres_server, postgres_url, sessions, vault

__all__ = ["database_url", "desk", "postgres_server", "postgres_url", "sessions", "vault"]

STAGES = (
    "successfully-received",
    "failed-on-ingest",
    "filtered-at-source",
    "filtered-at-destination",
    "failed-delivery",
    "successful-delivery",
)


@dataclass
class Counted:
    """A source and its destination, with some events counted half an hour ago."""

    desk: Desk
    source: str
    destination: str
    at: datetime

    async def ask(self, path: str, status: int = 200, **more: str | None) -> Any:
        params = {
            "sourceId": self.source,
            "destinationConfigId": self.destination,
            "startTime": (self.at - timedelta(minutes=10)).isoformat(),
            "endTime": (self.at + timedelta(minutes=10)).isoformat(),
            "granularity": "minute",
        } | more
        given = {name: value for name, value in params.items() if value is not None}
        return await self.desk.ask("GET", path, params=given, status=status)


@pytest.fixture
async def counted(desk: Desk) -> Counted:
    source = await desk.source()
    destination = await desk.destination(source)
    at = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=30)

    def attempt(outcome: str, stage: str, reason: str, number: int, to: str = destination) -> Attempt:
        when = round(at.timestamp() * 1000)
        return Attempt(to, source, when, "m", "track", "Paid", outcome, stage, reason, number, 1.0, app_version="1.0")

    ended = [
        attempt("delivered", "successful-delivery", "successes.attempt.1", 1),
        attempt("delivered", "successful-delivery", "successes.attempt.3", 3),
        attempt("retrying", "failed-delivery", "503", 1),
        attempt("filtered", "filtered-at-destination", "FILTERED_BY_RULES", 1),
        attempt("rejected", "failed-on-ingest", "id_required", 1, to=""),
    ]
    kinds = Counter({("track", "Paid", "1.0"): 3, ("page", "Home, sweet home", ""): 2, ("track", "Sent", "2.0"): 1})
    await attempts.record(desk.office.sessions, 1, ended)
    await record(desk.office.sessions, "events", 1, 1, [Arrived(source, at, kinds)])
    return Counted(desk, source, destination, at)


def told(data: Any, *names: str) -> dict[Any, int]:
    return {
        tuple(each[name] for name in names) if len(names) > 1 else each[names[0]]: each["total"]
        for each in data["dataset"]
    }


async def test_the_whole_of_a_stage_is_one_series(counted: Counted) -> None:
    data = await counted.ask("/delivery-overview/successfully-received")
    minute = f"{counted.at:%Y-%m-%dT%H:%M}:00.000Z"
    assert data["dataset"] == [{"total": 6, "series": [{"time": minute, "count": 6}]}]
    assert data["total"] == 6
    assert data["pagination"]["totalEntries"] == 1


async def test_each_stage_answers_with_its_reasons(counted: Counted) -> None:
    found = {}
    for stage in STAGES[1:]:
        data = await counted.ask(f"/delivery-overview/{stage}", **{"groupBy[0]": "discardReason"})
        found[stage] = told(data, "discardReason")
    assert found == {
        "failed-on-ingest": {"id_required": 1},
        "filtered-at-source": {},
        "filtered-at-destination": {"FILTERED_BY_RULES": 1},
        "failed-delivery": {"503": 1},
        "successful-delivery": {"successes.attempt.1": 1, "successes.attempt.3": 1},
    }


async def test_deliveries_on_a_retry_are_told(counted: Counted) -> None:
    data = await counted.ask("/delivery-overview/successful-delivery", granularity="HOUR")
    [dataset] = data["dataset"]
    assert (dataset["total"], dataset["totalRetryCount"]) == (2, 1)
    assert [(point["count"], point["retryCount"]) for point in dataset["series"]] == [(2, 1)]
    third = {"filter[discardReason][0]": "successes.attempt.3"}
    data = await counted.ask("/delivery-overview/successful-delivery", **third)
    assert data["total"] == 1


@pytest.mark.parametrize(
    "by", [{"groupBy[0]": "eventName", "groupBy[1]": "eventType"}, {"groupBy": "eventName,eventType"}]
)
async def test_series_are_told_apart_however_a_client_writes_it(counted: Counted, by: dict[str, str]) -> None:
    data = await counted.ask("/delivery-overview/successfully-received", **by)
    assert told(data, "eventName", "eventType") == {
        ("Paid", "track"): 3,
        ("Home, sweet home", "page"): 2,
        ("Sent", "track"): 1,
    }
    one = {"filter[eventName][0]": "Home, sweet home", "filter[eventName].1": "Sent"}
    assert (await counted.ask("/delivery-overview/successfully-received", **one, **by))["total"] == 3


async def test_pages_follow_each_other_and_a_cursor_is_good_for_its_question_only(counted: Counted) -> None:
    path, by = "/delivery-overview/successfully-received", {"groupBy[0]": "eventName", "pagination[count]": "2"}
    first = await counted.ask(path, **by)
    assert list(told(first, "eventName")) == ["Paid", "Home, sweet home"]
    assert first["total"] == 6
    assert first["pagination"]["previous"] is None
    following = {"pagination[cursor]": first["pagination"]["next"]}
    second = await counted.ask(path, **by, **following)
    assert list(told(second, "eventName")) == ["Sent"]
    assert second["pagination"]["next"] is None
    assert second["pagination"]["previous"] == first["pagination"]["current"]
    for other, more in (
        (path, by | {"groupBy[0]": "eventType"}),
        (path, by | {"granularity": "HOUR"}),
        ("/delivery-overview/failed-on-ingest", by),
        ("/events/volume", by | {"sourceId": counted.source}),
    ):
        fault = await counted.ask(other, 422, **more, **following)
        assert fault["field"] == "pagination.cursor"
        assert "a cursor of another list" in fault["message"]


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"sourceId": None}, "sourceId"),
        ({"startTime": None}, "startTime"),
        ({"granularity": None}, "granularity"),
        ({"granularity": "week"}, "granularity"),
        ({"endTime": "tomorrow"}, "endTime"),
        ({"startTime": "2020-01-01T00:00:00Z"}, "endTime"),
        ({"groupBy[0]": "userId"}, "groupBy"),
        ({"filter[spaceId][0]": "s"}, "filter.spaceId"),
        ({"subscriptionId": "s"}, "filter.subscriptionId"),
        ({"filter": "eventName"}, "filter"),
    ],
)
async def test_what_cannot_be_asked_names_its_field(counted: Counted, more: dict[str, str | None], field: str) -> None:
    for stage in ("failed-on-ingest", "failed-delivery"):
        fault = await counted.ask(f"/delivery-overview/{stage}", 422, **more)
        assert (fault["type"], fault["field"]) == ("input-validation", field)


async def test_a_source_where_nothing_happened_has_an_empty_answer(counted: Counted) -> None:
    quiet = await counted.desk.source("quiet")
    for stage in STAGES[:3]:
        data = await counted.ask(f"/delivery-overview/{stage}", sourceId=quiet)
        assert (data["total"], data["dataset"], data["pagination"]["totalEntries"]) == (0, [], 0)
        assert data["pagination"]["next"] is None
    assert (await counted.ask("/events/volume", sourceId=quiet))["result"] == []


async def test_it_takes_the_right_to_read_the_source(counted: Counted) -> None:
    reader = Grant(Role.SOURCE_READ_ONLY, frozenset({counted.source}))
    desk = counted.desk.acting_as(await counted.desk.token(reader, email="reader@example.com"))
    allowed = Counted(desk, counted.source, counted.destination, counted.at)
    nobody = counted.desk.acting_as(await counted.desk.token(Grant(Role.FUNCTIONS_ADMIN), email="fn@example.com"))
    refused = Counted(nobody, counted.source, counted.destination, counted.at)
    metrics = f"/destinations/{counted.destination}/delivery-metrics"
    for path in [*(f"/delivery-overview/{stage}" for stage in STAGES), metrics]:
        await allowed.ask(path)
        assert "source:read" in (await refused.ask(path, 403))["message"]
    assert (await refused.ask("/events/volume", sourceId=None))["result"] == []


async def test_metrics_are_summed_up_with_their_parts(counted: Counted) -> None:
    data = await counted.ask(f"/destinations/{counted.destination}/delivery-metrics")
    assert data["deliveryMetricsSummary"] == {
        "sourceId": counted.source,
        "destinationMetadataId": "sink",
        "metrics": [
            {
                "metricName": "successes",
                "total": 2,
                "breakdown": [
                    {"metricName": "successes.attempt.1", "value": 1},
                    {"metricName": "successes.attempt.3", "value": 1},
                ],
            },
            {"metricName": "errors.discarded", "total": 0, "breakdown": []},
            {
                "metricName": "errors.awaiting-retry",
                "total": 1,
                "breakdown": [{"metricName": "errors.awaiting-retry.503", "value": 1}],
            },
            {
                "metricName": "filtered",
                "total": 1,
                "breakdown": [{"metricName": "filtered.FILTERED_BY_RULES", "value": 1}],
            },
        ],
    }
    path = f"/destinations/{counted.destination}/delivery-metrics"
    assert (await counted.desk.ask("GET", path, params={"sourceId": counted.source}))["deliveryMetricsSummary"] == data[
        "deliveryMetricsSummary"
    ]


async def test_events_volume_repeats_the_question_and_names_the_sources(counted: Counted) -> None:
    data = await counted.ask("/events/volume", **{"groupBy[0]": "source", "eventType[0]": "track"}, granularity="DAY")
    assert data["path"] == "/events/volume"
    assert data["query"] == {
        "workspaceId": counted.desk.call.caller.workspace_id,
        "granularity": "DAY",
        "startTime": (counted.at - timedelta(minutes=10)).isoformat(),
        "endTime": (counted.at + timedelta(minutes=10)).isoformat(),
        "groupBy": ["source"],
        "sourceId": [counted.source],
        "eventType": ["track"],
    }
    day = f"{counted.at:%Y-%m-%d}T00:00:00.000Z"
    assert data["result"] == [
        {
            "source": {"id": counted.source, "name": "web", "slug": "web"},
            "total": 4,
            "series": [{"time": day, "count": 4}],
        }
    ]
