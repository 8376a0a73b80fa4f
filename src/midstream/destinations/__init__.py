"""The catalog: every type of destination there is, by its slug. One destination a file; what one is says `kind`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from midstream.destinations.kind import Kind, Ports, Sender, Sent, validated
from midstream.destinations.sink import SINK
from midstream.destinations.webhook import WEBHOOK

CATALOG: Mapping[str, Kind] = MappingProxyType({kind.slug: kind for kind in (WEBHOOK, SINK)})

__all__ = ["CATALOG", "Kind", "Ports", "Sender", "Sent", "validated"]
