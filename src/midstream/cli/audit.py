"""`midstream audit`: what was changed, by whom, and whether the record of it is whole."""

from __future__ import annotations

import asyncio
import sys
from difflib import get_close_matches
from typing import Annotated, Any

import typer

from midstream.cli.deliveries import ago
from midstream.cli.opening import opened_sessions
from midstream.cli.operating import Workspace, operating
from midstream.cli.options import AsJson, DataDir, configured, put, say, shown
from midstream.cli.trying import FAULTS_FOUND
from midstream.config import Config
from midstream.control.audit import entries, export, ids_of
from midstream.domain.audit import Action, Entry, Wanted
from midstream.domain.times import iso
from midstream.store import trail

app = typer.Typer(help="What was changed, and by whom.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """See what was changed, and by whom."""


@app.command("list")
def list_command(
    actor: Annotated[str | None, typer.Option(help="Only what they did: an e-mail address or an id.")] = None,
    type_: Annotated[str | None, typer.Option("--type", help="Only this: 'Source Deleted'.")] = None,
    resource: Annotated[str | None, typer.Option(help="Only what happened to this: an id.")] = None,
    since: Annotated[str, typer.Option(help="How far back: 30m, 6h, 2d.")] = "30d",
    count: Annotated[int, typer.Option("-n", "--count", min=1, max=1000, help="At most so many.")] = 50,
    csv: Annotated[bool, typer.Option("--csv", help="Print all of them as CSV.")] = False,
    workspace: Workspace = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Show the audit trail of a workspace, the newest entry first.

    Example: midstream audit list --actor ann@example.com --since 2d
    """
    if type_ is not None and type_ not in set(Action):
        raise typer.BadParameter(f"there is no such type; {_hint(type_)}", param_hint="--type")
    config = configured(data_dir=data_dir)
    wanted = Wanted(start=ago(since), resource_ids=ids_of(resource) if resource else None, actor=actor, action=type_)
    if csv:
        asyncio.run(_export(config, wanted, workspace))
        return
    found = asyncio.run(_list(config, wanted, count, workspace))
    if as_json:
        put([_said(each) for each in found])
        return
    for each in found:
        typer.echo(_line(each))
    if not found:
        say(f"Nothing of that in the last {since}.")


async def _list(config: Config, wanted: Wanted, count: int, workspace: str | None) -> list[Entry]:
    async with operating(config, workspace) as call:
        return (await entries(call, wanted, count=count)).entries


async def _export(config: Config, wanted: Wanted, workspace: str | None) -> None:
    async with operating(config, workspace) as call:
        async for piece in await export(call, wanted):
            sys.stdout.write(piece)


@app.command()
def verify(as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Check that no entry of the audit trail was altered, removed or cut off, in all workspaces. Exit code 3 if one was.

    Example: midstream audit verify
    """
    fault = asyncio.run(_verify(configured(data_dir=data_dir)))
    if as_json:
        put({"whole": fault is None, "fault": fault})
    else:
        typer.echo(fault or "The audit trail is whole.")
    if fault is not None:
        raise typer.Exit(FAULTS_FOUND)


async def _verify(config: Config) -> str | None:
    async with opened_sessions(config) as sessions:
        return await trail.verify(sessions)


def _hint(typed: str) -> str:
    """Say which types were probably meant: the one called like it, or those with it in their name, or at its beginning."""
    wanted = typed.strip().lower()
    names = {each.lower(): each for each in Action}
    meant = get_close_matches(wanted, names, n=1, cutoff=0.8) or [each for each in names if wanted in each]
    if not meant:
        for beginning in get_close_matches(wanted, {each[: len(wanted) + 1] for each in names}, n=1):
            meant = [each for each in names if each.startswith(beginning)]
    return f"did you mean {', '.join(names[each] for each in meant)}?" if meant else f"there are: {', '.join(Action)}"


def _line(entry: Entry) -> str:
    at = entry.at.astimezone().strftime("%d %b %H:%M:%S")
    by = entry.actor_email or entry.actor
    name = entry.resource.name or entry.resource.id
    changed = f"  ({', '.join(entry.changed)})" if entry.changed else ""
    return shown(f"{at}  {by}  {entry.action}: {name}{changed}")


def _said(entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "timestamp": iso(entry.at),
        "type": entry.action,
        "actor": entry.actor,
        "actorEmail": entry.actor_email,
        "origin": entry.origin,
        "resourceId": entry.resource.id,
        "resourceType": entry.resource.type,
        "resourceName": entry.resource.name,
        "changed": list(entry.changed),
    }
