"""`midstream destinations`: where events go, and which functions stand in front."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from midstream.cli.giving import Given, values_of
from midstream.cli.library import function_of, in_columns
from midstream.cli.naming import Object, destination_id, destinations_of, functions_of, instance_id, instances_of
from midstream.cli.options import AsJson, DataDir, put, say, shown
from midstream.cli.received import received
from midstream.cli.server import Server, Url, asked
from midstream.domain.topology import OnError
from midstream.errors import Invalid

app = typer.Typer(help="Connect functions to destinations.", no_args_is_help=True)

Place = Annotated[
    str,
    typer.Argument(metavar="DESTINATION|DESTINATION/FUNCTION|ID", help="A destination, or a function in front of one."),
]


@app.callback()
def group() -> None:
    """Look at destinations, connect functions to them and disconnect them, switch both on and off."""


@app.command("list")
def list_(url: Url = None, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """List the destinations, each with the functions in front of it, in order.

    Example: midstream destinations list --json
    """
    found = asked(_chains, url=url, data_dir=data_dir)
    if as_json:
        put(found)
        return
    for line in in_columns([row for each in found for row in _rows(each)]):
        typer.echo(line)
    if not found:
        say("There is no destination yet: `midstream apply` makes them.")


@app.command()
def connect(
    function: Annotated[str, typer.Argument(metavar="FUNCTION", help="The function, by slug or id.")],
    destination: Annotated[str, typer.Argument(metavar="DESTINATION", help="The destination, by slug or id.")],
    settings: Annotated[
        str | None, typer.Option(metavar="FILE|-", help="A JSON object of setting values; - is stdin.")
    ] = None,
    each: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A setting that is no secret; may be given several times."),
    ] = None,
    secret: Annotated[
        str | None, typer.Option(metavar="NAME", help="A setting whose value is read from stdin, or asked for.")
    ] = None,
    secret_env: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VARIABLE", help="A setting from an environment variable; may be given several times."
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="What this connection is called.", show_default="as the function")
    ] = None,
    on_error: Annotated[
        OnError | None, typer.Option(help="What becomes of an event that the function fails on.", show_default="block")
    ] = None,
    switch_on: Annotated[bool, typer.Option("--enable", help="Switch it on at once.")] = False,
    url: Url = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Put a function in front of a destination, after those that are there; or change how it is connected already.

    Settings that are not named stay as they are. A secret is never an argument: others on the machine could read it.

    Example: midstream destinations connect mask warehouse --secret-env salt=MASK_SALT --enable
    """
    given = Given(settings, tuple(each or ()), secret, tuple(secret_env or ()))

    async def work(server: Server) -> tuple[Object, bool]:
        found = await function_of(server, function)
        place = await destination_id(server, destination)
        wanted: Object = {"settings": values_of(given, found["settings"]), "name": name, "onError": on_error}
        body = {key: value for key, value in wanted.items() if value is not None}
        if switch_on:
            body["enabled"] = True
        return await _connect(server, found, place, body)

    instance, created = asked(work, url=url, data_dir=data_dir)
    if as_json:
        put(instance)
        return
    typer.echo(f"{'connected' if created else 'changed'} {_told(instance)}")
    if not instance["enabled"]:
        say(f"It is not switched on: `midstream destinations enable {instance['id']}` does that.")


@app.command()
def enable(place: Place, url: Url = None, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Let events flow to a destination, or through a function in front of it.

    Example: midstream destinations enable warehouse/mask
    """
    _switch(place, url=url, as_json=as_json, data_dir=data_dir, enabled=True)


@app.command()
def disable(place: Place, url: Url = None, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Hold events back from a destination, or let them pass a function by.

    A destination keeps what waited for it, but events that come while it is disabled are not delivered. A function lets
    events go on unchanged.

    Example: midstream destinations disable warehouse
    """
    _switch(place, url=url, as_json=as_json, data_dir=data_dir, enabled=False)


@app.command()
def disconnect(
    place: Annotated[
        str, typer.Argument(metavar="DESTINATION/FUNCTION|ID", help="A function in front of a destination.")
    ],
    url: Url = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Take a function away from a destination, with its settings. Events go on without it.

    Example: midstream destinations disconnect warehouse/mask
    """

    async def work(server: Server) -> tuple[str, Any]:
        found = await instance_id(server, place)
        return found, await server.ask("DELETE", f"/insert-function-instances/{found}")

    gone, answer = asked(work, url=url, data_dir=data_dir)
    if as_json:
        put({"id": gone} | answer)
    else:
        say(f"{shown(place)} is not connected any more.")


app.command()(received)


async def _connect(server: Server, function: Object, destination: str, body: dict[str, Any]) -> tuple[Object, bool]:
    found = await server.every(
        "/insert-function-instances", "instances", {"functionId": function["id"], "integrationId": destination}
    )
    if found:
        path = f"/insert-function-instances/{_only(found)}"
        return dict((await server.ask("PATCH", path, body))["insertFunctionInstance"]), False
    body = {"functionId": function["id"], "integrationId": destination, "name": function["displayName"]} | body
    return dict((await server.ask("POST", "/insert-function-instances", body))["insertFunctionInstance"]), True


def _only(found: Sequence[Object]) -> str:
    if len(found) > 1:
        ids = ", ".join(each["id"] for each in found)
        raise Invalid(f"the function is connected there several times ({ids}); change these with the API")
    return str(found[0]["id"])


def _switch(place: str, *, url: str | None, as_json: bool, data_dir: Path | None, enabled: bool) -> None:
    async def work(server: Server) -> Object:
        if place.startswith("ifi_") or "/" in place:
            path = f"/insert-function-instances/{await instance_id(server, place)}"
            return dict((await server.ask("PATCH", path, {"enabled": enabled}))["insertFunctionInstance"])
        path = f"/destinations/{await destination_id(server, place)}"
        return _short((await server.ask("PATCH", path, {"enabled": enabled}))["destination"])

    changed = asked(work, url=url, data_dir=data_dir)
    if as_json:
        put(changed)
    else:
        typer.echo(f"{'enabled' if enabled else 'disabled'} {changed['id']} {shown(changed['name'])}")


async def _chains(server: Server) -> list[Object]:
    """Return the destinations, each with the instances in front of it, which name their function."""
    functions = {each["id"].removeprefix("ifnd_"): each["slug"] for each in await functions_of(server)}
    instances = [each | {"function": functions.get(each["classId"])} for each in await instances_of(server)]
    return [
        _short(each) | {"instances": [one for one in instances if one["integrationId"] == each["id"]]}
        for each in await destinations_of(server)
    ]


def _short(destination: Object) -> Object:
    """Return a destination with its type's name, not with all that is known of the type."""
    return {"type": destination["metadata"]["slug"]} | {
        name: value for name, value in destination.items() if name != "metadata"
    }


def _rows(destination: Object) -> list[tuple[str, ...]]:
    return [
        (destination["slug"], destination["id"], destination["type"], _switched(destination)),
        *(
            (f"  {each['function'] or each['name']}", each["id"], f"version {each['versionNumber']}", _switched(each))
            for each in destination["instances"]
        ),
    ]


def _switched(thing: Object) -> str:
    return "enabled" if thing["enabled"] else "disabled"


def _told(instance: Object) -> str:
    return f"{instance['id']} {shown(instance['name'])}, version {instance['versionNumber']}, {_switched(instance)}"
