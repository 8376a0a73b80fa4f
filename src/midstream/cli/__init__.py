"""The command line: one file a noun. stdout is data, stderr is talk.

Exit codes (contract §6): 0 ok, 1 failed, 2 usage, 3 a test or check found faults, 69 server unreachable, 77 not
permitted, 78 bad configuration.
"""

from __future__ import annotations

import sys

import typer

from midstream.cli import (
    configuration,
    deliveries,
    demo,
    destinations,
    doctor,
    events,
    filters,
    folder,
    functions,
    keys,
    serve,
    token,
)
from midstream.errors import ConfigError, MidstreamError, RequestError, Unavailable

app = typer.Typer(
    name="midstream",
    help="Insert functions for event streams, on your own machines.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("demo")(demo.demo)
app.command("serve")(serve.serve)
app.command("migrate")(serve.migrate_command)
app.command("doctor")(doctor.doctor)
app.command("apply")(folder.apply)
app.command("export")(folder.export)
app.command("tail")(events.tail)
app.command("deliveries")(deliveries.deliveries)
app.add_typer(functions.app, name="functions")
app.add_typer(filters.app, name="filters")
app.add_typer(destinations.app, name="destinations")
app.add_typer(events.app, name="events")
app.add_typer(token.app, name="token")
app.add_typer(keys.app, name="keys")
app.add_typer(configuration.app, name="config")


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
