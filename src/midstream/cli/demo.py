"""`midstream demo`: the whole thing on loopback, with customers, and a live picture of what becomes of their events."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib import resources
from pathlib import Path
from typing import Annotated, NamedTuple

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from midstream.app.supervisor import Supervisor
from midstream.app.tally import Tally
from midstream.app.traffic import Traffic
from midstream.cli.events import follow, row
from midstream.cli.folder import apply_folder
from midstream.cli.opening import opened_sessions
from midstream.cli.operating import operating
from midstream.cli.options import configured, say, shown
from midstream.cli.serve import stop_event
from midstream.config import Config
from midstream.control.destinations import slugs
from midstream.control.enrolment import enrol
from midstream.control.passwords import Passwords
from midstream.control.reset import set_password
from midstream.control.tokens import create_token
from midstream.domain.access import Grant, Role
from midstream.log import connect

_EVENT = '{"userId":"u-1","event":"Hello","properties":{"email":"me@example.com"}}'
_TABLED = ("delivered", "filtered", "discarded", "retrying", "quarantined", "rejected")

_WHO = "demo@example.com"


class Entry(NamedTuple):
    """What lets somebody into the demo."""

    write_key: str
    password: str
    token: str


def demo(
    keep: Annotated[Path | None, typer.Option(help="Keep the data in this folder.")] = None,
    port: Annotated[
        int | None, typer.Option(help="Port to listen on; 0 takes a free one.", show_default="4700")
    ] = None,
    rate: Annotated[float, typer.Option(help="Events a second.", min=0.1, max=1000)] = 20.0,
) -> None:
    """Start everything on loopback with sample data and a trickle of events. Ctrl-C stops all of it.

    Example: midstream demo --keep ./demo-data
    """
    data_dir = keep or Path(tempfile.mkdtemp(prefix="midstream-demo-"))
    try:
        asyncio.run(_demo(configured("supervisor", data_dir=data_dir, port=port), rate))
    finally:
        if keep is None:
            shutil.rmtree(data_dir, ignore_errors=True)


async def _demo(config: Config, rate: float) -> None:
    stop = stop_event()
    entry = await _set_up(config)
    config.data_dir.joinpath("run").mkdir(parents=True, exist_ok=True)
    supervisor = Supervisor(config, output=config.data_dir / "run" / "midstream.log")
    await supervisor.start()
    try:
        async with _running(supervisor, entry.write_key, rate) as (tally, traffic, names):
            _introduce(supervisor, config, entry)
            await _show_until(stop, tally, traffic, names)
    finally:
        await supervisor.stop()
    say("Everything the demo started has stopped.")


async def _set_up(config: Config) -> Entry:
    """Load the demo's folder; return what opens it, which is the same when the data was kept."""
    kept = config.data_dir / "demo.json"
    config.make_data_dir()
    known: dict[str, str] = json.loads(kept.read_text("utf-8")) if kept.is_file() else {}
    made = {"DEMO_WRITE_KEY": f"wk_{secrets.token_hex(16)}", "DEMO_SALT": secrets.token_hex(16)} | known
    with resources.as_file(resources.files("midstream") / "demo") as folder:
        await apply_folder(config, folder, dry_run=False, environ=made)
    if "token" not in made:
        made |= await _let_in(config)
    kept.touch(mode=0o600)
    kept.write_text(json.dumps(made), "utf-8")
    return Entry(write_key=made["DEMO_WRITE_KEY"], password=made["password"], token=made["token"])


async def _let_in(config: Config) -> dict[str, str]:
    """Make somebody who may sign in, and their token."""
    password, passwords = secrets.token_urlsafe(12), Passwords()
    try:
        async with operating(config, None, begin=True) as call:
            owner = await enrol(call, email=_WHO, name="Demo", grant=Grant(Role.WORKSPACE_OWNER))
            await set_password(call.sessions, passwords, _WHO, password, author="demo")
            token = await create_token(call, name="demo", creator_id=owner)
    finally:
        passwords.close()
    return {"password": password, "token": token.secret or ""}


