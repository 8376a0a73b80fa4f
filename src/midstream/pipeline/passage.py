"""One event on its way to one destination: what deliver fills in and settle stores."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from midstream.domain.function import Invocation, Request
from midstream.domain.head import Head, head
from midstream.domain.outcome import Outcome


@dataclass(slots=True)
class Passage:
    """The event as logged (`raw`), as it is now (`event`), and what became of it."""

    raw: bytes
    head: Head
    event: bytes
    attempt: int
    first: datetime  # when its first attempt began
    outcome: Outcome | None = None
    due: datetime | None = None  # when to try again
    versions: tuple[str, ...] = ()
    invocations: list[Invocation] = field(default_factory=list)
    request: Request | None = None

    @property
    def received(self) -> datetime:
        """When ingest accepted it."""
        return datetime.fromisoformat(self.head.receivedAt) if self.head.receivedAt else datetime.now(UTC)


def begin(raw: bytes, *, attempt: int, first: datetime) -> Passage:
    """Start an event on its way."""
    return Passage(raw, head(raw), raw, attempt, first)
