"""The same test on SQLite and on PostgreSQL: import `database_url`, `sessions` and `vault` as fixtures."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from midstream.secrets import Vault
from midstream.store.migrate import migrate
from midstream.store.session import Sessions, open_engine, open_sessions
from tests.integration.postgres import postgres_server, postgres_url

__all__ = ["database_url", "postgres_server", "postgres_url", "sessions", "vault"]


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give an empty database's URL, on each engine in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/midstream.db"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture
async def sessions(database_url: str) -> AsyncIterator[Sessions]:
    """Give a migrated database, closed afterwards."""
    await migrate(database_url)
    engine = open_engine(database_url)
    yield open_sessions(engine)
    await engine.dispose()


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    """Give a vault with a key of its own."""
    return Vault.open(tmp_path / "master.key")
