"""A connection to the log, and the layout of its streams and consumers.

EVENTS holds what ingest accepted, RETRY what waits for another try, QUARANTINE what is kept for people, OUTCOMES what
became of each event, SINK the last events of `sink` destinations.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import nats.errors
from nats.aio.client import Client

from midstream.domain.times import iso
from midstream.errors import LogUnavailable, MidstreamError
from midstream.telemetry import logger

# The first line with the fixes to message schedules we rely on (recovery, drift).
OLDEST_SERVER = (2, 14, 5)

# Seconds the log leaves a message to whoever took it, unless he says that he still works on it: so long it takes until
# what a killed worker held is delivered after all.
HOLD = 20.0

# Seconds for which QUARANTINE keeps an event.
QUARANTINED = 30 * 24 * 3600.0

# Seconds one publish waits for its answer before it is sent again. Repeats are harmless, so a connection that broke in
# between costs this much and no more.
_TRY = 1.0

_NO_MESSAGE = 10037
_NOT_FOUND = 10059
_NO_STORAGE = 10047
_MAX_BYTES_EXCEEDED = 10077
_ALREADY_IN_BATCH = 10201


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the log is and how to be let in."""

    urls: tuple[str, ...]
    user: str | None = None
    password: str | None = None


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """How full a stream is."""

    messages: int
    bytes: int
    first_sequence: int
    last_sequence: int
    created: str  # when; a stream made anew has a later one


@dataclass(frozen=True, slots=True)
class ConsumerInfo:
    """How far a consumer is. All up to `floor` is acknowledged; when `settled`, there is nothing before it at all."""

    pending: int
    floor: int
    settled: bool


async def connect(endpoint: Endpoint, *, name: str, patience: float = 10.0) -> Log:
    """Connect, retrying for `patience` seconds; afterwards reconnect for ever. The caller closes."""

    async def note_error(error: Exception) -> None:
        logger().debug("log connection", error=str(error))

    async def note_loss() -> None:
        if not client.is_closed:
            logger().warning("log connection lost; reconnecting")

    async def note_return() -> None:
        logger().info("log connection is back")
        for tell in list(log.on_return):
            await tell()

    client = Client()
    log = Log(client)
    try:
        async with asyncio.timeout(patience):
            await client.connect(
                servers=list(endpoint.urls),
                user=endpoint.user,
                password=endpoint.password,
                name=f"midstream-{name}",
                error_cb=note_error,
                disconnected_cb=note_loss,
                reconnected_cb=note_return,
                max_reconnect_attempts=-1,
                reconnect_time_wait=0.1,  # type: ignore[arg-type] # annotated int, used as seconds in a sleep
                connect_timeout=2,
                allow_reconnect=True,
                pending_size=64 * 1024 * 1024,
                ping_interval=5,
                max_outstanding_pings=2,
            )
    except (OSError, TimeoutError, nats.errors.Error) as error:
        why = error if str(error) else type(error).__name__
        raise LogUnavailable(f"cannot reach the event log at {_places(endpoint)}: {why}") from None
    _check_version(client)
    return log


def _places(endpoint: Endpoint) -> str:
    """Return where the log is, without the passwords its URLs may hold."""
    return ", ".join(url.rpartition("@")[2] for url in endpoint.urls)


def _check_version(client: Client) -> None:
    version = client.connected_server_version
    if (version.major, version.minor, version.patch) < OLDEST_SERVER:
        wanted = ".".join(map(str, OLDEST_SERVER))
        raise LogUnavailable(f"nats-server {version} is too old: {wanted} or newer is needed")


