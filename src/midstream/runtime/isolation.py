"""The walls around a function's process besides Deno's own permissions: which this kernel has, and how they are raised.

Enters: what Deno has to read. Leaves: the layers that hold here, found out by trying, and the walls for confine.py.
What each layer is for stands in domain/isolation.py.
"""

from __future__ import annotations

import ctypes
import platform
import resource
import struct
import subprocess
import sys
from collections.abc import Collection, Iterable
from functools import cache
from pathlib import Path

from midstream.domain.isolation import LAYERS, Layer, lacking
from midstream.errors import ConfigError, RuntimeUnavailable
from midstream.runtime import seccomp

_TRIAL = Path(__file__).with_name("trial.py")
_PATIENCE = 30  # seconds for the trial, on a busy machine
_CREATE_RULESET, _VERSION = 444, 1  # the system call and its flag, linux/landlock.h
_EXECUTE, _READ_FILE, _READ_FOLDER = 1 << 0, 1 << 2, 1 << 3
_OPEN_FILES = 64  # Deno has about 20
_LIBRARIES = [Path("/lib"), Path("/lib64"), Path("/usr/lib")]  # where they are when the loader does not say
# Deno reads where its own stack ends before it parses a file, and panics when it cannot. With a warm cache it need not.
_STACK = Path("/proc/self/maps")
_TRIAL_BYTES = 1 << 28  # enough for Python, less than what the trial asks for
# The wall each layer is part of, and what the trial must find stopped behind it.
_PROOF = {
    "no_new_privs": ("no_new_privs", "rights"),
    "rlimits": ("limit", "memory"),
    "memory_limit": ("limit", "memory"),
    "landlock": ("landlock", "files"),
    "landlock_tcp": ("landlock", "tcp"),
    "landlock_signals": ("landlock", "signals"),
    "seccomp": ("seccomp", "sockets"),
}


def find(required: Collection[str] = ()) -> tuple[Layer, ...]:
    """Say which layers hold here. Raises ConfigError when a required one does not, RuntimeUnavailable when none could be tried."""
    layers = (
        _found() if sys.platform == "linux" else tuple(Layer(name, on=False, detail="needs Linux") for name in LAYERS)
    )
    if off := lacking(layers, required):
        raise ConfigError(
            f"function_isolation_require asks for layers that cannot be had here: {off}. No function is run without "
            "them; mend that, or take them off the list."
        )
    return layers


def around_deno(layers: Iterable[Layer], deno: str, read: Iterable[Path]) -> list[str]:
    """Return the walls for confine.py. Where files are closed, only Deno and `read` can be opened, and only to read."""
    on = {layer.name for layer in layers if layer.on}
    walls = []
    if "no_new_privs" in on:
        walls.append("no_new_privs")
    if "rlimits" in on:
        walls.append(f"limit={resource.RLIMIT_NOFILE}:{_OPEN_FILES}")
    if "landlock" in on:
        # Only with Landlock: without it Deno writes its cache, and would be killed for it.
        walls += [f"limit={resource.RLIMIT_FSIZE}:0", f"landlock={_attributes(_landlock_version()).hex()}"]
        walls += _openings([Path(deno), *_libraries(deno)], _EXECUTE | _READ_FILE)
        walls += _openings([*read, Path("/etc/ld.so.cache"), Path("/etc/localtime"), _STACK], _READ_FILE)
    if "seccomp" in on:
        walls.append(f"seccomp={seccomp.program(platform.machine(), writing='landlock' not in on).hex()}")
    return walls


def _libraries(program: str) -> list[Path]:
    """Return a program's shared libraries and its loader, which is asked to list them instead of running it."""
    # Each line has one path: libm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x00007f…)
    listed = _output([program, "--version"], {"LD_TRACE_LOADED_OBJECTS": "1"}, "list the libraries of Deno")
    # musl's loader does not list, and the program says its version.
    return [Path(word) for word in listed.split() if word.startswith("/")] or _LIBRARIES


@cache
def _found() -> tuple[Layer, ...]:
    version, machine = _landlock_version(), platform.machine()
    planned, off = ["no_new_privs", f"limit={resource.RLIMIT_DATA}:{_TRIAL_BYTES}"], {}
    if version:
        planned.append(f"landlock={_attributes(version).hex()}")
    else:
        off["landlock"] = "this kernel has no Landlock, or it is turned off"
    if machine in seccomp.ARCHITECTURES and sys.maxsize > 2**32:
        planned.append(f"seccomp={seccomp.program(machine, writing=True).hex()}")
    else:
        off["seccomp"] = f"there is no list of system calls for {machine}"
    said = _tried(planned)
    return tuple(_judged(name, said, off) for name in LAYERS)


def _judged(name: str, said: dict[str, str], off: dict[str, str]) -> Layer:
    wall, proof = _PROOF[name]
    if wall in off:
        return Layer(name, on=False, detail=off[wall])
    words = said[wall]
    if words.startswith("error: "):
        return Layer(name, on=False, detail=f"the kernel refuses it: {words.removeprefix('error: ')}")
    if proof in words.split():
        return Layer(name, on=True)
    return Layer(name, on=False, detail="it was tried and stopped nothing; a newer kernel may have it")


def _tried(planned: list[str]) -> dict[str, str]:
    """Raise the walls in a process of its own, and return what each stopped there, or the error it met."""
    listed = _output([sys.executable, "-I", "-S", str(_TRIAL), *planned], {}, "try the layers of isolation")
    return {wall: words for wall, _, words in (line.partition(" ") for line in listed.splitlines())}


def _output(command: list[str], environment: dict[str, str], purpose: str) -> str:
    try:
        return subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE,
            check=True,
            text=True,
            errors="replace",
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        # Not a reason to run functions with less: it may go the next time.
        raise RuntimeUnavailable(f"expected to {purpose}: {error}") from error


def _landlock_version() -> int:
    """Return the kernel's version of Landlock, 0 when it has none or it is off."""
    number = ctypes.c_long
    answer = ctypes.CDLL(None, use_errno=True).syscall(number(_CREATE_RULESET), None, number(0), number(_VERSION))
    return max(0, int(answer))


def _attributes(version: int) -> bytes:
    """Return struct landlock_ruleset_attr: everything this version can deny, denied."""
    files = 13 + (version >= 2) + (version >= 3) + (version >= 5)  # 13 rights, then moving, truncating, device control
    if version < 4:
        return struct.pack("=Q", (1 << files) - 1)
    if version < 6:
        return struct.pack("=QQ", (1 << files) - 1, 0b11)  # binding and connecting TCP
    return struct.pack("=QQQ", (1 << files) - 1, 0b11, 0b11)  # and abstract sockets and signals


def _openings(paths: Iterable[Path], access: int) -> list[str]:
    # In /proc it is the confined process's own, which has yet to start.
    return [
        f"open={access | _READ_FOLDER if path.is_dir() else access}:{path if path.is_relative_to('/proc') else path.resolve()}"
        for path in paths
        if path.exists()
    ]
