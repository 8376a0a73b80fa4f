"""The frozen picture of what is connected to what: all the event path ever reads of the control plane."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from midstream.domain.filters import DestinationFilter
from midstream.domain.function import FunctionSpec


class OnError(StrEnum):
    """What an event discarded by a function becomes (contract §2)."""

    BLOCK = "block"
    PASS = "pass"  # noqa: S105 # no password
    QUARANTINE = "quarantine"


@dataclass(frozen=True, slots=True)
class Source:
    """Where events come from. `key_hashes` are hex SHA-256 of its write keys."""

    id: str
    name: str
    slug: str
    enabled: bool
    key_hashes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Instance:
    """One insert function connected to one destination, enabled.

    `spec` is None when its settings cannot be decrypted: its events are held (`invalid_settings`) and `fault` says why.
    """

    id: str
    name: str
    function_id: str
    on_error: OnError
    spec: FunctionSpec | None
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Destination:
    """Where events go. Settings are decrypted here and nowhere else.

    `secrets` are those of the destination and of all its functions: what one of them was told, another may print.
    Events accepted in [disabled_at, enabled_at) are not delivered: the destination was off then. `settings` is None when
    they cannot be decrypted.
    """

    id: str
    source_id: str
    type: str
    name: str
    enabled: bool
    created_at: datetime
    enabled_at: datetime
    disabled_at: datetime | None
    settings: Mapping[str, Any] | None = field(repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)
    instances: Sequence[Instance] = ()
    filters: Sequence[DestinationFilter] = ()
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything, at one revision. A higher revision is newer."""

    revision: int
    sources: Mapping[str, Source]  # by id
    destinations: Mapping[str, Destination]  # by id
    by_key: Mapping[str, Source]  # by write key hash

    @classmethod
    def of(cls, revision: int, sources: Sequence[Source], destinations: Sequence[Destination]) -> Snapshot:
        """Build the look-up tables from plain lists."""
        return cls(
            revision,
            {source.id: source for source in sources},
            {destination.id: destination for destination in destinations},
            {key: source for source in sources for key in source.key_hashes},
        )


EMPTY = Snapshot.of(0, (), ())
