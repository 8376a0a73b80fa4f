"""`GET /`: what runs here, how to send an event, where to look. Plain HTML without scripts, until the pages exist."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from midstream.domain.topology import Destination, Snapshot

_STYLE = """
:root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 15%, transparent) }
body { font: 16px/1.55 system-ui, sans-serif; max-width: 48rem; margin: 3rem auto; padding: 0 1rem }
h1 { font-size: 1.6rem; margin-bottom: 0 } h2 { font-size: 1.1rem; margin-top: 2.2rem }
table { border-collapse: collapse; width: 100% } th, td { text-align: left; padding: .35rem .6rem .35rem 0;
border-bottom: 1px solid var(--line) } th { font-weight: 600 }
pre { padding: .9rem 1rem; border: 1px solid var(--line); border-radius: .5rem; overflow-x: auto; font-size: .85rem }
.quiet { opacity: .7 }
"""


def routes(snapshot: Callable[[], Snapshot], api: ASGIApp | None) -> list[Route]:
    """Return the page's route. `snapshot` is asked at each request; who does not want HTML is answered by the `api`."""

    async def home(request: Request) -> Response | ASGIApp:
        if api is not None and _asks_the_api(request):
            return api
        page = _page(snapshot(), str(request.base_url).rstrip("/"))
        return HTMLResponse(
            page,
            headers={
                "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
                "x-content-type-options": "nosniff",
                "referrer-policy": "no-referrer",
            },
        )

    return [Route("/", home)]


def _asks_the_api(request: Request) -> bool:
    """Tell a client of the Public API, for which `/` is the workspace, from a person who opens the address."""
    return "authorization" in request.headers or "application/json" in request.headers.get("accept", "")


def _page(snapshot: Snapshot, base_url: str) -> str:
    url = escape(base_url)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>midstream</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head>
<body><main>
<h1>midstream</h1>
<p class="quiet">Insert functions for event streams. It is running.</p>
<h2>What is connected</h2>
{_connections(snapshot)}
<h2>Send an event</h2>
<pre>curl {url}/v1/track -u YOUR_WRITE_KEY: \\
  -H 'content-type: application/json' \\
  -d '{{"userId": "u-1", "event": "Order Completed", "properties": {{"total": 19.5}}}}'</pre>
<p>Any Segment SDK works too: set its host to <code>{url}</code>.</p>
<h2>Where to look</h2>
<pre>midstream tail          # events as they are decided
midstream deliveries    # counts and samples, by destination and reason</pre>
<p><a href="/healthz">/healthz</a> · <a href="/readyz">/readyz</a> · <a href="/metrics">/metrics</a></p>
</main></body></html>
"""


def _connections(snapshot: Snapshot) -> str:
    if not snapshot.sources:
        return "<p>Nothing yet. Write a folder and load it with <code>midstream apply DIR</code>.</p>"
    rows = "".join(_row(snapshot, each) for each in snapshot.destinations.values())
    unconnected = [
        escape(source.name)
        for source in snapshot.sources.values()
        if all(each.source_id != source.id for each in snapshot.destinations.values())
    ]
    note = f"<p>Without a destination: {', '.join(unconnected)}</p>" if unconnected else ""
    head = "<tr><th>Source</th><th>Functions</th><th>Destination</th><th>Type</th><th>Enabled</th></tr>"
    return f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>{note}" if rows else note


def _row(snapshot: Snapshot, destination: Destination) -> str:
    source = snapshot.sources.get(destination.source_id)
    cells: Sequence[str] = (
        source.name if source else destination.source_id,
        " → ".join(each.name for each in destination.instances) or "–",
        destination.name,
        destination.type,
        "yes" if destination.enabled else "no",
    )
    return "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"
