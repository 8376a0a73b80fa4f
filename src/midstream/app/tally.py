"""What the demo's display counts: outcomes as they are settled, with the latencies of the last deliveries."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from midstream.domain.attempt import Attempt

_REMEMBERED = 2000


@dataclass(slots=True)
class Tally:
    """Counts since the start. Latency is from acceptance to delivery, of first attempts that were delivered."""

    outcomes: Counter[str] = field(default_factory=Counter)
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    latencies: deque[float] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    latest: deque[Attempt] = field(default_factory=lambda: deque(maxlen=12))

    def count(self, attempt: Attempt) -> None:
        """Take one outcome in."""
        self.outcomes[attempt.outcome] += 1
        if attempt.outcome == "delivered":
            if attempt.attempt == 1:
                self.latencies.append(attempt.latency_ms)
        else:
            self.reasons[attempt.outcome, attempt.reason] += 1
        self.latest.append(attempt)

    def latency(self, share: float) -> float | None:
        """Return the latency in milliseconds that `share` of the last deliveries stayed within."""
        return quantile(sorted(self.latencies), share)


def quantile(ordered: Sequence[float], share: float) -> float | None:
    """Return a quantile of sorted values; None of nothing."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None
