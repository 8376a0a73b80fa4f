"""How a sample looks to a person: an event that was not delivered, why, and what its functions said and asked."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import typer

from midstream.cli.options import shown
from midstream.domain.attempt import Sample
from midstream.log import QUARANTINED

_EVENT_LINES = 40  # of an event on a terminal


def show(sample: Sample, names: Mapping[str, str]) -> None:
    """Print a sample. `names` is slugs of destinations by id."""
    where = names.get(sample.destination_id, sample.destination_id or "ingest")
    what = f"{sample.type} {sample.event}".strip()
    typer.echo()
    _say(f"── {_time(sample.at / 1000)}  {where}  {what}  {sample.reason}  (attempt {sample.attempt}){_kept(sample)}")
    body = sample.body
    if body.get("detail"):
        _say(f"   {body['detail']}")
    error = body.get("error")
    if isinstance(error, dict) and error.get("line"):
        _say(f"   {error['name']} at line {error['line']}, column {error['column']}")
    if body.get("nextAttemptAt"):
        _say(f"   next attempt at {body['nextAttemptAt']}")
    for log in _listed(body, "logs"):
        _say(f"   {log['level']}: {log['message']}")
    for each in _listed(body, "requests"):
        _show_request(each)
    for line in _fitting(_event(body.get("event"))):
        _say(f"   {line}")


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).astimezone().strftime("%d %b %H:%M:%S")


def _kept(sample: Sample) -> str:
    if sample.body.get("outcome") != "quarantined":
        return ""
    return f", kept in quarantine until {_time(sample.at / 1000 + QUARANTINED)}"


def _show_request(request: Mapping[str, Any]) -> None:
    answer = request["status"] or request["error"]
    _say(f"   {request['method']} {request['url']} → {answer} in {request['duration_ms']:.0f} ms")
    for name in ("request_body", "response_body"):
        if request.get(name):
            _say(f"     {name.removesuffix('_body')}: {request[name]}")


def _event(event: Any) -> list[str]:
    text = event if isinstance(event, str) else json.dumps(event, indent=2, ensure_ascii=False)
    return f"event: {text}".split("\n")


def _fitting(lines: list[str]) -> Iterable[str]:
    """Cut lines to what a terminal has room for. Into a file or a pipe, nothing is cut."""
    if not sys.stdout.isatty():
        return lines
    width = shutil.get_terminal_size().columns - 4  # the indent, and the sign that there is more
    seen = [line if len(line) <= width else f"{line[:width]}…" for line in lines[:_EVENT_LINES]]
    more = len(lines) - len(seen)
    return [*seen, f"… and {more} more lines; --json has them all"] if more else seen


def _listed(body: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """Return a part that is a list; where a secret made it unreadable as one, say it as the text it is."""
    part = body.get(name) or []
    if isinstance(part, str):
        _say(f"   {name}: {part}")
        return []
    return list(part)


def _say(text: str) -> None:
    for line in text.split("\n"):
        typer.echo(shown(line))
