"""What the whole does where the kernel lacks a layer: it says so and goes on, or refuses when the layer is required."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from midstream import confine
from midstream.runtime import isolation, seccomp
from tests.whole import running, until

CODE = "function onTrack(event) { return event }\n"
FOLDER = """
[source.website]
[function.same]
code = "same.js"
"""
# A kernel without Landlock: its first system call does not exist.
NO_LANDLOCK = b"".join(
    seccomp._line(*line)
    for line in (
        (seccomp._LOAD, seccomp._NUMBER),
        (seccomp._EQUAL, 444, 0, 1),
        (seccomp._RETURN, seccomp._ABSENT),
        (seccomp._RETURN, seccomp._ALLOW),
    )
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the layers are Linux's")


def without_landlock(*arguments: str, cwd: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    missing = [layer.detail for layer in isolation.find(()) if layer.name == "seccomp" and not layer.on]
    if missing:
        pytest.skip(f"seccomp takes Landlock away here, and it is off: {missing[0]}")
    walls = ["no_new_privs", f"seccomp={NO_LANDLOCK.hex()}"]
    command = [sys.executable, "-m", "midstream", *arguments]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("MIDSTREAM_")}
    return subprocess.run(
        confine.command(command, signal=signal.SIGKILL, walls=walls),
        cwd=cwd,
        env=inherited | environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shop.toml").write_text(FOLDER)
    (tmp_path / "same.js").write_text(CODE)
    return tmp_path


@pytest.mark.parametrize(
    "command",
    [
        ("serve", "--port", "0", "--data-dir", "data"),
        ("apply", ".", "--data-dir", "data"),
        ("functions", "check", "same.js"),
    ],
    ids=lambda command: command[0],
)
def test_without_a_required_layer_nothing_runs(folder: Path, command: tuple[str, ...]) -> None:
    ran = without_landlock(*command, cwd=folder, MIDSTREAM_FUNCTION_ISOLATION_REQUIRE="landlock,seccomp")
    assert ran.returncode == 78, ran.stderr
    assert "midstream: function_isolation_require asks for layers that cannot be had here: landlock (this" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_without_a_layer_that_is_not_required_functions_run(folder: Path) -> None:
    cache = str(folder / "cache")
    for _ in range(2):
        ran = without_landlock("functions", "check", "same.js", cwd=folder, XDG_CACHE_HOME=cache)
        assert (ran.returncode, ran.stdout.splitlines()[0]) == (0, "same.js: onTrack"), ran.stderr


@pytest.mark.parametrize(("required", "verdict", "code"), [("", "warn", 0), ("landlock", "fail", 1)])
def test_doctor_says_which_layer_is_off(tmp_path: Path, required: str, verdict: str, code: int) -> None:
    environ = {"MIDSTREAM_PORT": "0", "MIDSTREAM_FUNCTION_ISOLATION_REQUIRE": required}
    ran = without_landlock("doctor", "--json", cwd=tmp_path, **environ)
    assert ran.returncode == code, ran.stdout
    (found,) = [each for each in json.loads(ran.stdout) if each["name"] == "isolation landlock"]
    assert found["verdict"] == verdict
    assert found["said"] == "off: this kernel has no Landlock, or it is turned off"


def test_a_worker_says_at_its_start_which_layers_are_on(tmp_path: Path) -> None:
    on = [layer.name for layer in isolation.find() if layer.on]
    with running(tmp_path) as whole:
        until(lambda: "function_isolation" in whole.log())
        (line,) = [line for line in whole.log().splitlines() if "function_isolation" in line]
        assert all(name in line for name in on)
