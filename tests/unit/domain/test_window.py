from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from midstream.domain.window import METRICS, OVERVIEW, Granularity, Limits, Window, floor, window
from midstream.errors import RequestError

NOW = datetime(2026, 3, 31, 12, 34, 56, tzinfo=UTC)


def ask(granularity: str, start: Any, end: Any, limits: Limits = OVERVIEW) -> Window:
    def written(at: Any) -> str:
        return (NOW - at).isoformat() if isinstance(at, timedelta) else at

    return window(granularity, written(start), written(end), limits=limits, now=NOW)


@pytest.mark.parametrize(
    "written",
    [
        "2026-03-31T09:30:59Z",
        "2026-03-31T09:30:59.999Z",
        "2026-03-31T11:30:59+02:00",
        "2026-03-31T11:30:59 02:00",  # with a plus sign that was not escaped
        "2026-03-31T09:30:59",
        "2026-03-31 09:30:59",
    ],
)
def test_times_are_read_as_people_write_them(written: str) -> None:
    found = ask("MINUTE", written, "2026-03-31T10:00:01Z")
    assert found.start == datetime(2026, 3, 31, 9, 30, tzinfo=UTC)
    assert found.end == datetime(2026, 3, 31, 10, 0, 1, tzinfo=UTC)


@pytest.mark.parametrize("written", ["minute", "MINUTE", "Minute"])
def test_a_granularity_may_be_in_small_letters(written: str) -> None:
    assert ask(written, timedelta(hours=1), timedelta()).granularity is Granularity.MINUTE


@pytest.mark.parametrize(
    ("granularity", "start", "end"),
    [
        ("MINUTE", timedelta(hours=4), timedelta()),
        ("MINUTE", timedelta(hours=48), timedelta(hours=44)),
        ("HOUR", timedelta(days=14), timedelta()),
        ("HOUR", timedelta(days=30), timedelta(days=16)),
        ("DAY", timedelta(days=30), timedelta()),
        ("DAY", "2026-03-01T00:00:00Z", "2026-03-31T00:00:00Z"),  # whole days, the first not quite 30 days ago
        ("DAY", timedelta(days=1), timedelta(days=-1)),  # until tomorrow
    ],
)
def test_a_window_within_the_limits_is_taken(granularity: str, start: Any, end: Any) -> None:
    assert ask(granularity, start, end)


@pytest.mark.parametrize(
    ("granularity", "start", "end", "field", "says"),
    [
        ("SECOND", timedelta(hours=1), timedelta(), "granularity", "MINUTE, HOUR or DAY, not 'SECOND'"),
        ("MINUTE", "yesterday", timedelta(), "startTime", "ISO 8601"),
        ("MINUTE", timedelta(hours=1), "", "endTime", "ISO 8601"),
        ("MINUTE", "0001-01-01T00:00:00+14:00", timedelta(), "startTime", "ISO 8601"),
        ("MINUTE", timedelta(hours=1), timedelta(hours=1), "endTime", "must be after startTime"),
        ("MINUTE", timedelta(hours=4, seconds=1), timedelta(), "endTime", "more than 4 hours"),
        ("MINUTE", timedelta(hours=48, minutes=1), timedelta(hours=47), "startTime", "more than 48 hours ago"),
        ("HOUR", timedelta(days=14, seconds=1), timedelta(), "endTime", "more than 14 days"),
        ("HOUR", timedelta(days=30, hours=1), timedelta(days=29), "startTime", "more than 30 days ago"),
        ("DAY", timedelta(days=30, seconds=1), timedelta(), "endTime", "more than 30 days"),
        ("DAY", timedelta(days=31), timedelta(days=29), "startTime", "more than 30 days ago"),
    ],
)
def test_a_window_beyond_the_limits_is_refused_with_the_field_and_the_limit(
    granularity: str, start: Any, end: Any, field: str, says: str
) -> None:
    with pytest.raises(RequestError, match=says) as caught:
        ask(granularity, start, end)
    assert (caught.value.status, caught.value.field) == (422, field)


def test_metrics_have_limits_of_their_own() -> None:
    assert ask("HOUR", timedelta(days=7), timedelta(), METRICS)
    with pytest.raises(RequestError, match="7 days"):
        ask("HOUR", timedelta(days=7, seconds=1), timedelta(), METRICS)
    with pytest.raises(RequestError, match="14 days"):
        ask("DAY", timedelta(days=15), timedelta(days=10), METRICS)


def test_buckets_begin_where_their_unit_does() -> None:
    assert [floor(NOW, size) for size in Granularity] == [
        NOW.replace(second=0),
        NOW.replace(minute=0, second=0),
        NOW.replace(hour=0, minute=0, second=0),
    ]
