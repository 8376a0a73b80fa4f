"""`midstream serve` and `midstream migrate`."""

from __future__ import annotations

import asyncio
import signal
from typing import Annotated

import typer

from midstream.app.supervisor import ROLES, Supervisor
from midstream.cli.options import DataDir, configured, say
from midstream.config import Config
from midstream.store.migrate import migrate
from midstream.telemetry import logger


def serve(
    role: Annotated[str, typer.Option(help=f"What of it runs here: {', '.join(ROLES)}.")] = "all",
    workers: Annotated[int | None, typer.Option(help="Worker processes.", show_default="1")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.", show_default="127.0.0.1")] = None,
    port: Annotated[
        int | None, typer.Option(help="Port to listen on; 0 takes a free one.", show_default="4700")
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Run midstream until SIGTERM or Ctrl-C; then finish what was taken and leave.

    Example: midstream serve --workers 2 --data-dir /var/lib/midstream
    """
    if role not in ROLES:
        raise typer.BadParameter(f"{role!r} is not one of {', '.join(ROLES)}", param_hint="--role")
    asyncio.run(_serve(configured("supervisor", workers=workers, host=host, port=port, data_dir=data_dir), role))


def migrate_command(data_dir: DataDir = None) -> None:
    """Bring the database to this version's tables. `serve` does it too; this is for doing it beforehand.

    Example: midstream migrate --data-dir /var/lib/midstream
    """
    config = configured(data_dir=data_dir)
    config.make_data_dir()
    asyncio.run(migrate(config.sqlalchemy_url))
    say("The database is up to date.")


async def _serve(config: Config, role: str) -> None:
    stop = stop_event()
    supervisor = Supervisor(config, role=role)
    await supervisor.start()
    watch = asyncio.create_task(supervisor.watch())
    tell = logger().info if config.log_format == "json" else say
    tell(f"midstream serves on {supervisor.base_url}. Ctrl-C stops it.")
    try:
        await first_of(stop, watch)
    finally:
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)
        await supervisor.stop()
        tell("midstream has stopped.")


def stop_event() -> asyncio.Event:
    """Return an event that SIGTERM and Ctrl-C set; a second one ends the process at once."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def asked() -> None:
        if stop.is_set():
            raise SystemExit(1)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked)
    return stop


async def first_of(stop: asyncio.Event, watch: asyncio.Task[None]) -> None:
    """Wait for the stop; a watch that fails before raises its error."""
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([stopping, watch], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if watch.done():
        watch.result()
