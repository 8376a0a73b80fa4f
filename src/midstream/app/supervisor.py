"""The process a person started: it prepares the data dir, starts the others, restarts those that end, and stops all in order.

Order of start: lock, port, log, database, then front, control and workers. Order of stop: front (nothing new comes in),
control, workers (what came in is finished), log.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from midstream import telemetry
from midstream.app import fulldisk
from midstream.app.orders import Orders, vault_of
from midstream.config import PREFIX, Config
from midstream.errors import ConfigError, LogUnavailable
from midstream.log import Endpoint, connect
from midstream.log.server import DataDirLock, Server
from midstream.runtime import isolation
from midstream.store.migrate import migrate
from midstream.store.session import open_engine, open_sessions
from midstream.store.snapshot import holds_secrets
from midstream.telemetry import logger

ROLES = ("all", "ingest", "worker", "control")
_FIRST_BACKOFF, _LAST_BACKOFF = 0.1, 10.0  # seconds
_OPEN_FILES = 65536  # of one process: connections, most of them
_PATIENCE = 30.0  # seconds, with a log that cannot be laid out yet


@dataclass(slots=True)
class _Child:
    """One child process and the orders it was given, so that it can be started again."""

    orders: Orders
    process: subprocess.Popen[bytes]
    started: float
    backoff: float = _FIRST_BACKOFF


class Supervisor:
    """A whole midstream, or the part of it that `role` names. `start`, `watch` until something says stop, `stop`."""

    def __init__(self, config: Config, *, role: str = "all", output: Path | None = None) -> None:
        self.config = config
        self._role = role
        self._output = output
        self._lock: DataDirLock | None = None
        self._server: Server | None = None
        self._listener: socket.socket | None = None
        self._children: list[_Child] = []
        self._endpoint: Endpoint | None = None
        self._shared: Path | None = None  # a folder of the processes' own, with a short name: a socket's must be short
        self._desk: socket.socket | None = None

    @property
    def endpoint(self) -> Endpoint:
        """Where its log is."""
        if self._endpoint is None:
            raise ConfigError("the supervisor has not been started")
        return self._endpoint

    @property
    def base_url(self) -> str:
        """Where it listens."""
        port = self._listener.getsockname()[1] if self._listener else self.config.port
        host = f"[{self.config.host}]" if ":" in self.config.host else self.config.host
        return f"http://{host}:{port}"

    def pids(self) -> dict[str, int]:
        """Return the processes by what they are: front, control, worker-0 …, log."""
        found = {child.orders.name: child.process.pid for child in self._children}
        if self._server and self._server.pid:
            found["log"] = self._server.pid
        return found

    async def start(self) -> None:
        """Bring everything up, or raise `ConfigError` or `Unavailable` with nothing left running."""
        # Workers and control hold secrets in the clear; none of us leaves its memory on disk when it crashes.
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        allow_open_files()
        try:
            if self._role in ("all", "worker") and self.config.function_isolation_require:
                # Workers refuse by themselves; here it ends with a sentence before anything is started.
                await asyncio.to_thread(isolation.find, self.config.function_isolation_require)
            self.config.make_data_dir()
            if not self.config.nats_url:
                # First of all: a midstream that was killed may still be letting go of its port and its log.
                self._lock = DataDirLock.take(self.config.data_dir)
            self._listener = listening(self.config.host, self.config.port)
            self._endpoint = await self._open_log()
            await self._lay_out()
            await self._prepare_store()
            # Several supervisors of a cluster may share a folder; each counts for itself.
            self._shared = Path(tempfile.mkdtemp(prefix="midstream-"))
            telemetry.share_metrics(self._shared)
            if self._role in ("all", "control"):
                self._desk = listening_within(self._shared / "control.sock")
            self._children = [_Child(orders, self._spawn(orders), time.monotonic()) for orders in self._roster()]
        except BaseException:
            await self.stop()
            raise

    async def watch(self) -> None:
        """Restart what ends, until cancelled."""
        # Each on its own: one that keeps dying, and so waits, must not hold up the restart of another.
        async with asyncio.TaskGroup() as watchers:
            for child in self._children:
                watchers.create_task(self._watch_child(child))
            if self._server:
                server = self._server
                watchers.create_task(server.watch())
                watchers.create_task(fulldisk.watch(lambda: server.pid, self.config.data_dir))

    async def stop(self) -> None:
        """Stop everything in order. What does not leave within its time is killed: the log gives its work to the next."""
        patience = self.config.drain_timeout + 5
        for role in ("front", "control", "worker"):
            leaving = [child for child in self._children if child.orders.role == role]
            for child in leaving:
                with contextlib.suppress(ProcessLookupError):
                    child.process.send_signal(signal.SIGTERM)
            await asyncio.gather(*(_until_gone(child.process, patience) for child in leaving))
        self._children = []
        if self._server:
            await self._server.stop()
        if self._listener:
            self._listener.close()
        if self._lock:
            self._lock.release()
        if self._desk:
            self._desk.close()
        if self._shared:
            shutil.rmtree(self._shared, ignore_errors=True)

    async def _open_log(self) -> Endpoint:
        if self.config.nats_url:
            return external(self.config.nats_url)
        if self._lock is None or self._role != "all":
            raise ConfigError(f"role {self._role!r} needs nats_url: only a whole midstream starts a log of its own")
        store_bytes = 2 * self.config.log_max_bytes + 2 * self.config.retry_max_bytes
        self._server = Server(
            self.config.data_dir, binary=self.config.nats_server, store_bytes=store_bytes, lock=self._lock
        )
        await self._server.start()
        return self._server.endpoint

    async def _lay_out(self) -> None:
        log = await connect(self.endpoint, name="supervisor")
        deadline = time.monotonic() + _PATIENCE
        try:
            while True:
                try:
                    await log.lay_out(
                        replicas=self.config.log_replicas,
                        max_age=self.config.log_max_age,
                        max_bytes=self.config.log_max_bytes,
                        outcome_max_age=self.config.outcome_max_age,
                    )
                except LogUnavailable:
                    # A cluster that has just started has no leader yet.
                    if time.monotonic() > deadline:
                        raise
                    await asyncio.sleep(0.5)
                else:
                    return
        finally:
            await log.close()

    async def _prepare_store(self) -> None:
        await migrate(self.config.sqlalchemy_url)
        key = self.config.data_dir / "master.key"
        if not self.config.master_key and not key.exists():
            engine = open_engine(self.config.sqlalchemy_url)
            try:
                if await holds_secrets(open_sessions(engine)):
                    raise ConfigError(
                        f"the database holds sealed settings, but the master key file {key} is gone. Restore it from a "
                        "backup or set MIDSTREAM_MASTER_KEY; a new key could not open them."
                    )
            finally:
                await engine.dispose()
        vault_of(self.config)

    def _roster(self) -> list[Orders]:
        config = self.config.model_dump(mode="json")
        others = config | {"oidc_client_secret": ""}  # which is the control process's alone
        orders = Orders("front", 0, others | {"master_key": ""}, self.endpoint)
        roster = []
        if self._listener:
            # Every role has a front, if only for its health and its metrics.
            front = replace(
                orders,
                listen=self._listener.fileno(),
                ingest=self._role in ("all", "ingest"),
                control=str(self._desk.getsockname()) if self._desk else "",
            )
            roster.append(front)
        if self._desk:
            roster.append(replace(orders, role="control", config=config, listen=self._desk.fileno()))
        if self._role in ("all", "worker"):
            roster += [
                replace(orders, role="worker", number=number, config=others) for number in range(self.config.workers)
            ]
        return roster

    def _spawn(self, orders: Orders) -> subprocess.Popen[bytes]:
        passed = (orders.listen,) if orders.listen is not None else ()
        with contextlib.ExitStack() as files:
            output = files.enter_context(self._output.open("ab")) if self._output else None
            process = subprocess.Popen(
                [sys.executable, "-m", "midstream.app", orders.name],  # the name is for whoever reads `ps`
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                pass_fds=passed,
                env=_without_settings(os.environ) | {"PYTHONUNBUFFERED": "1"},
                start_new_session=True,  # Ctrl-C at the terminal is for us; we tell them in our order
            )
        if process.stdin:
            with contextlib.suppress(BrokenPipeError):  # it died at once; the watch sees that
                process.stdin.write(orders.line())
                process.stdin.flush()
        return process

    async def _watch_child(self, child: _Child) -> None:
        while True:
            if child.process.poll() is not None:
                await self._restart(child)
            await asyncio.sleep(0.05)

    async def _restart(self, child: _Child) -> None:
        logger().error("a process ended; restarting it", ended=child.orders.name, exit_code=child.process.returncode)
        lived = time.monotonic() - child.started
        child.backoff = _FIRST_BACKOFF if lived > _LAST_BACKOFF else min(child.backoff * 2, _LAST_BACKOFF)
        await asyncio.sleep(child.backoff if lived < 1 else 0)
        if child.process.stdin:
            child.process.stdin.close()
        child.process = self._spawn(child.orders)
        child.started = time.monotonic()


def _without_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """Leave our settings out: a child has its orders, and the front is not to have the master key even there."""
    return {name: value for name, value in environ.items() if not name.startswith(PREFIX)}


def allow_open_files() -> None:
    """Let this process and its children open as many files as the machine allows them.

    The usual soft limit of 1,024 is for programs that call select(). It would be used up by as many senders who keep
    their connection, and then nobody else gets in.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def external(nats_url: str) -> Endpoint:
    """Read `nats_url`: one or several URLs, comma-separated, with user and password in the first where needed."""
    urls = tuple(url.strip() for url in nats_url.split(",") if url.strip())
    for url in urls:
        if urlsplit(url).scheme not in ("nats", "tls") or not urlsplit(url).hostname:
            raise ConfigError("nats_url must hold URLs like nats://host:4222, comma-separated")
    return Endpoint(urls)


def listening(host: str, port: int) -> socket.socket:
    """Bind the port here, once: a taken port is said before anything starts, and a restart of the front loses no caller."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(2048)
    except (OSError, OverflowError) as error:
        listener.close()
        raise ConfigError(
            f"cannot listen on {host}:{port}: {getattr(error, 'strerror', error)}. "
            "Stop what uses it, or choose another with --port (0 takes a free one)."
        ) from None
    return listener


def listening_within(path: Path) -> socket.socket:
    """Listen for the front at a path in a folder that nobody else may enter. A restart of who answers loses no caller."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen(2048)
    return listener


async def _until_gone(process: subprocess.Popen[bytes], patience: float) -> None:
    try:
        await asyncio.to_thread(process.wait, patience)
    except subprocess.TimeoutExpired:
        process.kill()
        await asyncio.to_thread(process.wait)
    if process.stdin:
        process.stdin.close()
