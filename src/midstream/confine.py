"""Run a program that must not outlive us: `python -I -S confine.py PARENT_PID SIGNAL -- PROGRAM ARGS…`.

A script of its own, executed between spawn and exec, because code run between fork and exec in a threaded parent is not
safe. Imports only what Python has anyway; on systems without PR_SET_PDEATHSIG it just executes the program.
"""

from __future__ import annotations

import ctypes
import os
import resource
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def command(program: list[str], *, signal: int) -> list[str]:
    """Return the argv that runs `program` so that it gets `signal` when this process dies."""
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), str(int(signal)), "--", *program]


def main(argv: list[str]) -> None:
    """Become the program."""
    parent, signal, program = int(argv[1]), int(argv[2]), argv[4:]
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal, 0, 0, 0)
        # The parent may have died before the line above took hold.
        if os.getppid() != parent:
            sys.exit(1)
    # A core file of a function's process would hold settings and events.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.execv(program[0], program)  # noqa: S606 # no shell is wanted


if __name__ == "__main__":
    main(sys.argv)
