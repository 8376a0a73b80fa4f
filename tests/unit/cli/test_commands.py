"""The list of commands, which is told without importing any of them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from inspect import getdoc
from typing import Any

import pytest
from typer.testing import CliRunner

from midstream.cli import COMMANDS, app, command

HEAVY = {"aiohttp", "alembic", "nats", "prometheus_client", "pydantic", "sqlalchemy", "structlog"}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_commands_line_in_the_list_is_the_first_of_its_own_words(name: str) -> None:
    assert command(name).help.partition("\n\n")[0].replace("\n", " ") == COMMANDS[name].line


def every_command(found: Any, *name: str) -> Iterator[tuple[str, ...]]:
    """Yield each command and group from this one on, by all of its name."""
    yield name
    for word, below in getattr(found, "commands", {}).items():
        yield from every_command(below, *name, word)


@pytest.mark.parametrize("name", [one for each in COMMANDS for one in every_command(command(each), each)], ids=" ".join)
def test_no_paragraph_of_help_breaks_where_the_terminal_does_not(name: tuple[str, ...]) -> None:
    found = command(name[0])
    for word in name[1:]:
        found = found.commands[word]
    words = found.help if hasattr(found, "commands") else getdoc(found.callback)
    said = CliRunner().invoke(app, [*name, "--help"], env={"COLUMNS": "1000"}).stdout.splitlines()
    paragraphs = [" ".join(each.split()) for each in words.split("\n\n")]
    assert [each for each in paragraphs if each not in map(str.strip, said)] == []


def imported(*arguments: str) -> set[str]:
    code = "import atexit, sys; atexit.register(lambda: print(*sys.modules, file=sys.stderr)); from midstream.cli import main; main()"
    ran = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True, timeout=60
    )
    assert "Usage:" in ran.stdout
    return {module.partition(".")[0] for module in ran.stderr.split()}


def test_listing_the_commands_imports_none_of_what_they_need() -> None:
    assert not imported("--help") & HEAVY


def test_the_authors_commands_need_neither_log_nor_database() -> None:
    assert not imported("functions", "check", "--help") & {"alembic", "nats", "sqlalchemy"}


def test_the_version_is_told() -> None:
    ran = CliRunner().invoke(app, ["--version"])
    assert (ran.exit_code, ran.stdout) == (0, f"midstream {version('midstream')}\n")


# They say nothing but that they run, or are done.
WITHOUT_JSON = {"demo", "serve", "migrate"}


def every(name: str, found: Any) -> Iterator[tuple[str, set[str]]]:
    """Yield each command that does something, with its options."""
    for word, inner in getattr(found, "commands", {}).items():
        yield from every(f"{name} {word}", inner)
    if not hasattr(found, "commands"):
        yield name, {option for parameter in found.params for option in parameter.opts}


def test_every_command_that_says_something_can_say_it_as_json() -> None:
    found = {name: options for top in COMMANDS for name, options in every(top, command(top))}
    assert {name for name, options in found.items() if "--json" not in options} == WITHOUT_JSON
