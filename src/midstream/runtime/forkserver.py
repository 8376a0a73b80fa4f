"""Starts processes for its parent, and makes them its parent's children: `python -I -S forkserver.py PARENT_PID`.

What confine.py does for one program, without a Python that has to start for each. It has one thread, so that code between
fork and exec is safe in it, and nothing of its parent's memory. Enters, on standard input: messages as `message` makes
them, each with two descriptors, for standard input and output and for standard error. Leaves: its own pid once it is
ready, then that of each process, or 0 for none.
"""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import socket
import struct
import sys
from collections.abc import Mapping
from pathlib import Path

if __name__ == "__main__":
    sys.path.append(str(Path(__file__).parents[2]))
from midstream import confine  # only found now: it starts without site-packages, to be quick

CLONE = {"x86_64": 56, "aarch64": 220}  # the system call, by architecture
_CLONE_PARENT = 0x8000  # linux/sched.h
REPLY, _TWO = struct.Struct("=i"), struct.Struct("=ii")
_MOST_BYTES = 128 * 1024


def message(program: list[str], walls: list[str], environment: Mapping[str, str]) -> bytes:
    """Return what asks for a process."""
    variables = [f"{name}={value}" for name, value in environment.items()]
    return "\0".join([str(len(walls)), str(len(variables)), *walls, *variables, *program]).encode()


def main() -> None:
    """Serve until the parent closes its end, or dies."""
    parent = int(sys.argv[1])
    confine.die_with(parent, signal.SIGKILL)
    with socket.socket(fileno=sys.stdin.fileno()) as control:
        try:
            _serve(control, parent)
        except ConnectionError:
            return  # the parent has closed its end before it heard us


def _serve(control: socket.socket, parent: int) -> None:
    control.send(REPLY.pack(os.getpid()))
    while True:
        # Not recv_fds: it forgets the flag, and every process would have the ends under more numbers.
        asked, sent, *_ = control.recvmsg(_MOST_BYTES, socket.CMSG_SPACE(_TWO.size), socket.MSG_CMSG_CLOEXEC)
        if not asked:
            return
        ends = _TWO.unpack(sent[0][2])
        pid = _clone()
        if pid == 0:
            _be_born(parent, asked.decode(), *ends)
        for end in ends:
            os.close(end)
        control.send(REPLY.pack(max(pid, 0)))


def _clone() -> int:
    """Fork, so that our parent gets the child: it waits for it, and its death is the child's."""
    # PyDLL, since it keeps the lock of the interpreter: both sides go on as if nothing had happened.
    number = ctypes.c_long
    call = ctypes.PyDLL(None).syscall
    return int(call(number(CLONE[platform.machine()]), number(_CLONE_PARENT | signal.SIGCHLD), *[number(0)] * 4))


def _be_born(parent: int, asked: str, channel: int, errors: int) -> None:
    """Become the program asked for, or end. Nothing above this may be returned to."""
    try:
        os.dup2(channel, 0)
        os.dup2(channel, 1)
        os.dup2(errors, 2)
        confine.die_with(parent, signal.SIGKILL)
        os.setsid()  # a ctrl-C at the terminal is for the parent
        most, variables, *words = asked.split("\0")
        walls, rest = words[: int(most)], words[int(most) :]
        environment = dict(each.split("=", 1) for each in rest[: int(variables)])
        confine.become(rest[int(variables) :], walls, environment)
    except BaseException as error:  # noqa: BLE001 # whatever it is, this process must not go on as a second server
        os.write(2, f"{error}\n".encode())
    finally:
        os._exit(1)


if __name__ == "__main__":
    main()
