"""All attempts, in groups."""

from __future__ import annotations

from tests.escape.attempts import chains, direct, floods, frames, poison, strings, values
from tests.escape.attempts.attempt import Attempt

ATTEMPTS: list[Attempt] = [
    *direct.ATTEMPTS,
    *chains.ATTEMPTS,
    *strings.ATTEMPTS,
    *poison.ATTEMPTS,
    *frames.ATTEMPTS,
    *values.ATTEMPTS,
    *floods.ATTEMPTS,
]
