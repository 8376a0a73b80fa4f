"""`midstream user`: people, by whoever can run commands on the data dir."""

from __future__ import annotations

import asyncio
import getpass
import sys
from typing import Annotated

import typer

from midstream.cli.options import DataDir, configured, opened_sessions, say
from midstream.config import Config
from midstream.control.passwords import Passwords
from midstream.control.reset import set_password

app = typer.Typer(no_args_is_help=True, help="People.")


@app.command("password")
def password(
    email: Annotated[str, typer.Argument(help="Whose.", metavar="EMAIL")],
    data_dir: DataDir = None,
) -> None:
    """Set a person's password and end their sessions. It is asked for, or is the first line of standard input.

    Example: midstream user password ann@example.com
    """
    config = configured(data_dir=data_dir)
    ended = asyncio.run(_set(config, email, _asked()))
    say(f"The password of {email} is set. {ended} session{'' if ended == 1 else 's'} ended.")


def _asked() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    typed: str = typer.prompt("New password", hide_input=True, confirmation_prompt="Once more", err=True)
    return typed


async def _set(config: Config, email: str, typed: str) -> int:
    passwords = Passwords()
    try:
        async with opened_sessions(config) as sessions:
            return await set_password(sessions, passwords, email, typed, author=getpass.getuser())
    finally:
        passwords.close()
