"""The log, on the real nats-server: what is acknowledged is there, whatever happens to the server."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from midstream.errors import ConfigError, LogUnavailable
from midstream.log import Appender, ConsumerGone, Endpoint, Log, Message, Pull, connect
from midstream.log.server import DataDirLock, Server

LAYOUT = {"replicas": 1, "max_age": 3600.0, "max_bytes": 64 * 1024 * 1024, "outcome_max_age": 3600.0}


@contextlib.asynccontextmanager
async def serving(data_dir: Path, *, watched: bool = False) -> AsyncIterator[tuple[Server, Log]]:
    lock = DataDirLock.take(data_dir)
    server = Server(data_dir, binary="", store_bytes=1 << 30, lock=lock)
    await server.start()
    watch = asyncio.create_task(server.watch()) if watched else None
    log = await connect(server.endpoint, name="test")
    await log.lay_out(**LAYOUT)  # type: ignore[arg-type] # a mapping of mixed numbers
    try:
        yield server, log
    finally:
        if watch:
            watch.cancel()
        await log.close()
        await server.stop()
        lock.release()


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[Log]:
    async with serving(tmp_path) as (_, log):
        yield log


@contextlib.asynccontextmanager
async def pulling(log: Log, stream: str, consumer: str, batch: int = 50) -> AsyncIterator[Pull]:
    pull = Pull(log, stream, consumer, batch=batch)
    await pull.start()
    try:
        yield pull
    finally:
        await pull.stop()


async def read(pull: Pull, lines: int) -> list[bytes]:
    found: list[bytes] = []
    async with asyncio.timeout(20):
        while len(found) < lines:
            for message in await pull.get(10):
                found += message.data.split(b"\n")
                await message.ack()
    return found


def appender(log: Log) -> Appender:
    return Appender(log, queue_bytes=1 << 26, patience=5)


async def test_what_many_append_at_once_is_read_back_once_and_travels_in_few_messages(log: Log) -> None:
    events = appender(log)
    sent = [b'{"n":%d}' % number for number in range(5000)]
    await asyncio.gather(*(events.put("events.src_1", line + b"\n") for line in sent))
    assert (await log.stream_info("EVENTS")).messages < 500
    await log.ensure_consumer("EVENTS", "d_1", "events.src_1")
    async with pulling(log, "EVENTS", "d_1") as pull:
        assert sorted(await read(pull, 5000)) == sorted(sent)


async def test_each_source_has_its_own_subject_even_in_one_commit(log: Log) -> None:
    events = appender(log)
    await asyncio.gather(*(events.put(f"events.src_{number % 20}", b"%d\n" % number) for number in range(400)))
    await log.ensure_consumer("EVENTS", "d_7", "events.src_7")
    async with pulling(log, "EVENTS", "d_7") as pull:
        assert sorted(map(int, await read(pull, 20))) == list(range(7, 400, 20))


async def test_a_message_appended_twice_under_one_id_is_there_once(log: Log) -> None:
    first = await log.append("events.src_1", b"x", message_id="same")
    assert await log.append("events.src_1", b"x", message_id="same") == first
    assert (await log.stream_info("EVENTS")).messages == 1


async def test_a_consumer_begins_at_its_start_time(log: Log) -> None:
    await log.append("events.src_1", b"before", message_id="1")
    start = datetime.now(UTC) + timedelta(milliseconds=5)
    await asyncio.sleep(0.02)  # so that the two messages have different times; nothing is waited for
    await log.append("events.src_1", b"after", message_id="2")
    await log.ensure_consumer("EVENTS", "d_1", "events.src_1", start=start)
    async with pulling(log, "EVENTS", "d_1") as pull:
        assert await read(pull, 1) == [b"after"]


async def test_what_is_not_acked_comes_again_to_somebody_else(log: Log) -> None:
    await log.append("events.src_1", b"x", message_id="1")
    await log.ensure_consumer("EVENTS", "d_1", "events.src_1")
    async with pulling(log, "EVENTS", "d_1") as first:
        [held] = await first.get(1)
        assert held.deliveries == 1
        await held.nak()
    async with pulling(log, "EVENTS", "d_1") as second, asyncio.timeout(10):
        [again] = await second.get(1)
        assert (again.data, again.sequence, again.deliveries > 1) == (b"x", held.sequence, True)


async def test_messages_pulled_but_not_taken_are_given_back_on_stop(log: Log) -> None:
    for number in range(5):
        await log.append("events.src_1", b"%d" % number, message_id=str(number))
    await log.ensure_consumer("EVENTS", "d_1", "events.src_1")
    async with pulling(log, "EVENTS", "d_1") as first:
        [message] = await first.get(1)
        await message.ack()
    async with pulling(log, "EVENTS", "d_1") as second:
        assert sorted(await read(second, 4)) == [b"1", b"2", b"3", b"4"]


async def test_a_deleted_consumer_is_noticed(log: Log) -> None:
    await log.ensure_consumer("EVENTS", "d_1", "events.src_1")
    async with pulling(log, "EVENTS", "d_1") as pull, asyncio.timeout(20):
        await log.delete_consumer("EVENTS", "d_1")
        with pytest.raises(ConsumerGone):
            await pull.get(1)


async def test_a_scheduled_message_comes_due_not_before_its_time(log: Log) -> None:
    due = datetime.now(UTC) + timedelta(seconds=1)
    schedule = {
        "Nats-Schedule": f"@at {due.isoformat(timespec='milliseconds')}",
        "Nats-Schedule-Target": "retry.due.dst_1",
    }
    await log.append("retry.sched.dst_1.a", b"later", message_id="a", headers=schedule)
    await log.ensure_consumer("RETRY", "r_1", "retry.due.dst_1")
    async with pulling(log, "RETRY", "r_1") as pull, asyncio.timeout(10):
        [message] = await pull.get(1)
        assert message.data == b"later"
        assert message.at >= due - timedelta(milliseconds=1)
        await message.ack()


async def test_a_server_without_room_for_a_stream_is_said_to_have_none(log: Log) -> None:
    await log.api("STREAM.DELETE.EVENTS", None)
    with pytest.raises(LogUnavailable, match=r"create the stream EVENTS.*insufficient storage.*max_file"):
        await log.lay_out(**(LAYOUT | {"max_bytes": 2 << 30}))  # type: ignore[arg-type] # a mapping of mixed numbers


async def test_a_full_log_refuses_and_keeps_what_it_has(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, log):
        await log.lay_out(**(LAYOUT | {"max_bytes": 1024 * 1024}))  # type: ignore[arg-type] # a mapping of mixed numbers
        events = appender(log)

        async def fill() -> None:
            for number in range(20):
                await events.put("events.src_1", b"%d" % number + b"x" * 100_000 + b"\n")

        with pytest.raises(LogUnavailable, match="full"):
            await fill()
        stored = await log.stream_info("EVENTS")
        assert 5 <= stored.messages < 11


async def test_more_than_may_wait_is_refused_at_once(log: Log) -> None:
    events = Appender(log, queue_bytes=1000, patience=5)
    waiting = events.put("events.src_1", b"x" * 900 + b"\n")
    with pytest.raises(LogUnavailable, match="waiting"):
        events.put("events.src_1", b"x" * 900 + b"\n")
    await waiting


async def test_a_killed_server_is_restarted_and_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    async with serving(tmp_path, watched=True) as (server, log):
        events = appender(log)
        acknowledged: list[bytes] = []

        async def send(line: bytes) -> None:
            with contextlib.suppress(LogUnavailable):
                await events.put("events.src_1", line + b"\n")
                acknowledged.append(line)

        for round_ in range(3):
            sending = [asyncio.create_task(send(b"%d-%d" % (round_, number))) for number in range(200)]
            await asyncio.wait(sending, return_when=asyncio.FIRST_COMPLETED)
            assert server.pid is not None
            os.kill(server.pid, signal.SIGKILL)
            await asyncio.gather(*sending)
        assert len(acknowledged) == 600
        await log.ensure_consumer("EVENTS", "d_1", "events.src_1")
        async with pulling(log, "EVENTS", "d_1") as pull:
            assert set(acknowledged) <= set(await read(pull, 600))


async def test_a_log_that_is_gone_is_said_to_be_within_its_patience(tmp_path: Path) -> None:
    async with serving(tmp_path) as (server, log):
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        events = Appender(log, queue_bytes=1 << 20, patience=0.5)
        async with asyncio.timeout(5):
            with pytest.raises(LogUnavailable):
                await events.put("events.src_1", b"x\n")


async def test_what_waits_behind_a_stuck_append_waits_no_longer_than_its_own_patience(tmp_path: Path) -> None:
    async with serving(tmp_path) as (server, log):
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        events = Appender(log, queue_bytes=1 << 20, patience=1.0)
        first = events.put("events.src_1", b"1\n")
        await asyncio.sleep(0.5)  # so that the second one comes while the first is stuck; nothing is waited for
        second = events.put("events.src_1", b"2\n")
        started = asyncio.get_running_loop().time()
        results = await asyncio.gather(first, second, return_exceptions=True)
        assert all(isinstance(result, LogUnavailable) for result in results)
        # Without the bound it would wait out the first one's second and then one of its own.
        assert asyncio.get_running_loop().time() - started < 1.4


async def test_a_data_dir_has_one_midstream(tmp_path: Path) -> None:
    lock = DataDirLock.take(tmp_path)
    code = "import sys; from pathlib import Path; from midstream.log.server import DataDirLock; DataDirLock.take(Path(sys.argv[1]))"
    other = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], check=False, capture_output=True, text=True, timeout=60
    )
    lock.release()
    assert other.returncode != 0
    assert f"is in use by another midstream (process {os.getpid()})" in other.stderr


async def test_the_server_holds_the_lock_as_long_as_it_lives(tmp_path: Path) -> None:
    async with serving(tmp_path):
        lock_of_the_dead = tmp_path / "lock"
        lock_of_the_dead.write_text("999999999")
        with pytest.raises(ConfigError, match="in use"):
            DataDirLock.take(tmp_path, patience=0.2)


async def test_the_servers_files_with_passwords_are_for_their_owner_only(tmp_path: Path) -> None:
    async with serving(tmp_path):
        modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "run").iterdir()}
        assert modes["nats.conf"] == modes["log.json"] == 0o600


async def test_nobody_without_the_password_gets_in(tmp_path: Path) -> None:
    async with serving(tmp_path) as (server, _):
        with pytest.raises(LogUnavailable):
            await connect(Endpoint(server.endpoint.urls, "midstream", "guess"), name="test", patience=1)


async def test_an_ahead_consumer_is_made_again(log: Log) -> None:
    # As after bit rot, when the server rolls a stream back and would hand out the same sequences again.
    await log.append("events.src_1", b"old", message_id="1")
    await log.ensure_consumer("EVENTS", "d_1", "events.src_1")
    async with pulling(log, "EVENTS", "d_1") as pull:
        await read(pull, 1)
    await log.api("STREAM.DELETE.EVENTS", None)
    await log.lay_out(**LAYOUT)  # type: ignore[arg-type] # a mapping of mixed numbers
    await log.append("events.src_1", b"new", message_id="2")
    await log.ensure_consumer("EVENTS", "d_1", "events.src_1")
    async with pulling(log, "EVENTS", "d_1") as pull:
        assert await read(pull, 1) == [b"new"]


def test_a_message_is_itself_and_not_its_content() -> None:
    assert Message.__hash__ is object.__hash__
