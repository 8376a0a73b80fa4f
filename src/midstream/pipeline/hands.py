"""What a lane has in its hands, or had a moment ago.

A log that was killed forgets the last acks and hands messages out again. Whoever still holds one, or has just settled it,
knows better, and so spares the destination a repeat.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from midstream.log import Message

_REMEMBERED = 2000  # settled messages; the log forgets those of some tenths of a second

_Key = tuple[str, int, datetime]


class Hands:
    """The messages a lane holds and those it settled last."""

    def __init__(self) -> None:
        self._held: dict[_Key, Message] = {}
        self._settled: dict[_Key, None] = {}  # oldest first

    @property
    def held(self) -> Sequence[Message]:
        """The messages taken and neither settled nor let go."""
        return tuple(self._held.values())

    def take(self, messages: Sequence[Message]) -> tuple[list[Message], list[Message]]:
        """Take messages, and return those that are new and those that are settled already: these need only their ack.

        One that is held already is in neither: its ack is to come.
        """
        new, settled = [], []
        for message in messages:
            key = _key(message)
            if key in self._settled:
                settled.append(message)
            elif key not in self._held:
                self._held[key] = message
                new.append(message)
        return new, settled

    def settle(self, messages: Sequence[Message]) -> None:
        """Remember that everything in them is settled, whatever becomes of the ack."""
        for message in messages:
            self._held.pop(_key(message), None)
            self._settled[_key(message)] = None
        while len(self._settled) > _REMEMBERED:
            del self._settled[next(iter(self._settled))]

    def let_go(self, messages: Sequence[Message]) -> list[Message]:
        """Forget those of the messages that are not settled, and return them: they are welcome again."""
        return [message for message in messages if self._held.pop(_key(message), None)]


def _key(message: Message) -> _Key:
    # With the time, because a log that lost its tail gives its numbers to new messages.
    return message.stream, message.sequence, message.at
