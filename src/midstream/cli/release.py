"""`midstream functions push|deploy|rollback`: code from a folder onto a server, and into what runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from midstream.authoring.source import Source, find
from midstream.cli.library import Function, function_of
from midstream.cli.naming import Object, function_id, functions_of, instance_id, version_id
from midstream.cli.options import AsJson, DataDir, put, say, shown
from midstream.cli.server import Server, Url, asked
from midstream.domain.declaration import Declaration
from midstream.domain.settings import Definition
from midstream.domain.slugs import EXPECTED, fits, slug_of
from midstream.errors import MidstreamError


class Pushed(NamedTuple):
    """A function as it was saved. Without `changed` the server had it like this already."""

    function: Object
    warnings: list[str]
    created: bool
    changed: bool


def push(
    place: Annotated[Path, typer.Argument(metavar="DIR", help="The function's folder, or its file.", exists=True)],
    slug: Annotated[
        str | None,
        typer.Option("--as", help="The function's slug on the server.", show_default="from the folder's name"),
    ] = None,
    message: Annotated[str, typer.Option(help="What this version is about.")] = "",
    deploy_too: Annotated[bool, typer.Option("--deploy", help="Let all of its instances run it.")] = False,
    url: Url = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Save a function's folder on the server: as a new function, or as a new version where something differs.

    What runs goes on until it is deployed.

    Example: midstream functions push mask --message "Hash phone numbers too" --deploy
    """
    if slug is not None and not fits(slug):
        hint = f"; try {slug_of(slug, 'function')!r}"
        raise typer.BadParameter(EXPECTED + hint, param_hint="--as")
    source = find(place)
    folder = place if place.is_dir() else place.parent
    name = slug or slug_of(place.stem if place.is_file() else folder.resolve().name, "function")

    async def work(server: Server) -> tuple[Pushed, list[Object] | None]:
        pushed = await _push(server, name, source, message)
        if not as_json:
            _tell(pushed)
        if not deploy_too:
            return pushed, None
        try:
            return pushed, await _deploy(server, pushed.function["id"], None, None)
        except MidstreamError:
            say(f"Version {pushed.function['latestVersionNumber']} is saved, but not deployed:")
            raise

    pushed, instances = asked(work, url=url, data_dir=data_dir)
    if as_json:
        put(pushed._asdict() | {"instances": instances})
    elif instances is not None:
        _tell_deployed(instances)


def deploy(
    function: Function,
    instance: Annotated[
        list[str] | None,
        typer.Option(metavar="ID|DESTINATION/FUNCTION", help="Only this instance; may be given several times."),
    ] = None,
    version: Annotated[
        str | None, typer.Option(metavar="NUMBER|ID", help="This version.", show_default="the latest")
    ] = None,
    url: Url = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Let a function's instances run a version: all of them, or chosen ones; all or none.

    Example: midstream functions deploy mask --instance warehouse/mask --version 3
    """

    async def work(server: Server) -> list[Object]:
        found = await function_id(server, function)
        chosen = [await instance_id(server, each) for each in instance] if instance else None
        return await _deploy(server, found, chosen, version and await version_id(server, found, version))

    instances = asked(work, url=url, data_dir=data_dir)
    if as_json:
        put({"instances": instances})
    else:
        _tell_deployed(instances)


def rollback(
    function: Function,
    version: Annotated[str, typer.Argument(metavar="VERSION", help="The version to go back to: its number or id.")],
    url: Url = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Go back: restore an old version as a new one, and let all of the function's instances run it.

    Example: midstream functions rollback mask 2
    """

    async def work(server: Server) -> tuple[Object, list[Object]]:
        found = await function_id(server, function)
        body = {"versionId": await version_id(server, found, version)}
        restored = dict((await server.ask("POST", f"/functions/{found}/versions", body))["version"])
        say(f"Version {shown(version)} is restored as version {restored['number']}.")
        try:
            return restored, await _deploy(server, found, None, restored["id"])
        except MidstreamError:
            say("It is not deployed:")
            raise

    restored, instances = asked(work, url=url, data_dir=data_dir)
    if as_json:
        put({"version": restored, "instances": instances})
    else:
        _tell_deployed(instances)


async def _push(server: Server, slug: str, source: Source, message: str) -> Pushed:
    body = _saved(source) | {"message": message}
    known = {each["slug"]: each["id"] for each in await functions_of(server)}
    if slug not in known:
        made = await server.ask("POST", "/functions", {"slug": slug, "displayName": slug} | body)
        return Pushed(made["function"], made["warnings"], created=True, changed=True)
    before = await function_of(server, known[slug])
    saved = await server.ask("PATCH", f"/functions/{known[slug]}", body)
    changed = saved["function"]["updatedAt"] != before["updatedAt"]
    return Pushed(saved["function"], saved["warnings"], created=False, changed=changed)


def _saved(source: Source) -> dict[str, Any]:
    """Return what a folder says of its function, as the API takes it.

    What runs is as it is declared, where there is a declaration. What only people read stays unless the folder says it.
    """
    it = source.declaration
    if it is None:
        return {"code": source.code}
    return {
        "code": source.code,
        "settings": [_setting(each) for each in source.schema or ()],
        "allowedHosts": list(it.hosts),
        "batchMaxCount": it.batch_max_count,
        "batchMaxWait": it.batch_max_wait,
        **_for_people(it),
    }


def _for_people(it: Declaration) -> dict[str, str]:
    given = {"displayName": it.name, "description": it.description or None}
    return {name: value for name, value in given.items() if value is not None}


def _setting(it: Definition) -> dict[str, Any]:
    return {
        "name": it.name,
        "label": it.label,
        "description": it.description,
        "type": it.type,
        "required": it.required,
        "sensitive": it.sensitive,
        "sealedHosts": list(it.sealed),
    }


async def _deploy(server: Server, function: str, instances: list[str] | None, version: str | None) -> list[Object]:
    data = await server.ask("POST", f"/functions/{function}/deploy", {"instanceIds": instances, "versionId": version})
    return list(data["instances"])


def _tell(pushed: Pushed) -> None:
    say(f"warning: {shown(each)}" for each in pushed.warnings)
    it = pushed.function
    verb = "created" if pushed.created else "saved" if pushed.changed else "unchanged"
    typer.echo(f"{verb} {it['slug']} ({it['id']}), version {it['latestVersionNumber']}")


def _tell_deployed(instances: list[Object]) -> None:
    for each in instances:
        switched = "" if each["enabled"] else " (disabled)"
        typer.echo(f"{each['id']} {shown(each['name'])} runs version {each['versionNumber']}{switched}")
    if not instances:
        say("The function is connected to no destination: `midstream destinations connect` does that.")
