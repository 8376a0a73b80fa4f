"""The frames between us and a function's process: `u32le length | u8 kind | u32le id | payload`.

Enters: bytes of the socket. Leaves: frames and what their payloads say. Nothing that comes from the process is trusted:
what does not hold is a `ProtocolError`, which its owner treats as a crash of that process.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from enum import IntEnum
from typing import Any, NamedTuple, TypeVar

import msgspec

from midstream.domain.function import Limits
from midstream.domain.http import Answer, Exchange, NoAnswer
from midstream.runtime.libraries import libraries_for
from midstream.runtime.stubs import stubs_for

# A batch that comes back larger is run again event by event, so this bounds memory, not functions.
MAX_FRAME = 64 * 1024 * 1024
_HEADER = struct.Struct("<IBI")
_LENGTH = struct.Struct("<I")
_END_OF_TIME = 253_402_300_800_000  # milliseconds of the year 10000, which datetime does not know
_LONGEST = 2**53  # microseconds, and the last number a JavaScript host counts to
_BODY_OFFSET = 5  # kind and id are counted in the length
_FIRST_BUFFER = 256 * 1024


class ProtocolError(Exception):
    """The process sent what no host of ours sends."""


class Kind(IntEnum):
    """The kinds of frames; host/wire.ts has the same list."""

    LOAD = 1  # to the process: the code and settings, once, and the bundles it names
    RUN = 2  # events of a batch, joined by newlines
    ANSWER = 3  # to a FETCH: head, newline, body
    EXPIRE = 4  # give up events of the batch that are over their time
    RUN_TOGETHER = 5  # as RUN, for one call of onBatch
    HELLO = 16  # from the process: up, nothing loaded
    READY = 17  # the code is loaded, or why it is not
    DONE = 18  # a batch's lines
    FETCH = 19  # a request to send: head, newline, body
    LOG = 20  # a console line
    ALIVE = 21  # to an EXPIRE, always
    PROGRESS = 22  # between events of a long batch
    ABORT = 23  # nobody waits for that FETCH any more


class Status(IntEnum):
    """First character of an event's line; host/lines.ts has the same list."""

    RETURNED = ord("0")
    THREW = ord("1")
    NOTHING = ord("2")
    UNUSABLE = ord("3")
    NO_HANDLER = ord("4")
    TIMEOUT = ord("5")


class Frame(NamedTuple):
    """One frame, its payload already copied out of the buffer."""

    kind: int
    id: int
    payload: bytes


def frame(kind: Kind, id_: int, payload: bytes) -> bytes:
    """Return a frame's bytes."""
    return _HEADER.pack(len(payload) + _BODY_OFFSET, kind, id_) + payload


class FrameReader:
    """Collects what is received into one buffer and hands out whole frames.

    Shaped for asyncio's BufferedProtocol: the socket writes into `space()`, then `received(n)` yields the frames.
    """

    def __init__(self, max_frame: int = MAX_FRAME) -> None:
        self._max = max_frame
        self._buffer = bytearray(_FIRST_BUFFER)
        self._start = 0
        self._end = 0

    def space(self) -> memoryview:
        """Return where the next bytes go; never empty."""
        return memoryview(self._buffer)[self._end :]

    def received(self, count: int) -> Iterator[Frame]:
        """Take `count` bytes as written, and yield the frames now complete. Raises ProtocolError."""
        self._end += count
        while self._end - self._start >= _HEADER.size:
            length, kind, id_ = _HEADER.unpack_from(self._buffer, self._start)
            if not _BODY_OFFSET <= length <= self._max:
                raise ProtocolError(f"expected a frame of at most {self._max} bytes, got one of {length}")
            after = self._start + _LENGTH.size + length
            if after > self._end:
                break
            payload = bytes(memoryview(self._buffer)[self._start + _HEADER.size : after])
            self._start = after
            yield Frame(kind, id_, payload)
        self._make_room()

    def _make_room(self) -> None:
        waiting = self._end - self._start
        size = self._wanted(waiting)
        if waiting == 0 and len(self._buffer) == _FIRST_BUFFER:
            self._start = self._end = 0
        elif waiting == 0 or self._start + size > len(self._buffer):
            # Never resized in place: the socket may still hold a view of the old one.
            fresh = bytearray(size)
            fresh[:waiting] = memoryview(self._buffer)[self._start : self._end]
            self._buffer, self._start, self._end = fresh, 0, waiting

    def _wanted(self, waiting: int) -> int:
        if waiting < _LENGTH.size:
            return _FIRST_BUFFER
        length: int = _LENGTH.unpack_from(self._buffer, self._start)[0]
        if length > self._max:
            raise ProtocolError(f"expected a frame of at most {self._max} bytes, got one of {length}")
        return max(length + _HEADER.size, _FIRST_BUFFER)


