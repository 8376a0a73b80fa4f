"""The frame of every page: HTML without scripts, under a content security policy that allows none."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from html import escape
from importlib.resources import files

from starlette.responses import HTMLResponse

STYLE = files(__package__).joinpath("page.css").read_text(encoding="utf-8")


def _hash_of(style: str) -> str:
    return base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()


# What a page may do: look as we made it, and send its forms back here.
HEADERS = {
    "content-security-policy": (
        f"default-src 'none'; style-src 'sha256-{_hash_of(STYLE)}'; form-action 'self'; "
        "frame-ancestors 'none'; base-uri 'none'"
    ),
    "x-content-type-options": "nosniff",
    # Not `no-referrer`: under that browsers send forms with `Origin: null`, which tells us nothing.
    "referrer-policy": "same-origin",
}
_PLACES = {"/app/": "Account", "/app/tokens": "API tokens"}
_SIGN_OUT = '<form method="post" action="/app/sign-out"><button class="plain">Sign out</button></form>'


def page(
    title: str, body: str, status: int = 200, headers: Mapping[str, str] | None = None, *, at: str | None = None
) -> HTMLResponse:
    """Make a page. `body` is HTML, whose text is escaped already; `title` is text, and the page's heading is in `body`.

    Where somebody is signed in, `at` is which of their pages it is, and leads to the others.
    """
    shown = title if title == "midstream" else f"{title} · midstream"
    content = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{escape(shown)}</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head>
<body>{_way_around(at) if at else ""}<main>
{body}
</main></body></html>
"""
    return HTMLResponse(content, status, headers=HEADERS | dict(headers or {}))


def fault(status: int, message: str) -> HTMLResponse:
    """Show that something could not be done, and a way on."""
    return page(
        "That did not work",
        f'<h1>That did not work</h1>\n<p role="alert">{escape(message)}</p>\n<p><a href="/app/">Go on</a></p>',
        status,
    )


def _way_around(at: str) -> str:
    links = "".join(
        f'<li><a href="{path}"{" aria-current=page" if path == at else ""}>{name}</a></li>'
        for path, name in _PLACES.items()
    )
    return f'<header><nav aria-label="Pages"><ul>{links}</ul></nav>{_SIGN_OUT}</header>\n'
