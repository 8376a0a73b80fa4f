"""`midstream functions test`: a function on given events, or held to the cases beside it.

Enters: files. Leaves: results or verdicts, as text or JSON; exit 3 when the code has faults or a case failed.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from midstream.authoring.cases import read_case, record
from midstream.authoring.check import Checked, check
from midstream.authoring.preview import Preview, Trial, Workbench, preview
from midstream.authoring.running import Verdict, run_case, to_record
from midstream.authoring.source import CASES, Source, find
from midstream.cli.options import AsJson, configured, put, say
from midstream.cli.reading import events_of, object_of
from midstream.cli.verdicts import Judged, case_json, diagnoses_json, show_case, show_result, summary, told
from midstream.config import Config
from midstream.domain.declaration import DECLARATION
from midstream.domain.settings import check_values
from midstream.egress import Egress
from midstream.errors import Invalid

FAULTS_FOUND = 3
_POLL = 0.25  # seconds between two looks at the files
_MATTERS = ("*.js", "*.ts", DECLARATION, f"{CASES}/*.json")
# Faults with which no handler can run.
_FATAL = frozenset({"syntax", "load", "no_handler"})


def bench_of(config: Config) -> Workbench:
    """Return what an installation runs trials with."""
    return Workbench(config.limits, config.deno or None, config.function_isolation_require)


@dataclass(frozen=True, slots=True)
class Order:
    """What the person asked for."""

    config: Config
    place: Path
    event: str | None
    settings: Path | None
    update: bool
    as_json: bool

    @property
    def bench(self) -> Workbench:
        """What to run it with."""
        return bench_of(self.config)

    @property
    def values(self) -> Mapping[str, Any]:
        """The settings given."""
        return object_of(str(self.settings), "settings") if self.settings else {}


def test(
    place: Annotated[Path, typer.Argument(metavar="DIR|FILE", help="The function, or its folder.", exists=True)],
    event: Annotated[
        str | None,
        typer.Option(help="Run it on these events instead of its cases: JSON, an array or one a line; - is stdin."),
    ] = None,
    settings: Annotated[Path | None, typer.Option(help="A JSON file with settings.", exists=True)] = None,
    update: Annotated[bool, typer.Option("--update", help="Record what came as expected.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Do it again whenever a file changes, until Ctrl-C.")] = False,
    as_json: AsJson = False,
) -> None:
    """Hold a function to the cases beside it, or run it on events, here and now.

    Cases are cases/*.json in the function's folder. They never reach the network; events of --event may. Exit 3 when a
    case failed or the code has faults. What comes of events of --event is shown and no fault, even if a handler throws.

    Example: midstream functions test mask/
    """
    if event is not None and update:
        raise typer.BadParameter("--update records cases; it does nothing with --event")
    if event == "-" and watch:
        raise typer.BadParameter("--watch needs a file for --event: stdin can be read only once")
    order = Order(configured(), place, event, settings, update, as_json)
    if watch:
        _keep_trying(order)
    elif not _try(order):
        raise typer.Exit(FAULTS_FOUND)


def _keep_trying(order: Order) -> None:
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            before = _state(order)
            try:
                _try(order)
            except (
                Invalid,
                typer.BadParameter,
            ) as error:  # a file half written, or the last case gone: wait for the next
                say(f"midstream: {error}")
            sys.stdout.flush()
            say("Waiting for a change. Ctrl-C ends.")
            while _state(order) == before:
                time.sleep(_POLL)


def _state(order: Order) -> dict[Path, tuple[int, int]]:
    """Return when each file that matters was changed."""
    folder = order.place if order.place.is_dir() else order.place.parent
    others = [Path(each) for each in (order.event, order.settings) if each is not None]
    found = {}
    for path in (*(each for pattern in _MATTERS for each in folder.glob(pattern)), *others):
        with contextlib.suppress(OSError):
            status = path.stat()
            found[path] = (status.st_mtime_ns, status.st_size)
    return found


def _try(order: Order) -> bool:
    """Do what was asked for, and say whether all is well."""
    source = find(order.place)
    if order.event is not None:
        return asyncio.run(_try_events(order, source, _events(order.event)))
    if not source.cases:
        where = source.path.parent / CASES
        raise typer.BadParameter(f"there is no case in {where}: write one as {where}/NAME.json, or give --event")
    return asyncio.run(_try_cases(order, source))


def _events(name: str) -> list[dict[str, Any]]:
    """Return a file's events; what holds none is wrong usage, as it is everywhere that events are tried."""
    try:
        events = events_of(name)
        if not events:
            raise Invalid("there is no event in it; expected a JSON object, an array of them, or one a line", name)
        if any(isinstance(it.get("event"), dict) or isinstance(it.get("events"), list) for it in events):
            raise Invalid(
                f"is a case, which has its event inside: put it into {CASES}/ beside the code, and `midstream functions "
                "test DIR` runs it",
                name,
            )
    except Invalid as fault:
        raise typer.BadParameter(str(fault), param_hint="--event") from None
    return events


async def _try_events(order: Order, source: Source, events: list[dict[str, Any]]) -> bool:
    if source.schema is not None:
        check_values(source.schema, order.values)
    found = await check(source.code, order.bench, schema=source.schema, types="none")
    egress = Egress(allow=order.config.egress_allow, deny=order.config.egress_deny)
    try:
        came = await preview(
            Trial(source.code, events, order.values, source.schema or (), source.hosts), egress.send, order.bench
        )
    finally:
        await egress.close()
    _show_results(order, source, found, came)
    return not found.faulty


def _show_results(order: Order, source: Source, found: Checked, came: Preview) -> None:
    say(f"warning: {warning}" for warning in came.warnings)
    if order.as_json:
        put({"results": came.results})
    elif not _fatal(found):  # the fault is each event's result
        for result in came.results:
            show_result(result)
    _say_faults(source, found)


async def _try_cases(order: Order, source: Source) -> bool:
    found = await check(source.code, order.bench, schema=source.schema, types="none")
    judged = []
    for path in () if _fatal(found) else source.cases:
        judged.append(await _judge(order, source, path))
        if not order.as_json:
            show_case(judged[-1])
    if order.as_json:
        put({"cases": [case_json(each) for each in judged], "diagnoses": diagnoses_json(found.diagnoses)})
    elif judged:
        typer.echo(summary(judged))
    _say_faults(source, found)
    return not found.faulty and all(each.holds for each in judged)


async def _judge(order: Order, source: Source, path: Path) -> Judged:
    try:
        case = read_case(path)
    except Invalid as fault:
        return Judged(path, "", Verdict([str(fault).removeprefix(f"{path}: ")]))
    verdict = await run_case(
        source.code, case, order.bench, schema=source.schema, settings=order.values, hosts=source.hosts
    )
    if order.update and verdict.recordable:
        record(path, to_record(verdict))
        return Judged(path, case.description, verdict, updated=True)
    return Judged(path, case.description, verdict)


def _fatal(found: Checked) -> bool:
    return any(each.code in _FATAL for each in found.diagnoses)


def _say_faults(source: Source, found: Checked) -> None:
    for diagnosis in found.diagnoses:
        if diagnosis.severity == "error":
            say(told(source.path, diagnosis))
