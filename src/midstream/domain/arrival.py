"""What the server knows about the request an event came with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec
from msgspec import Raw

from midstream.domain.pieces import Fields, text
from midstream.domain.times import iso, moment_of

_json = msgspec.json.Encoder().encode


class Sent(NamedTuple):
    """When a client sent, as Segment writes it, and how far its clock is behind ours."""

    written: str
    behind: timedelta


@dataclass(slots=True)
class Arrival:
    """What the server knows about the request an event came with. One serves all events of a batch.

    `body` is all of it: what is nowhere in there need not be looked for in each event.
    """

    project_id: str
    received_at: datetime  # UTC
    new_message_id: Callable[[], str]
    body: bytes
    ip: str | None = None
    type: str | None = None  # from the path, for single events
    sent_at: Raw | None = None
    context: Fields | None = None
    integrations: Fields | None = None
    # What follows from it, worked out once and not at each event.
    received: str = field(init=False)  # `received_at` as Segment writes it
    received_piece: Raw = field(init=False)
    project: Raw = field(init=False)
    sent: Sent = field(init=False)  # as the client says of the request, or when it came
    has_newlines: bool = field(init=False)
    is_merged: bool = field(init=False)  # whether something of the batch goes into each of its events

    def __post_init__(self) -> None:
        self.received = iso(self.received_at)
        self.received_piece = Raw(_json(self.received))
        self.project = Raw(_json(self.project_id))
        self.is_merged = bool(self.context or self.integrations)
        self.has_newlines = b"\n" in self.body
        self.sent = Sent(self.received, timedelta())
        self.sent = self.sent_of(text(self.sent_at))

    def sent_of(self, clock: str | None) -> Sent:
        """Return what it means that the client's clock showed this as it sent; what is no time says nothing."""
        moment = moment_of(clock)
        return Sent(iso(moment), self.received_at - moment) if moment else self.sent
