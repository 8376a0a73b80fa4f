"""Brings a database to the newest shape. Any number of processes may call it at once; one does the work.

Enters: a database URL. Leaves: a migrated database, or a `ConfigError` that says what to do.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, NullPool, text
from sqlalchemy.exc import DatabaseError, InterfaceError, OperationalError

from midstream.errors import ConfigError
from midstream.store.session import async_url, open_engine, unavailable

_LOCK = 0x6D69_6473  # "mids": our advisory lock in PostgreSQL


async def migrate(database_url: str, to: str = "head") -> None:
    """Upgrade the database to the newest migration, or to a given one; nothing happens when it is there already."""
    url = async_url(database_url)
    async with _file_lock(url.database if url.get_backend_name() == "sqlite" else None):
        engine = open_engine(database_url, pool=NullPool)
        try:
            async with engine.begin() as connection:
                if engine.dialect.name == "postgresql":
                    # Held until commit, so whoever waited here sees the finished migration next.
                    await connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
                await connection.run_sync(_upgrade, to)
        except (OperationalError, InterfaceError) as error:
            raise unavailable(error) from error
        except CommandError as error:
            raise ConfigError(
                f"the database cannot be migrated ({error}): it was probably used by a newer midstream; "
                "run that version, or restore a backup made before it"
            ) from error
        finally:
            await engine.dispose()


async def is_current(database_url: str) -> bool:
    """Say whether the database is at the newest migration. Changes nothing. Raises StoreUnavailable."""
    engine = open_engine(database_url, pool=NullPool)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(_is_current)
    except (DatabaseError, InterfaceError) as error:
        raise unavailable(error) from error
    finally:
        await engine.dispose()


def _is_current(connection: Connection) -> bool:
    newest = ScriptDirectory.from_config(_config()).get_current_head()
    return MigrationContext.configure(connection).get_current_revision() == newest


def _upgrade(connection: Connection, to: str) -> None:
    config = _config()
    config.attributes["connection"] = connection
    command.upgrade(config, to)


def _config() -> Config:
    config = Config()
    # Config interpolates percent signs.
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    return config


@asynccontextmanager
async def _file_lock(database: str | None) -> AsyncIterator[None]:
    """Hold `<database>.lock` meanwhile. A SQLite file that is not in WAL mode yet does not queue its writers.

    Where there is no such file yet one is made that only its owner can read, as will be those that SQLite puts beside it:
    it will hold events, and the folder may be one that others can look into.
    """
    if database is None:
        yield
        return
    path = Path(f"{database}.lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        await asyncio.to_thread(fcntl.flock, descriptor, fcntl.LOCK_EX)
        with suppress(OSError):  # SQLite says what is wrong with it
            os.close(os.open(database, os.O_RDONLY | os.O_CREAT, 0o600))
        yield
    finally:
        os.close(descriptor)  # which also unlocks
