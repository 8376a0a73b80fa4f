"""How Deno is started: which one, with which flags, from which cache.

Enters: the limits and where Deno may be. Leaves: the command and environment of a function's process. The cache folder
holds compiled host code, keyed by everything it depends on, and is filled once by whoever comes first.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import deno as deno_wheel
import structlog

from midstream import confine
from midstream.domain.function import Limits
from midstream.domain.isolation import Layer
from midstream.errors import RuntimeUnavailable
from midstream.runtime import forkserver, isolation

log = structlog.get_logger(__name__)

HOST = Path(__file__).with_name("host.ts")
_PATIENCE = 60  # seconds for Deno to say its version, or to compile the host; a busy machine may take some


@dataclass(frozen=True, slots=True)
class Launch:
    """A program, the walls around it and its whole environment, ready to start."""

    program: list[str]
    walls: list[str]
    environment: dict[str, str]

    @property
    def command(self) -> list[str]:
        """What starts it."""
        return confine.command(self.program, signal=signal.SIGKILL, walls=self.walls)

    @property
    def message(self) -> bytes:
        """What has the fork server start it."""
        return forkserver.message(self.program, self.walls, self.environment)


async def prepare(limits: Limits, deno: str | None, deno_dir: Path | None, layers: Iterable[Layer] = ()) -> Launch:
    """Find Deno and warm its cache; start it within these layers. Raises RuntimeUnavailable."""
    binary = deno or packaged()
    layers = tuple(layers)
    start = partial(_prepared, limits, binary, await version(binary), deno_dir, layers)
    # What Deno makes Node's vm of keeps compiled user code in the cache: only where no function can write that.
    if any(layer.name == "landlock" and layer.on for layer in layers):
        try:
            return await start("core")
        except RuntimeUnavailable as error:
            log.warning("runtime_starts_slower", why=str(error))
    return await start("node")


async def _prepared(
    limits: Limits, binary: str, release: str, deno_dir: Path | None, layers: tuple[Layer, ...], means: str
) -> Launch:
    """Have the host run code by `means`, which host/scripts.ts knows, and tries."""
    arguments = [*_flags(limits), str(HOST), means]
    key = f"{release}-{_fingerprint(arguments)}"
    folder = deno_dir or cache() / f"deno-{key}"
    environment = {"DENO_DIR": str(folder), "DENO_NO_UPDATE_CHECK": "1", "NO_COLOR": "1"}
    program = [binary, "run", *arguments]
    # The run that fills the cache has to write it, and no user code is in it.
    await asyncio.to_thread(_fill, folder, f"warmed-{key}", Launch(program, [], environment))
    walls = await asyncio.to_thread(isolation.around_deno, layers, binary, [HOST, HOST.with_suffix(""), folder])
    return Launch(program, walls, environment)


def _flags(limits: Limits) -> list[str]:
    v8 = (
        f"--max-old-space-size={limits.heap_mb}",
        # Measured: the least memory at full throughput.
        "--max-semi-space-size=4",
        "--single-threaded",
        # Code from strings would reopen import().
        "--disallow-code-generation-from-strings",
    )
    offline = ("--no-config", "--no-lock", "--no-remote", "--no-npm", "--cached-only", "--no-check", "--quiet")
    return ["--no-prompt", *offline, f"--v8-flags={','.join(v8)}"]


def packaged() -> str:
    """Return the path of the Deno that came with the package. Raises RuntimeUnavailable."""
    try:
        return str(deno_wheel.find_deno_bin())
    except FileNotFoundError as error:
        raise RuntimeUnavailable("expected the deno package's program, found none; reinstall it") from error


async def version(binary: str) -> str:
    """Ask a Deno for its version. Raises RuntimeUnavailable."""
    process = None
    try:
        process = await asyncio.create_subprocess_exec(
            binary, "--version", stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, env={}
        )
        async with asyncio.timeout(_PATIENCE):
            said, _ = await process.communicate()
    except (OSError, TimeoutError) as error:
        if process is not None and process.returncode is None:
            process.kill()
        raise RuntimeUnavailable(f"expected Deno at {binary}, and it cannot be run: {error}") from error
    words = said.decode(errors="replace").split()
    if len(words) < 2 or words[0] != "deno":  # "deno 2.9.8 (…)"
        raise RuntimeUnavailable(f"expected Deno at {binary}, and it is something else")
    return words[1]


def cache() -> Path:
    """Return the folder our caches are in, making it where needed. Raises RuntimeUnavailable."""
    try:
        wanted = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "midstream"
        wanted.mkdir(parents=True, exist_ok=True)
        if os.access(wanted, os.W_OK):
            return wanted
    except (OSError, RuntimeError):
        pass  # a user without a home, or one that cannot be written: a system account
    return _temporary()


def _temporary() -> Path:
    folder = Path(tempfile.gettempdir()) / f"midstream-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        # Whoever can write there can put compiled code under our host: nobody else may have made it.
        ours = folder.lstat().st_uid == os.getuid() and not folder.is_symlink()
    except OSError as error:
        raise RuntimeUnavailable(f"expected to make {folder}: {error}; set XDG_CACHE_HOME") from error
    if not ours:
        raise RuntimeUnavailable(f"expected {folder} to be ours, and another user made it; set XDG_CACHE_HOME")
    return folder


def _fingerprint(arguments: list[str]) -> str:
    """Hash all that the compiled code depends on: the host's files, and the flags, by which V8 keys its cache."""
    digest = hashlib.sha256("\0".join(arguments).encode())
    for file in sorted([HOST, *HOST.with_suffix("").glob("*.ts")]):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def _fill(folder: Path, mark: str, launch: Launch) -> None:
    """Fill the cache by running the host on nothing, unless it is filled; others wait meanwhile."""
    marker = folder / mark
    if marker.exists():
        return
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not marker.exists():
                _warm(launch)
                marker.touch()
    except OSError as error:
        raise RuntimeUnavailable(f"expected to write Deno's cache in {folder}: {error}") from error


def _warm(launch: Launch) -> None:
    """Run the host without input: it tries what it counts on, loads all it may need, and ends by itself."""
    try:
        for _ in range(2):  # measured: a start is 10 ms slower after one
            subprocess.run(  # our own command
                launch.command,
                env=launch.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                timeout=_PATIENCE,
                check=True,
            )
    except subprocess.CalledProcessError as error:
        # No user code has run: what Deno says is about itself.
        said = error.stderr.decode(errors="replace").strip()[-500:]
        raise RuntimeUnavailable(
            f"expected Deno to run the host, and it ended with {error.returncode}: {said}"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise RuntimeUnavailable(f"expected Deno to run the host within {_PATIENCE} s") from error
