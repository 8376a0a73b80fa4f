"""How processes begin: through a server that forks, of which they then know nothing, as children of who asked for them."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import uvloop

from midstream.errors import RuntimeUnavailable
from midstream.runtime.launch import Launch
from midstream.runtime.starting import Child, Starter
from tests.whole import until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere each process is started by itself")

Started = Callable[..., Awaitable[Any]]


@pytest_asyncio.fixture
async def starter() -> AsyncIterator[Starter]:
    starter = Starter()
    yield starter
    await starter.close()


async def started(
    starter: Starter, *program: str, walls: tuple[str, ...] = (), **environment: str
) -> tuple[Any, str, str]:
    """Run a program to its end; return the child and what it printed, on standard error too."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        child = await starter.start(Launch(list(program), list(walls), environment), theirs)
        theirs.close()
        assert child.stderr is not None
        errors = await child.stderr.read()
        await child.wait()
        said = b""
        while piece := ours.recv(1 << 16):
            said += piece
    return child, said.decode(), errors.decode()


@pytest.mark.parametrize(
    ("script", "code"),
    [("exit 7", 7), ("kill -TRAP $$", -signal.SIGTRAP), ("kill -KILL $$", -signal.SIGKILL), (":", 0)],
)
async def test_it_is_known_how_a_process_ended(starter: Starter, script: str, code: int) -> None:
    child, _, errors = await started(starter, "/bin/sh", "-c", f"echo words >&2; {script}")
    assert isinstance(child, Child)
    assert (child.returncode, errors) == (code, "words\n")


async def test_a_process_has_its_environment_its_session_and_three_descriptors(starter: Starter) -> None:
    script = "env; echo $PPID; cut -d ' ' -f 1,6 /proc/$$/stat; for each in /proc/$$/fd/*; do echo ${each##*/}; done"
    _, said, _ = await started(starter, "/bin/sh", "-c", script, ONE="1", TWO="a=b c")
    variables = {
        line for line in said.splitlines() if "=" in line and not line.startswith(("PWD", "_=", "SHLVL", "OLDPWD"))
    }
    parent, ids, *descriptors = [line for line in said.splitlines() if "=" not in line]
    assert variables == {"ONE=1", "TWO=a=b c"}
    assert int(parent) == os.getpid()
    assert len(set(ids.split())) == 1
    assert set(descriptors) == {"0", "1", "2", "3"}  # the last is the listing's own


async def test_a_program_that_cannot_be_run_and_a_wall_that_cannot_be_raised_end_with_a_reason(
    starter: Starter,
) -> None:
    child, _, errors = await started(starter, "/does/not/exist")
    assert (child.returncode, errors) == (1, "[Errno 2] No such file or directory\n")
    child, said, errors = await started(starter, "/bin/echo", "ran", walls=("moat",))
    assert (child.returncode, said, errors) == (1, "", "there is no wall moat\n")


async def test_many_are_started_at_once_and_each_is_its_own(starter: Starter) -> None:
    ended = await asyncio.gather(*(started(starter, "/bin/sh", "-c", f"echo {n}; exit {n}") for n in range(20)))
    assert [(child.returncode, said) for child, said, _ in ended] == [(n, f"{n}\n") for n in range(20)]


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGSTOP])
async def test_without_the_server_processes_go_on_and_are_started_one_by_one(
    starter: Starter, sign: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("midstream.runtime.starting._PATIENCE", 0.2)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        before = await starter.start(Launch(["/bin/cat"], [], {}), theirs)
        assert starter._server is not None
        os.kill(starter._server.pid, sign)
        child, said, _ = await started(starter, "/bin/echo", "ran")
        assert (type(child), child.returncode, said) == (asyncio.subprocess.Process, 0, "ran\n")
        assert before.returncode is None
    assert await before.wait() == 0


async def test_a_process_that_cannot_be_watched_is_not_left_to_itself(
    starter: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    await started(starter, "/bin/true")
    forked: list[int] = []

    def refused(pid: int) -> int:
        forked.append(pid)
        raise OSError("too many open files")

    monkeypatch.setattr(os, "pidfd_open", refused)
    with pytest.raises(RuntimeUnavailable, match="too many open files"):
        await started(starter, "/bin/sleep", "600")
    assert not alive(forked[0])


async def test_where_it_cannot_fork_each_is_started_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("midstream.runtime.forkserver.CLONE", {})
    starter = Starter()
    child, said, _ = await started(starter, "/bin/echo", "ran")
    assert (type(child), child.returncode, said, starter._server) == (asyncio.subprocess.Process, 0, "ran\n", None)


WORKER = """
import asyncio, json, socket, sys, uvloop
from midstream.errors import RuntimeUnavailable
from midstream.runtime.launch import Launch
from midstream.runtime.starting import Starter

async def main():
    starter, ends = Starter(), [socket.socketpair() for _ in range(2)]
    # One that would never see that its input closed.
    begun = [await starter.start(Launch(["/bin/sleep", "600"], [], {}), theirs) for _, theirs in ends]
    print(json.dumps([starter._server.pid, *(each.pid for each in begun)]), flush=True)
    await asyncio.sleep(600)

asyncio.Runner(loop_factory=uvloop.new_event_loop if sys.argv[1] == "uvloop" else None).run(main())
"""


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_when_the_parent_is_killed_its_processes_and_the_server_die(loop: str) -> None:
    with subprocess.Popen([sys.executable, "-c", WORKER, loop], stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        pids: list[int] = json.loads(worker.stdout.readline())
        assert all(alive(pid) for pid in pids)
        worker.kill()
    until(lambda: not any(alive(pid) for pid in pids), seconds=20)


def alive(pid: int) -> bool:
    """Tell whether a process runs; one that is only waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_under_uvloop_it_is_known_how_a_process_ended() -> None:
    async def main() -> int:
        starter = Starter()
        try:
            child, _, _ = await started(starter, "/bin/sh", "-c", "exit 7")
            return int(child.returncode)
        finally:
            await starter.close()

    assert uvloop.run(main()) == 7
