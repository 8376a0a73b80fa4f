"""One version of one function instance: keeps it running, and finds who is to blame when it dies.

Enters: batches of events. Leaves: one invocation an event. A batch whose process dies is run again event by event, each
alone in the process, so that the culprit is known and only it is charged. A call of onBatch stays one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from midstream.domain.function import ErrorInfo, FunctionSpec, Invocation, Limits
from midstream.errors import RuntimeUnavailable
from midstream.runtime.batch import Death, blamed, unloadable
from midstream.runtime.forming import ON_BATCH, Former, handler_of
from midstream.runtime.gate import Gate
from midstream.runtime.process import Process

# An event that runs alone and sees its process die this often, for no reason known, is told so.
_TRIES_ALONE = 3
# Code that does not load is tried again after this many seconds: it may have been the machine's fault.
_FAULT_STANDS = 5.0
# Waits before the second, third, … start in a row with nothing achieved between.
_BACKOFF_FIRST = 0.05
_BACKOFF_CAP = 2.0

Start = Callable[[FunctionSpec], Awaitable[Process]]


class Instance:
    """Runs events through one version of one instance. `start` makes its processes, `ended` is told of each one's end."""

    def __init__(self, spec: FunctionSpec, limits: Limits, start: Start, ended: Callable[[], None]) -> None:
        self.spec = spec
        self._limits = limits
        self._start = start
        self._ended = ended
        self._gate = Gate()
        self._former = Former(spec.forming, self._formed)
        self._handlers: tuple[str, ...] | None = None  # known once the code was loaded
        self._process: Process | None = None
        self._starting: asyncio.Task[Process | None] | None = None
        self._fruitless = 0  # starts in a row that led to no finished batch
        self._fault: ErrorInfo | None = None
        self._fault_until = 0.0
        self.users = 0
        self.used_at = asyncio.get_running_loop().time()

    @property
    def alive(self) -> bool:
        """Whether a process is up or coming up."""
        return self._process is not None or self._starting is not None

    async def invoke(self, events: Sequence[bytes]) -> list[Invocation]:
        """Run the events. Raises RuntimeUnavailable when Deno cannot be started."""
        self.users += 1
        try:
            if self._handlers is None:
                await self._ready()
            return await (self._former.add(events) if self.forms else self._call(events))
        finally:
            self.users -= 1
            self.used_at = asyncio.get_running_loop().time()
            self._ended()

    def hurry(self) -> None:
        """Run what waits to be a batch: nothing more will come."""
        self._former.flush()

    @property
    def forms(self) -> bool:
        """Whether its events wait for others, as far as that is known."""
        return self._handlers is not None and ON_BATCH in self._handlers

    async def _formed(self, events: Sequence[bytes]) -> list[Invocation]:
        """Run what was formed: as one call of onBatch, or an event that stayed alone in its own handler if it has one."""
        alone = len(events) == 1 and handler_of(events[0]) in (self._handlers or ())
        return await self._call(events, together=not alone)

    async def _call(self, events: Sequence[bytes], *, together: bool = False) -> list[Invocation]:
        async with self._gate.together():
            result = await self._run(events, together=together)
        if not isinstance(result, Death):
            return result
        if _known_culprit(result):
            return [blamed(result, self._limits)] * len(events)
        async with self._gate.alone():
            if together:
                return await self._alone(events, together=True)
            return [one for event in events for one in await self._alone([event], together=False)]

    async def stop(self) -> None:
        """Stop the process, whatever it is doing."""
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.gather(self._starting, return_exceptions=True)
        if self._process is not None:
            process, self._process = self._process, None
            await process.stop()
        self._ended()

    async def _alone(self, events: Sequence[bytes], *, together: bool) -> list[Invocation]:
        """Run what is one call with nothing beside it."""
        tries = 0
        while True:
            result = await self._run(events, together=together)
            if not isinstance(result, Death):
                return result
            tries += 1
            if _known_culprit(result) or tries == _TRIES_ALONE:
                return [blamed(result, self._limits)] * len(events)

    async def _run(self, events: Sequence[bytes], *, together: bool) -> list[Invocation] | Death:
        process = await self._ready()
        if process is None:
            assert self._fault is not None  # there is a process or a fault
            return unloadable(self._fault, events)
        # A caller that gives up must not make the process look as if it had lost a batch.
        result = await asyncio.shield(process.run(events, together=together))
        if not isinstance(result, Death):
            self._fruitless = 0
        return result

    async def _ready(self) -> Process | None:
        """Return a process that can take a batch. None when the code does not load; `_fault` says why."""
        if self._process is not None and self._process.alive:
            return self._process
        if self._fault is not None and asyncio.get_running_loop().time() < self._fault_until:
            return None
        return await self._running()

    async def _running(self) -> Process | None:
        """Start a process, or wait for the start under way. None when the code does not load."""
        if self._starting is None:
            self._starting = asyncio.create_task(self._begin())
            self._starting.add_done_callback(self._begun)
        starting = self._starting
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            if starting.cancelled():
                raise RuntimeUnavailable("the function's process was stopped while it started") from None
            raise

    async def _begin(self) -> Process | None:
        if self._process is not None:
            await self._process.stop()  # dead already; its place is free once it is buried
            self._process = None
        if self._fruitless > 1:
            await asyncio.sleep(min(_BACKOFF_FIRST * 2 ** (self._fruitless - 2), _BACKOFF_CAP))
        self._fruitless = min(self._fruitless + 1, 16)
        process = await self._start(self.spec)
        self._fault = process.fault
        if self._fault is not None:
            self._fault_until = asyncio.get_running_loop().time() + _FAULT_STANDS
            await process.stop()
            return None
        self._process = process
        self._handlers = process.handlers
        return process

    def _begun(self, starting: asyncio.Task[Process | None]) -> None:
        self._starting = None
        if not starting.cancelled():
            starting.exception()  # seen, even if everybody who waited has gone


def _known_culprit(death: Death) -> bool:
    """Tell whether the one event that ran brought the death on.

    Memory may have been used up by those before it: only in a fresh process it is this one's own doing.
    """
    return death.alone and (death.cause == "timeout" or (death.cause == "out_of_memory" and death.fresh))
