"""Sends the audit trail on as events: whoever can write to the database cannot alter what has left it.

Enters: entries, of all workspaces in the order of the chain. Leaves: an event `Audit` each on `events.<source>`, where a
workspace has an enabled source of the slug that is configured. How far it got stands in the database and moves after the
log has the events, so a crash repeats some (with the same messageId) and loses none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec
from sqlalchemy import select

from midstream import telemetry
from midstream.domain.arrival import Arrival
from midstream.domain.audit import Entry, event_of
from midstream.domain.event import Accepted, accept
from midstream.domain.received import HEADER, written
from midstream.errors import MidstreamError
from midstream.log import Log
from midstream.store import trail
from midstream.store.schema import SourceRow
from midstream.store.session import Sessions, reading
from midstream.telemetry import logger

_AT_ONCE = 100
_EVERY = 1.0  # seconds


async def forward(log: Log, sessions: Sessions, slug: str) -> None:
    """Send on what is new until cancelled. What the trail held before is sent first."""
    told = False
    while True:
        try:
            if not told and not await takers(sessions, slug):
                told = True
                logger().warning("no workspace has an enabled source that audit_source names", audit_source=slug)
            while await send_some(log, sessions, slug):
                pass
        except MidstreamError as error:
            logger().warning("the audit trail waits to be forwarded", error=str(error))
        except Exception:  # noqa: BLE001 # the top of a loop that must go on
            logger().exception("forwarding the audit trail failed; going on")
        await asyncio.sleep(_EVERY)


async def takers(sessions: Sessions, slug: str) -> dict[str, str]:
    """Return the source that takes a workspace's trail, by workspace."""
    query = select(SourceRow).where(SourceRow.slug == slug, SourceRow.enabled)
    async with reading(sessions) as session:
        return {row.workspace_id: row.id for row in await session.scalars(query)}


async def send_some(log: Log, sessions: Sessions, slug: str) -> int:
    """Send the next entries; return how many there were, those of workspaces without such a source among them.

    Where no workspace has one, entries wait.
    """
    if not (sources := await takers(sessions, slug)):
        return 0
    async with reading(sessions) as session:
        entries = await trail.following(session, await trail.forwarded(session), limit=_AT_ONCE)
    for entry in entries:
        await _send(log, entry, sources)
    if entries:
        await trail.mark_forwarded(sessions, entries[-1].sequence)
    return len(entries)


async def _send(log: Log, entry: Entry, sources: Mapping[str, str]) -> None:
    source = sources.get(entry.workspace_id)
    if source is None:
        logger().debug("no source takes this entry of the audit trail", entry=entry.id, workspace=entry.workspace_id)
        return
    body = msgspec.json.encode(event_of(entry))
    arrival = Arrival(project_id=source, received_at=datetime.now(UTC), new_message_id=lambda: entry.id, body=body)
    match accept(body, arrival):
        case Accepted() as accepted:
            # The log drops what comes again under the same id within two minutes, from a second front too.
            counted = {HEADER: written([accepted.kind])}
            await log.append(f"events.{source}", accepted.raw, message_id=accepted.message_id, headers=counted)
            telemetry.events_received.labels(source, accepted.type).inc()
        case rejection:
            logger().error("an entry of the audit trail is no event", entry=entry.id, why=rejection.detail)
