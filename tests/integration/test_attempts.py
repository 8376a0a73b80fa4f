from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from midstream.domain.attempt import Attempt, Sample
from midstream.store.attempts import SAMPLES_KEPT, deliveries, record, samples
from midstream.store.projection import last_applied
from midstream.store.session import Sessions
from tests.integration.database import database_url, postgres_server, postgres_url, sessions

__all__ = ["database_url", "postgres_server", "postgres_url", "sessions"]

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


DELIVERED = Attempt(
    destination_id="dst_1",
    source_id="src_1",
    at=ms(NOON),
    message_id="m1",
    type="track",
    event="Order Completed",
    outcome="delivered",
    stage="successful-delivery",
    reason="",
    attempt=1,
    latency_ms=10.0,
    version_ids=("ver_1",),
)
SAMPLE = Sample("dst_1", "src_1", "400", ms(NOON), "m1", "track", "Order Completed", 1, {"event": "Order Completed"})


def changed(it: Any, **values: Any) -> Any:
    return msgspec.structs.replace(it, **values)


async def test_attempts_that_ended_alike_are_counted_together(sessions: Sessions) -> None:
    failed = changed(DELIVERED, outcome="discarded", stage="failed-delivery", reason="400")
    slow = changed(DELIVERED, latency_ms=30.0, at=ms(NOON + timedelta(seconds=59)))
    late = changed(DELIVERED, latency_ms=20.0, at=ms(NOON + timedelta(seconds=61)))
    assert await record(sessions, 1, [DELIVERED, failed, slow])
    assert await record(sessions, 2, [late])
    most, rest = await deliveries(sessions, since=NOON)
    assert (most.outcome, most.count, most.latency_ms_sum, most.latency_ms_max) == ("delivered", 3, 60.0, 30.0)
    assert (most.first, most.last) == (NOON, NOON + timedelta(minutes=1))
    assert (rest.outcome, rest.reason, rest.count) == ("discarded", "400", 1)


async def test_a_message_is_applied_once_however_often_it_comes(sessions: Sessions) -> None:
    assert await record(sessions, 7, [DELIVERED], [SAMPLE])
    assert not await record(sessions, 7, [DELIVERED], [SAMPLE])
    assert not await record(sessions, 6, [DELIVERED], [SAMPLE])
    [row] = await deliveries(sessions, since=NOON)
    assert row.count == 1
    assert len(await samples(sessions)) == 1


async def test_several_messages_applied_as_one_count_all_or_not_at_all(sessions: Sessions) -> None:
    assert await last_applied(sessions, "attempts") == 0
    assert await record(sessions, 64, [DELIVERED] * 64, first=1)
    assert not await record(sessions, 70, [DELIVERED] * 11, first=60)
    assert await last_applied(sessions, "attempts") == 64
    assert await record(sessions, 70, [DELIVERED] * 6, first=65)
    [row] = await deliveries(sessions, since=NOON)
    assert row.count == 70


async def test_a_message_applied_by_two_at_once_counts_once(sessions: Sessions) -> None:
    applied = await asyncio.gather(*(record(sessions, 1, [DELIVERED] * 10) for _ in range(4)))
    assert sorted(applied) == [False, False, False, True]
    [row] = await deliveries(sessions, since=NOON)
    assert row.count == 10


async def test_a_stream_that_begins_anew_is_another_stream(sessions: Sessions) -> None:
    assert await record(sessions, 9, [DELIVERED], stream="attempts-1")
    assert await record(sessions, 1, [DELIVERED], stream="attempts-2")
    [row] = await deliveries(sessions, since=NOON)
    assert row.count == 2


async def test_a_message_that_cannot_be_applied_leaves_nothing_behind(sessions: Sessions) -> None:
    beyond_any_date = changed(SAMPLE, at=10**18)
    with pytest.raises((ValueError, OverflowError)):
        await record(sessions, 1, [DELIVERED], [beyond_any_date])
    assert await deliveries(sessions, since=NOON) == []
    assert await record(sessions, 1, [DELIVERED])


async def test_an_empty_message_counts_as_applied(sessions: Sessions) -> None:
    assert await record(sessions, 1, [])
    assert not await record(sessions, 1, [DELIVERED])


