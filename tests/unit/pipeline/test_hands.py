from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

from midstream.log import Message
from midstream.pipeline.hands import Hands

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def message(sequence: int, *, stream: str = "EVENTS", at: datetime = NOON) -> Message:
    return cast("Any", SimpleNamespace(stream=stream, sequence=sequence, at=at))


def test_what_is_new_is_taken_and_held() -> None:
    hands = Hands()
    first, second = message(1), message(2)
    assert hands.take([first, second]) == ([first, second], [])
    assert hands.held == (first, second)


def test_what_is_held_is_not_taken_a_second_time() -> None:
    hands = Hands()
    hands.take([message(1)])
    assert hands.take([message(1)]) == ([], [])


def test_what_is_settled_and_comes_again_needs_only_its_ack() -> None:
    hands = Hands()
    hands.take([message(1)])
    hands.settle([message(1)])
    again = message(1)
    assert hands.take([again]) == ([], [again])
    assert hands.held == ()


def test_what_was_let_go_is_new_again() -> None:
    hands = Hands()
    one = message(1)
    hands.take([one])
    assert hands.let_go([one]) == [one]
    assert hands.take([one]) == ([one], [])


def test_what_is_settled_is_not_given_back() -> None:
    hands = Hands()
    one = message(1)
    hands.take([one])
    hands.settle([one])
    assert hands.let_go([one]) == []


def test_the_same_number_in_another_stream_or_of_another_time_is_another_message() -> None:
    hands = Hands()
    hands.take([message(1)])
    others = [message(1, stream="RETRY"), message(1, at=NOON + timedelta(seconds=1))]
    assert hands.take(others) == (others, [])


def test_only_the_latest_settled_are_remembered() -> None:
    hands = Hands()
    for sequence in range(5000):
        hands.take([message(sequence)])
        hands.settle([message(sequence)])
    new, settled = hands.take([message(0), message(4999)])
    assert [each.sequence for each in new] == [0]
    assert [each.sequence for each in settled] == [4999]
