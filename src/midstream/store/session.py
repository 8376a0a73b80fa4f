"""Opens the database and hands out transactions: `reading` for looking, `changing` for everything that changes.

Enters: a database URL. Leaves: `Sessions`; a database that cannot serve becomes `StoreUnavailable`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, Pool, event, make_url, update
from sqlalchemy.exc import ArgumentError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from midstream.errors import ConfigError, StoreUnavailable
from midstream.store.schema import RevisionRow

Sessions = async_sessionmaker[AsyncSession]

_BUSY_MS = 10_000  # how long a SQLite writer waits for another one
_CONNECT_SECONDS = 5


def async_url(database_url: str) -> URL:
    """Name the async driver for `sqlite:///path` and `postgresql://…`; anything else is a ConfigError."""
    try:
        url = make_url(database_url)
    except ArgumentError:
        raise _unusable("it is not a URL") from None
    match url.get_backend_name():
        case "sqlite":
            if not url.database or url.database == ":memory:":
                raise _unusable("SQLite needs a file")
            return url.set(drivername="sqlite+aiosqlite")
        case "postgresql" | "postgres":
            return url.set(drivername="postgresql+psycopg")
        case other:
            raise _unusable(f"{other!r} is not a database we know")


def _unusable(why: str) -> ConfigError:
    return ConfigError(
        f"MIDSTREAM_DATABASE_URL: {why}; expected sqlite:///path/to/file.db or postgresql://user@host/name"
    )


def open_engine(database_url: str, *, pool: type[Pool] | None = None) -> AsyncEngine:
    """Open the database, connecting at first use. The caller closes with `await engine.dispose()`."""
    url = async_url(database_url)
    options: dict[str, Any] = {"hide_parameters": True, "poolclass": pool}  # parameters would put payloads into errors
    if url.get_backend_name() == "sqlite":
        Path(url.database or "").parent.mkdir(parents=True, exist_ok=True)
        engine = create_async_engine(url, connect_args={"timeout": _BUSY_MS / 1000}, **options)
        _tame_sqlite(engine.sync_engine)
        return engine
    patience = {} if "connect_timeout" in url.query else {"connect_timeout": _CONNECT_SECONDS}
    return create_async_engine(url, connect_args=patience, pool_pre_ping=True, **options)


def open_sessions(engine: AsyncEngine) -> Sessions:
    """Make the factory that everything in this room takes."""
    return async_sessionmaker(engine, expire_on_commit=False)


def _tame_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        # Python's driver would begin transactions only before writes, and a snapshot must be read in one.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            f"busy_timeout = {_BUSY_MS}",  # first: switching to WAL may itself have to wait
            "journal_mode = WAL",
            "synchronous = FULL",  # a committed change survives a power cut
            "foreign_keys = ON",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")


@asynccontextmanager
async def reading(sessions: Sessions) -> AsyncIterator[AsyncSession]:
    """Open a transaction that sees one moment of the database and changes nothing."""
    try:
        async with sessions() as session:
            if dialect_of(session) == "postgresql":  # whose default gives every statement a moment of its own
                await session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            yield session
    except (OperationalError, InterfaceError, PoolTimeout) as error:
        raise unavailable(error) from error


@asynccontextmanager
async def changing(sessions: Sessions) -> AsyncIterator[AsyncSession]:
    """Open a transaction that changes the topology: the revision goes up with it, or nothing happens at all.

    Counting up comes first: it takes the lock that lets one change at a time read, decide and write, on both engines.
    """
    async with writing(sessions) as session:
        await session.execute(update(RevisionRow).values(number=RevisionRow.number + 1))
        yield session


@asynccontextmanager
async def writing(sessions: Sessions) -> AsyncIterator[AsyncSession]:
    """Open a transaction that leaves the topology alone. On SQLite its first statement must be a write.

    (A transaction that read first cannot wait for another writer there; SQLite fails it at once.)
    """
    try:
        async with sessions.begin() as session:
            yield session
    except (OperationalError, InterfaceError, PoolTimeout) as error:
        raise unavailable(error) from error


def unavailable(error: BaseException) -> StoreUnavailable:
    """Say in one sentence why the database did not serve, without SQL or parameters."""
    reason = str(getattr(error, "orig", None) or error).strip().splitlines()
    return StoreUnavailable(
        f"the database did not serve: {reason[0] if reason else type(error).__name__}. "
        "Check that it runs, that MIDSTREAM_DATABASE_URL is right, and that `midstream migrate` has been run"
    )


def dialect_of(session: AsyncSession) -> str:
    """Return "sqlite" or "postgresql"."""
    return session.get_bind().dialect.name
