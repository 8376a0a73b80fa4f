"""Values of settings: checked against what defines them, taken from the environment, split into plain and sealed.

Enters: values as a user wrote them. Leaves: rows whose sensitive values are sealed, or `Invalid` naming the setting.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Literal

import msgspec

from midstream.domain.hosts import Hosts
from midstream.errors import Invalid
from midstream.secrets import Vault
from midstream.store.schema import DestinationRow, InstanceRow

SettingType = Literal["STRING", "BOOLEAN", "ARRAY", "TEXT_MAP"]
_EXPECTED: Mapping[str, str] = {
    "STRING": "a string",
    "BOOLEAN": "true or false",
    "ARRAY": "an array of strings",
    "TEXT_MAP": "a table of strings",
}


class Definition(msgspec.Struct, frozen=True):
    """One setting a function declares: Segment's six fields, and ours. Code sees its value as `settings.<name>`.

    With hosts in `sealed` code sees a token, and the value goes out to these hosts only.
    """

    name: str
    label: str
    description: str
    type: SettingType
    required: bool
    sensitive: bool
    sealed: tuple[str, ...] = ()

    def check(self) -> None:
        """Refuse what cannot be sealed. Raises Invalid."""
        if not self.sealed:
            return
        if not self.sensitive or self.type != "STRING":
            raise Invalid(f"setting {self.name!r}: only a sensitive setting of type STRING can be sealed")
        try:
            Hosts.of("", self.sealed)
        except Invalid as fault:
            raise Invalid(f"setting {self.name!r}, sealed: {fault}") from None


def definitions(schema: Sequence[Mapping[str, Any]]) -> tuple[Definition, ...]:
    """Read the schema as a version keeps it."""
    return msgspec.convert(schema, tuple[Definition, ...])


def sensitive(schema: Sequence[Definition]) -> frozenset[str]:
    """Return the names of the settings whose values are write-only."""
    return frozenset(it.name for it in schema if it.sensitive)


def nearest(name: str, known: Iterable[str]) -> str:
    """Say which of the known names was probably meant, as the end of a sentence."""
    names = sorted(known)
    match get_close_matches(name, names, n=1):
        case [close]:
            return f"; did you mean {close!r}?"
        case _:
            return f"; known: {', '.join(names)}" if names else "; there are none"


def check_values(schema: Sequence[Definition], values: Mapping[str, Any]) -> None:
    """Refuse values that a function's schema does not allow: unknown, of the wrong type, or required and missing."""
    for name in sorted(values.keys() - {it.name for it in schema}):
        raise Invalid(f"unknown setting {name!r}{nearest(name, (it.name for it in schema))}")
    for it in schema:
        if it.required and values.get(it.name) in (None, "", [], {}):
            raise Invalid(f"setting {it.name!r} is required: give it a value")
        if it.name in values and not _fits(it.type, values[it.name]):
            raise Invalid(f"setting {it.name!r}: expected {_EXPECTED[it.type]}, got {_kind(values[it.name])}")


def _fits(kind: SettingType, value: Any) -> bool:
    match kind:
        case "STRING":
            return isinstance(value, str)
        case "BOOLEAN":
            return isinstance(value, bool)
        case "ARRAY":
            return isinstance(value, list) and all(isinstance(item, str) for item in value)
        case "TEXT_MAP":
            return isinstance(value, dict) and all(isinstance(item, str) for item in value.values())


def _kind(value: Any) -> str:
    """Name a value's type and nothing of the value, which may be a secret."""
    match value:
        case bool():
            return "a boolean"
        case str():
            return "a string"
        case int() | float():
            return "a number"
        case list():
            return "an array"
        case dict():
            return "a table"
        case _:
            return f"a {type(value).__name__}"


def check_json(values: Mapping[str, Any]) -> None:
    """Refuse what TOML can say and JSON cannot: dates, times, infinity, not-a-number."""
    for name, value in values.items():
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError):
            raise Invalid(f"setting {name!r}: dates, inf and nan cannot be kept; write it as a string") from None


def from_environment(value: Any, environ: Mapping[str, str]) -> Any:
    """Replace each `{env = "NAME"}` inside a sensitive value by that environment variable."""
    match value:
        case {"env": str(name), **rest} if not rest:
            if not environ.get(name):
                raise Invalid(
                    f"the environment variable {name} is not set, and a setting or write key is to come from it"
                )
            return environ[name]
        case dict():
            return {key: from_environment(item, environ) for key, item in value.items()}
        case list():
            return [from_environment(item, environ) for item in value]
        case _:
            return value


def is_literal(value: Any) -> bool:
    """Say whether a sensitive value, or a part of it, stands in the clear where `{env = "NAME"}` could."""
    match value:
        case {"env": str(), **rest} if not rest:
            return False
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
    """
    before = row.settings.keys() | row.secrets.keys()
    plain = {name: value for name, value in values.items() if name not in write_only}
    changed = {name for name, value in plain.items() if name not in row.settings or row.settings[name] != value}
    sealed = {}
    for name in values.keys() & set(write_only):
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


def _holds(row: DestinationRow | InstanceRow, name: str, value: Any, vault: Vault) -> bool:
    try:
        return name in row.secrets and bool(vault.unseal(row.secrets[name], owner=row.id, name=name) == value)
    except Invalid:
        return False  # sealed with a key that is gone: seal it anew
