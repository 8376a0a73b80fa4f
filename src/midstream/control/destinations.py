"""Destinations: where a source's events go, with settings that the catalog defines."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from midstream import destinations as catalog
from midstream.control import settings as values
from midstream.control.transaction import alone, assign, check_name, get
from midstream.domain.written import nearest
from midstream.errors import Invalid, RequestError
from midstream.secrets import Vault
from midstream.store.ids import new_id
from midstream.store.schema import DestinationRow, SourceRow


def kind_of(slug: str, where: str | None = None) -> catalog.Kind:
    """Look a destination type up in the catalog."""
    if slug not in catalog.CATALOG:
        raise Invalid(f"unknown destination type {slug!r}{nearest(slug, catalog.CATALOG)}", where)
    return catalog.CATALOG[slug]


async def add_destination(
    session: AsyncSession,
    vault: Vault,
    *,
    source_id: str,
    slug: str,
    type: str,  # noqa: A002 it is what the catalog, the table and the API call it
    name: str,
    settings: Mapping[str, Any],
    enabled: bool = True,
) -> str:
    """Add a destination to a source and return its id."""
    check_name(name)
    source = await get(session, SourceRow, source_id)
    taken = select(DestinationRow.id).where(
        DestinationRow.workspace_id == source.workspace_id, DestinationRow.slug == slug
    )
    if await session.scalar(taken):
        raise RequestError(409, "slug_taken", f"there is a destination {slug!r} already", "slug")
    now = datetime.now(UTC)
    row = DestinationRow(
        id=new_id("dst"),
        workspace_id=source.workspace_id,
        source_id=source_id,
        slug=slug,
        type=type,
        name=name,
        enabled=enabled,
        settings={},
        secrets={},
        created_at=now,
        updated_at=now,
        enabled_at=now,
        disabled_at=None if enabled else now,
    )
    _put(row, settings, vault)
    session.add(row)
    await session.flush()
    return row.id


async def change_destination(
    session: AsyncSession,
    vault: Vault,
    destination_id: str,
    *,
    name: str | None = None,
    enabled: bool | None = None,
    settings: Mapping[str, Any] | None = None,
) -> tuple[str, ...]:
    """Change what is given; return what changed. `settings` replaces all of them; source and type stay for ever."""
    if name is not None:
        check_name(name)
    row = await get(session, DestinationRow, destination_id)
    changed = assign(row, name=name, enabled=enabled)
    if settings is not None:
        changed += _put(row, settings, vault)
    now = datetime.now(UTC)
    if "enabled" in changed and row.enabled:
        row.enabled_at = now
    elif "enabled" in changed:
        row.disabled_at = now
    if changed:
        row.updated_at = now
    return changed


def _put(row: DestinationRow, settings: Mapping[str, Any], vault: Vault) -> tuple[str, ...]:
    kind = kind_of(row.type)
    catalog.validated(kind, settings)
    values.check_json(settings)
    return values.put(row, settings, kind.sensitive, vault)


create_destination = alone(add_destination)
update_destination = alone(change_destination)
