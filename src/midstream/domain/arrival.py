"""What the server knows about the request an event came with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import NamedTuple

import msgspec
from msgspec import UNSET, Raw

from midstream.domain.pieces import Fields, text, version_of
from midstream.domain.times import iso, moment_of

_json = msgspec.json.Encoder().encode
ANALYTICS_JS = b'"analytics.js"'


@dataclass(frozen=True)
class Arrival:
    """What the server knows about the request an event came with. One serves all events of a batch.

    `body` is all of it: what is nowhere in there need not be looked for in each event.
    """

    project_id: str
    received_at: datetime
    new_message_id: Callable[[], str]
    body: bytes
    ip: str | None = None
    type: str | None = None  # from the path, for single events
    sent_at: Raw | None = None
    context: Fields | None = None
    integrations: Fields | None = None

    @cached_property
    def received(self) -> str:
        """`received_at` as Segment writes it."""
        return iso(self.received_at)

    @cached_property
    def names_analytics_js(self) -> bool:
        """Whether some of it may come from a browser."""
        return ANALYTICS_JS in self.body

    @cached_property
    def has_newlines(self) -> bool:
        """Whether some of it goes over several lines."""
        return b"\n" in self.body

    @cached_property
    def has_escapes(self) -> bool:
        """Whether some letters in it may be spelled by their number."""
        # Most have no backslash at all, and one byte is found fifty times as fast as two.
        return b"\\" in self.body and b"\\u" in self.body

    @cached_property
    def adds_little(self) -> bool:
        """Whether events of servers get nothing but `stamps` and their times from it."""
        return not (self.context or self.integrations or self.names_analytics_js)

    @cached_property
    def stamps(self) -> bytes:
        """What an event of a server gets that has none of it, as members of an object."""
        sent = self.sent.written if self.sent else self.received
        stamps = {"sentAt": sent, "receivedAt": self.received, "channel": "server", "version": 2}
        return _json(stamps | {"projectId": self.project_id})[1:-1]

    @cached_property
    def sent(self) -> Sent | None:
        """When the client says it sent the request."""
        clock = moment_of(text(self.sent_at))
        return self.sent_at_clock(clock) if clock else None

    @cached_property
    def app_version(self) -> str:
        """The context.app.version of a batch, for events that have none of their own."""
        return version_of(self.context.get("app", UNSET)) if self.context else ""

    @cached_property
    def behind(self) -> timedelta:
        """How far the client's clock is behind ours; nothing where it does not say."""
        return self.sent.behind if self.sent else timedelta()

    def sent_at_clock(self, clock: datetime) -> Sent:
        """Return what it means that the client's clock showed this as it sent."""
        return Sent(iso(clock), self.received_at - clock)


class Sent(NamedTuple):
    """When a client sent, as Segment writes it, and how far its clock is behind ours."""

    written: str
    behind: timedelta
