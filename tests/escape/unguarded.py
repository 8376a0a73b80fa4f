"""Runs an attempt where nothing guards: all permissions, the real globals, no limits but those that spare the machine."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import resource
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from midstream.runtime.launch import packaged
from tests.escape.attempts.attempt import FOUND, Attempt, Harm
from tests.escape.planted import PAGE, VARIABLE, Planted

_HOST = Path(__file__).with_name("unguarded.js")
_FLAGS = ("-A", "--no-config", "--no-lock", "--no-remote", "--no-npm", "--no-check", "--quiet")
_PATIENCE = 30.0  # seconds for what must end
_HANGING = 0.6  # seconds after which nobody waits any more for what is to hang
_MOST_MEMORY = 768 << 20  # a worker of Deno alone reserves half of it
# What these attempts may have in the sandbox is below: a full heap, all buffers, and what Deno needs itself.
_MUCH_MEMORY = 224 << 20


@dataclass
class Unguarded:
    """What came out of a host that does not guard itself."""

    lines: list[str]
    ended: bool
    returncode: int
    peak: int  # bytes of memory

    @property
    def got(self) -> Any:
        """What the attempt's own event got."""
        return json.loads(self.lines[0])[1]["got"]

    def suffers(self, harm: Harm) -> bool:
        """Say whether the host came to that harm."""
        match harm:
            case Harm.HANGS:
                return not self.ended and not self.intact
            case Harm.DIES:
                return self.ended and self.returncode != 0 and not self.intact
            case Harm.SPOILS:
                return not self.intact
            case Harm.FILLS:
                return self.peak > _MUCH_MEMORY or self.returncode in {-signal.SIGTRAP, -signal.SIGABRT}

    @property
    def intact(self) -> bool:
        """Whether the other events got what they should."""
        try:
            (first, _, second), (third,) = (json.loads(line) for line in self.lines)
        except (ValueError, TypeError):
            return False
        return bool([first, second, third] == [{"n": 1}, {"n": 2}, {"n": 3}])


async def run(attempt: Attempt, planted: Planted, folder: Path) -> Unguarded:
    """Run one attempt in a process of its own."""
    child = await asyncio.create_subprocess_exec(
        *(packaged(), "run", *_FLAGS, str(_HOST)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={"DENO_DIR": str(folder), "DENO_NO_UPDATE_CHECK": "1", "NO_COLOR": "1", VARIABLE: FOUND},
        cwd=folder,
        limit=1 << 24,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    assert await child.stdout.readline() == b"ready\n"
    _bound(child.pid)
    said = [{"code": PAGE + attempt.code, "settings": {}}, *planted.batches()]
    child.stdin.write("\n".join(map(json.dumps, said)).encode() + b"\n\n")
    answers = asyncio.create_task(_answers(child.stdout, _HANGING if attempt.wins is Harm.HANGS else _PATIENCE))
    peak = 0
    while not answers.done() and peak <= _MUCH_MEMORY:
        peak = max(peak, _peak(child.pid))
        await asyncio.wait([answers], timeout=0.02)
    peak = max(peak, _peak(child.pid))
    answers.cancel()
    await asyncio.wait([answers])
    lines, ended = ([], False) if answers.cancelled() else answers.result()
    with contextlib.suppress(ProcessLookupError):
        if not ended:
            child.kill()
    child.stdin.close()
    return Unguarded(lines, ended, await child.wait(), peak)


async def _answers(out: asyncio.StreamReader, seconds: float) -> tuple[list[str], bool]:
    """Return the lines of both batches, as far as they come, and whether the output ended before."""
    lines: list[str] = []
    try:
        async with asyncio.timeout(seconds):
            while len(lines) < 2:
                line = await out.readline()
                if not line:
                    return lines, True
                lines.append(line.decode(errors="replace"))
    except (TimeoutError, ValueError):  # the other: a line longer than anybody reads
        pass
    return lines, False


def _bound(pid: int) -> None:
    """Let it have much more memory than the sandbox gives, but not the machine's."""
    used = re.search(r"^VmData:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    limit = int(used[1]) * 1024 + _MOST_MEMORY if used else _MOST_MEMORY
    resource.prlimit(pid, resource.RLIMIT_DATA, (limit, limit))
    resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))


def _peak(pid: int) -> int:
    """Return the most memory it ever had, in bytes; 0 if it is gone."""
    try:
        found = re.search(r"^VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    except OSError:
        return 0
    return int(found[1]) * 1024 if found else 0
