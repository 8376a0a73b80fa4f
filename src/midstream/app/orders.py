"""What a child process is told: one JSON line on its standard input. The pipe then stays open for as long as we live."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec

from midstream.config import Config
from midstream.log import Endpoint
from midstream.secrets import Vault


@dataclass(frozen=True, slots=True)
class Orders:
    """Everything a child needs to know. `listen` is the inherited file descriptor of the listening socket."""

    role: str  # "front", "control" or "worker"
    number: int
    config: dict[str, Any]
    endpoint: Endpoint
    listen: int | None = None
    ingest: bool = True
    control: str = ""  # where the control process listens, for the front; empty when there is none

    @property
    def name(self) -> str:
        """What the process is called, in logs and by whoever reads `ps`."""
        return f"worker-{self.number}" if self.role == "worker" else self.role

    def line(self) -> bytes:
        """Return the orders as a line. It holds secrets: it goes through a pipe and nowhere else."""
        return msgspec.json.encode(asdict(self)) + b"\n"


Role = Callable[[Orders, Config, asyncio.Event], Awaitable[None]]


def receive() -> tuple[Orders, Config]:
    """Read the orders. Unbuffered, so that the pipe can be watched afterwards."""
    line = bytearray()
    while not line.endswith(b"\n"):
        piece = os.read(sys.stdin.fileno(), 65536)
        if not piece:
            raise SystemExit(0)  # whoever started us is gone already
        line += piece
    orders = msgspec.json.decode(line, type=Orders)
    return orders, Config(**orders.config)


def vault_of(config: Config) -> Vault:
    """Open the vault a config names: its own key, or the file in the data dir."""
    return Vault.open(Path(config.data_dir) / "master.key", config.master_key or None)


async def until_parent_is_gone() -> None:
    """Wait for the pipe of the orders to close."""
    loop = asyncio.get_running_loop()
    closed = asyncio.Event()

    def look() -> None:
        if not os.read(sys.stdin.fileno(), 1024):
            closed.set()

    loop.add_reader(sys.stdin.fileno(), look)
    try:
        await closed.wait()
    finally:
        loop.remove_reader(sys.stdin.fileno())
