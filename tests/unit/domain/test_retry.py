"""The retry schedule: contract §2's numbers hold for every draw."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from midstream.domain.retry import RetryPolicy, next_attempt

START = datetime(2026, 1, 1, tzinfo=UTC)
POLICY = RetryPolicy()


def delay(attempt: int, jitter: float = 1.0, retry_after: timedelta | None = None) -> float:
    due = next_attempt(POLICY, attempt=attempt, first=START, now=START, jitter=jitter, retry_after=retry_after)
    assert due is not None
    return (due - START).total_seconds()


def test_delays_triple_from_five_seconds_up_to_an_hour() -> None:
    assert [delay(attempt) for attempt in range(1, 10)] == [5, 15, 45, 135, 405, 1215, 3600, 3600, 3600]


def test_each_delay_is_multiplied_by_its_jitter() -> None:
    assert (delay(1, 0.5), delay(1, 1.5), delay(9, 1.5)) == (2.5, 7.5, 5400)


@pytest.mark.parametrize(("asked", "given_"), [(0, 0), (30, 30), (7200, 3600), (-5, 0)])
def test_what_the_destination_asks_for_wins_over_the_backoff_but_not_over_the_cap(asked: int, given_: int) -> None:
    assert delay(1, 1.5, timedelta(seconds=asked)) == given_


def test_after_the_last_attempt_there_is_none() -> None:
    assert next_attempt(POLICY, attempt=10, first=START, now=START, jitter=1) is None


def test_after_four_hours_there_is_none() -> None:
    assert next_attempt(POLICY, attempt=2, first=START, now=START + timedelta(hours=4), jitter=1) is None


def test_a_try_that_would_come_too_late_is_moved_onto_the_mark() -> None:
    now = START + timedelta(hours=3, minutes=59)
    assert next_attempt(POLICY, attempt=9, first=START, now=now, jitter=1.5) == START + timedelta(hours=4)


@given(st.lists(st.floats(0.5, 1.5), min_size=20, max_size=20), st.floats(0, 10))
def test_no_event_is_tried_more_than_ten_times_or_after_four_hours(jitters: list[float], took: float) -> None:
    now, attempt = START, 1
    for jitter in jitters:
        due = next_attempt(POLICY, attempt=attempt, first=START, now=now + timedelta(seconds=took), jitter=jitter)
        if due is None:
            break
        assert now < due <= START + POLICY.window
        now, attempt = due, attempt + 1
    else:
        raise AssertionError("it never ended")
    assert attempt <= POLICY.attempts