@asynccontextmanager
async def _running(
    supervisor: Supervisor, write_key: str, rate: float
) -> AsyncIterator[tuple[Tally, Traffic, Mapping[str, str]]]:
    tally = Tally()
    traffic = Traffic(supervisor.base_url, write_key, rate=rate)
    log = await connect(supervisor.endpoint, name="demo")

    async def count() -> None:
        async for attempt in follow(log):
            tally.count(attempt)

    async with opened_sessions(supervisor.config) as sessions:
        names = await slugs(sessions)
    tasks = [asyncio.create_task(work) for work in (supervisor.watch(), traffic.run(), count())]
    try:
        yield tally, traffic, names
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        with contextlib.suppress(Exception):  # it may be gone already; we are leaving
            await log.close()


def _called() -> str:
    """Return how to call midstream here. `make demo` runs it from a .venv that is not on the path."""
    started = sys.argv[0]
    return started if Path(started).name == "midstream" and not shutil.which("midstream") else "midstream"


def _introduce(supervisor: Supervisor, config: Config, entry: Entry) -> None:
    say(
        (
            "",
            f"midstream runs at {supervisor.base_url}",
            f"  write key   {entry.write_key}",
            f"  sign in     {supervisor.base_url}/app/ as {_WHO} with {entry.password}",
            f"  API token   {entry.token}",
            f"  data        {config.data_dir}",
            f"  an event    curl {supervisor.base_url}/v1/track -u {entry.write_key}: -d '{_EVENT}'",
            f"  the API     curl {supervisor.base_url}/sources -H 'Authorization: Bearer {entry.token}'",
            f"  outcomes    {_called()} deliveries --data-dir {config.data_dir}",
            f"  what came   {_called()} destinations received warehouse --data-dir {config.data_dir}",
            "",
        )
    )


async def _show_until(stop: asyncio.Event, tally: Tally, traffic: Traffic, names: Mapping[str, str]) -> None:
    console = Console()
    if not console.is_terminal:
        await _report_until(stop, tally, traffic)
        return
    with Live(console=console, refresh_per_second=4, transient=False) as live:
        while not stop.is_set():
            live.update(_picture(tally, traffic, names))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), 0.25)


async def _report_until(stop: asyncio.Event, tally: Tally, traffic: Traffic) -> None:
    """Where nobody watches live, say a line every few seconds."""
    while not stop.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), 5)
        counts = ", ".join(f"{name} {tally.outcomes[name]}" for name in _TABLED)
        typer.echo(f"received {traffic.accepted}, {counts}, latency {_ms(tally, 0.5)} p50, {_ms(tally, 0.95)} p95")


def _picture(tally: Tally, traffic: Traffic, names: Mapping[str, str]) -> Group:
    counts = Table(box=None, pad_edge=False, header_style="bold")
    counts.add_column("Outcome")
    counts.add_column("Events", justify="right")
    counts.add_column("Why")
    counts.add_row("received", f"{traffic.accepted:,}", "")
    for name in _TABLED:
        why = ", ".join(f"{reason} {count:,}" for (kind, reason), count in tally.reasons.most_common() if kind == name)
        counts.add_row(name, f"{tally.outcomes[name]:,}", Text(shown(why)))
    counts.add_row("latency", _ms(tally, 0.5), f"p50; p95 {_ms(tally, 0.95)}")
    latest = Text("\n".join(row(attempt, names) for attempt in tally.latest), no_wrap=True, overflow="ellipsis")
    return Group(counts, Text(), latest, Text("Ctrl-C stops everything.", style="dim"))


def _ms(tally: Tally, share: float) -> str:
    value = tally.latency(share)
    return f"{value:.1f} ms" if value is not None else "–"
