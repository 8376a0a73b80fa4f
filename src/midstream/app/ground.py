"""What every child process stands on: a connection to the log and one to the database, open for as long as it runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from midstream.app.orders import Orders
from midstream.config import Config
from midstream.log import Log, connect
from midstream.store.session import Sessions, open_engine, open_sessions


@asynccontextmanager
async def ground(orders: Orders, config: Config) -> AsyncIterator[tuple[Log, Sessions]]:
    """Connect to both; the log has a minute to be there, since it may be starting too."""
    async with AsyncExitStack() as cleanup:
        log = await connect(orders.endpoint, name=orders.name, patience=60)
        cleanup.push_async_callback(log.close)
        engine = open_engine(config.sqlalchemy_url)
        cleanup.push_async_callback(engine.dispose)
        yield log, open_sessions(engine)
