"""Slugs: the names in files and addresses that are made of names for people."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import BeforeValidator, StringConstraints
from pydantic_core import PydanticCustomError

_PATTERN, _LONGEST = r"^[a-z0-9][a-z0-9_-]*$", 100
EXPECTED = (
    f"expected lower-case letters, digits, - and _, of which the first is a letter or a digit; {_LONGEST} at most"
)


def fits(text: str) -> bool:
    """Say whether a text is a slug."""
    return len(text) <= _LONGEST and re.fullmatch(_PATTERN, text) is not None


def _in_words(value: Any) -> Any:
    if isinstance(value, str) and not fits(value):
        raise PydanticCustomError("slug", EXPECTED)
    return value


# Its pattern is for the schema: `_in_words` says the same to people.
Slug = Annotated[str, StringConstraints(pattern=_PATTERN, max_length=_LONGEST), BeforeValidator(_in_words)]


def slug_of(name: str, otherwise: str) -> str:
    """Make a slug of a display name: `Mask e-mails!` becomes `mask-e-mails`."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:90].strip("-") or otherwise


def unlike(slug: str, taken: Iterable[str]) -> str:
    """Return the slug, numbered when it is taken."""
    known = set(taken)
    numbered = (f"{slug}-{number}" for number in range(2, len(known) + 3))
    return slug if slug not in known else next(each for each in numbered if each not in known)
