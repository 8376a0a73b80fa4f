"""Counts added up over time, on both engines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from midstream.domain.attempt import Attempt
from midstream.domain.outcome import Stage
from midstream.domain.window import Granularity, Window
from midstream.store import attempts
from midstream.store.received import Arrived, record
from midstream.store.session import Sessions, reading
from midstream.store.tally import Counts, Dimension, Series, Tally, ended, received, rejected, tally
from tests.integration.database import database_url, postgres_server, postgres_url, sessions

__all__ = ["database_url", "postgres_server", "postgres_url", "sessions"]

START = datetime(2026, 3, 1, 22, 58, tzinfo=UTC)  # two minutes before the hour, and an hour more before the day
NAME, TYPE, REASON, VERSION, SOURCE = Dimension


def arrived(minutes: float, count: int, event: str = "Paid", version: str = "", source: str = "src_1") -> Arrived:
    return Arrived(source, START + timedelta(minutes=minutes), Counter({("track", event, version): count}))


def attempt(minutes: int, reason: str, **more: Any) -> Attempt:
    at = round((START + timedelta(minutes=minutes)).timestamp() * 1000)
    values: dict[str, Any] = {"outcome": "discarded", "stage": "failed-delivery", "attempt": 1} | more
    destination = values.pop("destination", "dst_1")
    return Attempt(
        destination,
        "src_1",
        at,
        "m",
        "track",
        "Paid",
        values["outcome"],
        values["stage"],
        reason,
        values["attempt"],
        1.0,
    )


async def ask(
    sessions: Sessions,
    counts: Counts,
    *by: Dimension,
    size: Granularity = Granularity.MINUTE,
    minutes: tuple[int, int] = (0, 24 * 60),
    page: tuple[int, int] = (0, 100),
) -> Tally:
    start, end = (START + timedelta(minutes=each) for each in minutes)
    async with reading(sessions) as session:
        return await tally(session, counts, Window(size, start, end), by, offset=page[0], limit=page[1])


def totals(series: Sequence[Series]) -> dict[tuple[str, ...], int]:
    return {each.values: each.total for each in series}


def offsets(series: Series) -> list[tuple[float, int]]:
    return [((point.time - START).total_seconds() / 60, point.count) for point in series.points]


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (Granularity.MINUTE, [(0, 1), (1, 2), (2, 4), (61, 8), (62, 16)]),
        (Granularity.HOUR, [(-58, 3), (2, 12), (62, 16)]),
        (Granularity.DAY, [(-58 - 22 * 60, 15), (62, 16)]),
    ],
)
async def test_buckets_begin_where_their_unit_does(
    sessions: Sessions, size: Granularity, expected: list[tuple[int, int]]
) -> None:
    brought = [arrived(0, 1), arrived(1.9, 2), arrived(2, 4), arrived(61, 8), arrived(62, 16)]
    await record(sessions, "events", 1, 5, brought)
    found = await ask(sessions, received(["src_1"]), size=size)
    assert (found.total, found.groups, totals(found.series)) == (31, 1, {(): 31})
    assert offsets(found.series[0]) == expected


async def test_a_window_has_its_first_minute_and_not_its_last(sessions: Sessions) -> None:
    await record(sessions, "events", 1, 1, [arrived(minute, 10**minute) for minute in range(4)])
    assert (await ask(sessions, received(["src_1"]), minutes=(1, 3))).total == 110


async def test_nothing_counted_is_an_empty_answer(sessions: Sessions) -> None:
    for by in ((), (NAME,), (NAME, TYPE)):
        assert await ask(sessions, received(["src_1"]), *by) == Tally(0, 0, [])
    assert await ask(sessions, received([]), SOURCE) == Tally(0, 0, [])


async def test_series_are_told_apart_by_what_is_asked_for_most_frequent_first(sessions: Sessions) -> None:
    brought = [
        arrived(0, 1, "A", "1"),
        arrived(1, 2, "B", "1"),
        arrived(2, 4, "A", "2"),
        arrived(3, 8, "C", "2", "src_2"),
    ]
    await record(sessions, "events", 1, 1, brought)
    both = received(["src_1", "src_2"])
    assert list(totals((await ask(sessions, both, NAME)).series).items()) == [(("C",), 8), (("A",), 5), (("B",), 2)]
    assert totals((await ask(sessions, both, VERSION, NAME)).series) == {
        ("1", "A"): 1,
        ("1", "B"): 2,
        ("2", "A"): 4,
        ("2", "C"): 8,
    }
    assert totals((await ask(sessions, both, SOURCE)).series) == {("src_1",): 7, ("src_2",): 8}
    [track] = (await ask(sessions, received(["src_1"]), TYPE)).series
    assert (track.values, offsets(track)) == (("track",), [(0, 1), (1, 2), (2, 4)])


async def test_pages_follow_each_other_and_each_knows_the_whole(sessions: Sessions) -> None:
    brought = [arrived(minute, number + 1, f"{number}") for number in range(5) for minute in (0, 61)]
    await record(sessions, "events", 1, 1, brought)
    for by in ((NAME,), (TYPE, NAME)):
        pages = [await ask(sessions, received(["src_1"]), *by, page=(offset, 2)) for offset in (0, 2, 4, 6)]
        assert [[each.values[-1] for each in page.series] for page in pages] == [["4", "3"], ["2", "1"], ["0"], []]
        assert {(page.total, page.groups) for page in pages[:3]} == {(30, 5)}
        assert [offsets(each) for each in pages[1].series] == [[(0, 3), (61, 3)], [(0, 2), (61, 2)]]


async def test_filters_take_any_of_their_values_and_all_must_agree(sessions: Sessions) -> None:
    brought = [arrived(0, 1, "A", "1"), arrived(0, 2, "B", "1"), arrived(0, 4, "A", "2"), arrived(0, 8, "x" * 500)]
    await record(sessions, "events", 1, 1, brought)
    counts = received(["src_1"])
    assert (await ask(sessions, counts.only({NAME: ["A", "B"]}))).total == 7
    assert (await ask(sessions, counts.only({NAME: ["A"], VERSION: ["2", "3"]}))).total == 4
    assert (await ask(sessions, counts.only({NAME: ["x" * 500]}))).total == 8  # it is stored shortened
    assert (await ask(sessions, counts.only({NAME: ["\0"]}))).total == 0


async def test_stages_are_counted_apart_and_retries_with_them(sessions: Sessions) -> None:
    delivered = {"outcome": "delivered", "stage": "successful-delivery"}
    made = [
        attempt(0, "successes.attempt.1", **delivered),
        attempt(0, "successes.attempt.2", attempt=2, **delivered),
        attempt(1, "503", outcome="retrying"),
        attempt(1, "400"),
        attempt(1, "FILTERED_BY_RULES", outcome="filtered", stage="filtered-at-destination"),
        attempt(1, "id_required", outcome="rejected", stage="failed-on-ingest", destination=""),
        attempt(1, "400", destination="dst_2"),
    ]
    await attempts.record(sessions, 1, made)

    async def found(counts: Counts) -> dict[str, tuple[int, int]]:
        series = (await ask(sessions, counts, REASON)).series
        return {each.values[0]: (each.total, each.retried) for each in series}

    assert await found(ended("dst_1", "src_1", Stage.DELIVERED)) == {
        "successes.attempt.1": (1, 0),
        "successes.attempt.2": (1, 1),
    }
    assert await found(ended("dst_1", "src_1", Stage.FAILED)) == {"503": (1, 1), "400": (1, 0)}
    assert await found(ended("dst_1", "src_1", Stage.FILTERED)) == {"FILTERED_BY_RULES": (1, 0)}
    assert await found(ended("dst_1", "src_2", Stage.FAILED)) == {}
    assert await found(rejected("src_1")) == {"id_required": (1, 0)}
    [series] = (await ask(sessions, ended("dst_1", "src_1", Stage.DELIVERED))).series
    assert [(point.count, point.retried) for point in series.points] == [(2, 1)]
