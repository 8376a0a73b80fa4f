"""Segment's packages for Node, installed once for all test processes."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the pinned packages, and return where."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("node and npm are not installed")
    # Under xdist each process has a folder of its own below a common one.
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if base.name.startswith("popen-") else base) / "node-packages"
    with _alone(folder.with_suffix(".lock")):
        if not folder.exists():
            making = folder.with_suffix(".making")
            shutil.copytree(HERE / "node", making, ignore=shutil.ignore_patterns("node_modules"), dirs_exist_ok=True)
            installed = subprocess.run(
                ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
                cwd=making,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            if installed.returncode:
                pytest.skip(f"npm ci failed: {installed.stderr.strip()[-300:]}")
            making.rename(folder)
    return folder


@contextlib.contextmanager
def _alone(lock: Path) -> Iterator[None]:
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
