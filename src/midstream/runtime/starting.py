"""Starts processes behind the walls: through a server that forks, or where that does not go, one Python each.

Enters: a launch and the process's end of its channel. Leaves: a child of ours, to be heard, killed and waited for.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from pathlib import Path

import structlog

from midstream.errors import RuntimeUnavailable
from midstream.runtime import forkserver
from midstream.runtime.launch import Launch

log = structlog.get_logger(__name__)

_SERVER = Path(forkserver.__file__)
_PATIENCE = 5.0  # seconds for the server to fork: less than a millisecond, but the machine may be busy


class Child:
    """A process the server started: like one of asyncio, as far as it is needed."""

    def __init__(self, pid: int, stderr: asyncio.StreamReader) -> None:
        self.pid = pid
        self.stderr = stderr
        self.returncode: int | None = None
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[int] = self._loop.create_future()
        # Readable when the process ends. Until we have waited for it, its pid is nobody else's.
        self._handle = os.pidfd_open(pid)
        self._loop.add_reader(self._handle, self._reap)

    async def wait(self) -> int:
        """Return how it ended, once it has."""
        return await asyncio.shield(self._ended)

    def _reap(self) -> None:
        self._loop.remove_reader(self._handle)
        os.close(self._handle)
        _, status = os.waitpid(self.pid, 0)
        self.returncode = os.waitstatus_to_exitcode(status)
        self._ended.set_result(self.returncode)


class _Hearing(asyncio.StreamReaderProtocol):
    def eof_received(self) -> bool:
        """Have uvloop close its end too."""
        super().eof_received()
        return False


class Starter:
    """Starts processes. Close it: it owns the server, which is started with the first of them."""

    def __init__(self) -> None:
        self._server: Process | None = None
        self._control: socket.socket | None = None
        self._opening = asyncio.Lock()
        self._forks = sys.platform == "linux" and platform.machine() in forkserver.CLONE

    async def start(self, launch: Launch, end: socket.socket) -> Child | Process:
        """Start a process with `end` as its standard input and output. Raises OSError, RuntimeUnavailable."""
        if self._forks:
            try:
                return await self._forked(launch, end)
            except OSError as error:
                log.warning("fork_server_failed", why=str(error))
                self._forks = False
                await self.close()
        return await asyncio.create_subprocess_exec(
            *launch.command,
            stdin=end.fileno(),
            stdout=end.fileno(),
            stderr=PIPE,
            env=launch.environment,
            start_new_session=True,  # a ctrl-C at the terminal is for us; we stop it when its work is done
        )

    async def close(self) -> None:
        """End the server. What it started goes on: that is not its child."""
        control, self._control = self._control, None
        server, self._server = self._server, None
        if server is not None:
            with contextlib.suppress(ProcessLookupError):
                server.kill()
            await server.wait()
        if control is not None:
            with control, contextlib.suppress(OSError):
                control.setblocking(False)
                _give_up(_answer(control.recv(forkserver.REPLY.size)))  # one that came too late, if any

    async def _forked(self, launch: Launch, end: socket.socket) -> Child:
        control = await self._open()
        heard, said = os.pipe()
        try:
            # No turn of the loop between question and answer, so that an answer is never somebody else's, nor unheard.
            socket.send_fds(control, [launch.message], [end.fileno(), said])
            pid = _answer(control.recv(forkserver.REPLY.size))
        except BaseException:
            os.close(heard)
            raise
        finally:
            os.close(said)
        stderr = asyncio.StreamReader()
        try:
            child = Child(pid, stderr)
        except OSError as error:
            os.close(heard)
            _give_up(pid)
            # Not started by itself instead: it may have used the channel already.
            raise RuntimeUnavailable(f"expected to watch the process of a function: {error}") from error
        await asyncio.get_running_loop().connect_read_pipe(lambda: _Hearing(stderr), os.fdopen(heard, "rb", 0))
        return child

    async def _open(self) -> socket.socket:
        async with self._opening:
            if self._control is None:
                os.close(os.pidfd_open(os.getpid()))  # a kernel without it is told before anything is forked
                ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                ours.setblocking(False)
                try:
                    with theirs:
                        self._server = await asyncio.create_subprocess_exec(
                            *(sys.executable, "-I", "-S", str(_SERVER), str(os.getpid())),
                            stdin=theirs.fileno(),
                            stdout=DEVNULL,
                            env={},
                            start_new_session=True,
                        )
                    _answer(await asyncio.get_running_loop().sock_recv(ours, forkserver.REPLY.size))
                except BaseException:
                    ours.close()  # which ends the server
                    raise
                ours.settimeout(_PATIENCE)
                self._control = ours
            return self._control


def _give_up(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def _answer(reply: bytes) -> int:
    (pid,) = forkserver.REPLY.unpack(reply or bytes(forkserver.REPLY.size))
    if not pid:
        raise OSError("the fork server " + ("cannot fork here" if reply else "ended"))
    return int(pid)
