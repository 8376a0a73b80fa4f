"""The sink: keeps the last events in the log's own memory, to be looked at with `destinations received`."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from midstream.destinations.kind import Kind, Ports, Sent, checked
from midstream.domain.outcome import Delivered
from midstream.domain.rules import TYPES
from midstream.domain.topology import Destination

KEPT = 1000
_DELIVERED = Sent(Delivered())


def subject(destination: str) -> str:
    """Return where the log keeps a destination's events, in its stream SINK."""
    return f"sink.{destination}"


class SinkSettings(BaseModel):
    """A sink has nothing to set."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Sink:
    """Publishes each event as one message; the log keeps the last 1,000 of a destination."""

    def __init__(self, destination: Destination, ports: Ports) -> None:
        checked(SinkSettings, destination.settings or {}, "sink")
        self._subject = subject(destination.id)
        self._publish = ports.publish

    async def send(self, events: Sequence[bytes], ids: Sequence[str]) -> Sequence[Sent]:
        """Keep the events; they always arrive."""
        for event in events[-KEPT:]:
            await self._publish(self._subject, event)
        return [_DELIVERED] * len(ids)

    async def close(self) -> None:
        """Nothing is held."""


SINK = Kind(
    slug="sink",
    name="Sink",
    description="Keeps the last 1,000 events in memory. For trying things out; nothing leaves midstream.",
    event_types=frozenset(TYPES),
    settings=SinkSettings,
    sensitive=frozenset(),
    build=Sink,
)
