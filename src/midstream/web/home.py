"""`GET /`: what runs here, how to send an event, where to look. Plain HTML without scripts, until the pages exist."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

from starlette.requests import Request
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from midstream.domain.provenance import WORKSPACE
from midstream.domain.topology import Destination, Snapshot
from midstream.web.page import page
from midstream.web.table import table

_COLUMNS = ("Source", "Functions", "Destination", "Type", "Enabled")


def routes(snapshot: Callable[[], Snapshot], api: ASGIApp | None) -> list[Route]:
    """Return the page's route. `snapshot` is asked at each request; who does not want HTML is answered by the `api`."""
    return [Route("/", _Home(snapshot, api))]


class _Home:
    """What answers at `/`: as an application of its own, so that the API answers the methods there are no pages for."""

    def __init__(self, snapshot: Callable[[], Snapshot], api: ASGIApp | None) -> None:
        self._snapshot, self._api = snapshot, api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        if self._api is not None and (request.method not in ("GET", "HEAD") or _asks_the_api(request)):
            await self._api(scope, receive, send)
            return
        answer = page("midstream", _body(self._snapshot(), str(request.base_url), app=self._api is not None))
        await answer(scope, receive, send)


def _asks_the_api(request: Request) -> bool:
    """Tell a client of the Public API, for which `/` is the workspace, from a person who opens the address."""
    return not {"authorization", WORKSPACE}.isdisjoint(request.headers) or "application/json" in request.headers.get(
        "accept", ""
    )


def _body(snapshot: Snapshot, base_url: str, *, app: bool) -> str:
    url = escape(base_url.rstrip("/"))
    sign_in = '<a href="/app/">Sign in</a> · ' if app else ""
    return f"""<h1>midstream</h1>
<p class="quiet">Insert functions for event streams. It is running.</p>
<h2>What is connected</h2>
{_connections(snapshot)}
<h2>Send an event</h2>
<pre tabindex="0">curl {url}/v1/track -u YOUR_WRITE_KEY: \\
  -H 'content-type: application/json' \\
  -d '{{"userId": "u-1", "event": "Order Completed", "properties": {{"total": 19.5}}}}'</pre>
<p>Any Segment SDK works too: set its host to <code>{url}</code>.</p>
<h2>Where to look</h2>
<pre tabindex="0">midstream tail          # events as they are decided
midstream deliveries    # counts and samples, by destination and reason</pre>
<p>{sign_in}<a href="/healthz">/healthz</a> · <a href="/readyz">/readyz</a> · <a href="/metrics">/metrics</a></p>"""


def _connections(snapshot: Snapshot) -> str:
    if not snapshot.sources:
        return "<p>Nothing yet. Write a folder and load it with <code>midstream apply DIR</code>.</p>"
    unconnected = [
        escape(source.name)
        for source in snapshot.sources.values()
        if all(each.source_id != source.id for each in snapshot.destinations.values())
    ]
    note = f"<p>Without a destination: {', '.join(unconnected)}</p>" if unconnected else ""
    rows = [_row(snapshot, each) for each in snapshot.destinations.values()]
    return (table(_COLUMNS, rows) if rows else "") + note


def _row(snapshot: Snapshot, destination: Destination) -> tuple[str, ...]:
    source = snapshot.sources.get(destination.source_id)
    cells = (
        source.name if source else destination.source_id,
        " → ".join(each.name for each in destination.instances) or "–",
        destination.name,
        destination.type,
        "yes" if destination.enabled else "no",
    )
    return tuple(map(escape, cells))
