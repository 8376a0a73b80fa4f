"""Group commit: what many callers append at once becomes one message and one fsync.

There is no linger timer: the next flush leaves when the last one is on disk ("natural batching"), which measured best at
every concurrency, or when it is as large as a message may be. Enters: (subject, lines). Leaves: a future that is done when
those lines are durable.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator, Sequence

from midstream.domain.received import HEADER, Kind, written
from midstream.errors import LogUnavailable, MidstreamError
from midstream.log.client import Log

# Caps of one message, measured to be where batching stops paying.
MESSAGE_BYTES = 512 * 1024
MESSAGE_LINES = 1000
# A full message need not wait for the one before it: it cannot grow, and the disk would wait for us. More than two bring
# nothing, since the server stores one after the other.
FLUSHES = 2
# From this many subjects on, one atomic batch beats a publish each (3 fsyncs against one a subject).
SUBJECTS_FOR_ATOMIC = 8

# Subject, lines, their size, when they must be stored, who waits for it, and of what kind each line is.
_Entry = tuple[str, Sequence[bytes], int, float, "asyncio.Future[None]", Sequence[Kind]]


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

    def put(self, subject: str, lines: Sequence[bytes], kinds: Sequence[Kind] = ()) -> asyncio.Future[None]:
        """Queue newline-free lines. The future is done once they are on disk; it raises `LogUnavailable` otherwise.

        With a kind for each line, the messages that hold them say how many of which kind they hold. The lines of one
        subject all have one, or none has.
        """
        size = sum(map(len, lines)) + len(lines)  # with their line ends
        if self._bytes + size > self._queue_bytes and self._waiting:
            raise LogUnavailable("too many events are waiting for the event log")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        self._waiting.append((subject, lines, size, loop.time() + self._patience, future, kinds))
        self._bytes += size
        self._waiting_bytes += size
        self._waiting_lines += len(lines)
        if not self._under_way or (self._full() and len(self._under_way) < FLUSHES):
            self._under_way.add(asyncio.create_task(self._flush()))
        return future

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
                self._bytes -= sum(entry[2] for entry in entries)
        finally:
            # Here, not when the loop comes round to telling: `drain` would ask again and again for a task that is done.
            task = asyncio.current_task()
            assert task is not None
            self._under_way.discard(task)

    def _take(self) -> list[_Entry]:
        lines = size = taken = 0
        for entry in self._waiting:
            if taken and (lines + len(entry[1]) > MESSAGE_LINES or size + entry[2] > MESSAGE_BYTES):
                break
            taken, lines, size = taken + 1, lines + len(entry[1]), size + entry[2]
        entries, self._waiting = self._waiting[:taken], self._waiting[taken:]
        self._waiting_lines -= lines
        self._waiting_bytes -= size
        return entries

    async def _store(self, entries: Sequence[_Entry]) -> None:
        # What has waited longest sets the time for all that go with it; a last try is always made.
        patience = max(min(entry[3] for entry in entries) - asyncio.get_running_loop().time(), 0.1)
        by_subject: dict[str, tuple[list[bytes], list[Kind]]] = {}
        for subject, lines, _, _, _, kinds in entries:
            all_lines, all_kinds = by_subject.setdefault(subject, ([], []))
            all_lines.extend(lines)
            all_kinds.extend(kinds)
        messages = [
            (subject, body, headers)
            for subject, (lines, kinds) in by_subject.items()
            for body, headers in _messages(lines, kinds)
        ]
        if SUBJECTS_FOR_ATOMIC <= len(messages) <= 1000 and len(by_subject) > 1:
            await self._log.append_together(messages, patience=patience)
            return
        # A message after the first may fail and leave the earlier ones stored: the sender is told to come again, and
        # what was stored already is then there twice, never lost.
        for subject, body, headers in messages:
            await self._log.append(subject, body, message_id=uuid.uuid4().hex, headers=headers, patience=patience)


def _messages(lines: Sequence[bytes], kinds: Sequence[Kind]) -> Iterator[tuple[bytes, dict[str, str]]]:
    """Pack lines into messages, each with what it holds in its header."""
    told = 0
    for body in _packed(lines):
        yield b"\n".join(body), {HEADER: written(kinds[told : told + len(body)])} if kinds else {}
        told += len(body)


def _packed(lines: Sequence[bytes]) -> Sequence[Sequence[bytes]]:
    """Divide lines among messages under the caps; a single longer line travels alone."""
    if len(lines) <= MESSAGE_LINES and sum(map(len, lines)) + len(lines) - 1 <= MESSAGE_BYTES:
        return [lines]
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
    for *_, future, _ in entries:
        if future.done():
            continue  # its caller went away
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)
            future.exception()  # seen, even if its caller has given up waiting
