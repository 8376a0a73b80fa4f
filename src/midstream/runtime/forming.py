"""Forms the calls of one `onBatch`: as many events as it takes, or those that came in time.

Enters: events, from however many callers. Leaves: each caller's invocations, once the calls its events went into ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from midstream.domain.function import Forming, Invocation
from midstream.domain.head import head

ON_BATCH = "onBatch"
# What Segment lets go into and out of one call (segment.md §1.14).
_CALL_BYTES = 6 * 1024 * 1024

Run = Callable[[Sequence[bytes]], Awaitable[list[Invocation]]]
_Waiting = tuple[bytes, "asyncio.Future[Invocation]"]


def handler_of(event: bytes) -> str:
    """Return the name of the handler for one event by itself."""
    try:
        return f"on{head(event).type.capitalize()}"
    except msgspec.ValidationError:  # only in a trial: ingest takes no event whose known fields are not texts
        return ""


class Former:
    """Collects events into calls. `run` makes one; several may be under way at once."""

    def __init__(self, forming: Forming, run: Run) -> None:
        self._forming = forming
        self._run = run
        self._waiting: list[_Waiting] = []
        self._bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._calls: set[asyncio.Task[None]] = set()

    async def add(self, events: Sequence[bytes]) -> list[Invocation]:
        """Have the events run, in calls with those of others, and return what each got."""
        loop = asyncio.get_running_loop()
        results: list[asyncio.Future[Invocation]] = []
        for event in events:
            if self._waiting and self._bytes + len(event) > _CALL_BYTES:
                self.flush()
            result: asyncio.Future[Invocation] = loop.create_future()
            results.append(result)
            self._waiting.append((event, result))
            self._bytes += len(event)
            if len(self._waiting) >= self._forming.max_count:
                self.flush()
        if self._waiting and self._timer is None:
            self._timer = loop.call_later(self._forming.max_wait, self.flush)
        return list(await asyncio.gather(*results))

    def flush(self) -> None:
        """Make a call of what waits, if anything does."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        # A caller that gave up has its events come again: here they would only be done twice.
        waiting = [each for each in self._waiting if not each[1].cancelled()]
        self._waiting, self._bytes = [], 0
        if waiting:
            call = asyncio.create_task(self._call(waiting))
            self._calls.add(call)
            call.add_done_callback(self._calls.discard)

    async def _call(self, waiting: Sequence[_Waiting]) -> None:
        try:
            invocations = await self._run([event for event, _ in waiting])
        except Exception as error:  # noqa: BLE001 # whoever asked is told, and decides
            for _, result in waiting:
                if not result.done():
                    result.set_exception(error)
                    result.exception()  # seen, even if its caller has given up
            return
        for (_, result), invocation in zip(waiting, invocations, strict=True):
            if not result.done():
                result.set_result(invocation)
