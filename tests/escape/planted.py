"""What functions must not reach, and the batches that both runners send."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.escape.attempts.attempt import FOUND

VARIABLE = "MIDSTREAM_PLANTED"
PAGE = "var onPage = async e => { await null; return { n: e.n } };\n"
_HTTP = f"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\ndata: {FOUND}\n\n"


@dataclass
class Planted:
    """A file, a variable and a port of this machine, each holding `FOUND`. `callers` counts who came to the port."""

    file: Path
    port: int
    callers: int = 0

    def batches(self) -> list[list[dict[str, Any]]]:
        """Return two batches: the attempt between two harmless events, then a harmless one."""
        track = {"type": "track", "messageId": "m", "variable": VARIABLE, "port": self.port, "file": str(self.file)}
        track["url"] = f"http://127.0.0.1:{self.port}/"
        return [[{"type": "page", "n": 1}, track, {"type": "page", "n": 2}], [{"type": "page", "n": 3}]]


@asynccontextmanager
async def planting(folder: Path) -> AsyncIterator[Planted]:
    """Plant everything for the length of a block."""
    file = folder / "planted.json"
    file.write_text(json.dumps(FOUND))

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        planted.callers += 1
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(_HTTP.encode())
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", 0)
    planted = Planted(file, server.sockets[0].getsockname()[1])
    try:
        yield planted
    finally:
        server.close()
        await server.wait_closed()
