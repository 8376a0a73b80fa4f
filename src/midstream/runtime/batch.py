"""One batch under way in one process, and how its lines become invocations.

Enters: console lines and requests as they happen, then the lines of DONE. Leaves: one `Invocation` an event, in order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from msgspec.structs import replace

from midstream.domain.function import Ending, ErrorInfo, Invocation, Limits, LogLine, Request
from midstream.domain.redact import Redactor
from midstream.domain.wellformed import mended
from midstream.runtime import protocol
from midstream.runtime.faults import Cause, Words, no_room_in
from midstream.runtime.fetching import Asked, Shown
from midstream.runtime.protocol import ProtocolError, Status

# What a batch's console lines and captured bodies may take of our memory, whatever its events' own limits add up to.
_KEPT_BYTES = 32 * 1024 * 1024
_KEPT_OF_REQUEST = 16 * 1024
_KEPT_REQUESTS = 200  # of one invocation
_HALF = b"\\ud"
_SOME_THREW = b"\n%c" % Status.THREW
_LEVELS = frozenset({"log", "info", "warn", "error", "debug", "trace"})
_RETURNED, _NOTHING = Status.RETURNED, Status.NOTHING
_DONE = Ending.RETURNED


@dataclass(slots=True)
class Captured:
    """What one invocation did besides returning."""

    logs: list[LogLine] = field(default_factory=list)
    requests: list[Asked] = field(default_factory=list)

    def shown(self, redactor: Redactor, now: float) -> tuple[Sequence[LogLine], Sequence[Request]]:
        """Return it as its author may see it; requests still under way are said to have no answer."""
        return tuple(self.logs), Shown(self.requests, redactor, now) if self.requests else ()


@dataclass(frozen=True, slots=True)
class Death:
    """The process died before the batch ended. `alone`: nothing else ran beside it; `fresh`: nor before it."""

    cause: Cause
    alone: bool
    fresh: bool
    captured: tuple[Sequence[LogLine], Sequence[Request]]


@dataclass(slots=True)
class Batch:
    """Events sent to a process and not answered yet. `expire_at` is when to have the late ones given up.

    Events that went `together` are one call of onBatch: what it did besides returning is each one's.
    """

    count: int
    together: bool
    expire_at: float
    result: asyncio.Future[list[Invocation] | Death]
    fresh: bool
    shared: bool
    captured: dict[int, Captured] = field(default_factory=dict)
    kept_bytes: int = 0

    def hear(self, said: protocol.Said, limits: Limits, redactor: Redactor) -> None:
        """Keep a console line."""
        self.kept_bytes += len(said.message)
        if said.level not in _LEVELS or self.kept_bytes > _KEPT_BYTES:
            return
        message = redactor.head(said.message.encode(), limits.log_line_bytes)
        at = datetime.fromtimestamp(said.at / 1000, UTC)
        self._of(said.index).logs.append(LogLine(said.level, message, at))

    def saw(self, index: int, asked: Asked) -> None:
        """Keep a request that begins."""
        captured = self._of(index)
        self.kept_bytes += min(asked.size, _KEPT_OF_REQUEST)
        if self.kept_bytes <= _KEPT_BYTES and len(captured.requests) < _KEPT_REQUESTS:
            captured.requests.append(asked)

    def saw_end(self, index: int, asked: Asked, redactor: Redactor) -> None:
        """Cut a request that was kept to what may be shown of it, so that its body can go."""
        captured = self.captured.get(index)
        if captured and asked in captured.requests:
            self.kept_bytes += asked.cut(redactor)

    def end(self, payload: bytes, limits: Limits, words: Words, now: float) -> bool:
        """Settle the batch with the payload of DONE. Raises ProtocolError.

        False, and nothing is settled: an event found no room for a buffer, and others may have used it up.
        """
        lines, times = protocol.lines(payload, self.count)
        reader = _Reader(limits, words)
        whole = _HALF not in payload
        most = limits.event_bytes + 1
        invocations = [
            # What most lines are, without a call for each.
            Invocation(_DONE, line[1:], None, (), (), micros / 1000)
            if whole and line[:1] == b"0" and len(line) <= most
            else reader.read(line, micros / 1000)
            for line, micros in zip(lines, times, strict=True)
        ]
        if _SOME_THREW in payload and self._leaked(invocations):
            return False
        for index, captured in self.captured.items():
            logs, requests = captured.shown(words.redactor, now)
            for each in range(self.count) if self.together else (index,):
                invocations[each] = replace(invocations[each], logs=logs, requests=requests)
        self.settle(invocations)
        return True

    def _leaked(self, invocations: Sequence[Invocation]) -> bool:
        """Tell whether another event than the process's first found no room; a call of onBatch is one event."""
        first_of_all = self.fresh and not self.shared
        asked = invocations[:1] if self.together else invocations
        return any(
            one.ending is Ending.THREW and one.error is not None and no_room_in(one.error.message)
            for one in (asked[1:] if first_of_all else asked)
        )

    def die(self, cause: Cause, redactor: Redactor, now: float) -> None:
        """Settle the batch with the death of its process."""
        captured = self.captured.get(0, Captured()).shown(redactor, now)
        one_call = self.together or self.count == 1
        self.settle(Death(cause, one_call and not self.shared, self.fresh, captured))

    def settle(self, result: list[Invocation] | Death) -> None:
        """Give the result to whoever still waits."""
        if not self.result.done():
            self.result.set_result(result)

    def _of(self, index: int) -> Captured:
        if not 0 <= index < (1 if self.together else self.count):
            raise ProtocolError(f"expected an event's index below {self.count}, got {index}")
        return self.captured.setdefault(index, Captured())


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads the lines of a batch."""

    limits: Limits
    words: Words

    def read(self, line: bytes, ms: float) -> Invocation:
        status = line[0] if line else -1
        if status == _RETURNED and len(line) - 1 <= self.limits.event_bytes:
            event = line[1:]
            # JavaScript may cut an emoji in half and write the half; strict receivers refuse the whole body for it.
            return Invocation(_DONE, mended(event) if _HALF in event else event, duration_ms=ms)
        if status == _NOTHING:
            left_out = self._error("DropEvent", protocol.sentence(line[1:])) if len(line) > 1 else None
            return Invocation(Ending.NOTHING, error=left_out, duration_ms=ms)
        ending, error = self._failure(status, line[1:])
        return Invocation(ending, error=error, duration_ms=ms)

    def _failure(self, status: int, rest: bytes) -> tuple[Ending, ErrorInfo]:
        match status:
            case Status.THREW:
                return Ending.THREW, self.words.of(protocol.fault(rest))
            case Status.UNUSABLE:
                return Ending.UNUSABLE, self._error("TypeError", protocol.sentence(rest))
            case Status.RETURNED:
                return Ending.UNUSABLE, self._error("TypeError", too_large(self.limits))
            case Status.NO_HANDLER:
                return Ending.NO_HANDLER, self._error("EventNotSupported", protocol.sentence(rest))
            case Status.TIMEOUT:
                return Ending.TIMEOUT, timed_out(self.limits)
            case _:
                raise ProtocolError("expected a line to begin with a known status")

    def _error(self, name: str, message: str) -> ErrorInfo:
        return ErrorInfo(name, self.words.redactor.text(message))


def too_large(limits: Limits) -> str:
    """Say that a returned event is too large."""
    return f"the handler returned more than {limits.event_bytes} bytes; it must return one event object"


def timed_out(limits: Limits) -> ErrorInfo:
    """Say that an invocation was over its time."""
    return ErrorInfo("TimeoutError", f"the handler did not finish within {limits.timeout:g} s")


def blamed(death: Death, limits: Limits) -> Invocation:
    """Return what the only suspect of a death gets."""
    logs, requests = death.captured
    match death.cause:
        case "timeout":
            return Invocation(Ending.TIMEOUT, None, timed_out(limits), logs, requests, limits.timeout * 1000)
        case "out_of_memory":
            message = f"the function needs more than its {limits.heap_mb} MB of heap or {limits.memory_mb} MB of memory"
            return Invocation(Ending.OUT_OF_MEMORY, None, ErrorInfo("RangeError", message), logs, requests)
        case "crash":
            message = "the function's process died each time this event ran in it alone"
            return Invocation(Ending.CRASHED, None, ErrorInfo("Error", message), logs, requests)


def unloadable(error: ErrorInfo, events: Sequence[bytes]) -> list[Invocation]:
    """Return what every event of a function gets whose code does not load."""
    return [Invocation(Ending.UNLOADABLE, error=error) for _ in events]
