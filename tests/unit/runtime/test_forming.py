from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from midstream.domain.function import Ending, Forming, Invocation
from midstream.errors import RuntimeUnavailable
from midstream.runtime.forming import Former, handler_of


class Calls:
    """Records the calls made, and returns each event."""

    def __init__(self, error: Exception | None = None) -> None:
        self.made: list[list[bytes]] = []
        self._error = error

    async def __call__(self, events: Sequence[bytes]) -> list[Invocation]:
        self.made.append(list(events))
        if self._error:
            raise self._error
        return [Invocation(Ending.RETURNED, event) for event in events]


def events(count: int, prefix: str = "e") -> list[bytes]:
    return [f"{prefix}{n}".encode() for n in range(count)]


async def test_a_full_call_leaves_at_once_and_the_rest_when_its_time_comes() -> None:
    calls = Calls()
    former = Former(Forming(max_count=3, max_wait=0.01), calls)
    results = await former.add(events(7))
    assert [one.event for one in results] == events(7)
    assert [len(call) for call in calls.made] == [3, 3, 1]


async def test_events_of_several_callers_go_in_one_call() -> None:
    calls = Calls()
    former = Former(Forming(max_count=4, max_wait=60), calls)
    first, second = await asyncio.gather(former.add(events(2, "a")), former.add(events(2, "b")))
    assert calls.made == [events(2, "a") + events(2, "b")]
    assert ([one.event for one in first], [one.event for one in second]) == (events(2, "a"), events(2, "b"))


async def test_a_hurried_call_does_not_wait() -> None:
    calls = Calls()
    former = Former(Forming(max_count=20, max_wait=3600), calls)
    waiting = asyncio.create_task(former.add(events(2)))
    await asyncio.sleep(0)
    former.flush()
    assert len(await waiting) == 2
    former.flush()
    assert len(calls.made) == 1


async def test_what_would_be_too_large_together_goes_in_two_calls() -> None:
    calls = Calls()
    former = Former(Forming(max_count=400, max_wait=0.01), calls)
    await former.add([b"x" * 3 * 1024 * 1024] * 3)
    assert [len(call) for call in calls.made] == [2, 1]


async def test_events_of_a_caller_that_gave_up_are_not_run() -> None:
    calls = Calls()
    former = Former(Forming(max_count=20, max_wait=3600), calls)
    gone = asyncio.create_task(former.add(events(2, "gone")))
    waiting = asyncio.create_task(former.add(events(2)))
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    former.flush()
    await waiting
    assert calls.made == [events(2)]


async def test_a_fault_of_ours_reaches_every_caller() -> None:
    former = Former(Forming(max_count=4, max_wait=60), Calls(RuntimeUnavailable("no Deno")))
    results = await asyncio.gather(former.add(events(2)), former.add(events(2)), return_exceptions=True)
    assert [type(each) for each in results] == [RuntimeUnavailable] * 2


@pytest.mark.parametrize(
    ("event", "handler"),
    [(b'{"type":"track"}', "onTrack"), (b'{"type":"identify","x":1}', "onIdentify"), (b"{}", "on")],
)
def test_an_event_alone_has_the_handler_of_its_type(event: bytes, handler: str) -> None:
    assert handler_of(event) == handler
