"""Ids: a prefix that says what it is of, and a UUIDv7 in base62, so that they sort by age."""

from __future__ import annotations

import string

from uuid_utils import uuid7

_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase  # in ASCII order, to keep ids sortable
_WIDTH = 22  # 62 ** 22 > 2 ** 128


def new_id(prefix: str) -> str:
    """Make an id such as `src_01K9…` (22 characters after the prefix)."""
    number = uuid7().int
    digits = []
    for _ in range(_WIDTH):
        number, rest = divmod(number, 62)
        digits.append(_DIGITS[rest])
    return f"{prefix}_{''.join(reversed(digits))}"
