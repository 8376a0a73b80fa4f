"""`midstream functions list|show|versions|delete`: the functions a server has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from midstream.cli.naming import Object, function_id, functions_of, version_id
from midstream.cli.options import AsJson, DataDir, put, say, shown
from midstream.cli.server import Server, Url, asked
from midstream.domain.versions import NOTHING

Function = Annotated[str, typer.Argument(metavar="ID|SLUG", help="The function.")]


def list_(url: Url = None, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """List the functions there are, and when each was last deployed.

    Example: midstream functions list --json
    """
    found = asked(functions_of, url=url, data_dir=data_dir)
    if as_json:
        put(found)
        return
    for line in in_columns([(each["id"], each["slug"], each["displayName"], _since(each)) for each in found]):
        typer.echo(line)
    if not found:
        say("There is no function yet: `midstream functions push DIR` makes one.")


def show(
    function: Function,
    code: Annotated[bool, typer.Option("--code", help="Print only the code of its latest version.")] = False,
    url: Url = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Show a function: its settings, and where which of its versions runs.

    Example: midstream functions show mask --code > function.js
    """
    found = asked(lambda server: function_of(server, function), url=url, data_dir=data_dir)
    if as_json:
        put(found)
    elif code:
        typer.echo(found["code"], nl=False)
    else:
        _describe(found)


def versions(function: Function, url: Url = None, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """List a function's versions, the newest first. Those that any destination runs are marked.

    Example: midstream functions versions mask
    """

    async def work(server: Server) -> list[Object]:
        return await server.every(f"/functions/{await function_id(server, function)}/versions", "versions")

    found = asked(work, url=url, data_dir=data_dir)
    if as_json:
        put(found)
        return
    rows = [
        (str(each["number"]), each["createdAt"], "runs" if each["isDeployed"] else "", each["author"], each["message"])
        for each in found
    ]
    for line in in_columns(rows):
        typer.echo(line)


def diff(
    function: Function,
    version: Annotated[str, typer.Argument(metavar="[VERSION]", help="Which, by its number.")] = "latest",
    since: Annotated[
        str | None, typer.Option(help="The version it is compared with; the one before, unless said.")
    ] = None,
    url: Url = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Show what a version changed, as a unified diff of its code and its settings.

    Example: midstream functions diff mask 3 --since 1
    """

    async def work(server: Server) -> Any:
        found = await function_id(server, function)
        wanted = "latest" if version == "latest" else await version_id(server, found, version)
        query = {"since": await version_id(server, found, since)} if since else {}
        return await server.ask("GET", f"/functions/{found}/versions/{wanted}/diff", query=query)

    answer = asked(work, url=url, data_dir=data_dir)
    if as_json:
        put(answer)
        return
    if answer["diff"].startswith(f"--- {NOTHING}\n"):
        say("This is the first version: all of it is new.")
    if answer["diff"]:
        typer.echo("\n".join(shown(line.expandtabs()) for line in answer["diff"].splitlines()))
    else:
        say("Nothing differs.")


def delete(function: Function, url: Url = None, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Delete a function and its versions. Refused while it is connected to a destination.

    Example: midstream functions delete mask
    """

    async def work(server: Server) -> tuple[str, Any]:
        found = await function_id(server, function)
        return found, await server.ask("DELETE", f"/functions/{found}")

    gone, answer = asked(work, url=url, data_dir=data_dir)
    if as_json:
        put({"id": gone} | answer)
    else:
        say(f"The function {shown(function)} is gone.")


async def function_of(server: Server, given: str) -> Object:
    """Return a function with its code, by id or slug."""
    data = await server.ask("GET", f"/functions/{await function_id(server, given)}")
    return dict(data["function"])


def in_columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as lines with their columns below each other, and nothing in them that a terminal would obey."""
    rows = [[shown(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _since(function: Object) -> str:
    return f"deployed {function['deployedAt']}" if function["deployedAt"] else "not deployed"


def _describe(function: Object) -> None:
    lines = [
        f"{function['slug']}  {function['id']}",
        *(text for text in (function["displayName"], function["description"]) if text),
        f"version {function['latestVersionNumber']}, last changed {function['updatedAt']}",
    ]
    if function["allowedHosts"]:
        lines.append(f"may ask {', '.join(function['allowedHosts'])}")
    for each in lines:
        typer.echo(shown(each))
    _table("Settings", [(each["name"], each["type"], _marks(each), each["label"]) for each in function["settings"]])
    _table(
        "Runs in front of",
        [
            (each["destinationName"], each["instanceId"], f"version {each['versionNumber']}", _switched(each))
            for each in function["instances"]
        ],
    )


def _table(title: str, rows: Sequence[Sequence[str]]) -> None:
    if rows:
        typer.echo(f"\n{title}")
    for line in in_columns(rows):
        typer.echo(f"  {line}")


def _marks(setting: Object) -> str:
    return ", ".join(mark for mark in ("required", "sensitive") if setting[mark])


def _switched(instance: Object) -> str:
    return "enabled" if instance["enabled"] else "disabled"
