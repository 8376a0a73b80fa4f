"""The command line: one file a noun. stdout is data, stderr is talk.

Exit codes (contract §6): 0 ok, 1 failed, 2 usage, 3 a test or check found faults, 69 server unreachable, 77 not
permitted, 78 bad configuration.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.metadata import version
from inspect import cleandoc
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperGroup

from midstream.errors import ConfigError, MidstreamError, RequestError, Unavailable


class _Place(NamedTuple):
    """Where a command is, as `module:name`, and the line about it."""

    where: str
    line: str


# Each line is the first of the command's own words (tested): to import all that they are in takes ten times as long.
COMMANDS = {
    "demo": _Place(
        "demo:demo", "Start everything on loopback with sample data and a trickle of events. Ctrl-C stops all of it."
    ),
    "serve": _Place("serve:serve", "Run midstream until SIGTERM or Ctrl-C; then finish what was taken and leave."),
    "migrate": _Place(
        "serve:migrate_command",
        "Bring the database to this version's tables. `serve` does it too; this is for doing it beforehand.",
    ),
    "doctor": _Place(
        "doctor:doctor",
        "Look at everything midstream needs here, change nothing, and say what to do. Exit 1 when something fails.",
    ),
    "apply": _Place("folder:apply", "Load a folder: sources, destinations, functions and what is connected to what."),
    "export": _Place(
        "folder:export", "Write a workspace as a folder that `apply` reads. Applying it right away changes nothing."
    ),
    "tail": _Place("events:tail", "Show what becomes of each event, as it happens, until Ctrl-C."),
    "deliveries": _Place(
        "deliveries:deliveries",
        "Show counts by destination, type, event and reason, and samples of what was not delivered.",
    ),
    "functions": _Place("functions:app", "Write, try and release functions."),
    "filters": _Place("filters:app", "See destination filters, and try their conditions."),
    "destinations": _Place("destinations:app", "Connect functions to destinations."),
    "events": _Place("events:app", "Send events."),
    "token": _Place("token:app", "API tokens."),
    "user": _Place("user:app", "Who belongs to a workspace."),
    "audit": _Place("audit:app", "What was changed, and by whom."),
    "keys": _Place("keys:app", "The master key that seals sensitive settings."),
    "config": _Place("configuration:app", "Look at the configuration."),
}


def command(name: str) -> Any:
    """Import a command."""
    module, _, attribute = COMMANDS[name].where.partition(":")
    found = getattr(import_module(f"midstream.cli.{module}"), attribute)
    if isinstance(found, typer.Typer):
        return _unfolded(typer.main.get_group(found))
    alone = typer.Typer(add_completion=False)
    alone.command(name)(found)
    return _unfolded(typer.main.get_command(alone))


def _unfolded(found: Any) -> Any:
    """Put each paragraph of help on one line, here and below: typer keeps the line breaks of all but the first."""
    paragraphs = cleandoc(found.help or "").split("\n\n")
    found.help = "\n\n".join(each.replace("\n", " ") for each in paragraphs)
    for below in getattr(found, "commands", {}).values():
        _unfolded(below)
    return found


class _Commands(TyperGroup):
    """Imports a command when it is run or asked for its own help."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] in COMMANDS:
            self.commands[args[0]] = command(args[0])
        return super().resolve_command(ctx, args)


app = typer.Typer(
    name="midstream",
    cls=_Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _tell(asked: bool) -> None:
    if asked:
        typer.echo(f"midstream {version('midstream')}")
        raise typer.Exit


@app.callback()
def midstream(
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_tell)
    ] = False,
) -> None:
    """Insert functions for event streams, on your own machines."""


for _name, _place in COMMANDS.items():
    app.command(_name, help=_place.line)(lambda: None)


def main() -> None:
    """Run a command and turn our own errors into a sentence and an exit code."""
    try:
        app()
    except ConfigError as error:
        _leave(78, error)
    except Unavailable as error:
        _leave(69, error)
    except RequestError as error:
        _leave(77 if error.status in (401, 403) else 1, error)
    except MidstreamError as error:
        _leave(1, error)
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output had enough
        sys.exit(0)


def _leave(code: int, error: MidstreamError) -> None:
    sys.stderr.write(f"midstream: {error}\n")
    sys.exit(code)
