from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from midstream.control.filters import create_filter
from midstream.domain.filters import FilterSection, held
from midstream.errors import ConfigError, StoreUnavailable
from midstream.secrets import Closed, Vault
from midstream.store.migrate import migrate
from midstream.store.schema import DeliveryCountRow, FunctionRow, Table, VersionRow
from midstream.store.session import async_url, open_engine, open_sessions, reading
from midstream.store.snapshot import load, revision
from tests.integration.database import database_url, postgres_server, postgres_url, vault
from tests.integration.office import call_in

__all__ = ["database_url", "postgres_server", "postgres_url", "vault"]


def differences(connection: Connection) -> list[Any]:
    context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
    return list(compare_metadata(context, Table.metadata))


async def test_migrations_and_models_agree(database_url: str) -> None:
    await migrate(database_url)
    engine = open_engine(database_url)
    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await engine.dispose()


async def test_a_function_of_the_first_tables_runs_as_it_did(database_url: str) -> None:
    await migrate(database_url, "0001")
    engine = open_engine(database_url)
    async with engine.begin() as connection:
        for statement in (
            "INSERT INTO workspace VALUES ('ws_1', 'main', 'Main', '2026-01-01 00:00:00')",
            "INSERT INTO function VALUES ('ifnd_1', 'ws_1', 'mask', 'Mask', '', '2026-01-01 00:00:00', '2026-01-01 00:00:00')",
            "INSERT INTO function_version VALUES ('ver_1', 'ifnd_1', 1, 'code', '[]', '', '', '2026-01-01 00:00:00')",
        ):
            await connection.execute(text(statement))
    await migrate(database_url)
    async with AsyncSession(engine) as session:
        function = await session.get_one(FunctionRow, "ifnd_1")
        assert (function.name, function.hosts, function.batch_max_count, function.batch_max_wait) == (
            "Mask",
            None,
            20,
            1.0,
        )
        assert (await session.get_one(VersionRow, "ver_1")).code == "code"
    await engine.dispose()


async def test_a_destination_of_the_third_tables_goes_on_without_filters(database_url: str, vault: Vault) -> None:
    await migrate(database_url, "0003")
    engine = open_engine(database_url)
    async with engine.begin() as connection:
        for statement in (
            "INSERT INTO workspace VALUES ('ws_1', 'main', 'Main', '2026-01-01 00:00:00')",
            "INSERT INTO source VALUES ('src_1', 'ws_1', 'web', 'Web', true, '2026-01-01 00:00:00', '2026-01-01 00:00:00')",
            "INSERT INTO destination (id, workspace_id, source_id, slug, type, name, enabled, settings, secrets,"
            " created_at, updated_at, enabled_at) VALUES ('dst_1', 'ws_1', 'src_1', 'sink', 'sink', 'Sink', true, '{}', '{}',"
            " '2026-01-01 00:00:00', '2026-01-01 00:00:00', '2026-01-01 00:00:00')",
        ):
            await connection.execute(text(statement))
    await migrate(database_url)
    sessions = open_sessions(engine)
    drop_all = held(FilterSection, {"title": "None", "if": "all", "actions": [{"type": "DROP"}]})
    [before] = (await load(sessions, Closed())).destinations.values()
    await create_filter(await call_in(sessions, vault), "dst_1", drop_all)
    [after] = (await load(sessions, Closed())).destinations.values()
    assert (before.name, before.filters) == ("Sink", ())
    assert [each.title for each in after.filters] == ["None"]
    await engine.dispose()


async def test_what_was_counted_before_app_versions_were_stays_counted(database_url: str) -> None:
    await migrate(database_url, "0004")
    engine = open_engine(database_url)
    async with engine.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO delivery_count (destination_id, source_id, minute, stage, outcome, reason, type, event, "
                "attempt, count, latency_ms_sum, latency_ms_max) VALUES ('dst_1', 'src_1', '2026-01-01 00:00:00+00', "
                "'successful-delivery', 'delivered', 'successes.attempt.2', 'track', 'Paid', 2, 7, 1.5, 1.0)"
            )
        )
    await migrate(database_url)
    async with AsyncSession(engine) as session:
        [row] = await session.scalars(select(DeliveryCountRow))
        assert (row.destination_id, row.event, row.attempt, row.app_version, row.count) == ("dst_1", "Paid", 2, "", 7)
    await engine.dispose()


async def test_migrating_twice_changes_nothing(database_url: str) -> None:
    await migrate(database_url)
    await migrate(database_url)
    engine = open_engine(database_url)
    assert await revision(open_sessions(engine)) == 0
    await engine.dispose()


async def test_processes_that_start_at_once_migrate_once(database_url: str) -> None:
    program = "import asyncio, sys; from midstream.store.migrate import migrate; asyncio.run(migrate(sys.argv[1]))"
    started = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, database_url, stderr=asyncio.subprocess.PIPE
        )
        for _ in range(3)
    ]
    for process in started:
        _, complaint = await process.communicate()
        assert process.returncode == 0, complaint.decode()
    await asyncio.gather(*(migrate(database_url) for _ in range(3)))
    engine = open_engine(database_url)
    async with engine.connect() as connection:
        assert (await connection.scalar(text("SELECT count(*) FROM revision"))) == 1
    await engine.dispose()


async def test_a_file_is_made_for_its_owner_only_and_keeps_a_mode_it_was_given(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/m.db"
    await migrate(url)
    engine = open_engine(url)
    try:
        async with engine.connect():
            assert {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == dict.fromkeys(
                ("m.db", "m.db-shm", "m.db-wal", "m.db.lock"), 0o600
            )
    finally:
        await engine.dispose()
    (tmp_path / "m.db").chmod(0o640)
    await migrate(url)
    assert (tmp_path / "m.db").stat().st_mode & 0o777 == 0o640


async def test_a_database_of_a_newer_midstream_is_refused(database_url: str) -> None:
    await migrate(database_url)
    engine = open_engine(database_url)
    async with engine.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    await engine.dispose()
    with pytest.raises(ConfigError, match="used by a newer midstream"):
        await migrate(database_url)


async def test_a_database_that_is_not_there_is_unavailable(tmp_path: Any) -> None:
    url = f"postgresql://nobody@/none?host={tmp_path}"
    with pytest.raises(StoreUnavailable, match="the database did not serve"):
        await migrate(url)
    engine = open_engine(url)
    with pytest.raises(StoreUnavailable):
        async with reading(open_sessions(engine)):
            pass
    await engine.dispose()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://root@localhost/x", "nonsense", ""])
def test_a_url_we_cannot_use_names_its_setting(url: str) -> None:
    with pytest.raises(ConfigError, match=r"MIDSTREAM_DATABASE_URL: .* expected sqlite:///"):
        async_url(url)


def test_both_spellings_of_postgresql_are_understood() -> None:
    for url in ("postgresql://u:p@h:5432/d", "postgres://u:p@h:5432/d"):
        assert async_url(url).render_as_string(hide_password=False) == "postgresql+psycopg://u:p@h:5432/d"


async def test_sqlite_keeps_what_it_committed_through_a_power_cut(tmp_path: Any) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/x.db")
    async with engine.connect() as connection:
        pragmas = {
            name: await connection.scalar(text(f"PRAGMA {name}"))
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    await engine.dispose()
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 10_000}
