"""`midstream config`: what is set, and from where."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from midstream.cli.options import AsJson, put
from midstream.config import layers, load

app = typer.Typer(help="Look at the configuration.", no_args_is_help=True)

_SECRET = ("master_key", "oidc_client_secret", "database_url", "nats_url")  # the latter two may hold passwords


@app.callback()
def group() -> None:
    """Look at the configuration."""


@app.command()
def show(
    origins: Annotated[bool, typer.Option("--origins", help="Say where each value comes from.")] = False,
    as_json: AsJson = False,
) -> None:
    """Print every setting as it is in force here. Secrets are masked.

    Example: MIDSTREAM_PORT=5000 midstream config show --origins
    """
    load()
    named = os.environ.get("MIDSTREAM_CONFIG")
    file = Path(named) if named else Path("midstream.toml") if Path("midstream.toml").is_file() else None
    found = {
        name: ("••••" if name in _SECRET and value else value, origin)
        for name, (value, origin) in layers({}, os.environ, file).items()
    }
    if as_json:
        put({name: {"value": value, "origin": origin} if origins else value for name, (value, origin) in found.items()})
        return
    for name, (value, origin) in found.items():
        typer.echo(f"{name} = {value!r}" + (f"    # {origin}" if origins else ""))
