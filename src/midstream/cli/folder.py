"""`midstream apply`: a folder of TOML and JavaScript becomes what runs."""

from __future__ import annotations

import asyncio
import getpass
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from midstream.app.orders import vault_of
from midstream.cli.options import AsJson, DataDir, configured, opened_sessions, put
from midstream.config import Config
from midstream.control.apply import plan_and_apply
from midstream.control.changes import Change
from midstream.control.folder import read
from midstream.domain.http import Exchange, NoAnswer, Outbound
from midstream.runtime import Pool

_SIGNS = {"create": "+", "update": "~", "delete": "-", "unchanged": "="}


def apply(
    directory: Annotated[Path, typer.Argument(help="The folder.", exists=True, file_okay=False)],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    prune: Annotated[bool, typer.Option("--prune", help="Also remove what the folder does not mention.")] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Load a folder: sources, destinations, functions and what is connected to what.

    All of it is checked first and then applied in one step; a midstream that runs takes it over within a second. Doing
    it again changes nothing.

    Example: midstream apply examples/shop --dry-run
    """
    config = configured(data_dir=data_dir)
    changes = asyncio.run(apply_folder(config, directory, dry_run=dry_run, prune=prune))
    if as_json:
        put(msgspec.to_builtins(changes))
        return
    for change in changes:
        typer.echo(f"{_SIGNS[change.kind]} {change.noun} {change.slug}")
        for detail in change.details:
            typer.echo(f"    {detail}")
    typer.echo(_summary(changes, dry_run=dry_run))


async def apply_folder(
    config: Config, directory: Path, *, dry_run: bool, prune: bool = False, environ: Mapping[str, str] = os.environ
) -> list[Change]:
    """Read, check and apply a folder to the database that `config` names; its `env` values come from `environ`."""
    folder = read(directory)
    pool = Pool(
        _no_network,
        limits=config.limits,
        deno=config.deno or None,
        require=config.function_isolation_require,
    )
    try:
        async with opened_sessions(config) as sessions:
            vault = vault_of(config)
            return await plan_and_apply(
                sessions,
                vault,
                folder,
                check=pool.check,
                dry_run=dry_run,
                prune=prune,
                author=getpass.getuser(),
                environ=environ,
            )
    finally:
        await pool.close()


async def _no_network(request: Outbound) -> Exchange:
    return NoAnswer("EBLOCKED", "code is only loaded here, not run", 0)


def _summary(changes: Sequence[Change], *, dry_run: bool) -> str:
    counts = {kind: sum(change.kind == kind for change in changes) for kind in _SIGNS}
    done = "Would be: " if dry_run else ""
    gone = f"{counts['delete']} deleted, " if counts["delete"] else ""
    return f"{done}{counts['create']} created, {counts['update']} updated, {gone}{counts['unchanged']} unchanged."
