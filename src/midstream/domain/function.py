"""What a function is, and what one invocation of it gave back.

Enters: the code and settings of one instance (`FunctionSpec`). Leaves: one `Invocation` an event, which
`outcome_of` turns into what happens next. The five error classes and their meaning are Segment's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec

from midstream.domain.outcome import Discarded, Filtered, Outcome, Retrying, Stage

FILTERED_AT_FUNCTION = "Filtered at insert function"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one instance may use. Defaults are contract §3's."""

    timeout: float = 5.0  # seconds of wall time, one invocation
    heap_mb: int = 64  # V8 old space
    memory_mb: int = 192  # all data memory on top of what the process has when ready
    log_lines: int = 1000  # console lines kept, one invocation
    log_line_bytes: int = 32 * 1024
    fetches: int = 50  # in flight at once
    fetch_response_bytes: int = 6 * 1024 * 1024
    event_bytes: int = 512 * 1024  # of a returned event
    code_bytes: int = 1024 * 1024


BATCH_EVENTS = 400  # of one call of onBatch at most, and how long it may wait to be formed: contract §3
BATCH_WAIT = 10.0


@dataclass(frozen=True, slots=True)
class Forming:
    """How calls of `onBatch` are formed: whichever comes first. Defaults are contract §3's."""

    max_count: int = 20  # events
    max_wait: float = 1.0  # seconds after the first of them


@dataclass(frozen=True, slots=True)
class Sealed:
    """A setting that code gets as a token only. Its value goes out in requests to `hosts`, and to nobody else."""

    name: str
    value: str = field(repr=False)
    hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FunctionSpec:
    """One instance, ready to run. `secrets` are the values to hide wherever they would show.

    `hosts` are those it may ask, as `domain.hosts` reads them; none named means all. `sealed` are settings its code does
    not get to see.
    """

    instance_id: str
    version_id: str
    code: str
    settings: Mapping[str, Any] = field(default_factory=dict, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    forming: Forming = Forming()
    hosts: tuple[str, ...] = ()
    sealed: tuple[Sealed, ...] = field(default=(), repr=False)


class Ending(StrEnum):
    """How an invocation ended."""

    RETURNED = "returned"  # an event (a JSON object) came back
    NOTHING = "nothing"  # undefined or null came back
    UNUSABLE = "unusable"  # an array, a primitive, not JSON, or too large; `error.message` says which
    THREW = "threw"
    NO_HANDLER = "no_handler"
    TIMEOUT = "timeout"
    OUT_OF_MEMORY = "out_of_memory"
    CRASHED = "crashed"  # the process died although this event ran alone, and not for memory
    UNLOADABLE = "unloadable"  # the code itself does not load


@dataclass(frozen=True, slots=True)
class ErrorInfo:
    """An error as its author should see it. `line` and `column` are 1-based, in the author's own file.

    `stack` ends with the chain of causes; `source` is the line it is in.
    """

    name: str
    message: str
    line: int | None = None
    column: int | None = None
    stack: str | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class LogLine:
    """One `console` call."""

    level: str  # log, info, warn, error, debug, trace
    message: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP exchange, as captured: bodies are cut to 4 KB and secrets replaced."""

    method: str
    url: str
    status: int | None  # None: no answer came; `error` says why
    duration_ms: float
    request_body: str | None = None
    response_body: str | None = None
    error: str | None = None
    request_headers: Sequence[tuple[str, str]] = ()
    response_headers: Sequence[tuple[str, str]] = ()


class Invocation(msgspec.Struct, frozen=True, gc=False):
    """What one event got from one function. One is made for every event: a struct costs a fifth of a frozen dataclass."""

    ending: Ending
    event: bytes | None = None  # newline-free JSON object, when RETURNED
    error: ErrorInfo | None = None
    logs: Sequence[LogLine] = ()
    requests: Sequence[Request] = ()
    duration_ms: float = 0.0


def outcome_of(invocation: Invocation) -> Outcome | None:  # noqa: PLR0911 # one return a row of the table
    """Say what an invocation means for its event; None when the event goes on.

    Categories: contract §2, after Segment's error types (segment.md §1.6 and §1.7).
    """
    stage = Stage.FILTERED
    name = invocation.error.name if invocation.error else ""
    message = invocation.error.message if invocation.error else ""
    match invocation.ending:
        case Ending.RETURNED:
            return None
        case Ending.NOTHING:
            return Filtered(FILTERED_AT_FUNCTION, message or "handler returned nothing")
        case Ending.UNUSABLE:
            return Discarded("bad_request", message, stage)
        case Ending.NO_HANDLER:
            return Discarded("unsupported_event_type", message, stage)
        case Ending.TIMEOUT:
            return Retrying("gateway_timeout", message, stage)
        case Ending.OUT_OF_MEMORY:
            return Retrying("out_of_memory", message, stage)
        case Ending.CRASHED:
            return Retrying("internal", message, stage)
        case Ending.UNLOADABLE:
            return Retrying("invalid_settings", message, stage)
        case Ending.THREW:
            return _thrown(name, message)


def _thrown(name: str, message: str) -> Outcome:
    match name:
        case "DropEvent":
            return Filtered(FILTERED_AT_FUNCTION, message)
        case "EventNotSupported":
            return Discarded("unsupported_event_type", message, Stage.FILTERED)
        case "InvalidEventPayload" | "ValidationError":
            return Discarded("message_rejected", message, Stage.FILTERED)
        case "RetryError":
            return Retrying("retry", message, Stage.FILTERED)
        case _:
            return Discarded("bad_request", f"{name}: {message}" if name else message, Stage.FILTERED)
