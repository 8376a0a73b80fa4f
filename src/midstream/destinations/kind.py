"""What a destination is: a catalog entry (`Kind`), what it is built from (`Ports`), and what it answers (`Sent`).

Enters: a destination's settings. Leaves: checked settings, or `Invalid`: one sentence a fault, none of the values.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel, ValidationError

from midstream.domain.function import Request
from midstream.domain.outcome import Outcome
from midstream.domain.topology import Destination
from midstream.egress import Egress
from midstream.errors import Invalid

Settings = TypeVar("Settings", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of one event at the destination: `Delivered`, `Discarded` or `Retrying`.

    `request` is a sample of the exchange, redacted; one HTTP request's events share it, and most successes have none.
    """

    outcome: Outcome
    request: Request | None = None


class Sender(Protocol):
    """Brings events to one configured destination. Whoever built it closes it."""

    async def send(self, events: Sequence[bytes], ids: Sequence[str]) -> Sequence[Sent]:
        """Send events (newline-free JSON; `ids` are their messageIds) and return one `Sent` each, in order."""
        ...

    async def close(self) -> None:
        """Let go of what it holds. Its ports are not its own."""
        ...


@dataclass(frozen=True, slots=True)
class Ports:
    """The ways out a sender may be given."""

    egress: Egress
    publish: Callable[[str, bytes], Awaitable[None]]  # to a subject of the log, without waiting for its ack


@dataclass(frozen=True, slots=True)
class Kind:
    """A catalog entry. `sensitive` names the write-only settings; `build` expects them decrypted.

    `sent_to` names, for those that are sent along, the setting that holds the URL they are sent to.
    """

    slug: str
    name: str
    description: str
    event_types: frozenset[str]
    settings: type[BaseModel]
    sensitive: frozenset[str]
    build: Callable[[Destination, Ports], Sender]
    sent_to: tuple[tuple[str, str], ...] = ()

    def is_text(self, name: str) -> bool:
        """Say whether a setting is a text."""
        schema = self.settings.model_json_schema()["properties"].get(name, {})
        return "string" in {each.get("type") for each in (schema, *schema.get("anyOf", ()))}


def validated(kind: Kind, settings: Mapping[str, Any]) -> BaseModel:
    """Check settings against a catalog entry. `Invalid` says every fault, and no values."""
    return checked(kind.settings, settings, kind.slug)


def checked(model: type[Settings], settings: Mapping[str, Any], where: str) -> Settings:
    """Check settings against their model, as `validated` does."""
    try:
        return model.model_validate(dict(settings))
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False)
    # Outside the handler: the original error holds the values and must not hang on ours.
    raise Invalid(f"{where}: {'; '.join(_sentence(model, fault) for fault in faults)}")


def _sentence(model: type[BaseModel], fault: Mapping[str, Any]) -> str:
    name = ".".join(str(part) for part in fault["loc"]) or "settings"
    match fault["type"]:
        case "extra_forbidden":
            near = get_close_matches(name, model.model_fields, n=1)
            hint = f'did you mean "{near[0]}"?' if near else _known(model)
            return f'unknown setting "{name}"; {hint}'
        case "missing":
            return f'setting "{name}" is required: {model.model_fields[name].description}'
        case "value_error":
            return f'setting "{name}": {fault["msg"].removeprefix("Value error, ")}'
        case _:
            expected = re.sub(r"^\w+ should (be|have)", "expected", fault["msg"])
            shown = model.model_fields[str(fault["loc"][0])].repr if fault["loc"] else False
            return f'setting "{name}": {expected}, got {_described(fault["input"], shown=shown)}'


def _known(model: type[BaseModel]) -> str:
    return f"the settings are {', '.join(model.model_fields)}" if model.model_fields else "there are no settings"


def _described(value: object, *, shown: bool) -> str:
    """Name a wrong value without showing it, numbers excepted where they are `shown`: it may be a secret."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return f"{value}" if shown else "a number"
        case str():
            return "another text"
        case Mapping():
            return "an object"
        case _:
            return "a list" if isinstance(value, Sequence) else type(value).__name__
