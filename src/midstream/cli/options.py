"""The flags that many commands share, and what they open."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from midstream import telemetry
from midstream.config import Config, load
from midstream.errors import Invalid

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
