"""Reads the setting values a person gives to a command: from a file, as arguments, and secrets from stdin or variables.

Enters: what was typed, and the settings a function declares. Leaves: values as the Public API takes them, or `Invalid`.
"""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import typer

from midstream.cli.reading import object_of
from midstream.domain.written import decoded, nearest, not_json
from midstream.errors import Invalid

# How a value of a type is written where it is given as text, quoted for a shell.
_EXAMPLES = {"BOOLEAN": "true or false", "ARRAY": """'["a", "b"]'""", "TEXT_MAP": """'{"a": "b"}'"""}


@dataclass(frozen=True, slots=True)
class Given:
    """Where values are: `file` or - for stdin, `NAME=VALUE`, the name of one on stdin, `NAME=VARIABLE`."""

    file: str | None = None
    plain: tuple[str, ...] = ()
    secret: str | None = None
    variables: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.file == "-" and self.secret is not None:
            raise typer.BadParameter("stdin cannot hold both: give the settings or the secret in another way")


def values_of(
    given: Given, settings: Sequence[Mapping[str, Any]], environ: Mapping[str, str] = os.environ
) -> dict[str, Any]:
    """Return all values that are given; a later way of giving one wins. `settings` are as the Public API shows them."""
    declared = {each["name"]: each for each in settings}
    values = object_of(given.file, "settings") if given.file else {}
    for name, text in map(_parted, given.plain):
        if _known(name, declared)["sensitive"]:
            raise Invalid(
                f"setting {name!r} is a secret, which others can read in an argument: use --secret or --secret-env"
            )
        values[name] = _value(declared[name], text)
    for name, variable in map(_parted, given.variables):
        if not environ.get(variable):
            raise Invalid(f"the environment variable {variable} is not set, and setting {name!r} is to come from it")
        values[name] = _value(_known(name, declared), environ[variable])
    if given.secret is not None:
        values[given.secret] = _value(_known(given.secret, declared), _secret(given.secret))
    return values


def _parted(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise typer.BadParameter(f"expected NAME=…, got {name!r}")
    return name, value


def _known(name: str, declared: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    if name not in declared:
        raise Invalid(f"unknown setting {name!r}{nearest(name, declared)}")
    return declared[name]


def _value(setting: Mapping[str, Any], text: str) -> Any:
    """Return a text as a value of the setting's type: itself, or the JSON that it is. Types are the server's to judge."""
    if setting["type"] == "STRING":
        return text
    try:
        return decoded(text)
    except ValueError as error:
        fault = not_json(error, f"setting {setting['name']!r} of type {setting['type']}")
        raise Invalid(f"{fault}; write it as {_EXAMPLES[setting['type']]}") from None


def _secret(name: str) -> str:
    """Read a value from stdin without the end of its line, or ask for it on a terminal without showing it."""
    return getpass.getpass(f"{name}: ") if sys.stdin.isatty() else sys.stdin.read().removesuffix("\n")
