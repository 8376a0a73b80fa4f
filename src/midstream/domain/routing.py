"""Whether an event wants to go to a destination at all: the `integrations` object and the supported types.

Semantics: segment.md §4.6. Keys are destination names, case-sensitive; an explicit key wins over `All`.
"""

from __future__ import annotations

import msgspec

from midstream.domain.head import Head
from midstream.domain.outcome import Filtered

_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_PLAIN = frozenset({b"null", b"{}", b"[]", b'{"All":true}', b'{"All": true}'})


def refusal(event: Head, names: tuple[str, ...], supported: frozenset[str]) -> Filtered | None:
    """Say why this event does not go to a destination known by any of `names`, or None when it does."""
    raw = bytes(event.integrations)
    if raw not in _PLAIN and raw.startswith(b"{"):
        wishes = _object.decode(raw)
        wish = next((wishes[name] for name in names if name in wishes), wishes.get("All"))
        if wish is not None and bytes(wish) == b"false":
            return Filtered("FILTERED_BY_INTEGRATIONS_OBJECT", "the event's integrations object excludes it")
    if event.type not in supported:
        return Filtered("UNSUPPORTED_EVENT_TYPE", f"this destination does not take {event.type} events")
    return None
