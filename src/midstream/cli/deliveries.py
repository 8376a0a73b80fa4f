"""`midstream deliveries`: Event Delivery in the terminal. What was delivered, what was not and why, with samples."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from midstream.cli.opening import opened_sessions
from midstream.cli.options import AsJson, DataDir, configured, id_of, put, shown
from midstream.cli.samples import show
from midstream.config import Config
from midstream.control.destinations import slugs
from midstream.domain.attempt import Sample
from midstream.store import attempts
from midstream.store.attempts import CountRow

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def deliveries(
    destination: Annotated[str | None, typer.Option(help="Only this destination (slug or id).")] = None,
    reason: Annotated[str | None, typer.Option(help="Only this reason, with its samples.")] = None,
    since: Annotated[str, typer.Option(help="How far back: 30m, 6h, 2d.")] = "1h",
    samples: Annotated[bool, typer.Option("--samples", help="Show the last events that were not delivered.")] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Show counts by destination, type, event and reason, and samples of what was not delivered.

    Of an event that was tried several times the last try with the same end is shown; --json has all that are kept.

    Example: midstream deliveries --destination warehouse --reason bad_request --since 6h
    """
    config = configured(data_dir=data_dir)
    start = ago(since)
    wanted = samples or reason is not None
    reading = _read(config, destination, reason, start, samples=wanted, latest=not as_json)
    rows, kept, names = asyncio.run(reading)
    if as_json:
        put(
            {
                "deliveries": [_named(row, names) for row in rows],
                "samples": [msgspec.to_builtins(each) for each in kept],
            }
        )
        return
    if not rows:
        typer.echo(f"Nothing was counted in the last {since}." + (" Try a longer --since." if since == "1h" else ""))
    else:
        # Into a file or a pipe, nothing is cut to a terminal's width.
        console = Console()
        (console if console.is_terminal else Console(width=200)).print(_table(rows, names))
    for sample in kept:
        show(sample, names)


async def _read(
    config: Config, destination: str | None, reason: str | None, since: datetime, *, samples: bool, latest: bool
) -> tuple[list[CountRow], list[Sample], dict[str, str]]:
    async with opened_sessions(config) as sessions:
        names = await slugs(sessions)
        wanted = id_of(destination, names)
        rows = await attempts.deliveries(sessions, since=since, destination=wanted, reason=reason)
        if not samples:
            return rows, [], names
        kept = await attempts.samples(sessions, since=since, destination=wanted, reason=reason, latest=latest)
        return rows, kept, names


def ago(span: str) -> datetime:
    """Return when a span such as 6h began, seen from now; what is no span is wrong usage."""
    match = re.fullmatch(r"(\d+)([smhdw])", span.strip())
    if not match:
        raise typer.BadParameter(f"{span!r} is not a time span; write 30m, 6h or 2d", param_hint="--since")
    try:
        return datetime.now(UTC) - timedelta(**{_UNITS[match[2]]: int(match[1])})
    except (OverflowError, ValueError):  # longer than there is a calendar for
        return datetime.min.replace(tzinfo=UTC)


def _named(row: CountRow, names: dict[str, str]) -> dict[str, object]:
    return {**msgspec.to_builtins(row), "destination": names.get(row.destination_id, "")}


def _table(rows: Sequence[CountRow], names: dict[str, str]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("Destination", "Event", "Outcome", "Attempt"):
        table.add_column(name)
    for name in ("Count", "Average", "Last"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        table.add_row(
            names.get(row.destination_id, row.destination_id or "(ingest)"),
            Text(shown(f"{row.type} {row.event}".strip())),
            row.outcome if row.outcome == "delivered" else Text(shown(f"{row.outcome}: {row.reason}")),
            str(row.attempt),
            f"{row.count:,}",
            f"{row.latency_ms_sum / row.count:,.0f} ms",
            _day(row.last),
        )
    return table


def _day(minute: datetime) -> str:
    """Return a minute as people read it: today's without the date."""
    local = minute.astimezone()
    return f"{local:%H:%M}" if local.date() == datetime.now().astimezone().date() else f"{local:%d %b %H:%M}"
