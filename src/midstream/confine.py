"""Run a program that must not outlive us: `python -I -S confine.py PARENT_PID SIGNAL [WALL…] -- PROGRAM ARGS…`.

A script of its own, executed between spawn and exec, because code run between fork and exec in a threaded parent is not
safe. It is compiled at each start, so it is short and imports little: which walls to raise is decided elsewhere, by
runtime/isolation.py. One that cannot be raised ends it: nothing runs with less than what was asked for. Functions'
processes are forked by runtime/forkserver.py, which does the same by what is here.
"""

from __future__ import annotations

import ctypes
import os
import resource
import struct
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing would take longer to import than all the rest
    from collections.abc import Callable

_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 22, 38  # linux/prctl.h
_SECCOMP_MODE_FILTER = 2  # linux/seccomp.h
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on all architectures
_RULE_PATH_BENEATH = 1  # linux/landlock.h

# Stand in a filter for what is only known here: our id, which the program keeps, and where the name of the program lies.
OWN_PID, PATH_LOW, PATH_HIGH = 0x7E57_0001, 0x7E57_0002, 0x7E57_0003

_libc = ctypes.CDLL(None, use_errno=True)


def command(program: list[str], *, signal: int, walls: list[str] | None = None) -> list[str]:
    """Return the argv that runs `program` within `walls`, so that it gets `signal` when this process dies."""
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), str(int(signal)), *(walls or []), "--", *program]


def main(argv: list[str]) -> None:
    """Become the program."""
    end = argv.index("--")
    die_with(int(argv[1]), int(argv[2]))
    become(argv[end + 1 :], argv[3:end], dict(os.environ))


def die_with(parent: int, signal: int) -> None:
    """Have this process get `signal` when `parent` dies."""
    if sys.platform == "linux":
        _call(_libc.prctl, _PR_SET_PDEATHSIG, signal, 0, 0, 0)
        # The parent may have died before the line above took hold.
        if os.getppid() != parent:
            sys.exit(1)


def become(program: list[str], walls: list[str], environment: dict[str, str]) -> None:
    """Raise the walls and turn into the program behind them."""
    # A core file of a function's process would hold settings and events.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    path = ctypes.create_string_buffer(os.fsencode(program[0]))
    arguments, variables = _array(program), _array([f"{name}={value}" for name, value in environment.items()])
    for wall in walls:
        try:
            raise_wall(wall, walls, ctypes.addressof(path))
        except OSError as error:
            sys.exit(f"the wall {wall[:40]} cannot be raised: {error}")
    # Not os.execve: the filter lets only this very place in memory be executed, once.
    _call(_libc.execve, path, arguments, variables)


def _array(words: list[str]) -> ctypes.Array[ctypes.c_char_p]:
    return (ctypes.c_char_p * (len(words) + 1))(*map(os.fsencode, words), None)


def raise_wall(wall: str, walls: list[str], path: int) -> None:
    """Raise one of the walls around this thread, for good. `path` is the one place in memory that may be executed."""
    name, _, value = wall.partition("=")
    if name == "no_new_privs":
        _call(_libc.prctl, _PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    elif name == "limit":
        which, _, most = value.partition(":")
        hard = resource.getrlimit(int(which))[1]
        limit = int(most) if hard == resource.RLIM_INFINITY else min(int(most), hard)
        resource.setrlimit(int(which), (limit, limit))
    elif name == "landlock":
        _landlock(bytes.fromhex(value), [each[5:].partition(":") for each in walls if each.startswith("open=")])
    elif name == "seccomp":
        _seccomp(bytes.fromhex(value), {OWN_PID: os.getpid(), PATH_LOW: path & 0xFFFFFFFF, PATH_HIGH: path >> 32})
    elif name != "open":  # those are Landlock's
        sys.exit(f"there is no wall {name}")


def _landlock(attributes: bytes, openings: list[tuple[str, str, str]]) -> None:
    ruleset = _call(_libc.syscall, _CREATE_RULESET, attributes, len(attributes), 0)
    for access, _, path in openings:
        beneath = os.open(path, os.O_PATH | os.O_CLOEXEC)  # type: ignore[attr-defined,unused-ignore] # Linux only
        _call(_libc.syscall, _ADD_RULE, ruleset, _RULE_PATH_BENEATH, struct.pack("=Qi", int(access), beneath), 0)
        os.close(beneath)
    _call(_libc.syscall, _RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


def _seccomp(code: bytes, known: dict[int, int]) -> None:
    for stand_in, value in known.items():
        code = code.replace(struct.pack("=I", stand_in), struct.pack("=I", value))
    held = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("HP", len(code) // 8, ctypes.addressof(held))  # struct sock_fprog
    _call(_libc.prctl, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, program, 0, 0)


def _call(function: Callable[..., int], *arguments: object) -> int:
    """Call into C, where an int is as wide as a pointer; raise what went wrong."""
    result = function(*(ctypes.c_long(each) if isinstance(each, int) else each for each in arguments))
    if result == -1:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


if __name__ == "__main__":
    main(sys.argv)
