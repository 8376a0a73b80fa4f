"""The kernel's walls alone: what Deno with every permission of its own cannot do, and that functions work behind them."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from midstream import confine
from midstream.domain.isolation import LAYERS
from midstream.runtime import isolation, launch
from tests.integration.runtime.conftest import Runner, event

ATTACKS = Path(__file__).with_name("attacks.js")
NOBODY = 65534
# These end a process that may do them.
FATAL = {"split in two", "become another program"}
# What one layer stops without any other.
ALONE = {
    "landlock": {
        *("read /etc/passwd", "read the data dir", "list /", "list the data dir", "read the parent's maps"),
        *("write a new file", "write an old file", "write into Deno's cache", "write to /tmp", "make a folder"),
        *("make a link", "rename", "delete", "read the parent's environment", "open the parent's memory"),
        *("read its own environment", "read its own memory", "start a program"),
    },
    "landlock_tcp": {"connect by TCP", "listen on TCP"},
    "landlock_signals": {"signal the parent", "signal a sibling", "signal a sibling's thread"},
    "seccomp": {
        *("change a mode", "change a time", "watch files", "start a program", "start Deno again", "connect by TCP"),
        *("listen on TCP", "send by UDP", "connect by a unix socket", "listen on a unix socket", "signal the parent"),
        *("signal a sibling", "signal a sibling's thread", "trace a sibling", "limit the parent", "make a namespace"),
        *("make a file in memory", "make a netlink socket", *FATAL),
    },
}

Attack = Callable[..., dict[str, bool]]


def walls(names: Sequence[str], deno: str, *read: Path) -> list[str]:
    """Return the walls of these layers; skip where this machine lacks one."""
    layers = isolation.find()
    if off := [f"{layer.name}: {layer.detail}" for layer in layers if layer.name in names and not layer.on]:
        pytest.skip("; ".join(off))
    return isolation.around_deno([layer for layer in layers if layer.name in names], deno, [ATTACKS, *read])


@pytest.fixture
def place() -> Iterator[Path]:
    """Make a folder anybody can reach: that it cannot be read must be the walls' doing."""
    place = Path(tempfile.mkdtemp(prefix="midstream-test-"))
    place.chmod(0o755)
    yield place
    shutil.rmtree(place)


@pytest.fixture
def attack(place: Path) -> Iterator[Attack]:
    """Start what is attacked, and give a way to attack it from within some layers."""
    data, cache = place / "data", place / "cache"
    for folder in (data, cache):
        folder.mkdir()
    for name in ("secret", "old", "gone"):
        (data / name).write_text("secret")
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_UNIX) as unix,
        subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as sibling,
    ):
        unix.bind(str(data / "unix"))
        unix.listen()
        at = {
            "data": str(data),
            "secret": str(data / "secret"),
            "cache": str(cache),
            "unix": str(data / "unix"),
            "tcp": tcp.getsockname()[1],
            "parent": os.getpid(),
            "sibling": sibling.pid,
        }

        def attack(names: Sequence[str], spare: set[str], *, deno: str = "", **options: Any) -> dict[str, bool]:
            deno = deno or launch.packaged()
            script = shutil.copy(ATTACKS, place)
            flags = ["run", "-A", "--unstable-net", "--no-config", "--no-lock", "--cached-only", "--quiet", script]
            program = [deno, *flags, json.dumps(at | {"spare": sorted(spare)})]
            command = confine.command(program, signal=signal.SIGKILL, walls=walls(names, deno, Path(script), cache))
            ended = subprocess.run(
                [options.pop("python", sys.executable), *command[1:]],
                env={"DENO_DIR": str(cache)},
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
                **options,
            )
            assert ended.returncode == 0, ended.stderr
            went: dict[str, bool] = json.loads(ended.stdout)
            return went

        yield attack
        assert sibling.poll() is None
        sibling.kill()


def test_without_walls_every_attack_goes(attack: Attack) -> None:
    """So that the others show the walls, and not attacks that are badly made."""
    if os.getuid() != 0:
        pytest.skip("some of the attacks need root where nothing stops them")
    went = attack((), FATAL)
    assert [name for name, done in went.items() if not done] == []


def test_behind_all_walls_no_attack_goes(attack: Attack) -> None:
    went = attack(LAYERS, set())
    assert len(went) > 30
    assert [name for name, done in went.items() if done] == []


