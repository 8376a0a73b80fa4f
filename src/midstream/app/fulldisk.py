"""A full disk, and what comes after: nats-server never again writes to a stream for which a write failed once.

Enters: how much room there is, and what our own nats-server said. Leaves: a restart of it, once there is room again.
Until then callers get 503, and nothing that got 200 is touched.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

from midstream.telemetry import logger

_EVERY = 1.0  # seconds
_ROOM = 16 * 1024 * 1024  # two of the largest messages
_PAUSE = 10.0  # seconds after a restart, in case that room was not what it lacked
_SIGN = b"critical write error"  # nats-server 2.15 says so once a stream and start


async def watch(pid: Callable[[], int | None], data_dir: Path) -> None:
    """Restart the server of `data_dir` after its disk was full, until cancelled. Whoever watches it starts it again."""
    said = data_dir / "run" / "nats.log"
    seen = _words_since(said, None)[1]
    was_full = False
    while True:
        await asyncio.sleep(_EVERY)
        words, seen = _words_since(said, seen)
        room = _room(data_dir)
        if not was_full and (room < _ROOM or _SIGN in words):
            was_full = True
            logger().error("the event log's disk is full; events are refused until there is room", free_bytes=room)
        if was_full and room >= _ROOM and (server := pid()):
            was_full = False
            logger().warning("there is room on the disk again; restarting nats-server", free_bytes=room)
            with contextlib.suppress(ProcessLookupError):
                os.kill(server, signal.SIGTERM)
            await asyncio.sleep(_PAUSE)


def _room(data_dir: Path) -> int:
    """Return the free bytes; a disk that cannot be asked has none."""
    try:
        return shutil.disk_usage(data_dir).free
    except OSError:
        return 0


def _words_since(said: Path, seen: int | None) -> tuple[bytes, int | None]:
    """Return what was added to the file, with enough of what was before that no sign is cut in half, and its size now.

    `seen` is its size before; None: none of it is news.
    """
    try:
        with said.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            if seen is None:
                return b"", size
            file.seek(max(0, min(seen, size) - len(_SIGN)))
            return file.read(), file.tell()
    except OSError:
        return b"", 0  # someone took it away; a new one is news from its beginning
