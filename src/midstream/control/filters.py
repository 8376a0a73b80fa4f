"""Destination filters: which events of a source go to a destination, and with which of their properties."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import func, select

from midstream.control.act import Act, Writes, use_case, use_case_on
from midstream.control.transaction import assign
from midstream.domain.access import Permission
from midstream.domain.audit import Action, Resource
from midstream.domain.filters import (
    MAX_FILTERS,
    DestinationFilter,
    FilterChange,
    FilterSection,
    Rule,
    actions_as_written,
)
from midstream.domain.outcome import Filtered
from midstream.domain.rules import EVENT_BYTES
from midstream.domain.sieve import Sieve
from midstream.domain.wellformed import LEVELS, levels, mended
from midstream.errors import Invalid, RequestError
from midstream.store.ids import new_id
from midstream.store.schema import DestinationRow, FilterRow


class FilterView(msgspec.Struct, frozen=True):
    """A filter; its actions are in the API's shape."""

    id: str
    source_id: str
    destination_id: str
    if_: str
    actions: list[dict[str, Any]]
    title: str
    description: str
    enabled: bool
    created_at: datetime
    updated_at: datetime


def resource(row: FilterRow) -> Resource:
    """Name a filter for the audit trail."""
    return Resource("destination_filter", row.id, row.title)


async def add_filter(act: Act, destination: DestinationRow, section: FilterSection) -> FilterRow:
    """Add a filter to a destination."""
    count = await act.session.scalar(
        select(func.count()).select_from(FilterRow).where(FilterRow.destination_id == destination.id)
    )
    if (count or 0) >= MAX_FILTERS:
        raise Invalid(f"a destination has {MAX_FILTERS} filters at most: remove one, or join two with 'or'")
    row = FilterRow(
        id=new_id("flt"),
        destination_id=destination.id,
        title=section.title,
        description=section.description,
        condition=section.if_,
        actions=actions_as_written(section.actions),
        enabled=section.enabled,
        created_at=act.at,
        updated_at=act.at,
    )
    act.session.add(row)
    await act.session.flush()
    act.note(Action.FILTER_CREATED, resource(row), f"destination {destination.id}")
    return row


async def create(
    act: Act, destination: DestinationRow, section: FilterSection, *, source_id: str | None = None
) -> FilterView:
    """Add a filter to a destination. With `source_id` that has to be where its events come from."""
    if source_id not in (None, destination.source_id, destination.source_id.removeprefix("src_")):
        message = f"the destination's source is {destination.source_id}, not {source_id}"
        raise RequestError(422, "input-validation", message, "sourceId")
    return await show(act, await add_filter(act, destination, section))


async def change_filter(act: Act, row: FilterRow, change: FilterChange) -> tuple[str, ...]:
    """Change what is given; return what changed, as the API calls it."""
    emptied = "description" in change.model_fields_set and change.description is None
    assigned = assign(
        row,
        condition=change.if_,
        actions=actions_as_written(change.actions) if change.actions is not None else None,
        title=change.title,
        description="" if emptied else change.description,
        enabled=change.enabled,
    )
    changed = tuple("if" if name == "condition" else name for name in assigned)
    if changed:
        row.updated_at = act.at
    if "enabled" in changed:
        act.note(Action.FILTER_ENABLED if row.enabled else Action.FILTER_DISABLED, resource(row))
    if others := [each for each in changed if each != "enabled"]:
        act.note(Action.FILTER_MODIFIED, resource(row), *others)
    return changed


async def change(act: Act, row: FilterRow, wanted: FilterChange, *, destination_id: str | None = None) -> FilterView:
    """Change what is given."""
    _check_at(row, destination_id)
    await change_filter(act, row, wanted)
    return await show(act, row)


async def remove(act: Act, row: FilterRow, *, destination_id: str | None = None) -> None:
    """Delete a filter; events that come from then on do not meet it any more."""
    _check_at(row, destination_id)
    act.note(Action.FILTER_DELETED, resource(row), f"destination {row.destination_id}")
    await act.session.delete(row)


async def show(act: Act, row: FilterRow, *, destination_id: str | None = None) -> FilterView:
    """Return one filter. With `destination_id` it has to be that destination's."""
    _check_at(row, destination_id)
    return _view(row, await act.session.get_one(DestinationRow, row.destination_id))


async def list_filters(act: Act, destination: DestinationRow) -> list[FilterView]:
    """List the filters of a destination, the oldest first."""
    query = select(FilterRow).where(FilterRow.destination_id == destination.id)
    rows = await act.session.scalars(query.order_by(FilterRow.created_at, FilterRow.id))
    return [_view(row, destination) for row in rows]


def preview(rule: Rule, payload: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what a filter would leave of an event; None when it would drop it. Invalid when it is none ingest takes."""
    sieve = Sieve([DestinationFilter("", "preview", rule.if_, rule.actions)])
    found = sieve.sift(_event_of(payload), str(payload.get("messageId", "")))
    return None if isinstance(found, Filtered) else json.loads(found)


def _event_of(payload: Mapping[str, Any]) -> bytes:
    try:
        raw = mended(json.dumps(payload, allow_nan=False).encode())
    except ValueError:
        raise Invalid("expected JSON, which has no NaN and no Infinity", "payload") from None
    except RecursionError:
        raise Invalid(f"expected at most {LEVELS} levels", "payload") from None
    if len(raw) > EVENT_BYTES:
        raise Invalid(f"expected at most {EVENT_BYTES:,} bytes, got {len(raw):,}", "payload")
    if levels(raw) > LEVELS:
        raise Invalid(f"expected at most {LEVELS} levels", "payload")
    return raw


async def _preview(act: Act, rule: Rule, payload: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what a filter would leave of an event; None when it would drop it."""
    return preview(rule, payload)


def _check_at(row: FilterRow, destination_id: str | None) -> None:
    if destination_id not in (None, row.destination_id, row.destination_id.removeprefix("dst_")):
        raise RequestError(404, "not-found", f"there is no destination filter with the id {row.id!r} there")


def _view(row: FilterRow, destination: DestinationRow) -> FilterView:
    return FilterView(
        id=row.id,
        source_id=destination.source_id,
        destination_id=row.destination_id,
        if_=row.condition,
        actions=row.actions,
        title=row.title,
        description=row.description,
        enabled=row.enabled,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


filters = use_case_on(DestinationRow, list_filters, Permission.SOURCE_READ)
create_filter = use_case_on(DestinationRow, create, Permission.SOURCE_EDIT, writes=Writes.TOPOLOGY)
get_filter = use_case_on(FilterRow, show, Permission.SOURCE_READ)
update_filter = use_case_on(FilterRow, change, Permission.SOURCE_EDIT, writes=Writes.TOPOLOGY)
delete_filter = use_case_on(FilterRow, remove, Permission.SOURCE_EDIT, writes=Writes.TOPOLOGY)
preview_filter = use_case(_preview, Permission.WORKSPACE_READ)
