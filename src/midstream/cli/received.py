"""`midstream destinations received`: the last events that a sink was given, as it was given them."""

from __future__ import annotations

import asyncio
import json
from typing import Annotated, Any

import typer

from midstream.cli.options import AsJson, DataDir, configured, id_of, put, say, shown
from midstream.config import Config
from midstream.errors import Invalid


def received(
    destination: Annotated[str, typer.Argument(metavar="DESTINATION", help="A sink, by slug or id.")],
    limit: Annotated[int, typer.Option(help="How many, of the last 1,000 that are kept.", min=1)] = 20,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Show the last events that came to a sink, one a line as JSON, the latest last.

    They are what the functions in front of it made of them. It looks into the midstream that runs on this data dir.

    Example: midstream destinations received warehouse --limit 5
    """
    events = asyncio.run(_received(configured(data_dir=data_dir), destination))[-limit:]
    if as_json:
        put(events)
        return
    for event in events:
        typer.echo(_line(event))
    if not events:
        say(f"Nothing has come to {shown(destination)} since its log was started.")


async def _received(config: Config, destination: str) -> list[Any]:
    # Log and database take a while to load, which commands that ask over HTTP need not wait for.
    from midstream.cli.opening import opened_log, opened_sessions
    from midstream.control.destinations import slugs, type_of
    from midstream.destinations.sink import SINK, subject

    async with opened_sessions(config) as sessions:
        found = id_of(destination, await slugs(sessions)) or ""
        kind = await type_of(sessions, found)
    if kind != SINK.slug:
        raise Invalid(
            f"{destination!r} is a {kind}; only a sink keeps what it was given. `midstream tail` shows the rest"
        )
    async with opened_log(config) as log:
        return [json.loads(event) for event in await log.kept("SINK", subject(found))]


def _line(event: Any) -> str:
    """Return an event on one line; what could take a terminal over is escaped, so that it stays the same event."""
    line = json.dumps(event, ensure_ascii=False)
    return line if line.isprintable() else json.dumps(event)
