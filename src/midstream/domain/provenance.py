"""Whether one of our own pages sent a request: what a browser says of it, against where we are.

`Sec-Fetch-Site` comes from all current browsers, over TLS and on loopback; `Origin` with everything but a plain GET, and
also over HTTP. Scripts can set neither. What is allowed by either is the table of docs/signin.md.
"""

from __future__ import annotations

from urllib.parse import urlsplit

SESSION = "midstream"  # the cookie of somebody who signed in
WORKSPACE = "midstream-workspace"  # the header with which a page asks the API for them: no form or link can send it

_SAFE = frozenset({"GET", "HEAD"})


def is_form_of_ours(site: str | None, origin: str | None, here: str) -> bool:
    """Say whether a form was sent from one of our pages. `none` is a person: an address typed in, a bookmark."""
    return site in {"same-origin", "none"} if site else origin == origin_of(here)


def is_script_of_ours(method: str, site: str | None, origin: str | None, here: str) -> bool:
    """Say whether a request that has the header came from a script of ours.

    Over plain HTTP a browser says nothing about a GET. It has asked us, though, before it let a script of another origin
    send the header, and we never allow that.
    """
    if site:
        return site == "same-origin"
    return origin == origin_of(here) if origin else method in _SAFE


def origin_of(url: str) -> str:
    """Return the origin of a URL as browsers write it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()
