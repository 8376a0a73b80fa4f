"""A whole midstream as its users run it: the `midstream serve` command in a folder of its own, and what to do to it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

WRITE_KEY = "wk_0123456789abcdef0123456789abcdef"


@dataclass
class Whole:
    """A running midstream. `start` and `stop` may be called again and again on the same data."""

    data_dir: Path
    environ: Mapping[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    process: subprocess.Popen[str] | None = None
    base_url: str = ""

    def start(self) -> Whole:
        port = self.base_url.rpartition(":")[2] or "0"
        said = self.data_dir.parent / "serve.log"
        before = said.stat().st_size if said.exists() else 0
        with said.open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "midstream", "serve", "--port", port, *self.arguments],
                env=self._env(),
                stderr=log,
                stdin=subprocess.DEVNULL,
                text=True,
                start_new_session=True,
            )
        self.base_url = until(lambda: _said_since(said, before), process=self)
        until(self.is_ready, process=self)
        return self

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.base_url}/readyz", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def apply(self, files: Mapping[str, str], *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        folder = self.data_dir.parent / "folder"
        folder.mkdir(exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text)
        return self.run("apply", str(folder), *arguments, **environ)

    def run(self, *arguments: str, stdin: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "midstream", *arguments],
            check=False,
            env=self._env() | environ,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
        )

    def pids(self, name: str) -> list[int]:
        """Return the processes of this midstream: front, control, worker, log or deno."""
        wanted = {
            "front": "midstream.app front",
            "control": "midstream.app control",
            "worker": "midstream.app worker",
            "log": "nats-server",
            "deno": "deno run",
        }
        assert self.process is not None
        return [pid for pid, line in descendants(self.process.pid) if wanted[name] in line and "confine.py" not in line]

    def kill(self, name: str) -> list[int]:
        killed = self.pids(name)
        for pid in killed:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return killed

    def kill_everything(self) -> None:
        assert self.process is not None
        everybody = [pid for pid, _ in descendants(self.process.pid)]
        for pid in [self.process.pid, *everybody]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.kill_everything()
        return self.process.wait()

    def revisions(self) -> dict[str, int]:
        """Return which configuration each process said last that it took over."""
        said = re.findall(r"configuration taken over .*process=(\S+) revision=(\d+)", self.log())
        return {process: int(revision) for process, revision in said}

    def taken_over_since(self, revisions: Mapping[str, int]) -> bool:
        """Tell whether each process has a newer configuration than any had."""
        newer = [each for each in self.revisions().values() if each > max(revisions.values())]
        return len(newer) >= sum(len(self.pids(name)) for name in ("front", "control", "worker"))

    def log(self) -> str:
        return (self.data_dir.parent / "serve.log").read_text()

    def _env(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("MIDSTREAM_")}
        return (
            inherited
            | {"MIDSTREAM_DATA_DIR": str(self.data_dir), "MIDSTREAM_EGRESS_ALLOW": "127.0.0.0/8"}
            | dict(self.environ)
        )


@contextlib.contextmanager
def running(folder: Path, *arguments: str, **environ: str) -> Iterator[Whole]:
    """Run a midstream in `folder` until the block ends."""
    folder.mkdir(parents=True, exist_ok=True)
    whole = Whole(folder / "data", environ, arguments)
    try:
        yield whole.start()
    finally:
        whole.stop()


def until(ask: Callable[[], T], *, seconds: float = 60, process: Whole | None = None) -> T:
    """Ask until the answer is true, and return it."""
    deadline = time.monotonic() + seconds
    while True:
        if answer := ask():
            return answer
        if process and process.process and process.process.poll() is not None:
            raise AssertionError(f"midstream ended with {process.process.returncode}:\n{process.log()}")
        if time.monotonic() > deadline:
            raise AssertionError(f"not so within {seconds} s" + (f":\n{process.log()[-5000:]}" if process else ""))
        time.sleep(0.02)


def _said_since(log: Path, before: int) -> str:
    found = re.search(r"midstream serves on (http://\S+)\.", log.read_bytes()[before:].decode())
    return found[1] if found else ""


def descendants(pid: int) -> list[tuple[int, str]]:
    """Return the processes below one, with their command lines."""
    children: dict[int, list[int]] = {}
    lines: dict[int, str] = {}
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            number = int(entry.name)
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            lines[number] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            children.setdefault(parent, []).append(number)
    found: list[tuple[int, str]] = []
    waiting = list(children.get(pid, ()))
    while waiting:
        each = waiting.pop()
        found.append((each, lines.get(each, "")))
        waiting += children.get(each, ())
    return found


def shop(
    webhook_url: str, *, code: str = "function onTrack(event) { return event }", function: str = "", **webhook: Any
) -> dict[str, str]:
    """Return a folder: one source, one function with more lines of its table, one webhook."""
    settings = "\n".join(f"{name} = {json.dumps(value)}" for name, value in {"url": webhook_url, **webhook}.items())
    return {
        "shop.toml": f"""
[source.website]
write_keys = ["{WRITE_KEY}"]
[function.change]
code = "change.js"
{function}
[destination.hook]
source = "website"
type = "webhook"
[destination.hook.settings]
{settings}
[[destination.hook.functions]]
function = "change"
""",
        "change.js": code,
    }