class Log:
    """One connection to the log. All methods may be used concurrently."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.on_return: set[Callable[[], Awaitable[None]]] = set()  # awaited each time the connection is back

    @property
    def connected(self) -> bool:
        """Whether the connection is up at this moment."""
        return self.client.is_connected

    async def close(self) -> None:
        """Send what is buffered, then disconnect. A log that is gone already is no reason to fail now."""
        with contextlib.suppress(OSError, TimeoutError, nats.errors.Error):
            if self.client.is_connected:
                await self.client.flush(timeout=2)
        with contextlib.suppress(OSError, nats.errors.Error):
            await self.client.close()

    async def lay_out(self, *, replicas: int, max_age: float, max_bytes: int, outcome_max_age: float) -> None:
        """Create the streams, or bring them to this configuration. Idempotent."""
        file = {"storage": "file", "num_replicas": replicas, "retention": "limits", "discard": "old"}
        streams: list[dict[str, Any]] = [
            # discard=new: a full log refuses (503 to the sender) instead of dropping its oldest events.
            {**file, "name": "EVENTS", "subjects": ["events.*"], "max_age": _ns(max_age), "max_bytes": max_bytes,
             "discard": "new", "allow_atomic": True, "duplicate_window": _ns(120)},
            # No limits here: the server would drop schedules to keep them. `retry_max_bytes` bounds it from outside.
            {**file, "name": "RETRY", "subjects": ["retry.>"], "retention": "workqueue", "allow_msg_schedules": True,
             "allow_rollup_hdrs": True, "duplicate_window": _ns(120)},
            {**file, "name": "QUARANTINE", "subjects": ["quarantine.*"], "max_age": _ns(QUARANTINED)},
            {**file, "name": "OUTCOMES", "subjects": ["outcomes"], "max_age": _ns(outcome_max_age),
             "max_bytes": max_bytes, "duplicate_window": _ns(120)},
            {**file, "name": "SINK", "subjects": ["sink.*"], "storage": "memory", "max_msgs_per_subject": 1000,
             "max_bytes": 64 * 1024 * 1024, "num_replicas": 1},
        ]  # fmt: skip
        for stream in streams:
            answer = await self.api(f"STREAM.CREATE.{stream['name']}", stream)
            if "error" in answer:
                updated = await self.api(f"STREAM.UPDATE.{stream['name']}", stream)
                # Of one that is not there only the first answer says why.
                answer = answer if _code(updated) == _NOT_FOUND else updated
            _raise_for(answer, f"create the stream {stream['name']}")

    async def ensure_consumer(
        self,
        stream: str,
        name: str,
        subject: str,
        *,
        start: datetime | None = None,
        max_ack_pending: int = 256,
    ) -> None:
        """Create a durable pull consumer unless it is there. `start` skips what was logged before."""
        info = await self.api(f"CONSUMER.INFO.{stream}.{name}", None)
        if "error" not in info:
            if not await self._is_ahead(stream, info):
                return
            # After bit rot the server may roll a stream back and reuse sequences (docs/adr/0002): a consumer that is
            # ahead of its stream would skip new messages.
            logger().warning("consumer is ahead of its stream; recreating it", stream=stream, consumer=name)
            await self.delete_consumer(stream, name)
        config: dict[str, Any] = {
            "durable_name": name,
            "filter_subject": subject,
            "ack_policy": "explicit",
            "ack_wait": _ns(HOLD),
            "max_ack_pending": max_ack_pending,
            "max_deliver": -1,
            "deliver_policy": "by_start_time" if start else "all",
        }
        if start:
            config["opt_start_time"] = iso(start)
        answer = await self.api(f"CONSUMER.DURABLE.CREATE.{stream}.{name}", {"stream_name": stream, "config": config})
        _raise_for(answer, f"create the consumer {name}")

    async def ensure_reader(
        self, stream: str, *, after: int | None, subject: str = "", name: str = "", headers_only: bool = False
    ) -> str:
        """Create a reader without acks, from the message after sequence `after`, or from now on. Returns its name.

        It goes away by itself after half a minute without anybody reading.
        """
        name = name or f"reader_{uuid.uuid4().hex}"
        config: dict[str, Any] = {
            "name": name,
            "ack_policy": "none",
            "inactive_threshold": _ns(30),
            "deliver_policy": "new" if after is None else "by_start_sequence",
            "headers_only": headers_only,
        }
        if after is not None:
            config["opt_start_seq"] = after + 1
        if subject:
            config["filter_subject"] = subject
        answer = await self.api(f"CONSUMER.CREATE.{stream}.{name}", {"stream_name": stream, "config": config})
        _raise_for(answer, f"read the stream {stream}")
        return name

    async def _is_ahead(self, stream: str, info: Mapping[str, Any]) -> bool:
        floor = int(info["ack_floor"]["stream_seq"])
        return floor > 0 and floor > (await self.stream_info(stream)).last_sequence

    async def delete_consumer(self, stream: str, name: str) -> None:
        """Forget a consumer. Deleting one that is not there is fine."""
        await self.api(f"CONSUMER.DELETE.{stream}.{name}", None)

    async def consumers(self, stream: str) -> dict[str, ConsumerInfo]:
        """Return how far each consumer of a stream is."""
        found: dict[str, ConsumerInfo] = {}
        while True:
            answer = await self.api(f"CONSUMER.LIST.{stream}", {"offset": len(found)})
            _raise_for(answer, f"list the consumers of {stream}")
            page = answer.get("consumers") or []
            found |= {
                each["name"]: ConsumerInfo(
                    each["num_pending"] + each["num_ack_pending"],
                    each["ack_floor"]["stream_seq"],
                    settled=each["num_pending"] + each["num_ack_pending"] == 0,
                )
                for each in page
            }
            if not page or len(found) >= int(answer["total"]):
                return found

    async def stream_info(self, stream: str) -> StreamInfo:
        """Return how full a stream is."""
        answer = await self.api(f"STREAM.INFO.{stream}", None)
        _raise_for(answer, f"look at the stream {stream}")
        state = answer["state"]
        return StreamInfo(state["messages"], state["bytes"], state["first_seq"], state["last_seq"], answer["created"])

    async def kept(self, stream: str, subject: str) -> list[bytes]:
        """Return what a stream holds of a subject at this moment, oldest first. One question each: for small streams."""
        last = await self._message(stream, {"last_by_subj": subject})
        found: list[bytes] = []
        sequence = 0
        while last and sequence < last[0]:
            message = await self._message(stream, {"seq": sequence + 1, "next_by_subj": subject})
            if message is None:
                break  # newer ones have pushed the rest out meanwhile
            sequence = message[0]
            found.append(message[1])
        return found

    async def _message(self, stream: str, which: Mapping[str, Any]) -> tuple[int, bytes] | None:
        answer = await self.api(f"STREAM.MSG.GET.{stream}", which)
        if answer.get("error", {}).get("err_code") == _NO_MESSAGE:
            return None
        _raise_for(answer, f"read the stream {stream}")
        return int(answer["message"]["seq"]), base64.b64decode(answer["message"].get("data", ""))

    async def drop_before(self, stream: str, sequence: int) -> None:
        """Drop the messages of a stream before a sequence."""
        _raise_for(await self.api(f"STREAM.PURGE.{stream}", {"seq": sequence}), f"make room in {stream}")

    async def purge(self, stream: str, subject: str) -> None:
        """Drop the messages of a subject, wildcards allowed."""
        _raise_for(await self.api(f"STREAM.PURGE.{stream}", {"filter": subject}), f"purge {subject}")

    async def append(
        self,
        subject: str,
        payload: bytes,
        *,
        message_id: str,
        headers: Mapping[str, str] | None = None,
        patience: float = 5.0,
    ) -> int:
        """Store one message and return its sequence once it is on disk.

        A publish that timed out may still have landed, so each try carries the same `message_id` and the server drops
        repeats. Raises `LogUnavailable` when it cannot be said to be stored within `patience` seconds, or the log is full.
        """
        self._check_size(payload)
        clock = asyncio.get_running_loop().time
        deadline = clock() + patience
        sent = {"Nats-Msg-Id": message_id, **(headers or {})}
        while True:
            remaining = deadline - clock()
            if remaining <= 0:
                raise LogUnavailable("the event log did not answer in time")
            try:
                reply = await self.client.request(subject, payload, timeout=min(remaining, _TRY), headers=sent)
            except nats.errors.NoRespondersError:
                await asyncio.sleep(min(0.05, remaining))  # the server is up but its streams are not yet
                continue
            except (nats.errors.Error, OSError, TimeoutError):
                await asyncio.sleep(min(0.05, remaining))
                continue
            answer = json.loads(reply.data)
            if _code(answer) == _MAX_BYTES_EXCEEDED:
                raise LogUnavailable("the event log is full")
            _raise_for(answer, f"append to {subject}")
            return int(answer["seq"])

    def _check_size(self, payload: bytes) -> None:
        """Tell what can never be stored from a log that is away: trying again would not help."""
        if len(payload) > self.client.max_payload:
            raise MidstreamError(
                f"a message of {len(payload):,} bytes is more than the log's {self.client.max_payload:,}"
            )

    async def append_together(
        self, messages: Sequence[tuple[str, bytes, Mapping[str, str]]], *, patience: float = 5.0
    ) -> None:
        """Store several messages of one stream in one commit: all or none, one fsync. At most 1,000.

        Only the first carries a message id: the server refuses a whole batch for one repeat, and a refusal on a second
        try then means that the first try had landed.
        """
        batch = uuid.uuid4().hex
        clock = asyncio.get_running_loop().time
        deadline = clock() + patience
        for attempt in range(1000):
            head = {"Nats-Batch-Id": f"{batch}-{attempt}"}
            answer: dict[str, Any] = {}
            try:
                for number, (subject, payload, headers) in enumerate(messages, 1):
                    sent = {**head, "Nats-Batch-Sequence": str(number), **headers}
                    if number == 1:
                        sent["Nats-Msg-Id"] = batch
                    if number < len(messages):
                        await self.client.publish(subject, payload, headers=sent)
                    else:
                        sent["Nats-Batch-Commit"] = "1"
                        reply = await self.client.request(subject, payload, timeout=_TRY, headers=sent)
                        answer = json.loads(reply.data)
            except (nats.errors.Error, OSError, TimeoutError):
                answer = {}
            code = _code(answer)
            if code == _MAX_BYTES_EXCEEDED:
                raise LogUnavailable("the event log is full")
            if "seq" in answer or (code == _ALREADY_IN_BATCH and attempt > 0):
                return
            if answer:
                _raise_for(answer, "append a batch")
            if clock() >= deadline:
                break
            await asyncio.sleep(0.05)
        raise LogUnavailable("the event log did not answer in time")

    async def publish(self, subject: str, payload: bytes) -> None:
        """Send without waiting for anything: for what may be lost."""
        await self.client.publish(subject, payload)

    async def api(self, verb: str, body: Mapping[str, Any] | None, *, patience: float = 5.0) -> dict[str, Any]:
        """Call JetStream's API; an error it answers with is returned, an absent server raises `LogUnavailable`.

        What is asked of a connection that is just breaking is lost without a word, so it is asked again; all verbs used
        here may be.
        """
        payload = json.dumps(body).encode() if body is not None else b""
        clock = asyncio.get_running_loop().time
        deadline = clock() + patience
        while True:
            try:
                reply = await self.client.request(f"$JS.API.{verb}", payload, timeout=_TRY)
                return dict(json.loads(reply.data))
            except (nats.errors.Error, OSError, TimeoutError) as error:
                if clock() >= deadline:
                    raise LogUnavailable(f"the event log does not answer ({type(error).__name__})") from None
                await asyncio.sleep(0.05)


def _raise_for(answer: Mapping[str, Any], action: str) -> None:
    if "error" in answer:
        why = answer["error"].get("description", answer["error"])
        if _code(answer) == _NO_STORAGE:
            why = f"{why}. Its max_file must be larger than twice log_max_bytes, with room for retry_max_bytes"
        raise LogUnavailable(f"the event log refused to {action}: {why}")


def _code(answer: Mapping[str, Any]) -> int | None:
    code: int | None = answer.get("error", {}).get("err_code")
    return code


def _ns(seconds: float) -> int:
    return int(seconds * 1_000_000_000)
