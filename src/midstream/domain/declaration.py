"""What a function's author declares beside the code, in `function.toml`: its name, its hosts, its settings.

Enters: the file's text. Leaves: a `Declaration`, or `Invalid` with every fault and the file it stands in.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Any

from pydantic import Field, ValidationError

from midstream.domain.function import Forming
from midstream.domain.hosts import Hosts
from midstream.domain.settings import Definition, SettingName, SettingSection, declared
from midstream.domain.written import Section, faults_of
from midstream.errors import Invalid

DECLARATION = "function.toml"


class Declaration(Section):
    """`function.toml`: what a workspace's folder says in `[function.<slug>]`, the settings as `[settings.<name>]`."""

    name: str | None = None
    description: str = ""
    hosts: tuple[str, ...] = ()
    batch_max_count: int = Forming().max_count
    batch_max_wait: float = Forming().max_wait  # seconds
    settings: dict[SettingName, SettingSection] = Field(default_factory=dict)

    def definitions(self) -> tuple[Definition, ...]:
        """Return the settings as a version keeps them."""
        return declared(self.settings)

    def under(self, table: Mapping[str, Any]) -> dict[str, Any]:
        """Return a table with what only the declaration says added, of the settings one by one."""
        own = self.model_dump(exclude_unset=True)
        settings = table.get("settings", {})
        both = {**own.get("settings", {}), **settings} if isinstance(settings, Mapping) else settings
        return {**own, **table, "settings": both}


def read_declaration(text: str, where: str) -> Declaration:
    """Read a `function.toml`."""
    try:
        found = Declaration.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise Invalid(f"not readable as TOML: {error}", where) from None
    except ValidationError as error:
        raise Invalid("\n".join(f"{where}: {fault}" for fault in faults_of(error))) from None
    try:
        Hosts.of("", found.hosts)
        for definition in found.definitions():
            definition.check()
    except Invalid as fault:
        raise Invalid(str(fault), where) from None
    return found
