"""What a command opens to look into a midstream: its database, its log."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from midstream.app.supervisor import external
from midstream.config import Config
from midstream.log import Endpoint, Log, connect
from midstream.log.server import running_endpoint
from midstream.store.migrate import migrate
from midstream.store.session import Sessions, open_engine, open_sessions


@asynccontextmanager
async def opened_sessions(config: Config) -> AsyncIterator[Sessions]:
    """Open the database, brought up to date first: a command may well be the first to use it."""
    config.make_data_dir()
    await migrate(config.sqlalchemy_url)
    engine = open_engine(config.sqlalchemy_url)
    try:
        yield open_sessions(engine)
    finally:
        await engine.dispose()


@asynccontextmanager
async def opened_log(config: Config) -> AsyncIterator[Log]:
    """Connect to the log of the midstream that runs on this data dir, or the one that is configured."""
    endpoint: Endpoint = external(config.nats_url) if config.nats_url else running_endpoint(config.data_dir)
    log = await connect(endpoint, name="cli", patience=3)
    try:
        yield log
    finally:
        await log.close()
