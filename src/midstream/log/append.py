"""Group commit: what many callers append at once becomes one message and one fsync.

There is no linger timer: the next flush leaves when the last one is on disk ("natural batching"), which measured best at
every concurrency, or when it is as large as a message may be. Enters: a subject and lines, each with its line end. Leaves: a
future that is done when those lines are durable.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from midstream.domain.received import HEADER, Kind, written
from midstream.errors import LogUnavailable, MidstreamError
from midstream.log.client import Log

# Caps of one message, measured to be where batching stops paying. A server with its usual max_payload of 1 MB takes it, with
# its headers.
MESSAGE_BYTES = 960 * 1024
MESSAGE_LINES = 1000
# A full message need not wait for the one before it: it cannot grow, and the disk would wait for us. More than two bring
# nothing, since the server stores one after the other.
FLUSHES = 2
# From this many subjects on, one atomic batch beats a publish each (3 fsyncs against one a subject).
SUBJECTS_FOR_ATOMIC = 8


class _Entry(NamedTuple):
    subject: str
    lines: bytes
    events: int
    deadline: float  # until when they must be stored, by the loop's clock
    stored: asyncio.Future[None]
    kinds: Sequence[Kind]  # one for each line, or none at all


class Appender:
    """Appends lines to subjects of one stream.

    `queue_bytes` bounds what waits; above it callers are refused. `patience` is how many seconds lines may take from `put`
    until they are on disk.
    """

    def __init__(self, log: Log, *, queue_bytes: int, patience: float) -> None:
        self._log = log
        self._queue_bytes = queue_bytes
        self._patience = patience
        self._waiting: list[_Entry] = []
        self._bytes = 0
        self._waiting_lines = 0
        self._waiting_bytes = 0
        self._under_way: set[asyncio.Task[None]] = set()

    def put(self, subject: str, lines: bytes, kinds: Sequence[Kind] = ()) -> asyncio.Future[None]:
        """Queue lines. The future is done once they are on disk; it raises `LogUnavailable` otherwise.

        With a kind for each line, the messages that hold them say how many of which kind they hold. The lines of one
        subject all have one, or none has.
        """
        if self._bytes + len(lines) > self._queue_bytes and self._waiting:
            raise LogUnavailable("too many events are waiting for the event log")
        loop = asyncio.get_running_loop()
        stored: asyncio.Future[None] = loop.create_future()
        count = len(kinds) or lines.count(b"\n")
        self._waiting.append(_Entry(subject, lines, count, loop.time() + self._patience, stored, kinds))
        self._bytes += len(lines)
        self._waiting_bytes += len(lines)
        self._waiting_lines += count
        if not self._under_way or (self._full() and len(self._under_way) < FLUSHES):
            self._under_way.add(asyncio.create_task(self._flush()))
        return stored

    def _full(self) -> bool:
        return self._waiting_lines >= MESSAGE_LINES or self._waiting_bytes >= MESSAGE_BYTES

    async def drain(self) -> None:
        """Wait until nothing is waiting or under way."""
        while self._under_way:
            await asyncio.wait(self._under_way)

    async def _flush(self) -> None:
        try:
            while self._waiting:
                entries = self._take()
                try:
                    await self._store(entries)
                except MidstreamError as error:
                    _finish(entries, error)
                else:
                    _finish(entries, None)
                self._bytes -= sum(len(entry.lines) for entry in entries)
        finally:
            # Here, not when the loop comes round to telling: `drain` would ask again and again for a task that is done.
            task = asyncio.current_task()
            assert task is not None
            self._under_way.discard(task)

    def _take(self) -> list[_Entry]:
        lines = size = taken = 0
        for entry in self._waiting:
            if taken and (lines + entry.events > MESSAGE_LINES or size + len(entry.lines) > MESSAGE_BYTES):
                break
            taken, lines, size = taken + 1, lines + entry.events, size + len(entry.lines)
        entries, self._waiting = self._waiting[:taken], self._waiting[taken:]
        self._waiting_lines -= lines
        self._waiting_bytes -= size
        return entries

    async def _store(self, entries: Sequence[_Entry]) -> None:
        # What has waited longest sets the time for all that go with it; a last try is always made.
        patience = max(min(entry.deadline for entry in entries) - asyncio.get_running_loop().time(), 0.1)
        by_subject: dict[str, list[_Entry]] = {}
        for entry in entries:
            by_subject.setdefault(entry.subject, []).append(entry)
        messages = [
            (subject, body, headers)
            for subject, its in by_subject.items()
            for body, headers in _messages(
                [entry.lines for entry in its], [kind for entry in its for kind in entry.kinds]
            )
        ]
        if SUBJECTS_FOR_ATOMIC <= len(messages) <= 1000 and len(by_subject) > 1:
            await self._log.append_together(messages, patience=patience)
            return
        # A message after the first may fail and leave the earlier ones stored: the sender is told to come again, and
        # what was stored already is then there twice, never lost.
        for subject, body, headers in messages:
            await self._log.append(subject, body, message_id=uuid.uuid4().hex, headers=headers, patience=patience)


def _messages(blocks: Sequence[bytes], kinds: Sequence[Kind]) -> Iterator[tuple[bytes, dict[str, str]]]:
    """Pack blocks of lines into messages, each with what it holds in its header. A message ends without a line end."""
    count = len(kinds) or sum(block.count(b"\n") for block in blocks)
    if count <= MESSAGE_LINES and sum(map(len, blocks)) - 1 <= MESSAGE_BYTES:
        yield b"".join((*blocks[:-1], memoryview(blocks[-1])[:-1])), _headers(kinds)
        return
    told = 0
    for lines in _packed(b"".join(blocks)[:-1].split(b"\n")):
        yield b"\n".join(lines), _headers(kinds[told : told + len(lines)])
        told += len(lines)


def _headers(kinds: Sequence[Kind]) -> dict[str, str]:
    return {HEADER: written(kinds)} if kinds else {}


def _packed(lines: Sequence[bytes]) -> Sequence[Sequence[bytes]]:
    """Divide lines among messages under the caps; a single longer line travels alone."""
    bodies: list[list[bytes]] = [[]]
    size = 0
    for line in lines:
        if bodies[-1] and (len(bodies[-1]) >= MESSAGE_LINES or size + len(line) > MESSAGE_BYTES):
            bodies.append([])
            size = 0
        bodies[-1].append(line)
        size += len(line) + 1
    return bodies


def _finish(entries: Sequence[_Entry], error: MidstreamError | None) -> None:
    for entry in entries:
        if entry.stored.done():
            continue  # its caller went away
        if error is None:
            entry.stored.set_result(None)
        else:
            entry.stored.set_exception(error)
            entry.stored.exception()  # seen, even if its caller has given up waiting
