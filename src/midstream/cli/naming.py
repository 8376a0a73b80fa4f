"""Finds what a person names: a function or destination by id or slug, a version by number, an instance by where it is.

Enters: a server and a name. Leaves: the object as the Public API shows it, or `Invalid` with the names there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from midstream.cli.server import Server
from midstream.errors import Invalid

Object = dict[str, Any]  # as the Public API shows it


async def functions_of(server: Server) -> list[Object]:
    """Return all functions, without their code."""
    return await server.every("/functions", "functions", {"resourceType": "INSERT_DESTINATION"})


async def destinations_of(server: Server) -> list[Object]:
    """Return all destinations."""
    return await server.every("/destinations", "destinations")


async def instances_of(server: Server) -> list[Object]:
    """Return all instances, each destination's in the order of its chain."""
    return await server.every("/insert-function-instances", "instances")


async def function_id(server: Server, given: str) -> str:
    """Return a function's id."""
    return given if given.startswith("ifnd_") else str(_named(await functions_of(server), given, "function")["id"])


async def destination_id(server: Server, given: str) -> str:
    """Return a destination's id."""
    return given if given.startswith("dst_") else str(_named(await destinations_of(server), given, "destination")["id"])


async def version_id(server: Server, function: str, given: str) -> str:
    """Return the id of a function's version, which is named by its number, with or without a v, or by its id."""
    if given.startswith("ver_"):
        return given
    versions = await server.every(f"/functions/{function}/versions", "versions")
    for each in versions:
        if str(each["number"]) == given.removeprefix("v"):
            return str(each["id"])
    known = ", ".join(str(each["number"]) for each in versions)
    raise Invalid(f"the function has no version {given!r}; there are: {known}")


async def instance_id(server: Server, given: str) -> str:
    """Return the id of an instance, which is named by it, or as DESTINATION/FUNCTION."""
    place, slash, function = given.partition("/")
    if not slash:
        return given
    destination, wanted = await destination_id(server, place), await function_id(server, function)
    found = await server.every(
        "/insert-function-instances", "instances", {"functionId": wanted, "integrationId": destination}
    )
    match found:
        case [only]:
            return str(only["id"])
        case []:
            raise Invalid(
                f"the function {function!r} is not connected to {place!r}; `midstream destinations connect` does"
            )
        case _:
            ids = ", ".join(each["id"] for each in found)
            raise Invalid(f"the function {function!r} is connected to {place!r} several times; name one: {ids}")


def _named(found: Sequence[Object], given: str, what: str) -> Object:
    for each in found:
        if given in (each["id"], each["slug"]):
            return each
    known = ", ".join(sorted(each["slug"] for each in found)) or "none"
    raise Invalid(f"there is no {what} {given!r}; there are: {known}")
