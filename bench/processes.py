"""Starting, asking and stopping the benchmark's processes. Whatever happens, none outlives its block."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bench.generator import Orders, Report
from bench.receiver import Seen
from tests.whole import Whole, running

_PATIENCE = 60.0  # seconds without progress, after which something is wrong


@dataclass(frozen=True, slots=True)
class Receiver:
    """A running receiver."""

    port: int

    @property
    def url(self) -> str:
        """Where it takes events."""
        return f"http://127.0.0.1:{self.port}/hook"

    def seen(self, *, anew: bool = False) -> Seen:
        """Ask what it saw; with `anew`, have it forget that."""
        address = f"http://127.0.0.1:{self.port}/seen{'/anew' if anew else ''}"
        with urllib.request.urlopen(address, timeout=10) as answer:
            return msgspec.json.decode(answer.read(), type=Seen)

    def until(self, events: int) -> Seen:
        """Wait until so many events came, and return what it saw."""
        last, heard = 0, time.monotonic()
        while (seen := self.seen()).events < events:
            if seen.events > last:
                last, heard = seen.events, time.monotonic()
            if time.monotonic() - heard > _PATIENCE:
                raise TimeoutError(f"expected {events:,} events, got {seen.events:,} and no more for {_PATIENCE:g} s")
            time.sleep(0.05)
        return self.seen(anew=True)


@contextlib.contextmanager
def receiving() -> Iterator[Receiver]:
    """Run a receiver."""
    with _serving("bench.receiver") as port:
        yield Receiver(port)


@contextlib.contextmanager
def plain() -> Iterator[int]:
    """Run ingest's baseline, and give its port."""
    with _serving("bench.plain") as port:
        yield port


@contextlib.contextmanager
def midstream(folder: Path, files: Mapping[str, str]) -> Iterator[int]:
    """Run a whole midstream with a configuration, and give its port."""
    with running(folder) as whole:
        _apply(whole, files)
        yield int(whole.base_url.rpartition(":")[2])


def _apply(whole: Whole, files: Mapping[str, str]) -> None:
    before = whole.log().count("configuration taken over")
    applied = whole.apply(files)
    if applied.returncode != 0:
        raise RuntimeError(f"the configuration was not applied:\n{applied.stderr}{applied.stdout}")
    deadline = time.monotonic() + 30
    while whole.log().count("configuration taken over") < before + 2:  # front and worker
        if time.monotonic() > deadline:
            raise TimeoutError(f"the configuration was not taken over within 30 s:\n{whole.log()}")
        time.sleep(0.02)


def generate(orders: Orders) -> Report:
    """Run a generator to its end. Every request must have been answered with 200."""
    command = [sys.executable, "-m", "bench.generator", msgspec.json.encode(orders).decode()]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=_PATIENCE + orders.seconds)
    report = msgspec.json.decode(said.stdout, type=Report)
    if set(report.statuses) != {200}:
        raise RuntimeError(f"expected only 200s, got {report.statuses}")
    return report


@contextlib.contextmanager
def _serving(module: str) -> Iterator[int]:
    process = subprocess.Popen([sys.executable, "-m", module], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()
