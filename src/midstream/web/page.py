"""The frame of every page: HTML without scripts, under a content security policy that allows none."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from html import escape

from starlette.responses import HTMLResponse

STYLE = """
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 15%, transparent) }
body { font: 16px/1.55 system-ui, sans-serif; max-width: 48rem; margin: 3rem auto; padding: 0 1rem }
h1 { font-size: 1.6rem; margin-bottom: 0 } h2 { font-size: 1.1rem; margin-top: 2.2rem }
table { border-collapse: collapse; width: 100% } th, td { text-align: left; padding: .35rem .6rem .35rem 0;
border-bottom: 1px solid var(--line) } th { font-weight: 600 }
pre { padding: .9rem 1rem; border: 1px solid var(--line); border-radius: .5rem; overflow-x: auto; font-size: .85rem }
.quiet { opacity: .7 }
form.tall { max-width: 22rem } form.tall > * { display: block; box-sizing: border-box; width: 100% }
label { margin-top: 1rem; font-weight: 600 } input, button { font: inherit; padding: .4rem .6rem }
form.tall button, a.button { margin-top: 1.2rem } .small { font-size: .85rem; margin: .2rem 0 0 }
[role=alert] { border-left: .25rem solid #c33; padding: .2rem .8rem }
"""


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


def page(title: str, body: str, status: int = 200, headers: Mapping[str, str] | None = None) -> HTMLResponse:
    """Make a page. `body` is HTML, whose text is escaped already; `title` is text, and the page's heading is in `body`."""
    content = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head>
<body><main>
{body}
</main></body></html>
"""
    return HTMLResponse(content, status, headers=HEADERS | dict(headers or {}))


def fault(status: int, message: str) -> HTMLResponse:
    """Show that something could not be done, and a way on."""
    return page(
        "midstream",
        f'<h1>That did not work</h1>\n<p role="alert">{escape(message)}</p>\n<p><a href="/app/">Go on</a></p>',
        status,
    )
