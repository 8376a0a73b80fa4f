"""Instances: a function connected to a destination, in the order in which the destination's chain runs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from midstream.control import settings as values
from midstream.control.functions import latest_version
from midstream.control.transaction import alone, assign, check_name, get
from midstream.domain.settings import check_values, definitions, sensitive
from midstream.domain.topology import OnError
from midstream.errors import Invalid, RequestError
from midstream.secrets import Vault
from midstream.store.ids import new_id
from midstream.store.schema import DestinationRow, FunctionRow, InstanceRow, VersionRow


async def add_instance(
    session: AsyncSession,
    vault: Vault,
    *,
    function_id: str,
    destination_id: str,
    name: str,
    settings: Mapping[str, Any],
    enabled: bool = True,
    on_error: OnError = OnError.BLOCK,
) -> str:
    """Connect a function's latest version to the end of a destination's chain; return the instance's id."""
    check_name(name)
    function = await get(session, FunctionRow, function_id)
    destination = await get(session, DestinationRow, destination_id)
    if function.workspace_id != destination.workspace_id:
        raise RequestError(404, "not_found", f"no function with id {function_id} in the destination's workspace")
    version = await latest_version(session, function_id)
    if version is None:
        raise Invalid(f"function {function.slug!r} has no code yet: save a version first")
    last = await session.scalar(
        select(func.max(InstanceRow.position)).where(InstanceRow.destination_id == destination_id)
    )
    now = datetime.now(UTC)
    row = InstanceRow(
        id=new_id("ifi"),
        function_id=function_id,
        destination_id=destination_id,
        version_id=version.id,
        name=name,
        settings={},
        secrets={},
        enabled=enabled,
        on_error=on_error.value,
        position=0 if last is None else last + 1,
        created_at=now,
        updated_at=now,
    )
    _put(row, version, settings, vault)
    session.add(row)
    await session.flush()
    return row.id


async def change_instance(
    session: AsyncSession,
    vault: Vault,
    instance_id: str,
    *,
    name: str | None = None,
    settings: Mapping[str, Any] | None = None,
    enabled: bool | None = None,
    on_error: OnError | None = None,
    version_id: str | None = None,
) -> tuple[str, ...]:
    """Change what is given; return what changed. `settings` replaces all; another version is a deploy or rollback."""
    if name is not None:
        check_name(name)
    row = await get(session, InstanceRow, instance_id)
    version = await get(session, VersionRow, version_id or row.version_id)
    if version.function_id != row.function_id:
        raise Invalid(f"version {version.id} belongs to another function")
    changed = assign(row, name=name, enabled=enabled, on_error=on_error and on_error.value, version_id=version_id)
    if settings is None and "version_id" in changed:
        # Another schema may require more, and may call sensitive what was kept in the clear.
        schema = {it["name"] for it in version.settings_schema}
        settings = {name: value for name, value in values.opened(row, vault).items() if name in schema}
    if settings is not None:
        changed += _put(row, version, settings, vault)
    if changed:
        row.updated_at = datetime.now(UTC)
    return changed


async def reorder(session: AsyncSession, destination_id: str, instance_ids: list[str]) -> bool:
    """Let a destination's chain run in this order, what is not named after it as before; False if it did already."""
    query = select(InstanceRow).where(InstanceRow.destination_id == destination_id)
    rows = (await session.scalars(query.order_by(InstanceRow.position, InstanceRow.id))).all()
    rank = {key: index for index, key in enumerate(instance_ids)}
    wanted = sorted(rows, key=lambda row: rank.get(row.id, len(rank)))
    if wanted == list(rows):
        return False
    for position, row in enumerate(wanted):
        row.position = position
    return True


def _put(row: InstanceRow, version: VersionRow, settings: Mapping[str, Any], vault: Vault) -> tuple[str, ...]:
    schema = definitions(version.settings_schema)
    check_values(schema, settings)
    values.check_json(settings)
    return values.put(row, settings, sensitive(schema), vault)


create_instance = alone(add_instance)
update_instance = alone(change_instance)
reorder_instances = alone(reorder)