@pytest.mark.parametrize("layer", ALONE)
def test_a_layer_holds_without_the_others(attack: Attack, layer: str) -> None:
    # Landlock is one wall with three layers, of which an older kernel has fewer.
    went = attack(["no_new_privs", layer.partition("_")[0], layer], FATAL if layer != "seccomp" else set())
    assert [name for name in sorted(ALONE[layer]) if went[name]] == []


def test_the_walls_stand_without_root_too(attack: Attack, place: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("not root: the other tests have shown it")
    python = shutil.which("python3", path="/usr/bin:/bin")
    if python is None:
        pytest.skip("there is no Python here that another user can run")
    deno = shutil.copy(launch.packaged(), place)
    (place / "cache").chmod(0o777)
    went = attack(LAYERS, set(), deno=deno, python=python, user=NOBODY, group=NOBODY, extra_groups=[])
    assert [name for name, done in went.items() if done] == []


@pytest.mark.parametrize("wall", ["landlock=ff", "seccomp=00", "moat"])
def test_a_wall_that_cannot_be_raised_ends_it_before_the_program_runs(wall: str, tmp_path: Path) -> None:
    walls(["no_new_privs", "landlock", "seccomp"], launch.packaged())
    command = confine.command(["/usr/bin/touch", str(tmp_path / "ran")], signal=signal.SIGKILL, walls=[wall])
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, "wall" in ended.stderr, list(tmp_path.iterdir())) == (1, True, [])


async def test_an_ordinary_function_works_behind_all_walls(run: Runner) -> None:
    walls(LAYERS, launch.packaged())
    code = """
      async function onTrack(event) {
        const answer = await fetch('https://x.test/', { method: 'POST', body: 'sent' });
        await new Promise((done) => setTimeout(done, 1));
        const key = await crypto.subtle.importKey('raw', Buffer.alloc(16), 'AES-GCM', false, ['encrypt']);
        return {
          fetched: await answer.text(),
          hash: crypto.createHash('sha256').update('abc').digest('hex').slice(0, 8),
          random: crypto.randomUUID().length,
          sealed: (await crypto.subtle.encrypt({ name: 'AES-GCM', iv: Buffer.alloc(12) }, key, Buffer.from('x'))).byteLength,
          number: new Intl.NumberFormat('de').format(12.5),
          day: new Date('2026-11-22T20:00Z').toLocaleDateString('en', { weekday: 'long', timeZone: 'Asia/Tokyo' }),
          where: new Error('here').stack.match(/:(\\d+):\\d+/)[1],
        };
      }"""
    (one,) = await run(code)
    assert json.loads(one.event or b"{}") == {
        "fetched": "sent",
        "hash": "ba7816bf",
        "random": 36,
        "sealed": 17,
        "number": "12,5",
        "day": "Monday",
        "where": "13",
    }


async def test_the_process_of_a_function_stands_behind_them(run: Runner) -> None:
    walls(LAYERS, launch.packaged())
    await run("onTrack = e => e")
    (instance,) = run.pool._instances.values()
    process: Any = instance._process
    status, limits = (Path(f"/proc/{process.pid}/{name}").read_text() for name in ("status", "limits"))
    assert re.search(r"^NoNewPrivs:\t1$", status, re.MULTILINE)
    assert re.search(r"^Seccomp:\t2$", status, re.MULTILINE)
    assert re.search(r"^Max open files +64 +64 ", limits, re.MULTILINE)
    assert re.search(r"^Max file size +0 +0 ", limits, re.MULTILINE)
    assert not re.search(r"^Max data size +unlimited", limits, re.MULTILINE)


async def test_a_function_starts_although_the_cache_is_gone(run: Runner, tmp_path: Path) -> None:
    """Deno then has to compile the host behind the walls, and can keep nothing of it."""
    walls(LAYERS, launch.packaged())
    await run("onTrack = e => e")
    prepared = run.pool._launch
    assert prepared is not None
    run.pool._launch = replace(prepared, environment=prepared.environment | {"DENO_DIR": str(tmp_path / "none")})
    assert await run.value("1 + 1") == 2
    assert list(tmp_path.iterdir()) == []


async def test_what_functions_do_leaves_no_trace_in_the_cache(run: Runner, deno_dir: Path) -> None:
    walls(LAYERS, launch.packaged())
    await run("onTrack = e => e")
    before = {path: path.stat().st_mtime_ns for path in deno_dir.rglob("*")}
    await run("onTrack = e => e", event(), instance="ifi_2")
    assert {path: path.stat().st_mtime_ns for path in deno_dir.rglob("*")} == before
