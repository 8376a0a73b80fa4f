"""`midstream apply` and `midstream export`: a folder of TOML and JavaScript becomes what runs, and the other way."""

from __future__ import annotations

import asyncio
import getpass
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from midstream.app.orders import vault_of
from midstream.cli.opening import opened_sessions
from midstream.cli.operating import Workspace, operating
from midstream.cli.options import AsJson, DataDir, configured, put, say
from midstream.config import Config
from midstream.control.apply import plan_and_apply
from midstream.control.changes import Change
from midstream.control.export import CODE, HEAD, TABLES, Exported, export_workspace
from midstream.control.folder import CONFIGURATION, read
from midstream.domain.http import Exchange, NoAnswer, Outbound
from midstream.errors import Invalid
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


def export(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="The folder, new or of an earlier export.", file_okay=False)
    ],
    workspace: Workspace = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Write a workspace as a folder that `apply` reads. Applying it right away changes nothing.

    Secrets are not in it: environment variables stand for them, and those are listed. A folder with other files is
    refused.

    Example: midstream export shop
    """
    exported = asyncio.run(_export(configured(data_dir=data_dir), workspace))
    stale = _write(directory, exported.files)
    if as_json:
        put(exported._asdict() | {"files": list(exported.files)})
        return
    for name in exported.files:
        typer.echo(directory / name)
    say(f"{directory / name} is not part of it any more" for name in stale)
    say(exported.notes)
    if exported.environment:
        say("Secrets come from these variables; where one is not set, `apply` leaves what is there:")
        say(f"  {name}" for name in exported.environment)


async def _export(config: Config, workspace: str | None) -> Exported:
    async with operating(config, workspace) as call:
        return await export_workspace(call)


def _write(directory: Path, files: Mapping[str, str]) -> list[str]:
    """Write the files of an export; return the code files of an earlier one that are not among them."""
    _check_own(directory, files)
    try:
        (directory / CODE).mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (directory / name).write_bytes(text.encode())
    except OSError as error:
        raise Invalid(f"cannot be written: {error.strerror}", str(error.filename or directory)) from None
    return sorted({f"{CODE}/{path.name}" for path in (directory / CODE).glob("*.js")} - files.keys())


def _check_own(directory: Path, files: Iterable[str]) -> None:
    """Refuse a folder that is neither new nor of an earlier export, so that nobody's files are written over."""
    there = [path for path in _entries(directory) if not path.name.startswith(".") and path.name != CONFIGURATION]
    own = {path.name for path in there if path.name in TABLES and _is_own(path)}
    if TABLES[0] in own:  # in an earlier export only another table would be in the way, or code that it does not name
        named = (directory / TABLES[1]).read_text("utf-8", "replace") if TABLES[1] in own else ""
        code = [directory / name for name in files if name not in TABLES and name not in named]
        there = [path for path in there if path.suffix == ".toml"] + [path for path in code if path.exists()]
    if others := sorted(path.relative_to(directory).as_posix() for path in there if path.name not in own):
        more = f" and {len(others) - 3} more" if len(others) > 3 else ""
        raise Invalid(
            f"holds what no export wrote: {', '.join(others[:3])}{more}. Name a new folder, or one of an earlier export",
            str(directory),
        )


def _entries(directory: Path) -> list[Path]:
    try:
        return list(directory.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise Invalid(f"cannot be read: {error.strerror}", str(directory)) from None


def _is_own(path: Path) -> bool:
    try:
        return path.read_bytes().startswith(HEAD.encode())
    except OSError:
        return False


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
