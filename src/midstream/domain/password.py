"""What a password must be. Enters: what a person typed, and their e-mail address. Leaves: what is wrong with it, or None."""

from __future__ import annotations

import re
import unicodedata

SHORTEST = 12
LONGEST = 256  # longer than any password manager makes them; bounds what is hashed
_WORD = 4  # shorter parts of an address are in many words by chance


def normal(password: str) -> str:
    """Return the one spelling of what was typed: keyboards and systems compose accents differently (NIST SP 800-63B)."""
    return unicodedata.normalize("NFKC", password)


def fault_of(password: str, email: str) -> str | None:
    """Say what is wrong with a new password. Length is what counts; what others know from the address does not."""
    typed = normal(password)
    if len(typed) > LONGEST:
        return f"expected at most {LONGEST} characters"
    if len(typed) < SHORTEST:
        return f"expected at least {SHORTEST} characters"
    if len(_without(typed, email)) < SHORTEST:
        return f"expected at least {SHORTEST} characters without those of the e-mail address"
    if len(set(typed)) < _WORD:
        return f"expected at least {_WORD} different characters"
    return None


def _without(typed: str, email: str) -> str:
    rest = typed.casefold()
    address = email.casefold()
    for part in sorted({address, *re.split(r"[^\w]+", address)}, key=len, reverse=True):
        if len(part) >= _WORD:
            rest = rest.replace(part, "")
    return rest
