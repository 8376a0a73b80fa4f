"""`midstream user password`: asked for on a terminal or read from standard input, never an argument."""

from __future__ import annotations

import asyncio
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import select

from midstream.control.passwords import Passwords
from midstream.secrets import Vault
from midstream.store.migrate import migrate
from midstream.store.people import UserRow
from midstream.store.session import open_engine, open_sessions
from tests.e2e.commands import midstream, says
from tests.integration.office import call_in
from tests.integration.people import add_member

EMAIL = "ann@example.com"
COMMAND = (sys.executable, "-m", "midstream", "user", "password", EMAIL, "--data-dir")


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """Give a data dir with one member, who has no password."""

    async def prepare() -> None:
        url = f"sqlite:///{tmp_path}/midstream.db"
        await migrate(url)
        engine = open_engine(url)
        call = await call_in(open_sessions(engine), Vault.open(tmp_path / "master.key"))
        await add_member(call, EMAIL, password=None)
        await engine.dispose()

    asyncio.run(prepare())
    return tmp_path


def is_password(data_dir: Path, password: str) -> bool:
    async def check() -> bool:
        engine = open_engine(f"sqlite:///{data_dir}/midstream.db")
        passwords = Passwords()
        async with open_sessions(engine)() as session:
            user = (await session.scalars(select(UserRow))).one()
        await engine.dispose()
        try:
            return await passwords.check(user.password_hash, password)
        finally:
            passwords.close()

    return asyncio.run(check())


def test_a_password_is_read_from_standard_input(data_dir: Path) -> None:
    ran = midstream("user", "password", EMAIL, cwd=data_dir, stdin="correct horse battery\n", MIDSTREAM_DATA_DIR=".")
    says(ran, 0, stderr="The password of ann@example.com is set. 0 sessions ended.\n")
    assert is_password(data_dir, "correct horse battery")


def test_a_password_that_cannot_be_taken_is_said_and_not_shown(data_dir: Path) -> None:
    ran = midstream("user", "password", EMAIL, cwd=data_dir, stdin="hunter2\n", MIDSTREAM_DATA_DIR=".")
    says(ran, 1, stderr="at least 12 characters")
    assert "hunter2" not in ran.stderr
    assert not is_password(data_dir, "hunter2")


def test_a_person_who_is_not_there_is_said(data_dir: Path) -> None:
    ran = midstream(
        "user", "password", "bob@example.com", cwd=data_dir, stdin="a" * 5 + "bcdefghi\n", MIDSTREAM_DATA_DIR="."
    )
    says(ran, 1, stderr="there is no user bob@example.com")


def test_on_a_terminal_it_is_asked_for_twice_and_not_shown(data_dir: Path) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, str(data_dir)], stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    shown = b""
    for prompt in (b"New password: ", b"Once more: "):
        while not shown.endswith(prompt):
            shown += os.read(ours, 1024)
        os.write(ours, b"correct horse battery\n")
    while process.poll() is None or b"is set" not in shown:
        try:
            shown += os.read(ours, 1024)
        except OSError:  # Linux's way to say that the other side is closed
            break
    assert process.wait(60) == 0
    os.close(ours)
    assert b"horse" not in shown
    assert is_password(data_dir, "correct horse battery")
