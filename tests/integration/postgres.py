"""A private PostgreSQL for the tests: made with the machine's own programs, on a unix socket, gone afterwards."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

_START_SECONDS = 30


def _program(name: str) -> str | None:
    installed = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)
    return shutil.which(name) or next((str(path) for path in installed), None)


def _as_whom() -> dict[str, Any]:
    """PostgreSQL refuses to run as root, so then it runs as somebody with fewer rights."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    pytest.skip("no user but root to run PostgreSQL as: expected postgres or nobody")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """Start a cluster once a session (and worker); give the URL of its first database."""
    initdb, postgres = _program("initdb"), _program("postgres")
    if initdb is None or postgres is None:
        pytest.skip("no PostgreSQL on this machine: initdb and postgres are neither on PATH nor in /usr/lib/postgresql")
    whom = _as_whom()
    # Not in pytest's own directory, which another user may not enter; and a socket's path must be short.
    directory = Path(tempfile.mkdtemp(prefix="mids-pg-"))
    server: subprocess.Popen[bytes] | None = None
    try:
        if whom:
            os.chown(directory, whom["user"], whom["group"])
        made = [initdb, "-D", str(directory / "data"), "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C"]
        subprocess.run([*made, "--no-sync"], check=True, capture_output=True, cwd="/", **whom)
        options = {"listen_addresses": "", "fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
        settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        with (directory / "log").open("wb") as log:
            server = subprocess.Popen(
                [postgres, "-D", str(directory / "data"), "-k", str(directory), *settings],
                stdout=log,
                stderr=log,
                cwd="/",
                **whom,
            )
        url = f"postgresql://postgres@/postgres?host={directory}"
        _wait_for(url, server, directory / "log")
        yield url
    finally:
        if server is not None:
            server.send_signal(signal.SIGINT)  # fast shutdown: sessions are ended
            server.wait(_START_SECONDS)
        shutil.rmtree(directory)


def _wait_for(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            psycopg.connect(url, connect_timeout=1).close()
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start: {log.read_text()}") from None
            time.sleep(0.05)  # between two looks, until the deadline
        else:
            return


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """Make an empty database for one test; give its URL."""
    with new_database(postgres_server) as url:
        yield url


@contextmanager
def new_database(server: str, like: str = "template1") -> Iterator[str]:
    """Make a database that is a copy of another, to which nobody is connected; give its URL."""
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{like}"'.encode())
        yield server.replace("@/postgres?", f"@/{name}?")
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())
