"""Runs an attempt in the sandbox, beside a neighbour that must notice nothing."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from midstream.domain.function import Ending, FunctionSpec, Invocation
from midstream.runtime import Pool
from tests.escape.attempts.attempt import FOUND, Attempt, Ends
from tests.escape.planted import PAGE, Planted

_NEIGHBOUR = FunctionSpec("ifi_neighbour", "ver_1", "let n = 0; onTrack = async e => ({ mine: e.mine, n: ++n })")


class Neighbour:
    """Another instance in the same pool. Each call must be answered by the same process, one after another."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._calls = 0

    async def works(self) -> None:
        """Call it, and see that it answers as if it were alone."""
        self._calls += 1
        event = json.dumps({"type": "track", "mine": self._calls}).encode()
        (one,) = await self._pool.invoke(_NEIGHBOUR, [event])
        assert json.loads(one.event or b"{}") == {"mine": self._calls, "n": self._calls}, one
        assert (one.logs, one.requests, one.error) == ((), (), None)


async def run(attempt: Attempt, planted: Planted, pool: Pool) -> list[list[Invocation]]:
    """Run an attempt's batches and return what they got; the neighbour is called before, beside and after."""
    neighbour = Neighbour(pool)
    await neighbour.works()
    spec = FunctionSpec("ifi_hostile", "ver_1", PAGE + attempt.code)
    results: list[list[Invocation]] = []
    for batch in planted.batches():
        events = [json.dumps(event).encode() for event in batch]
        invocations, _ = await asyncio.gather(pool.invoke(spec, events), neighbour.works())
        results.append(invocations)
    await neighbour.works()
    return results


def judge(attempt: Attempt, results: list[list[Invocation]]) -> None:
    """Hold what came back against what the attempt may get, and the other events against what they must get."""
    (first, own, second), (third,) = results
    for number, one in enumerate((first, second, third), 1):
        assert one.event == b'{"n":%d}' % number or (attempt.loses and one.event is None), (number, one)
        assert one.requests == (), one
    assert FOUND not in repr(own), own
    if isinstance(attempt.gets, Ends):
        assert own.ending is attempt.gets.ending, own
        if attempt.gets.message is not None:
            assert own.error is not None, own
            assert own.error.message == attempt.gets.message, own
    else:
        assert own.ending is Ending.RETURNED, own
        assert _got(own) == attempt.gets, own


def _got(invocation: Invocation) -> Any:
    return json.loads(invocation.event or b"{}").get("got")
