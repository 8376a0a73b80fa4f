"""When a failed event is tried again. A pure function; the waiting itself is the log's."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Randomised exponential backoff, bounded in time and in tries. Defaults: contract §2, after Segment's four hours."""

    window: timedelta = timedelta(hours=4)
    attempts: int = 10
    base: timedelta = timedelta(seconds=5)
    cap: timedelta = timedelta(hours=1)


def next_attempt(
    policy: RetryPolicy,
    *,
    attempt: int,
    first: datetime,
    now: datetime,
    jitter: float,
    retry_after: timedelta | None = None,
) -> datetime | None:
    """Return when to try again after `attempt` (1-based) failed at `now`, or None when the tries are used up.

    `jitter` is uniform in [0.5, 1.5]. `retry_after` wins over the backoff but not over the cap. A time past
    `first + window` is moved onto that mark, so the last try falls at or before it.
    """
    deadline = first + policy.window
    if attempt >= policy.attempts or now >= deadline:
        return None
    # 3 to the 20th already exceeds any sane cap; the exponent is bounded so that the timedelta cannot overflow.
    delay = min(policy.base * int(3 ** min(attempt - 1, 20)), policy.cap) * jitter
    if retry_after is not None:
        delay = min(max(retry_after, timedelta(0)), policy.cap)
    return min(now + delay, deadline)
