"""One Deno process: started, loaded once, fed with batches, watched, and buried.

Enters: the code and settings of one instance, then batches of events. Leaves: for each batch its invocations, or how the
process died under it. It is never revived, nor given a second code; its instance starts another.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import re
import resource
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import structlog

from midstream.domain.function import ErrorInfo, FunctionSpec, Invocation, Limits
from midstream.domain.hosts import Hosts
from midstream.domain.redact import Redactor
from midstream.errors import RuntimeUnavailable
from midstream.runtime import channel, protocol
from midstream.runtime.batch import Batch, Death
from midstream.runtime.faults import Cause, Words, cause_of
from midstream.runtime.fetching import Asked, Broker, Fetcher
from midstream.runtime.protocol import Frame, Kind, ProtocolError
from midstream.runtime.rest import Rest
from midstream.runtime.sealing import Seals
from midstream.runtime.starting import Child

log = structlog.get_logger(__name__)

GRACE = 0.25  # seconds past the limit in which a live process must have shown a sign
EXPIRE_AFTER = 0.05  # seconds past a batch's limit, so that its first events are over theirs by their own clock
EXPIRE_EVERY = 0.5  # seconds
_EVIDENCE_BYTES = 8 * 1024
_PATIENCE = 30  # seconds for Deno to come up on a busy machine
# Frames only a host whose loop turns, or who is between two events, can send. Console lines and fetches prove nothing:
# an endless loop can make them.
_SIGNS_OF_LIFE = frozenset({Kind.DONE, Kind.ALIVE, Kind.PROGRESS})

OnDeath = Callable[[Cause], None]
# Starts a program with this end of a channel as its standard input and output. Raises OSError.
Begin = Callable[[socket.socket], Awaitable["Child | asyncio.subprocess.Process"]]


class Process:
    """A process for one instance's code. Make it with `start`, and give it its code with `load`."""

    def __init__(self, limits: Limits, fetch: Fetcher, on_death: OnDeath, alone: Callable[[], bool]) -> None:
        self._limits = limits
        self._on_death = on_death
        self._instance_id = ""
        self._redactor = Redactor(())
        self._words = Words("", self._redactor)
        self._loop = asyncio.get_running_loop()
        self._channel = channel.Channel(self._receive, self._mistrust, self._closed)
        self._broker = Broker(fetch, limits, self._answer, Seals(()), alone)
        self._batches: dict[int, Batch] = {}
        self._ids = itertools.count(1)
        self._child: Child | asyncio.subprocess.Process | None = None
        self._evidence = b""
        self._cause: Cause | None = None  # set by us when we kill, found out otherwise
        self._stopping = False
        self._up: asyncio.Future[None] = self._loop.create_future()
        self._ready: asyncio.Future[protocol.Ready] = self._loop.create_future()
        self._gone: asyncio.Future[Cause] = self._loop.create_future()
        self._burial: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._last_sign = 0.0
        self._until = 0.0  # when all events under way have had all their time, one after another
        self._was_held_up = False
        self._rest: Rest | None = None
        self.handlers: tuple[str, ...] = ()
        self.fault: ErrorInfo | None = None

    @classmethod
    async def start(
        cls,
        begin: Begin,
        limits: Limits,
        fetch: Fetcher,
        on_death: OnDeath,
        alone: Callable[[], bool],
    ) -> Process:
        """Have a process begun, with no code in it yet. Raises RuntimeUnavailable.

        `alone` is asked whether no other process has work.
        """
        process = cls(limits, fetch, on_death, alone)
        try:
            await process._spawn(begin)
        except BaseException:
            await process.stop()
            raise
        return process

    @property
    def alive(self) -> bool:
        """Whether it can take a batch."""
        return not self._stopping and self._cause is None and not self._gone.done()

    @property
    def pid(self) -> int | None:
        """The system's id of it."""
        return self._child.pid if self._child else None

    def run(self, events: Sequence[bytes], *, together: bool = False) -> asyncio.Future[list[Invocation] | Death]:
        """Send a batch, `together` for one call of onBatch.

        The future always ends: with the invocations in order, or with the process's death.
        """
        result: asyncio.Future[list[Invocation] | Death] = self._loop.create_future()
        now = self._loop.time()
        id_ = next(self._ids)
        expire_at = now + self._limits.timeout + EXPIRE_AFTER
        batch = Batch(len(events), together, expire_at, result, fresh=id_ == 1, shared=bool(self._batches))
        if not self.alive:
            batch.shared = True  # it never ran, so it is no suspect
            batch.die("crash", self._redactor, now)
            return result
        if not self._batches:
            self._last_sign = now
            if self._rest:
                self._rest.ended()
        self._until = max(self._until, now) + len(events) * (self._limits.timeout + GRACE)
        for other in self._batches.values():
            other.shared = True
        self._batches[id_] = batch
        self._channel.send(Kind.RUN_TOGETHER if together else Kind.RUN, id_, protocol.run(events))
        self._watch_at(batch.expire_at)
        return result

    def when_gone(self, call: Callable[[], None]) -> None:
        """Have `call` made once nothing is left of the process."""
        self._gone.add_done_callback(lambda _: call())

    async def stop(self) -> None:
        """End the process, however busy it is, and return when nothing is left of it."""
        self._stopping = True
        self._end()
        if self._child is None:
            self._settle("crash")
        await asyncio.shield(self._gone)

    # -- starting --

    async def _spawn(self, begin: Begin) -> None:
        ours, theirs = channel.pair()
        with theirs:
            try:
                await self._channel.connect(ours)
                self._child = await begin(theirs)
            except OSError as error:
                raise RuntimeUnavailable(f"expected to start Deno: {error}") from error
        self._burial = asyncio.create_task(self._bury(self._child))
        if not await self._within(self._up, _PATIENCE):
            raise RuntimeUnavailable(
                f"expected Deno to come up within {_PATIENCE} s, and it did not: {self._last_words()}"
            )

    async def load(self, spec: FunctionSpec) -> None:
        """Give it its code and settings, once. What is wrong with the code is in `fault`."""
        seals = Seals(spec.sealed)
        self._instance_id = spec.instance_id
        self._redactor = Redactor((*spec.secrets, *seals.tokens, *(each.value for each in spec.sealed)))
        self._words = Words(spec.code, self._redactor)
        self._broker.seals = seals
        if spec.hosts:
            self._broker.hosts = (Hosts.of("this function may ask", spec.hosts),)
        if sys.platform == "linux" and self.pid is not None:
            _bound_memory(self.pid, self._limits.memory_mb)
        self._channel.send(Kind.LOAD, 0, protocol.load(spec.code, seals.covered(spec.settings), self._limits))
        if not await self._within(self._ready, self._limits.timeout + GRACE):
            self.fault = self._unloaded()
            await self.stop()
            return
        ready = self._ready.result()
        self.handlers = tuple(name for name in ready.handlers.split(",") if name)
        self.fault = self._words.of(ready.error) if ready.error else None
        if self.pid is not None:
            self._rest = Rest(self.pid, self._works_on)
            self._rest.began()

    async def _within(self, sign: asyncio.Future[Any], seconds: float) -> bool:
        """Wait for a sign while the process lives, and say whether it came in time."""
        await asyncio.wait([sign, self._gone], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        return sign.done()

    def _unloaded(self) -> ErrorInfo:
        if not self._gone.done():
            self._end("timeout")
            return ErrorInfo("TimeoutError", f"the code did not finish loading within {self._limits.timeout:g} s")
        if self._gone.result() == "out_of_memory":
            return ErrorInfo("RangeError", "the code ran out of memory while it was loaded")
        return ErrorInfo("Error", "the function's process died while the code was loaded")

    def _last_words(self) -> str:
        # Only for a process in which no user code has run: what it says is Deno's.
        return self._evidence.decode(errors="replace").strip()[-500:] or "it said nothing"

    # -- receiving --

    def _receive(self, frame: Frame) -> None:
        if frame.kind in _SIGNS_OF_LIFE:
            self._last_sign = self._loop.time()
        match frame.kind:
            case Kind.DONE:
                self._done(frame)
            case Kind.LOG:
                self._hear(frame)
            case Kind.FETCH:
                self._fetch(frame)
            case Kind.ABORT:
                self._broker.cancel(frame.id)
            case Kind.HELLO if not self._up.done():
                self._up.set_result(None)
            case Kind.READY if not self._ready.done():
                self._ready.set_result(protocol.ready(frame.payload))
            case Kind.ALIVE | Kind.PROGRESS:
                pass
            case _:
                raise ProtocolError(f"expected a known frame, got kind {frame.kind}")

    def _batch(self, id_: int) -> Batch:
        batch = self._batches.get(id_)
        if batch is None:
            raise ProtocolError(f"expected a batch that is under way, got {id_}")
        return batch

    def _done(self, frame: Frame) -> None:
        if self._batch(frame.id).end(frame.payload, self._limits, self._words, self._loop.time()):
            del self._batches[frame.id]
            if self._rest and not self._batches:
                self._rest.began()
        else:
            # It would live on with its memory full, and throw for each event to come: as if the heap had been full.
            self._end("out_of_memory")

    def _hear(self, frame: Frame) -> None:
        self._batch(frame.id).hear(protocol.said(frame.payload), self._limits, self._redactor)

    def _fetch(self, frame: Frame) -> None:
        wish, asked = self._broker.ask(frame.id, frame.payload, lambda asked: self._fetched(wish, asked))
        batch = self._batches.get(wish.batch)  # none: asked at load, or by what an ended invocation left behind
        if batch is not None:
            batch.saw(wish.index, asked)

    def _fetched(self, wish: protocol.Wish, asked: Asked) -> None:
        if batch := self._batches.get(wish.batch):
            batch.saw_end(wish.index, asked, self._redactor)

    def _answer(self, id_: int, payload: bytes) -> None:
        self._channel.send(Kind.ANSWER, id_, payload)

    def _mistrust(self, error: ProtocolError) -> None:
        log.warning("runtime_protocol_broken", instance=self._instance_id, why=str(error))
        self._end("crash")

    def _closed(self) -> None:
        self._end()

    # -- watching --

    def _watch_at(self, due: float) -> None:
        if self._timer is None:
            self._timer = self._loop.call_at(due, self._watch, due)

    def _watch(self, due: float) -> None:
        self._timer = None
        now = self._loop.time()
        if not self._batches or not self.alive:
            return
        if now > due + GRACE and not self._was_held_up:
            # It was us who slept, and the signs may wait unread: read first, judge then.
            self._was_held_up = True
            self._until += now - due
            self._watch_at(now + GRACE)
            return
        self._was_held_up = False
        # Signs of life are good for one invocation each, whoever makes them: they do not outlast the events.
        deadline = min(self._last_sign, self._until) + self._limits.timeout + GRACE
        if now >= deadline:
            self._end("timeout")
            return
        self._watch_at(min(deadline, self._expire(now)))

    def _works_on(self) -> None:
        log.warning("runtime_works_without_work", instance=self._instance_id)
        self._end("timeout")

    def _expire(self, now: float) -> float:
        """Have late events given up, and return when to do so next."""
        for id_, batch in self._batches.items():
            if now >= batch.expire_at:
                self._channel.send(Kind.EXPIRE, id_)
                batch.expire_at = now + EXPIRE_EVERY
        return min(batch.expire_at for batch in self._batches.values())

    # -- ending --

    def _end(self, cause: Cause | None = None) -> None:
        """Kill the process if it lives; the burial follows by itself. `cause` is our reason, if we have one."""
        if self._cause is None and not self._stopping:
            self._cause = cause
        if self._child is not None and self._child.returncode is None:
            # Not child.kill(): it looks whether the process ended first, and so takes its exit code from who waits for it.
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._child.pid, signal.SIGKILL)
        self._channel.close()

    async def _bury(self, child: Child | asyncio.subprocess.Process) -> None:
        """Wait for the end of the process, and tell everybody who waits for it."""
        assert child.stderr is not None  # asked for a pipe
        while said := await child.stderr.read(_EVIDENCE_BYTES):
            self._evidence = (self._evidence + said)[-_EVIDENCE_BYTES:]
        returncode = await child.wait()
        cause = self._cause or cause_of(returncode, self._evidence)
        if not self._stopping or self._cause:
            log.warning("runtime_process_died", instance=self._instance_id, cause=cause, returncode=returncode)
            self._on_death(cause)
        self._settle(cause)

    def _settle(self, cause: Cause) -> None:
        self._channel.close()
        self._broker.close()
        if self._timer is not None:
            self._timer.cancel()
        if self._rest:
            self._rest.over()
        batches, self._batches = self._batches, {}
        for batch in batches.values():
            batch.die(cause, self._redactor, self._loop.time())
        if not self._gone.done():
            self._gone.set_result(cause)


def _bound_memory(pid: int, megabytes: int) -> None:
    """Bound buffers and WebAssembly too, which V8's own heap limit leaves out.

    Only now that the process is up: V8 reserves more than this at its start, and gives it back.
    """
    with contextlib.suppress(OSError):  # it died already; its burial tells
        status = Path(f"/proc/{pid}/status").read_text()
        if found := re.search(r"^VmData:\s+(\d+) kB", status, re.MULTILINE):
            limit = int(found[1]) * 1024 + megabytes * 1024 * 1024
            resource.prlimit(pid, resource.RLIMIT_DATA, (limit, limit))
