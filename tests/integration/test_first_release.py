"""A workspace that the first tables held runs, and can be worked on, after all that came since; on both databases."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, MetaData, func, select

from midstream.control import destinations, filters, functions, instances, sources
from midstream.control.act import Call
from midstream.control.export import export_workspace
from midstream.control.members import create_member
from midstream.domain.access import operator
from midstream.domain.bearer import hash_of
from midstream.domain.filters import FilterSection, held
from midstream.domain.topology import OnError
from midstream.secrets import Vault
from midstream.store import trail
from midstream.store.migrate import migrate
from midstream.store.session import open_engine, open_sessions
from midstream.store.snapshot import load, revision
from tests.integration.database import database_url, postgres_server, postgres_url, vault

__all__ = ["database_url", "postgres_server", "postgres_url", "vault"]

THEN = datetime(2026, 1, 1, tzinfo=UTC)
KEY = "wk_0123456789abcdef"
CODE = "function onTrack(event) { return event }"
SALT = {"name": "salt", "label": "Salt", "description": "", "type": "STRING", "required": True, "sensitive": True}
TIMES = {"created_at": THEN, "updated_at": THEN}


def rows(vault: Vault) -> Mapping[str, list[dict[str, Any]]]:
    """Give rows for every table there was, but for the revision, whose row was there from the beginning."""
    salt = vault.seal("s4lt", owner="ifi_1", name="salt")
    shared = vault.seal("sh4red", owner="dst_1", name="shared_secret")
    version = {"function_id": "ifnd_1", "settings_schema": [SALT], "author": "ann", "created_at": THEN}
    event = {"destination_id": "dst_1", "source_id": "src_1", "type": "track", "event": "Paid", "attempt": 1}
    return {
        "workspace": [{"id": "ws_1", "slug": "main", "name": "Main", "created_at": THEN}],
        "source": [{"id": "src_1", "workspace_id": "ws_1", "slug": "web", "name": "Web", "enabled": True, **TIMES}],
        "write_key": [{"hash": hash_of(KEY), "source_id": "src_1", "last4": KEY[-4:], "created_at": THEN}],
        "function": [
            {"id": "ifnd_1", "workspace_id": "ws_1", "slug": "mask", "name": "Mask", "description": "d", **TIMES}
        ],
        "function_version": [
            {"id": f"ver_{number}", "number": number, "code": f"{CODE} // {number}", "message": "m", **version}
            for number in (1, 2)
        ],
        "destination": [
            {"id": "dst_1", "workspace_id": "ws_1", "source_id": "src_1", "slug": "hook", "type": "webhook", "name": "Hook"}
            | {"enabled": True, "settings": {"url": "https://example.com"}, "secrets": {"shared_secret": shared}}
            | {"enabled_at": THEN, "disabled_at": None, **TIMES}
        ],
        "instance": [
            {"id": "ifi_1", "function_id": "ifnd_1", "destination_id": "dst_1", "version_id": "ver_1", "name": "Mask"}
            | {"settings": {}, "secrets": {"salt": salt}, "enabled": True, "on_error": "pass", "position": 0, **TIMES}
        ],
        "projection": [{"name": "attempts", "sequence": 7}],
        "delivery_count": [
            {"minute": THEN, "stage": "successful-delivery", "outcome": "delivered", "reason": "", "count": 7}
            | {"latency_ms_sum": 1.5, "latency_ms_max": 1.0, **event}
        ],
        "delivery_sample": [{"id": 1, "reason": "400", "at": THEN, "message_id": "m", "body": "{}", **event}],
    }  # fmt: skip


def tables_of(connection: Connection) -> MetaData:
    metadata = MetaData()
    metadata.reflect(connection)
    return metadata


async def test_a_workspace_of_the_first_tables_runs_and_can_be_worked_on(database_url: str, vault: Vault) -> None:
    await migrate(database_url, "0001")
    engine = open_engine(database_url)
    filled = rows(vault)
    async with engine.begin() as connection:
        metadata = await connection.run_sync(tables_of)
        assert filled.keys() | {"revision", "alembic_version"} == metadata.tables.keys()
        for name, values in filled.items():
            await connection.execute(metadata.tables[name].insert(), values)
        await connection.execute(metadata.tables["revision"].update().values(number=5))
    await migrate(database_url)
    async with engine.connect() as connection:
        for name, values in filled.items():
            assert await connection.scalar(select(func.count()).select_from(metadata.tables[name])) == len(values), name

    sessions = open_sessions(engine)
    assert await revision(sessions) == 5
    snapshot = await load(sessions, vault)
    [hook] = snapshot.destinations.values()
    assert (hook.fault, hook.filters) == ("", ())
    assert hook.settings == {"url": "https://example.com", "shared_secret": "sh4red"}
    [mask] = hook.instances
    assert mask.spec is not None
    assert (mask.spec.code, mask.spec.settings, mask.on_error) == (f"{CODE} // 1", {"salt": "s4lt"}, OnError.PASS)
    assert snapshot.by_key[hash_of(KEY)].id == "src_1"

    call = Call(sessions, vault, operator("ws_1", "tests"), "192.0.2.1")
    assert (await functions.get_function(call, "ifnd_1")).version == 2
    await functions.update_function(call, "ifnd_1", code=f"{CODE} // 3")
    await instances.deploy_function(call, "ifnd_1")
    await sources.create_write_key(call, "src_1")
    await destinations.update_destination(call, "dst_1", name="Renamed")
    await filters.create_filter(
        call, "dst_1", held(FilterSection, {"title": "t", "if": "all", "actions": [{"type": "DROP"}]})
    )
    await create_member(call, email="ann@example.com")
    exported = await export_workspace(call)
    assert set(exported.files) == {"workspace.toml", "functions.toml", "destinations.toml", "functions/mask.js"}
    assert exported.notes == ()
    assert await revision(sessions) > 5
    assert await trail.verify(sessions) is None
    [hook] = (await load(sessions, vault)).destinations.values()
    assert [it.spec.code for it in hook.instances if it.spec] == [f"{CODE} // 3"]
    await engine.dispose()