async def test_counts_can_be_asked_for_by_destination_reason_and_time(sessions: Sessions) -> None:
    other = changed(DELIVERED, destination_id="dst_2")
    failed = changed(DELIVERED, outcome="retrying", stage="failed-delivery", reason="503")
    early = changed(DELIVERED, at=ms(NOON - timedelta(hours=2)))
    await record(sessions, 1, [DELIVERED, other, failed, early])
    assert {row.destination_id for row in await deliveries(sessions, since=NOON)} == {"dst_1", "dst_2"}
    assert len(await deliveries(sessions, since=NOON, destination="dst_1")) == 2
    [row] = await deliveries(sessions, since=NOON, destination="dst_1", reason="503")
    assert row.outcome == "retrying"
    within = NOON + timedelta(seconds=30)  # in the minute that is counted as a whole
    assert len(await deliveries(sessions, since=within, destination="dst_1", reason="")) == 1


async def test_the_last_samples_of_each_destination_and_reason_are_kept(sessions: Sessions) -> None:
    burst = [changed(SAMPLE, message_id=f"a{n}") for n in range(50)]
    other = [changed(SAMPLE, reason="500", message_id="b"), changed(SAMPLE, destination_id="dst_2", message_id="c")]
    await record(sessions, 1, [], [*burst, *other])
    await record(sessions, 2, [], [changed(SAMPLE, message_id=f"z{n}") for n in range(3)])
    kept = await samples(sessions, destination="dst_1", reason="400")
    assert [it.message_id for it in kept] == ["z2", "z1", "z0", *(f"a{n}" for n in range(49, 32, -1))]
    assert len(kept) == SAMPLES_KEPT
    assert {it.message_id for it in await samples(sessions, limit=2000)} >= {"b", "c"}


async def test_of_an_event_that_was_tried_often_the_last_attempt_may_be_asked_for(sessions: Sessions) -> None:
    tries = [changed(SAMPLE, message_id=name, attempt=number) for number in (1, 2, 3) for name in ("often", "too")]
    nameless = [changed(SAMPLE, message_id="")] * 2
    elsewhere = [
        changed(SAMPLE, message_id="often", reason="503"),
        changed(SAMPLE, message_id="often", destination_id="x"),
    ]
    await record(sessions, 1, [], [*tries, *nameless, *elsewhere])
    assert len(await samples(sessions)) == 10
    kept = await samples(sessions, destination="dst_1", reason="400", latest=True)
    assert [(it.message_id, it.attempt) for it in kept] == [("", 1), ("", 1), ("too", 3), ("often", 3)]
    assert len(await samples(sessions, latest=True)) == 6


async def test_samples_are_asked_for_by_time_as_counts_are(sessions: Sessions) -> None:
    old, late = (
        changed(SAMPLE, message_id="old", at=ms(NOON)),
        changed(SAMPLE, message_id="late", at=ms(NOON + timedelta(hours=2))),
    )
    await record(sessions, 1, [], [old, late])
    assert [it.message_id for it in await samples(sessions, since=NOON + timedelta(hours=1))] == ["late"]
    assert len(await samples(sessions, since=NOON)) == 2


async def test_a_sample_comes_back_as_it_was(sessions: Sessions) -> None:
    body = {"event": "Ünï\u0000 🎉", "properties": {"n": 1.5, "list": [None, True]}}
    sample = changed(SAMPLE, body=body, at=ms(NOON) + 123)
    await record(sessions, 1, [], [sample])
    assert await samples(sessions) == [sample]


@pytest.mark.parametrize("name", ["x" * 5000, "🎉" * 5000, "a\0b", "half \ud800 pair", ""])
async def test_no_name_an_event_may_have_stops_the_counting(sessions: Sessions, name: str) -> None:
    assert await record(
        sessions,
        1,
        [changed(DELIVERED, event=name, type=name, reason=name, app_version=name)],
        [changed(SAMPLE, event=name, type=name, reason=name, message_id=name)],
    )
    [row] = await deliveries(sessions, since=NOON)
    assert row.count == 1
    assert row.event[:2].replace("\N{REPLACEMENT CHARACTER}", "\0") == name[:2]
