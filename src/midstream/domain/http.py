"""An outbound HTTP exchange as values: what is asked for, and what came of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from midstream.domain.hosts import Hosts


@dataclass(frozen=True, slots=True)
class Outbound:
    """A request to send. `redirects` is how many may be followed; 0 gives the 3xx answer itself.

    An answer over `max_response_bytes` is ETOOLARGE; with `cut` its first bytes are the answer's body instead. All of the
    lists in `hosts` must allow where it goes, at each redirect too.
    """

    method: str
    url: str
    headers: Sequence[tuple[str, str]] = ()
    body: bytes | None = None
    timeout: timedelta = timedelta(seconds=5)
    redirects: int = 0
    max_response_bytes: int = 6 * 1024 * 1024
    cut: bool = False
    hosts: tuple[Hosts, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """What the other side said. `url` is the last one asked, after redirects."""

    status: int
    reason: str
    headers: Sequence[tuple[str, str]]
    body: bytes
    url: str
    duration_ms: float

    def header(self, name: str) -> str | None:
        """Return the first header of that name, whatever its case."""
        wanted = name.lower()
        return next((value for key, value in self.headers if key.lower() == wanted), None)


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """No usable answer. `code` is Node's errno name: ECONNREFUSED, ECONNRESET, ETIMEDOUT, ENOTFOUND, EHOSTUNREACH and so on.

    EBLOCKED: refused by our own address guard, or a host that is not on a list. ETOOLARGE: the answer passed the limit.
    EINVAL: the request itself is unusable. ECERT: no trusted TLS connection. EPROTO: what came is not HTTP, or does not
    decompress.
    """

    code: str
    message: str
    duration_ms: float


Exchange = Answer | NoAnswer
