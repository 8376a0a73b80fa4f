"""A child process: `python -m midstream.app`, with its orders on standard input."""

from __future__ import annotations

import asyncio
import signal

import uvloop

from midstream import telemetry
from midstream.app.orders import Orders, Role, receive, until_parent_is_gone
from midstream.config import Config


def main() -> None:
    """Play the ordered role until told to stop, or until the parent is gone."""
    orders, config = receive()
    telemetry.configure(config.log_level, config.log_format, orders.name)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_play(_role(orders.role), orders, config))


def _role(name: str) -> Role:
    # Imported only by the process that plays it: each has its own memory to pay with.
    match name:
        case "front":
            from midstream.app.front import run
        case "control":
            from midstream.app.desk import run
        case _:
            from midstream.app.back import run
    return run


async def _play(role: Role, orders: Orders, config: Config) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGINT, stop.set)
    orphaned = asyncio.create_task(until_parent_is_gone())
    orphaned.add_done_callback(lambda _: stop.set())
    await role(orders, config, stop)
    orphaned.cancel()


if __name__ == "__main__":
    main()
