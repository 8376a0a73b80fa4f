"""`midstream functions`: the author's loop, which needs no server, since the same runtime runs here; then the server's."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from shlex import quote
from typing import Annotated

import msgspec
import typer

from midstream.authoring.check import Checked, check
from midstream.authoring.scaffold import Template, scaffold
from midstream.authoring.source import Source, find
from midstream.authoring.types import Depth
from midstream.cli import library, release
from midstream.cli.options import AsJson, configured, put, say
from midstream.cli.trying import FAULTS_FOUND, bench_of, test
from midstream.cli.verdicts import told
from midstream.config import Config

app = typer.Typer(help="Write, try and release functions.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Write and try functions here; save and deploy them on a server."""


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to write, new or old.", file_okay=False)],
    template: Annotated[Template, typer.Option(help="What to begin with.")] = Template.DEFAULT,
    as_json: AsJson = False,
) -> None:
    """Write a function to begin with: code, declared settings, cases that pass, types for the editor.

    Example: midstream functions init mask --template mask
    """
    written = scaffold(folder, template)
    if as_json:
        put({"files": [str(path) for path in written]})
        return
    for path in written:
        typer.echo(path)
    typed = quote(str(folder))
    say(
        (
            "",
            f"Next: change {quote(str(folder / 'function.js'))}, and see with each save what its cases say of it:",
            f"  midstream functions test {typed} --watch",
            "What a case shall expect is recorded with --update. Faults no case has found yet:",
            f"  midstream functions check {typed}",
        )
    )


@app.command("check")
def check_command(
    place: Annotated[Path, typer.Argument(metavar="FILE|DIR", help="The function, or its folder.", exists=True)],
    types: Annotated[
        bool | None,
        typer.Option(
            "--types/--no-types",
            help="Check all types, or none.",
            show_default="all in TypeScript and with // @ts-check, else only that names exist",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Look a function over without running it: syntax, handlers, settings, names. Exit 3 when it has faults.

    Example: midstream functions check mask.js
    """
    config = configured()
    source = find(place)
    found = asyncio.run(_check(config, source, _depth(source, types)))
    if as_json:
        put(msgspec.to_builtins(found))
    else:
        for line in _report(source.path, found):
            typer.echo(line)
    if found.faulty:
        raise typer.Exit(FAULTS_FOUND)


async def _check(config: Config, source: Source, types: Depth) -> Checked:
    bench = bench_of(config)
    return await check(source.code, bench, schema=source.schema, types=types, typescript=source.path.suffix == ".ts")


def _depth(source: Source, types: bool | None) -> Depth:
    if types is None:
        return (
            "all"
            if source.path.suffix == ".ts" or re.search(r"^//\s*@ts-check\b", source.code, re.MULTILINE)
            else "names"
        )
    return "all" if types else "none"


def _report(path: Path, found: Checked) -> list[str]:
    """Say it for a person: the handlers, then each diagnosis with its line."""
    lines = [f"{path}: {', '.join(found.handlers)}"] if found.handlers else []
    return lines + [line for diagnosis in found.diagnoses for line in told(path, diagnosis)]


app.command()(test)
app.command("list")(library.list_)
app.command()(library.show)
app.command()(release.push)
app.command()(release.deploy)
app.command()(library.versions)
app.command()(library.diff)
app.command()(release.rollback)
app.command()(library.delete)
