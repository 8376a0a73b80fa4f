"""Slugs: the names in files and addresses that are made of names for people."""

from __future__ import annotations

import re
from collections.abc import Iterable


def slug_of(name: str, otherwise: str) -> str:
    """Make a slug of a display name: `Mask e-mails!` becomes `mask-e-mails`."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:90].strip("-") or otherwise


def unlike(slug: str, taken: Iterable[str]) -> str:
    """Return the slug, numbered when it is taken."""
    known = set(taken)
    numbered = (f"{slug}-{number}" for number in range(2, len(known) + 3))
    return slug if slug not in known else next(each for each in numbered if each not in known)