class Fault(msgspec.Struct, frozen=True):
    """An error as the process tells it; `line` and `column` are 0 unless it is a syntax error."""

    name: str
    message: str
    stack: str
    line: int
    column: int
    cause: Fault | None = None


class Ready(msgspec.Struct, frozen=True):
    """What became of the code: comma-joined names of its handlers, or the error."""

    handlers: str
    error: Fault | None


class Said(msgspec.Struct, frozen=True):
    """One console line. `at` is in milliseconds of Unix time."""

    index: int
    level: str
    at: float
    message: str


class Wish(msgspec.Struct, frozen=True):
    """The head of a FETCH. `headers` are `name: value` lines; batch and index are -1 outside an invocation."""

    batch: int
    index: int
    method: str
    url: str
    redirect: str
    headers: str
    has_body: bool


_T = TypeVar("_T")

_READY = msgspec.json.Decoder(Ready)
_SAID = msgspec.json.Decoder(Said)
_WISH = msgspec.json.Decoder(Wish)
_FAULT = msgspec.json.Decoder(Fault)
_STRING = msgspec.json.Decoder(str)


def _decoded(decoder: msgspec.json.Decoder[_T], payload: bytes, what: str) -> _T:
    try:
        return decoder.decode(payload)
    except (ValueError, RecursionError) as error:  # msgspec's own are ValueErrors, as is what is not UTF-8
        raise ProtocolError(f"expected {what} as JSON, got something else: {error}") from error


def ready(payload: bytes) -> Ready:
    """Read the payload of READY."""
    return _decoded(_READY, payload, "the loaded code's handlers")


def said(payload: bytes) -> Said:
    """Read the payload of LOG."""
    line = _decoded(_SAID, payload, "a console line")
    if not 0 <= line.at < _END_OF_TIME:
        raise ProtocolError("expected a console line of our time")
    return line


def wish(payload: bytes) -> tuple[Wish, bytes | None]:
    """Read the payload of FETCH: its head and its body."""
    head, _, body = payload.partition(b"\n")
    wanted = _decoded(_WISH, head, "a request")
    return wanted, body if wanted.has_body else None


def fault(payload: bytes) -> Fault:
    """Read the rest of a THREW line."""
    return _decoded(_FAULT, payload, "an error")


def sentence(payload: bytes) -> str:
    """Read the rest of an UNUSABLE, NO_HANDLER or NOTHING line."""
    return _decoded(_STRING, payload, "a text")


def lines(payload: bytes, count: int) -> tuple[list[bytes], list[int]]:
    """Read the payload of DONE: a line for each of `count` events, and the microseconds each took."""
    found = payload.split(b"\n")
    try:
        times = [int(time) for time in found.pop(0).split(b",")]
    except ValueError as error:
        raise ProtocolError("expected the events' times as numbers") from error
    if min(times) < 0 or max(times) >= _LONGEST:
        raise ProtocolError("expected times of events that can be")
    if not len(found) == len(times) == count:
        raise ProtocolError(f"expected {count} lines and times, got {len(found)} and {len(times)}")
    return found, times


def load(code: str, settings: Mapping[str, Any], limits: Limits) -> bytes:
    """Return the payload of LOAD: a head, newline, and the bundles of the packages the code names."""
    libraries = libraries_for(code)
    bundles = [library.script() for library in libraries]
    packages = [
        {"global": library.name, "member": library.member, "needs": library.needs, "size": len(bundle)}
        for library, bundle in zip(libraries, bundles, strict=True)
    ]
    head = msgspec.json.encode(
        {
            "code": code.encode(errors="replace").decode(),
            "settings": dict(settings),
            "timeout_ms": limits.timeout * 1000,
            "log_lines": limits.log_lines,
            "log_line_bytes": limits.log_line_bytes,
            "event_bytes": limits.event_bytes,
            "packages": packages,
            "stubs": stubs_for(code),
        }
    )
    return b"".join([head, b"\n", *bundles])


def run(events: Sequence[bytes]) -> bytes:
    """Return the payload of RUN."""
    joined = b"\n".join(events)
    if joined.count(b"\n") == len(events) - 1:
        return joined
    # A JSON string cannot hold a raw newline, so the ones in there are white space.
    return b"\n".join(event.replace(b"\n", b" ") for event in events)


def answer(exchange: Exchange, asked: str) -> bytes:
    """Return the payload of ANSWER; `asked` is the URL of the request."""
    match exchange:
        case Answer():
            head = {
                "status": exchange.status,
                "reason": exchange.reason,
                "headers": exchange.headers,
                "url": exchange.url,
                "redirected": exchange.url != asked,
            }
            return msgspec.json.encode(head) + b"\n" + exchange.body
        case NoAnswer():
            return msgspec.json.encode({"code": exchange.code, "message": exchange.message}) + b"\n"
