"""Which hosts a function, or a sealed setting, may be sent to: lists of names, without any I/O.

Enters: entries as their owner wrote them, then where a request is going. Leaves: whether it may go there.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from midstream.errors import Invalid

# Whoever names a host by hand names few; a list longer than this is a mistake.
MOST = 100

_ENTRY = re.compile(
    r"(?:(?P<scheme>https?)://)?(?P<below>\*\.)?(?P<name>[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{1,5}))?/?"
)


@dataclass(frozen=True, slots=True)
class Host:
    """One entry. Without a scheme it is https only: what is secret, or personal, does not go out in the clear by default."""

    scheme: str
    name: str
    below: bool  # the names below it, and not it
    port: int | None  # any

    @classmethod
    def of(cls, text: str) -> Host:
        """Read "api.example.com", "*.example.com", "api.example.com:8443" or "http://127.0.0.1:8080"."""
        found = _ENTRY.fullmatch(text.strip().lower())
        if found is None or int(found["port"] or 0) > 65535:
            raise Invalid(
                f"expected a host such as api.example.com, *.example.com, api.example.com:8443 or http://127.0.0.1:8080, "
                f"got {text!r}"
            )
        port = int(found["port"]) if found["port"] else None
        return cls(found["scheme"] or "https", found["name"].strip("[]"), found["below"] is not None, port)

    def covers(self, scheme: str, host: str, port: int) -> bool:
        """Say whether a request to there is one to this host."""
        if scheme not in (self.scheme, "https") or self.port not in (None, port):
            return False
        name = host.strip("[]").rstrip(".").lower()
        return name.endswith(f".{self.name}") if self.below else name == self.name


@dataclass(frozen=True, slots=True)
class Hosts:
    """A list of them. `whose` ends the sentence of a refusal: "… is not among the hosts that this function may ask"."""

    whose: str
    entries: tuple[Host, ...]

    @classmethod
    def of(cls, whose: str, texts: Sequence[str]) -> Hosts:
        """Read the entries. Raises Invalid."""
        if len(texts) > MOST:
            raise Invalid(f"expected at most {MOST} hosts, got {len(texts)}")
        return cls(whose, tuple(map(Host.of, texts)))

    def refusal(self, scheme: str, host: str, port: int) -> str | None:
        """Say why nothing may be sent there; None when it may."""
        if any(entry.covers(scheme, host, port) for entry in self.entries):
            return None
        return f"{scheme}://{host}:{port} is not among the hosts that {self.whose}"
