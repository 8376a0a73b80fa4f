"""`midstream events send` and `midstream tail`: events in, and what becomes of them."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec
import typer

from midstream.cli.opening import opened_log, opened_sessions
from midstream.cli.options import AsJson, DataDir, configured, id_of, put, say, shown
from midstream.cli.reading import events_of
from midstream.config import Config
from midstream.control.destinations import slugs
from midstream.domain.attempt import Attempt, read
from midstream.domain.http import Answer, NoAnswer, Outbound
from midstream.domain.rules import BATCH_BYTES
from midstream.domain.times import iso
from midstream.egress import Egress
from midstream.errors import Invalid, RequestError, Unavailable
from midstream.log import ConsumerGone, Log, Pull

app = typer.Typer(help="Send events.", no_args_is_help=True)

_BATCH = 100
_TRIES = 10


@app.callback()
def group() -> None:
    """Send events."""


@app.command()
def send(
    file: Annotated[str, typer.Argument(help="JSON (one event or an array) or NDJSON; - is stdin.")],
    write_key: Annotated[
        str, typer.Option(help="The source's write key.", envvar="MIDSTREAM_WRITE_KEY", show_envvar=True)
    ],
    url: Annotated[
        str | None,
        typer.Option(help="Where midstream listens.", envvar="MIDSTREAM_URL", show_default="from host and port"),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Send events from a file, in batches, and say how many were taken. Exit 1 when some were not.

    Example: midstream events send orders.ndjson --write-key wk_…
    """
    config = configured()
    events = events_of(file)
    base = (url or f"http://{config.host}:{config.port}").rstrip("/")
    taken, refused = asyncio.run(_send(base, write_key, events))
    if as_json:
        put({"taken": taken, "refused": refused})
    else:
        typer.echo(f"{taken} taken, {len(refused)} refused")
        say(refused[:20])
    if refused:
        raise typer.Exit(1)


def tail(
    destination: Annotated[str | None, typer.Option(help="Only this destination (slug or id).")] = None,
    as_json: AsJson = False,
    data_dir: DataDir = None,
) -> None:
    """Show what becomes of each event, as it happens, until Ctrl-C.

    Example: midstream tail --destination warehouse
    """
    config = configured(data_dir=data_dir)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_tail(config, destination, as_json=as_json))


async def _send(url: str, write_key: str, events: Sequence[dict[str, Any]]) -> tuple[int, list[str]]:
    # The person names the server: that is all the permission this needs.
    egress = Egress(allow=["0.0.0.0/0", "::/0"])
    headers = (
        ("authorization", f"Basic {base64.b64encode(f'{write_key}:'.encode()).decode()}"),
        ("content-type", "application/json"),
    )
    taken = 0
    refused: list[str] = []
    try:
        for start, batch in _batches(events):
            body = json.dumps({"batch": batch, "sentAt": iso(datetime.now(UTC))}).encode()
            answer = await _post(egress, Outbound("POST", f"{url}/v1/batch", headers, body, timedelta(seconds=30)))
            rejected = answer.get("rejected", [])
            taken += len(batch) - len(rejected)
            refused += [f"event {start + each['index'] + 1}: {each['reason']}: {each['detail']}" for each in rejected]
    finally:
        await egress.close()
    return taken, refused


def _batches(events: Sequence[dict[str, Any]]) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    batch: list[dict[str, Any]] = []
    start = size = 0
    for index, event in enumerate(events):
        length = len(json.dumps(event).encode()) + 2
        if batch and (len(batch) >= _BATCH or size + length > BATCH_BYTES - 1024):
            yield start, batch
            batch, start, size = [], index, 0
        batch.append(event)
        size += length
    if batch:
        yield start, batch


async def _post(egress: Egress, request: Outbound) -> dict[str, Any]:
    """Send until taken: a 503 means that nothing was taken yet."""
    for attempt in range(_TRIES):
        answer = await egress.send(request)
        if isinstance(answer, NoAnswer):
            raise Unavailable(f"cannot reach midstream at {request.url}: {answer.message}")
        if answer.status not in (429, 503):
            return _understood(answer)
        if attempt < _TRIES - 1:
            await asyncio.sleep(float(answer.header("retry-after") or 1))
    raise Unavailable("midstream is too busy to take events")


def _understood(answer: Answer) -> dict[str, Any]:
    try:
        found = json.loads(answer.body)
    except ValueError:
        found = None
    if not isinstance(found, dict) or "success" not in found:
        raise Invalid(f"{answer.url} answered {answer.status}, but not as midstream does; check --url")
    if answer.status == 200:
        return found
    details = "; ".join(str(each.get("detail")) for each in found.get("errors", [])) or answer.reason
    raise RequestError(answer.status, "refused", f"midstream answered {answer.status}: {details}")


async def _tail(config: Config, destination: str | None, *, as_json: bool) -> None:
    async with opened_sessions(config) as sessions:
        names = await slugs(sessions)
    wanted = id_of(destination, names)
    async with opened_log(config) as log:
        async for attempt in follow(log, begun=lambda: say("Waiting for events. Ctrl-C ends.")):
            if wanted is None or attempt.destination_id == wanted:
                typer.echo(json.dumps(msgspec.to_builtins(attempt)) if as_json else row(attempt, names))


async def follow(log: Log, *, begun: Callable[[], None] | None = None) -> AsyncIterator[Attempt]:
    """Yield what becomes of each event from now on; `begun` is called when nothing is missed any more."""
    after: int | None = None
    while True:
        pull = Pull(log, "OUTCOMES", await log.ensure_reader("OUTCOMES", after=after), batch=200)
        await pull.start()
        if begun:
            begun()
            begun = None
        try:
            while True:
                for message in await pull.get(200):
                    after = message.sequence
                    for record in read(message.data):
                        for attempt in record.attempts:
                            yield attempt
        except ConsumerGone:
            continue  # the log was away; go on where we were
        finally:
            await pull.stop()


def row(attempt: Attempt, names: Mapping[str, str]) -> str:
    """Return one line for a person."""
    at = datetime.fromtimestamp(attempt.at / 1000, UTC).astimezone().strftime("%H:%M:%S")
    where = names.get(attempt.destination_id, attempt.destination_id or "ingest")
    what = shown(f"{attempt.type} {attempt.event}".strip()) or "event"
    reason = "" if attempt.outcome == "delivered" else f" ({shown(attempt.reason)})"
    tries = f", attempt {attempt.attempt}" if attempt.attempt > 1 else ""
    return f"{at}  {where:<20} {what:<36} {attempt.outcome}{reason}{tries}  {attempt.latency_ms:.0f} ms"
