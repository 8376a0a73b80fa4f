"""`midstream filters`: a destination's filters on a server; and trying a condition, which needs none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from midstream.cli.library import in_columns
from midstream.cli.naming import Object, destination_id
from midstream.cli.options import AsJson, DataDir, put, say, shown
from midstream.cli.reading import object_of
from midstream.cli.server import Server, Url, asked
from midstream.domain.condition import Condition, Fault, compiled, doubt
from midstream.errors import FqlError, Invalid

# Contract §6.
NO_MATCH = 1
NOT_PARSABLE = 3

app = typer.Typer(help="See destination filters, and try their conditions.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """See the filters of destinations, and try conditions."""


@app.command("list")
def list_(
    destination: Annotated[str, typer.Argument(metavar="DESTINATION", help="The destination, by slug or id.")],
    url: Url = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """List a destination's filters: the title, the condition, and what is done where it holds.

    Example: midstream filters list warehouse --json
    """

    async def work(server: Server) -> list[Object]:
        return await server.every(f"/destination/{await destination_id(server, destination)}/filters", "filters")

    found = asked(work, url=url, data_dir=data_dir)
    if as_json:
        put(found)
        return
    for line in in_columns([_row(each) for each in found]):
        typer.echo(line)
    if not found:
        say("The destination has no filter: `midstream apply` makes them.")


def _row(it: Object) -> tuple[str, ...]:
    actions = ", ".join(map(_action, it["actions"]))
    return (it["title"], f"if {' '.join(it['if'].splitlines())}", actions, "enabled" if it["enabled"] else "disabled")


def _action(it: Object) -> str:
    """Say an action as a folder has it: its type, and what else it was given."""
    given = {name: value for name, value in it.items() if name != "type"}
    return f"{it['type']} {json.dumps(given, ensure_ascii=False)}" if given else str(it["type"])


@app.command()
def check(
    condition: Annotated[str, typer.Argument(metavar="FQL", help="The condition, as a filter has it.")],
    event: Annotated[str | None, typer.Option(metavar="FILE|-", help="An event, as JSON, to ask it about.")] = None,
    as_json: AsJson = False,
) -> None:
    """Check a condition, and with --event say whether it holds. Exit 0 yes, 1 no, 3 when it is not FQL.

    Example: midstream filters check "type = 'track' and properties.total > 100" --event event.json
    """
    try:
        ready = compiled(condition)
    except FqlError as error:
        _tell_error(condition, error, as_json=as_json)
        raise typer.Exit(NOT_PARSABLE) from None
    answer = _asked(ready, event) if event is not None else None
    if as_json:
        put({"matches": None if answer is None else answer is True, "error": _error(answer)})
    else:
        typer.echo(_words(answer))
    if answer is not True and (odd := doubt(condition)):
        say(f"warning: {odd}")
    if answer not in (True, None):
        raise typer.Exit(NO_MATCH)


def _asked(condition: Condition, name: str) -> bool | Fault:
    try:
        return condition.holds(object_of(name, "an event"))
    except Invalid as fault:
        raise typer.BadParameter(str(fault), param_hint="--event") from None  # exit 1 would be an answer


def _words(answer: bool | Fault | None) -> str:
    match answer:
        case None:
            return "This is FQL."
        case True:
            return "It holds for this event."
        case False:
            return "It does not hold for this event."
        case Fault(message):
            return f"It has no answer for this event, which would be dropped: {message}."


def _error(answer: bool | Fault | None) -> dict[str, Any] | None:
    return {"message": answer.message, "position": None} if isinstance(answer, Fault) else None


def _tell_error(condition: str, error: FqlError, *, as_json: bool) -> None:
    if as_json:
        put({"matches": False, "error": {"message": str(error), "position": error.position}})
    else:
        say(_pointed(condition, error))


def _pointed(condition: str, error: FqlError) -> Iterator[str]:
    """Show the line at fault with a sign under the place."""
    begin = condition.rfind("\n", 0, error.position) + 1
    line = condition[begin:].partition("\n")[0]
    start = max(0, error.position - begin - 60)
    yield f"  {shown(line[start : start + 100])}"
    yield f"  {' ' * (error.position - begin - start)}^"
    yield f"{shown(str(error))}."
