"""The settings a function declares, and whether given values fit them.

Enters: a schema and values as a user wrote them. Leaves: nothing, or `Invalid` naming the setting and never its value.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec
from pydantic import StringConstraints

from midstream.domain.hosts import Hosts
from midstream.domain.written import Section, nearest
from midstream.errors import Invalid

SettingType = Literal["STRING", "BOOLEAN", "ARRAY", "TEXT_MAP"]
NAME_PATTERN, MAX_NAME = r"^[A-Za-z][A-Za-z0-9_]*$", 100
SettingName = Annotated[str, StringConstraints(pattern=NAME_PATTERN, max_length=MAX_NAME)]
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


class SettingSection(Section):
    """A setting as its author declares it: `[function.<slug>.settings.<name>]`, or `[settings.<name>]` beside the code."""

    label: str = ""
    description: str = ""
    type: SettingType = "STRING"
    required: bool = False
    sensitive: bool = False
    sealed: tuple[str, ...] = ()


def declared(sections: Mapping[str, SettingSection]) -> tuple[Definition, ...]:
    """Return declared settings as a version keeps them; the label defaults to the name."""
    return tuple(
        Definition(name, it.label or name, it.description, it.type, it.required, it.sensitive, it.sealed)
        for name, it in sections.items()
    )


def definitions(schema: Sequence[Mapping[str, Any]]) -> tuple[Definition, ...]:
    """Read the schema as a version keeps it."""
    return msgspec.convert(schema, tuple[Definition, ...])


def check_schema(schema: Sequence[Definition]) -> None:
    """Refuse a schema with a name that code could not read, a name twice, or a seal that does not hold."""
    names = [it.name for it in schema]
    for it in schema:
        if not re.fullmatch(NAME_PATTERN, it.name) or len(it.name) > MAX_NAME:
            raise Invalid(
                f"setting {it.name[:MAX_NAME]!r}: a name has letters, digits and _, begins with a letter, "
                f"and is at most {MAX_NAME} characters long"
            )
        if names.count(it.name) > 1:
            raise Invalid(f"setting {it.name!r} is declared twice: names are unique")
        it.check()


def name_of(label: str, taken: Collection[str] = ()) -> str:
    """Make a setting's name of its label, in camelCase and unlike the others: `API key` becomes `apiKey`."""
    words = re.findall(r"[A-Za-z0-9]+", label)
    name = "".join(
        word.lower() if place == 0 else word[0].upper() + word[1:].lower() for place, word in enumerate(words)
    )
    if not name or not name[0].isalpha():
        name = f"setting{name[:1].upper()}{name[1:]}"
    name = name[: MAX_NAME - 4]
    return next(each for each in (name, *(f"{name}{n}" for n in range(2, len(taken) + 3))) if each not in taken)


def sensitive(schema: Sequence[Definition]) -> frozenset[str]:
    """Return the names of the settings whose values are write-only."""
    return frozenset(it.name for it in schema if it.sensitive)


def strings(values: Iterable[Any]) -> Iterator[str]:
    """Yield every string worth hiding in sensitive JSON values; keys of maps are names, not secrets."""
    for value in values:
        match value:
            case str() if value:
                yield value
            case list():
                yield from strings(value)
            case dict():
                yield from strings(value.values())
            case _:
                pass


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
