"""All function processes of this machine: one for each instance in use, so that no two instances share anything.

Enters: a function instance and its events. Leaves: one invocation an event, in order; the function's faults are values.
Processes start on first use, stay for the next batch, and make room when there are too many.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

from midstream.domain.function import ErrorInfo, FunctionSpec, Invocation, Limits
from midstream.errors import RuntimeUnavailable
from midstream.runtime import isolation
from midstream.runtime.batch import unloadable
from midstream.runtime.faults import Cause
from midstream.runtime.fetching import Fetcher
from midstream.runtime.instance import Instance
from midstream.runtime.launch import Launch, prepare
from midstream.runtime.process import Process
from midstream.runtime.spare import Spare
from midstream.runtime.starting import Starter

# Seconds without an event after which an instance counts as one without work: its next one shall not find others in its way.
_QUIET = 1.0


@dataclass(frozen=True, slots=True)
class Check:
    """What loading a code showed: its handlers, or why it does not load."""

    handlers: tuple[str, ...]
    error: ErrorInfo | None


class Pool:
    """Runs functions. Close it: it owns the processes.

    `fetch` sends what user code asks for. `processes` bounds how many are alive; the one idle longest makes room.
    `require` names the layers of isolation without which nothing is run: ConfigError then.
    With `spare`, one process is kept up beyond those in use, so that the next instance need not wait for Deno.
    `on_kill` is called with the cause whenever a process is killed or dies.
    """

    def __init__(
        self,
        fetch: Fetcher,
        *,
        limits: Limits = Limits(),  # noqa: B008 # frozen
        deno: str | None = None,
        deno_dir: Path | None = None,
        processes: int = 64,
        require: Collection[str] = (),
        spare: bool = False,
    ) -> None:
        self.on_kill: Callable[[str], None] | None = None
        self._fetch = fetch
        self._limits = limits
        self._deno = deno
        self._deno_dir = deno_dir
        self._processes = processes
        self._require = require
        self._alive = 0
        self._instances: OrderedDict[str, Instance] = OrderedDict()  # least recently used first
        self._retired: set[Instance] = set()
        self._stopping: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._preparing = asyncio.Lock()
        self._launch: Launch | None = None
        self._starter = Starter()
        self._spare = Spare(self._blank, self._has_room) if spare else None
        self._closed = False

    async def invoke(self, spec: FunctionSpec, events: Sequence[bytes]) -> list[Invocation]:
        """Run each event through its handler, and return what each got, in order.

        `events` are newline-free JSON objects. Raises RuntimeUnavailable when Deno cannot be started at all.
        """
        if not events:
            return []
        if error := self._too_long(spec.code):
            return unloadable(error, events)
        return await self._instance(spec).invoke(events)

    def forms(self, spec: FunctionSpec) -> bool:
        """Say whether its events wait for others, for onBatch; not known before the first of them."""
        instance = self._instances.get(spec.instance_id)
        return instance is not None and instance.forms

    async def check(self, code: str) -> Check:
        """Load the code in a process of its own, run no handler, and say what was found. Raises RuntimeUnavailable."""
        if error := self._too_long(code):
            return Check((), error)
        process = await self._start(FunctionSpec("check", "check", code))
        await process.stop()
        return Check(process.handlers, process.fault)

    async def keep(self, instance_ids: Collection[str]) -> None:
        """Stop the processes of all other instances once their work under way is done; does not wait for that."""
        for id_ in [id_ for id_ in self._instances if id_ not in instance_ids]:
            self._retire(self._instances.pop(id_))

    async def let_go(self, idle: float) -> None:
        """Stop the processes that had nothing to do for `idle` seconds; their next batch starts them again."""
        before = asyncio.get_running_loop().time() - idle
        for instance in list(self._instances.values()):
            # Asked right before, since others may be given work while one is being stopped.
            if instance.alive and not instance.users and instance.used_at <= before:
                await instance.stop()
        if self._spare and not any(instance.alive for instance in self._instances.values()):
            await self._spare.drop()

    def stats(self) -> dict[str, int]:
        """Count the processes that are up or coming up, by whether they have work. A spare one has none."""
        alive = [instance for instance in (*self._instances.values(), *self._retired) if instance.alive]
        busy = sum(instance.users > 0 for instance in alive)
        spare = self._spare is not None and self._spare.alive
        return {"idle": len(alive) - busy + spare, "busy": busy}

    async def close(self) -> None:
        """Stop everything at once. What still runs ends with RuntimeUnavailable."""
        self._closed = True
        self._changed.set()
        if self._spare:
            await self._spare.drop()
        await asyncio.gather(*(instance.stop() for instance in (*self._instances.values(), *self._retired)))
        await asyncio.gather(*self._stopping)
        await self._starter.close()

    def _instance(self, spec: FunctionSpec) -> Instance:
        instance = self._instances.get(spec.instance_id)
        if instance is not None and (instance.spec is spec or instance.spec == spec):
            self._instances.move_to_end(spec.instance_id)
            return instance
        if instance is not None:
            self._retire(self._instances.pop(spec.instance_id))
        instance = self._instances[spec.instance_id] = Instance(spec, self._limits, self._start, self._tidy)
        return instance

    def _too_long(self, code: str) -> ErrorInfo | None:
        most = self._limits.code_bytes
        # A character takes at most four bytes; only a code near the limit is worth encoding.
        if len(code) <= most // 4 or len(code.encode(errors="replace")) <= most:
            return None
        return ErrorInfo("RangeError", f"the code has more than {most} bytes")

    async def _start(self, spec: FunctionSpec) -> Process:
        process = await self._spare.take() if self._spare else None
        if process is None:
            await self._prepared()
            await self._find_room()
            process = await self._blank()
        try:
            await process.load(spec)
        except BaseException:
            await process.stop()
            raise
        if self._spare and not self._closed:
            self._spare.restock()
        return process

    async def _blank(self) -> Process:
        """Start a process without code. There has to be room for it."""
        self._alive += 1
        try:
            begin = partial(self._starter.start, await self._prepared())
            process = await Process.start(begin, self._limits, self._fetch, self._killed, self._one_works)
        except BaseException:
            self._freed()
            raise
        process.when_gone(self._freed)
        return process

    def _has_room(self) -> bool:
        return self._alive < self._processes and not self._closed

    async def _prepared(self) -> Launch:
        async with self._preparing:
            if self._launch is None:
                layers = await asyncio.to_thread(isolation.find, self._require)
                self._launch = await prepare(self._limits, self._deno, self._deno_dir, layers)
            return self._launch

    async def _find_room(self) -> None:
        while True:
            if self._closed:
                raise RuntimeUnavailable("the runtime is closed")
            if self._has_room():
                return
            idle = next((one for one in self._instances.values() if one.alive and not one.users), None)
            if idle is not None:
                await idle.stop()
            else:
                self._changed.clear()
                await self._changed.wait()

    def _one_works(self) -> bool:
        """Say whether only one instance has work, or had it a moment ago: the asking one."""
        since = asyncio.get_running_loop().time() - _QUIET
        recent = (one for one in (*self._retired, *self._instances.values()) if one.users or one.used_at > since)
        return len(tuple(islice(recent, 2))) < 2

    def _freed(self) -> None:
        self._alive -= 1
        self._changed.set()

    def _retire(self, instance: Instance) -> None:
        self._retired.add(instance)
        instance.hurry()
        self._tidy()

    def _tidy(self) -> None:
        """Stop retired instances that nobody uses any more, and wake those who wait for room."""
        self._changed.set()
        for instance in [one for one in self._retired if not one.users]:
            self._retired.discard(instance)
            task = asyncio.create_task(instance.stop())
            self._stopping.add(task)
            task.add_done_callback(self._stopping.discard)

    def _killed(self, cause: Cause) -> None:
        if self.on_kill is not None:
            self.on_kill(cause)
