"""E-mail addresses, in the one form they are compared in."""

from __future__ import annotations

import re

from midstream.errors import Invalid

# What a mail server's name or address literal can be made of. Whether mail arrives there, only mail can tell.
_DOMAIN = re.compile(r"[^\W_](?:[\w-]*[^\W_])?(?:\.[^\W_](?:[\w-]*[^\W_])?)*")
_LONGEST, _LONGEST_LOCAL = 254, 64  # RFC 5321 §4.5.3.1


def normalised(text: str, where: str | None = None) -> str:
    """Return an address in lower case, without spaces around it; raise `Invalid` for what is none."""
    address = text.strip().lower()
    local, at, domain = address.rpartition("@")
    fit = bool(local) and at and len(local) <= _LONGEST_LOCAL and len(address) <= _LONGEST
    odd = not address.isprintable() or any(each in ' @,;:<>"()[]\\' for each in local)
    if not fit or odd or not _DOMAIN.fullmatch(domain):
        raise Invalid("expected an e-mail address, such as ann@example.com", where)
    return address
