"""`midstream functions`: the author's loop. It needs no server: the same runtime runs here."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from midstream.cli.options import AsJson, configured, put, say
from midstream.cli.reading import events_of, object_of, text_of
from midstream.config import Config
from midstream.domain.function import ErrorInfo, FunctionSpec
from midstream.domain.preview import result_of
from midstream.domain.wellformed import mended
from midstream.egress import Egress
from midstream.errors import Invalid
from midstream.runtime import Check, Pool

app = typer.Typer(help="Write and try functions.", no_args_is_help=True)

FAULTS_FOUND = 3
_HANDLERS = "onIdentify, onTrack, onPage, onScreen, onGroup, onAlias, onDelete"

File = Annotated[Path, typer.Argument(help="The function's .js file.", exists=True, dir_okay=False)]


@app.callback()
def group() -> None:
    """Write and try functions."""


@app.command()
def check(file: File, as_json: AsJson = False) -> None:
    """Load a function without running it: syntax, and which handlers it has. Exit 3 when it has faults.

    Example: midstream functions check mask.js
    """
    config = configured()
    found = asyncio.run(_check(config, text_of(str(file))))
    fault = _fault(file, found)
    if as_json:
        put({"handlers": found.handlers, "error": msgspec.to_builtins(found.error)})
    else:
        typer.echo(fault or f"{file}: {', '.join(found.handlers)}")
    if fault:
        raise typer.Exit(FAULTS_FOUND)


@app.command()
def test(
    file: File,
    event: Annotated[str, typer.Option("--event", help="A JSON file with one event or an array of them; - is stdin.")],
    settings: Annotated[Path | None, typer.Option(help="A JSON file with the settings.", exists=True)] = None,
    as_json: AsJson = False,
) -> None:
    """Run a function on events, here and now, and show what came of each. Exit 3 when it does not load.

    Example: midstream functions test mask.js --event order.json --settings settings.json
    """
    config = configured()
    events = _events(event)
    spec = FunctionSpec("test", "test", text_of(str(file)), object_of(str(settings), "settings") if settings else {})
    checked, results = asyncio.run(_run(config, spec, events))
    fault = _fault(file, checked)
    if as_json:
        put({"results": results})
    elif not fault:  # the fault is each event's result
        for result in results:
            _show(result)
    if fault:
        say(fault)
        raise typer.Exit(FAULTS_FOUND)


@asynccontextmanager
async def _pool(config: Config) -> AsyncIterator[Pool]:
    egress = Egress(allow=config.egress_allow, deny=config.egress_deny)
    pool = Pool(
        egress.send,
        limits=config.limits,
        deno=config.deno or None,
        require=config.function_isolation_require,
    )
    try:
        yield pool
    finally:
        await pool.close()
        await egress.close()


async def _check(config: Config, code: str) -> Check:
    async with _pool(config) as pool:
        return await pool.check(code)


async def _run(config: Config, spec: FunctionSpec, events: Sequence[bytes]) -> tuple[Check, list[dict[str, Any]]]:
    async with _pool(config) as pool:
        checked = await pool.check(spec.code)
        invocations = await pool.invoke(spec, events)
        return checked, [result_of(raw, each) for raw, each in zip(events, invocations, strict=True)]


def _fault(file: Path, found: Check) -> str | None:
    if found.error:
        return f"{file}:{_place(found.error)} {found.error.name}: {found.error.message}"
    if not found.handlers:
        return f"{file}: no handler found; a function needs at least one of {_HANDLERS}"
    return None


def _place(error: ErrorInfo) -> str:
    return "".join(f"{each}:" for each in (error.line, error.column) if each)


def _events(name: str) -> list[bytes]:
    events = events_of(name)
    if not events:
        raise Invalid("there is no event in it; expected a JSON object, an array of them, or one a line", name)
    return [mended(json.dumps(each).encode()) for each in events]


def _show(result: dict[str, Any]) -> None:
    """Print one result for a person."""
    reason = f" ({result['discardReason']})" if result["discardReason"] else ""
    typer.echo(f"{result['messageId'] or 'event'}: {result['outcome']}{reason} in {result['durationMs']:.1f} ms")
    if result["message"]:
        typer.echo(f"  {result['message']}")
    if result["error"]:
        place = f"line {result['error']['line']}, column {result['error']['column']}" if result["error"]["line"] else ""
        typer.echo(f"  {result['error']['name']} {place}".rstrip())
    for log in result["logs"]:
        typer.echo(f"  {log['level']}: {log['message']}")
    for request in result["requests"]:
        typer.echo(f"  {request['method']} {request['url']} → {request['status'] or request.get('error')}")
    if result["event"] is not None:
        typer.echo(json.dumps(result["event"], indent=2, ensure_ascii=False))
