"""The flags that many commands share, and what they open."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from midstream import telemetry
from midstream.app.supervisor import external
from midstream.config import Config, load
from midstream.errors import Invalid
from midstream.log import Endpoint, Log, connect
from midstream.log.server import running_endpoint
from midstream.store.migrate import migrate
from midstream.store.session import Sessions, open_engine, open_sessions

DataDir = Annotated[
    Path | None, typer.Option("--data-dir", help="Where midstream keeps everything.", show_default="./data")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


def configured(process: str = "cli", **flags: Any) -> Config:
    """Load the configuration with these flags on top, and set up logging on stderr as `process`.

    A command that answers and leaves says itself what went wrong; the log of its parts would only be in the way.
    """
    config = load({name: str(value) if isinstance(value, Path) else value for name, value in flags.items()})
    level = "error" if process == "cli" and config.log_level != "debug" else config.log_level
    telemetry.configure(level, config.log_format, process)
    return config


@asynccontextmanager
async def opened_sessions(config: Config) -> AsyncIterator[Sessions]:
    """Open the database, brought up to date first: a command may well be the first to use it."""
    config.make_data_dir()
    await migrate(config.sqlalchemy_url)
    engine = open_engine(config.sqlalchemy_url)
    try:
        yield open_sessions(engine)
    finally:
        await engine.dispose()


@asynccontextmanager
async def opened_log(config: Config) -> AsyncIterator[Log]:
    """Connect to the log of the midstream that runs on this data dir, or the one that is configured."""
    endpoint: Endpoint = external(config.nats_url) if config.nats_url else running_endpoint(config.data_dir)
    log = await connect(endpoint, name="cli", patience=3)
    try:
        yield log
    finally:
        await log.close()


def put(value: Any) -> None:
    """Print one JSON value on stdout."""
    json.dump(value, sys.stdout, indent=2, ensure_ascii=False, default=str)
    sys.stdout.write("\n")


def shown(text: str) -> str:
    """Return text from outside as a terminal may have it: without control characters, which could take it over."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)


def say(lines: str | Iterable[str]) -> None:
    """Talk to the person, on stderr."""
    for line in [lines] if isinstance(lines, str) else lines:
        sys.stderr.write(f"{line}\n")


def id_of(destination: str | None, names: Mapping[str, str]) -> str | None:
    """Return the id of a destination given by id or slug; `names` is slugs by id."""
    if destination is None or destination in names:
        return destination
    for known, slug in names.items():
        if slug == destination:
            return known
    raise Invalid(f"there is no destination {destination!r}; there are: {', '.join(sorted(names.values())) or 'none'}")
