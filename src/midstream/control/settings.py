"""Values of settings on their way into the store: from the environment, split into plain and sealed.

Enters: values as a user wrote them. Leaves: rows whose sensitive values are sealed, or `Invalid` naming the setting.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from midstream.domain.written import decoded
from midstream.errors import Invalid
from midstream.secrets import Vault
from midstream.store.schema import DestinationRow, InstanceRow

MASKED = "••••"  # what stands for a value that is never shown


def check_json(values: Mapping[str, Any]) -> None:
    """Refuse what TOML can say and JSON cannot: dates, times, infinity, not-a-number."""
    for name, value in values.items():
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError):
            raise Invalid(f"setting {name!r}: dates, inf and nan cannot be kept; write it as a string") from None


class Variable(NamedTuple):
    """`{env = "NAME"}`: the environment variable that holds a value, as text or, with `json = true`, as JSON."""

    name: str
    json: bool

    def read(self, environ: Mapping[str, str]) -> Any:
        """Return the value; `Invalid`, which does not say it, when it is not there or is no JSON."""
        text = environ.get(self.name)
        if not text:
            raise Invalid(
                f"the environment variable {self.name} is not set, and a setting or write key is to come from it"
            )
        try:
            return decoded(text) if self.json else text
        except ValueError:
            raise Invalid(f"the environment variable {self.name} does not hold JSON, as json = true says") from None


def variable_of(value: Any) -> Variable | None:
    """Return the environment variable that a value stands for, if it does."""
    match value:
        case {"env": str(name), **rest} if not rest:
            return Variable(name, json=False)
        case {"env": str(name), "json": bool(as_json), **rest} if not rest:
            return Variable(name, as_json)
        case _:
            return None


def from_environment(value: Any, environ: Mapping[str, str]) -> Any:
    """Replace each `{env = "NAME"}` inside a sensitive value by what that environment variable holds."""
    if (variable := variable_of(value)) is not None:
        return variable.read(environ)
    match value:
        case dict():
            return {key: from_environment(item, environ) for key, item in value.items()}
        case list():
            return [from_environment(item, environ) for item in value]
        case _:
            return value


def unset(value: Any, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the environment variables inside a sensitive value that are not set."""
    if (variable := variable_of(value)) is not None:
        return () if environ.get(variable.name) else (variable.name,)
    match value:
        case dict():
            return unset(list(value.values()), environ)
        case list():
            return tuple(dict.fromkeys(each for item in value for each in unset(item, environ)))
        case _:
            return ()


def is_literal(value: Any) -> bool:
    """Say whether a sensitive value, or a part of it, stands in the clear where `{env = "NAME"}` could."""
    if variable_of(value) is not None:
        return False
    match value:
        case dict():
            return any(is_literal(item) for item in value.values())
        case list():
            return any(is_literal(item) for item in value)
        case _:
            return bool(value != "")


def put(
    row: DestinationRow | InstanceRow, values: Mapping[str, Any], write_only: Collection[str], vault: Vault
) -> tuple[str, ...]:
    """Make these the row's settings, sealing the sensitive ones; return what changed, as `settings.<name>`.

    A value that is sealed already stays as it is: two seals of one value differ, so comparing them would tell nothing.
    It stays sealed, too, if its name is not sensitive any more: whoever gave it was told that nobody would see it again.
    """
    write_only = {*write_only, *(name for name, value in values.items() if _holds(row, name, value, vault))}
    before = row.settings.keys() | row.secrets.keys()
    plain = {name: value for name, value in values.items() if name not in write_only}
    changed = {name for name, value in plain.items() if name not in row.settings or row.settings[name] != value}
    sealed = {}
    for name in values.keys() & write_only:
        if _holds(row, name, values[name], vault):
            sealed[name] = row.secrets[name]
        else:
            sealed[name] = vault.seal(values[name], owner=row.id, name=name)
            changed.add(name)
    changed |= before - values.keys()
    if changed:
        row.settings, row.secrets = plain, sealed
    return tuple(f"settings.{name}" if name in values else f"settings.{name} (removed)" for name in sorted(changed))


def opened(row: DestinationRow | InstanceRow, vault: Vault) -> dict[str, Any]:
    """Return all of a row's settings in the clear; `Invalid` when one cannot be decrypted."""
    return row.settings | {name: vault.unseal(text, owner=row.id, name=name) for name, text in row.secrets.items()}


def kept(row: DestinationRow | InstanceRow, settings: Mapping[str, Any]) -> set[str]:
    """Return the sensitive settings that stay as they are: who changes the others never saw them."""
    return {name for name in row.secrets if settings.get(name, MASKED) == MASKED}


def merged(row: DestinationRow | InstanceRow, settings: Mapping[str, Any], vault: Vault) -> dict[str, Any]:
    """Complete settings as a caller sent them, who never saw the sensitive ones: not named, or masked, means kept.

    Null takes a value away.
    """
    stay = kept(row, settings)
    values = {name: value for name, value in settings.items() if value is not None and name not in stay}
    return values | {name: vault.unseal(row.secrets[name], owner=row.id, name=name) for name in stay}


def _holds(row: DestinationRow | InstanceRow, name: str, value: Any, vault: Vault) -> bool:
    try:
        return name in row.secrets and bool(vault.unseal(row.secrets[name], owner=row.id, name=name) == value)
    except Invalid:
        return False  # sealed with a key that is gone: seal it anew
