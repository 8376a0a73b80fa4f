"""Raise walls one after the other and print what each stops: `python -I -S trial.py WALL…`, a process of its own.

Leaves: a line for each wall, its name and what does not go behind it, or `error:` and why it does not stand. What is
tried would do no harm if it went.
"""

from __future__ import annotations

import errno
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2]))
from midstream.confine import raise_wall  # only found now: it starts without site-packages, to be quick


def main(walls: list[str]) -> None:
    """Try them in order; the later ones stand behind the earlier ones."""
    for wall in walls:
        try:
            raise_wall(wall, walls, 0)
            said = " ".join(_stopped())
        except OSError as error:
            said = f"error: {error.strerror}"
        sys.stdout.write(f"{wall.partition('=')[0]} {said}\n")


def _stopped() -> Iterator[str]:
    for name, attempt in (
        ("rights", _gain),
        ("files", lambda: os.scandir("/").close()),
        ("tcp", _listen),
        ("signals", lambda: os.kill(os.getppid(), 0)),
        ("sockets", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close()),
        ("processes", _fork),
        ("memory", lambda: bytes(1 << 30)),  # asked for, never touched
    ):
        try:
            attempt()
        except MemoryError:
            yield name
        except OSError as error:
            if error.errno in {errno.EACCES, errno.EPERM, errno.ENOSYS}:
                yield name


def _gain() -> None:
    if "NoNewPrivs:\t1" in Path("/proc/self/status").read_text("utf-8"):
        raise PermissionError(errno.EPERM, "no program gives more rights")


def _listen() -> None:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))


def _fork() -> None:
    if os.fork() == 0:
        os._exit(0)
    os.wait()


if __name__ == "__main__":
    main(sys.argv[1:])
