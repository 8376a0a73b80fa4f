"""The wait before another try: groups of events as scheduled messages of the log, which survive restarts.

A group's message is one JSON line of `[attempt, first attempt in epoch ms]` pairs, then the events as they were logged,
a line each. It waits on `retry.sched.<destination>.<group>` and comes due on `retry.due.<destination>`.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import msgspec

from midstream.log import Log, Message
from midstream.pipeline.passage import Passage, begin

# Firing a schedule costs the server about three fsyncs, so events travel together; more than this gains nothing.
GROUP = 100

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(list[tuple[int, int]]).decode


def due_subject(destination_id: str) -> str:
    """Return where a destination's retries come due."""
    return f"retry.due.{destination_id}"


async def put_off(log: Log, destination_id: str, passages: Sequence[Passage]) -> None:
    """Store the passages for their `due` time; done when all are on disk. Raises `LogUnavailable`."""
    by_due: dict[datetime, list[Passage]] = {}
    for passage in passages:
        if passage.due is not None:
            by_due.setdefault(passage.due, []).append(passage)
    await asyncio.gather(
        *(_schedule(log, destination_id, due, group) for due, together in by_due.items() for group in _groups(together))
    )


async def _schedule(log: Log, destination_id: str, due: datetime, group: Sequence[Passage]) -> None:
    # The name is made from what is inside: after a crash the same group replaces itself instead of being there twice.
    digest = hashlib.sha256(destination_id.encode())
    for passage in group:
        digest.update(b"\n%d " % passage.attempt + passage.raw)
    name = digest.hexdigest()[:32]
    header = _encode([(passage.attempt + 1, int(passage.first.timestamp() * 1000)) for passage in group])
    await log.append(
        f"retry.sched.{destination_id}.{name}",
        b"\n".join([header, *(passage.raw for passage in group)]),
        message_id=name,
        headers={
            "Nats-Schedule": f"@at {due.astimezone(UTC).isoformat(timespec='milliseconds')}",
            "Nats-Schedule-Target": due_subject(destination_id),
        },
    )


def _groups(passages: Sequence[Passage]) -> Iterator[Sequence[Passage]]:
    for start in range(0, len(passages), GROUP):
        yield passages[start : start + GROUP]


def come_due(message: Message) -> list[Passage]:
    """Return the passages of a group whose time has come."""
    header, *events = message.data.split(b"\n")
    return [
        begin(raw, attempt=attempt, first=datetime.fromtimestamp(first / 1000, UTC))
        for (attempt, first), raw in zip(_decode(header), events, strict=True)
    ]
