"""`/audit-events`: the audit trail, in pages of JSON or all that is asked for as CSV."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Request
from pydantic import Field
from starlette.responses import StreamingResponse

from midstream.api import queries
from midstream.api.office import TheCall, TheQuery
from midstream.api.paging import PARAMETERS, Pagination, asked, cursor_of
from midstream.api.routing import Routes, Shape
from midstream.control import audit
from midstream.domain.audit import Entry, Wanted
from midstream.domain.times import iso

routes = Routes("Audit trail")

_LIST = "audit events"
_CSV = "text/csv"
_FILTERS: list[dict[str, Any]] = [
    {"name": name, "in": "query", "description": text, "schema": {"type": "string"} | more}
    for name, text, more in (
        ("startTime", "From this time on.", {"format": "date-time"}),
        ("endTime", "Before this time.", {"format": "date-time"}),
        ("resourceId", "What happened to this.", {}),
        ("resourceType", "What happened to things of this kind, such as source or function.", {}),
        ("actor", "What somebody did: the id or e-mail address of a user, or a token's id.", {}),
        ("type", "What was done, such as Source Deleted.", {}),
        ("format", "All that match, as CSV; so does `Accept: text/csv`.", {"enum": ["json", "csv"]}),
    )
]


class AuditEvent(Shape):
    """An entry. `origin` and `changed` are ours: from where it was done, and what was changed."""

    id: str
    timestamp: str
    type: str
    actor: str
    actorEmail: Annotated[str, Field(exclude_if=lambda email: not email)]
    resourceId: str
    resourceType: str
    resourceName: str
    origin: str
    changed: tuple[str, ...]


class AuditEvents(Shape):
    """Entries, the newest first."""

    events: tuple[AuditEvent, ...]
    pagination: Pagination


@routes.get("/audit-events", audit.entries, query=[*_FILTERS, *PARAMETERS], also=_CSV)
async def listAuditEvents(call: TheCall, query: TheQuery, request: Request) -> AuditEvents | StreamingResponse:
    """List what was changed and refused, the newest first."""
    wanted = _wanted(query)
    if queries.text(query, "format") == "csv" or _prefers_csv(request):
        headers = {"content-disposition": 'attachment; filename="audit-events.csv"'}
        return StreamingResponse(await audit.export(call, wanted), media_type=_CSV, headers=headers)
    count, before = asked(query, _LIST)
    page = await audit.entries(call, wanted, before=before or None, count=count)
    following = cursor_of(_LIST, page.before) if page.before else None
    return AuditEvents(
        events=tuple(_shaped(each) for each in page.entries),
        pagination=Pagination(current=cursor_of(_LIST, before), next=following),
    )


def _wanted(query: queries.Query) -> Wanted:
    resource, kind = queries.text(query, "resourceId"), queries.text(query, "resourceType")
    return Wanted(
        start=queries.moment(query, "startTime"),
        end=queries.moment(query, "endTime"),
        resource_ids=audit.ids_of(resource) if resource else None,
        resource_type=kind.lower() if kind else None,
        actor=queries.text(query, "actor"),
        action=queries.text(query, "type"),
    )


def _prefers_csv(request: Request) -> bool:
    """Say whether CSV is named before JSON, if JSON is named at all. Quality values are more than anybody sends here."""
    kinds = [each.partition(";")[0].strip() for each in request.headers.get("accept", "").split(",")]
    return _CSV in kinds and "application/json" not in kinds[: kinds.index(_CSV)]


def _shaped(entry: Entry) -> AuditEvent:
    return AuditEvent(
        id=entry.id,
        timestamp=iso(entry.at),
        type=entry.action,
        actor=entry.actor,
        actorEmail=entry.actor_email,
        resourceId=entry.resource.id,
        resourceType=entry.resource.type,
        resourceName=entry.resource.name,
        origin=entry.origin,
        changed=entry.changed,
    )
