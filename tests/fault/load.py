"""Load on a running midstream, and the account of it afterwards.

Enters: where to send, and a receiver. Leaves: which messageIds were answered with 200, and how often each one arrived.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
import random
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import aiohttp

from tests.integration.receiver import Received, Receiver, Reply
from tests.whole import WRITE_KEY, Whole, shop, until

T = TypeVar("T")

# Each event carries its own id out again: a mark that went to the wrong event would be seen.
MARKING = """
function mark(event) { event.markedFor = event.messageId; return event }
function onTrack(event) { return mark(event) }
async function onIdentify(event) { return mark(event) }
"""
QUICK = {"MIDSTREAM_RETRY_BASE": "1", "MIDSTREAM_RETRY_CAP": "5"}  # retries within a test's patience
_HEADERS = {"authorization": "Basic " + base64.b64encode(f"{WRITE_KEY}:".encode()).decode()}
_SENDERS = 6
_PAUSE = 0.08  # seconds between two requests of a sender: some 300 events a second in all


@dataclass
class Arrivals:
    """What a receiver took. `copies` counts by messageId and receivedAt, which tells a repeated delivery of one
    acceptance from an event that was accepted twice."""

    copies: dict[str, Counter[str]] = field(default_factory=dict)
    unmarked: set[str] = field(default_factory=set)
    answer: Reply = field(default_factory=Reply)

    def at(self, receiver: Receiver) -> Arrivals:
        """Answer for a receiver from now on, and count what it takes."""
        receiver.reply = self._take
        return self

    def __len__(self) -> int:
        return len(self.copies)

    def _take(self, received: Received) -> Reply:
        if self.answer.status < 300:
            body = json.loads(received.body)
            for event in body if isinstance(body, list) else [body]:
                self.copies.setdefault(event["messageId"], Counter())[event["receivedAt"]] += 1
                if event.get("markedFor") != event["messageId"]:
                    self.unmarked.add(event["messageId"])
        return self.answer


@dataclass
class Load:
    """Several senders at once. Each sends on with the same messageIds until a 200, as an SDK does."""

    base_url: str
    accepted: dict[str, float] = field(default_factory=dict)  # messageId → the loop's time of its 200
    surprises: list[str] = field(default_factory=list)
    again: int = 0
    _over: bool = False

    async def _run(self) -> None:
        timeout = aiohttp.ClientTimeout(total=10)
        async with aiohttp.ClientSession(headers=_HEADERS, timeout=timeout) as session:
            for turn in itertools.count():
                if self._over:
                    return
                await self._send(session, _events(random.randint(2, 12) if turn % 2 else 1))
                await asyncio.sleep(random.uniform(0, 2 * _PAUSE))

    async def _send(self, session: aiohttp.ClientSession, events: list[dict[str, Any]]) -> None:
        path, body = ("batch", {"batch": events}) if len(events) > 1 else (events[0]["type"], events[0])
        while True:
            try:
                async with session.post(f"{self.base_url}/v1/{path}", json=body) as answer:
                    status, said = answer.status, await answer.json()
            except (aiohttp.ClientError, OSError):  # OSError holds TimeoutError
                status, said = 0, {}
            if status == 200 and said == {"success": True}:
                now = asyncio.get_running_loop().time()
                self.accepted |= dict.fromkeys((event["messageId"] for event in events), now)
                return
            if status not in (0, 503):
                self.surprises.append(f"{status}: {said}")
                return
            self.again += 1
            await asyncio.sleep(0.05)


def _events(count: int) -> list[dict[str, Any]]:
    """Make one event, or a mixed handful."""
    return [
        {"messageId": str(uuid.uuid4()), "userId": "u-1"}
        | ({"type": "track", "event": "Order Completed"} if number % 3 < 2 else {"type": "identify", "traits": {}})
        for number in range(count)
    ]


@contextlib.asynccontextmanager
async def loading(whole: Whole) -> AsyncIterator[Load]:
    """Load a midstream for the length of a block; then let each sender bring its last request to a 200."""
    load = Load(whole.base_url)
    async with asyncio.TaskGroup() as senders:
        for _ in range(_SENDERS):
            senders.create_task(load._run())
        try:
            yield load
        finally:
            load._over = True


async def send(whole: Whole, *events: dict[str, Any]) -> None:
    """Send events once, and bring them to a 200."""
    load = Load(whole.base_url)
    async with aiohttp.ClientSession(headers=_HEADERS) as session:
        await load._send(session, list(events))
    assert not load.surprises


async def apply(whole: Whole, files: Mapping[str, str]) -> None:
    """Load a folder into a midstream, and wait until all its processes know it."""
    before = whole.revisions()
    applied = await asyncio.to_thread(whole.apply, files)
    assert applied.returncode == 0, applied.stderr + applied.stdout
    await eventually(lambda: whole.taken_over_since(before))


async def set_up(whole: Whole, receiver: Receiver, *, batch: str = "off") -> Arrivals:
    """Set up source → marking function → webhook, and account for what arrives."""
    await apply(whole, shop(receiver.url, code=MARKING, batch=batch))
    return Arrivals().at(receiver)


async def eventually(ask: Callable[[], T], *, seconds: float = 60) -> T:
    """Ask until the answer is true, letting the load and the receiver work meanwhile."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not (answer := ask()):
        assert asyncio.get_running_loop().time() < deadline, f"not so within {seconds:g} s"
        await asyncio.sleep(0.02)
    return answer


async def arrived(arrivals: Arrivals, ids: set[str], *, seconds: float = 90) -> set[str]:
    """Wait until all have arrived, and return those that did not in time."""
    with contextlib.suppress(AssertionError):
        await eventually(lambda: ids <= arrivals.copies.keys(), seconds=seconds)
    return ids - arrivals.copies.keys()


async def account(what: str, whole: Whole, load: Load, arrivals: Arrivals, ids: set[str] | None = None) -> float:
    """Print and check what became of the accepted events (`ids`: of these), and return the share that came repeatedly.

    Waits where it must: for a while the log keeps what a killed worker held from its successor.
    """
    ids = set(load.accepted) if ids is None else ids
    assert ids, "nothing was accepted: that shows nothing"
    began = asyncio.get_running_loop().time()
    lost = await arrived(arrivals, ids)
    waited = asyncio.get_running_loop().time() - began
    repeated = {id_ for id_, copies in arrivals.copies.items() if copies.total() > 1}
    accepted_twice = {id_ for id_ in repeated if len(arrivals.copies[id_]) > 1}
    share = len(repeated) / len(ids)
    print(  # noqa: T201 # the figures are what this is for
        f"\n{what}: {len(ids):,} accepted, {len(lost):,} lost, {len(repeated):,} delivered more than once ({share:.1%}; "
        f"{len(accepted_twice):,} of them because the sender repeated them; {load.again:,} requests sent again), "
        f"the last {waited:.0f} s after the load"
    )
    assert not load.surprises
    assert not lost
    assert not arrivals.unmarked
    await eventually_counted(whole, len(ids))
    return share


async def eventually_counted(whole: Whole, least: int) -> None:
    """Wait until `midstream deliveries` has counted at least so many deliveries."""

    def counted() -> int:
        rows = deliveries(whole)
        return sum(row["count"] for row in rows if row["outcome"] == "delivered")

    await asyncio.to_thread(until, lambda: counted() >= least)


def deliveries(whole: Whole) -> list[dict[str, Any]]:
    """Return what Event Delivery shows."""
    shown = whole.run("deliveries", "--json")
    assert shown.returncode == 0, shown.stderr
    rows: list[dict[str, Any]] = json.loads(shown.stdout)["deliveries"]
    return rows
