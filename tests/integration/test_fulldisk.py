"""The log's server is started anew once its disk has room again, and not otherwise."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from midstream.app import fulldisk


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fulldisk, "_EVERY", 0.01)


@pytest.fixture
def server() -> Iterator[subprocess.Popen[bytes]]:
    """Stand in for nats-server."""
    process = subprocess.Popen(["sleep", "60"])
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def said(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir()
    return tmp_path / "run" / "nats.log"


async def restarted(server: subprocess.Popen[bytes], seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            while server.poll() is None:
                await asyncio.sleep(0.01)
    except TimeoutError:
        return False
    return True


async def test_a_failed_write_restarts_the_server_and_an_old_one_does_not(
    server: subprocess.Popen[bytes], said: Path, tmp_path: Path
) -> None:
    said.write_bytes(b"[1] [ERR] stream 'EVENTS' critical write error: of before\n")
    watching = asyncio.create_task(fulldisk.watch(lambda: server.pid, tmp_path))
    try:
        assert not await restarted(server, 0.2)
        with said.open("ab") as file:
            file.write(b"[1] [ERR] stream 'EVENTS' critical wri")
            file.flush()
            assert not await restarted(server, 0.1)
            file.write(b"te error: no space left on device\n")
        assert await restarted(server, 10)
    finally:
        watching.cancel()


async def test_as_long_as_there_is_no_room_the_server_is_left_alone(
    server: subprocess.Popen[bytes], said: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = [0]
    monkeypatch.setattr(fulldisk, "_room", lambda _: room[0])
    watching = asyncio.create_task(fulldisk.watch(lambda: server.pid, tmp_path))  # and there is no file to read
    try:
        assert not await restarted(server, 0.2)
        room[0] = 1 << 30
        assert await restarted(server, 10)
    finally:
        watching.cancel()
