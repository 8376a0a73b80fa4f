"""The settings that a function declares, as they are sent and shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from midstream.api.routing import Body, Shape
from midstream.domain.settings import MAX_NAME, Definition, name_of


class SettingIn(Body):
    """A setting as it is declared. Without a name it gets one made of its label."""

    label: str = ""
    name: Annotated[str, Field(max_length=MAX_NAME)] = ""
    type: Literal["STRING", "BOOLEAN", "ARRAY", "TEXT_MAP"] = "STRING"
    description: str = ""
    required: bool = False
    sensitive: bool = False
    sealedHosts: tuple[str, ...] = ()


# So many of a function, our bound: names are made of labels, each unlike all others.
Settings = Annotated[tuple[SettingIn, ...], Field(max_length=200)]


class Setting(Shape):
    """A setting a function declares."""

    name: str
    label: str
    description: str
    type: str
    required: bool
    sensitive: bool
    sealedHosts: tuple[str, ...]


def defined(settings: Sequence[SettingIn]) -> tuple[Definition, ...]:
    """Return declared settings as a version keeps them, those without a name named after their label."""
    taken = {it.name for it in settings if it.name}
    found = []
    for it in settings:
        name = it.name or name_of(it.label, taken)
        taken.add(name)
        found.append(
            Definition(name, it.label or name, it.description, it.type, it.required, it.sensitive, it.sealedHosts)
        )
    return tuple(found)


def shaped(schema: Sequence[Definition]) -> tuple[Setting, ...]:
    """Return declared settings in the API's shape."""
    return tuple(
        Setting(
            name=it.name,
            label=it.label,
            description=it.description,
            type=it.type,
            required=it.required,
            sensitive=it.sensitive,
            sealedHosts=it.sealed,
        )
        for it in schema
    )
