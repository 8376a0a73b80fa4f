"""How verdicts and results look: for a person, coloured on a terminal; and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import typer
from rich.console import Console
from rich.text import Text

from midstream.authoring.comparing import MISSING, Difference, diff
from midstream.authoring.diagnosis import Diagnosis
from midstream.authoring.running import Verdict
from midstream.cli.options import shown

_COLOURS = {"-": "red", "+": "green"}


class Judged(NamedTuple):
    """A case's file, what it says of itself, and its verdict. `updated`: what came was recorded."""

    path: Path
    description: str
    verdict: Verdict
    updated: bool = False

    @property
    def holds(self) -> bool:
        """Whether nothing is left to mend."""
        return self.verdict.passed or self.updated


def told(path: Path, diagnosis: Diagnosis) -> list[str]:
    """Return a diagnosis as compilers print one: place and message, the line, and a mark under the column."""
    place = "".join(f"{each}:" for each in (diagnosis.line, diagnosis.column) if each)
    severity = "warning: " if diagnosis.severity == "warning" else ""
    lines = [f"{path}:{place} {severity}{shown(diagnosis.message)}"]
    if diagnosis.source_line is not None and diagnosis.column:
        lines.append(f"  {shown(diagnosis.source_line.replace(chr(9), ' '))}")
        lines.append(f"  {' ' * (diagnosis.column - 1)}^")
    return lines


def show_case(judged: Judged) -> None:
    """Print a case's line, and what is wrong with it."""
    console = Console(highlight=False, soft_wrap=True)
    word, colour = ("updated", "yellow") if judged.updated else ("pass", "green") if judged.holds else ("FAIL", "red")
    line = Text(f"{word:<7} ", style=colour)
    line.append(" ".join(filter(None, (str(judged.path), shown(judged.description)))), style="default")
    console.print(line)
    for warning in judged.verdict.warnings:
        console.print(Text(f"        warning: {shown(warning)}"))
    if not judged.holds:
        for text in _wrong(judged.verdict):
            console.print(Text(f"        {shown(text)}", style=_COLOURS.get(text[:1], "default")))


def _wrong(verdict: Verdict) -> Iterator[str]:
    for problem in verdict.problems:
        yield from problem.splitlines()
    if verdict.recordable and verdict.expected is None:
        yield "nothing is expected yet; run with --update to record what came:"
        yield from json.dumps(verdict.observed, indent=2, ensure_ascii=False).splitlines()
    elif verdict.differences:
        yield from _why(verdict)
        yield "- expected, + came:"
        yield from diff(verdict.expected, verdict.observed)


def _why(verdict: Verdict) -> Iterator[str]:
    """Say what was told of each result that did not return, when that was not expected."""
    several = isinstance(verdict.expected, list)
    for index, result in enumerate(verdict.results):
        if not any(each.path == (f"[{index}].outcome" if several else "outcome") for each in verdict.differences):
            continue
        error = result["error"] or {}
        place = f" (line {error['line']}, column {error['column']})" if error.get("line") else ""
        which = f"event {index + 1}: " if several else ""
        yield (
            f"{which}{result['outcome']}: {result['message']}{place}"
            if result["message"]
            else f"{which}{result['outcome']}"
        )


def summary(cases: Sequence[Judged]) -> str:
    """Count them."""
    failed = sum(not each.holds for each in cases)
    updated = sum(each.updated for each in cases)
    passed = len(cases) - failed - updated
    return f"{passed} passed, {failed} failed{f', {updated} updated' if updated else ''}."


def case_json(judged: Judged) -> dict[str, Any]:
    """Return a case's verdict as JSON."""
    verdict = judged.verdict
    return {
        "case": str(judged.path),
        "description": judged.description,
        "passed": judged.holds,
        "updated": judged.updated,
        "problems": list(verdict.problems),
        "differences": [_difference(each) for each in verdict.differences],
        "warnings": list(verdict.warnings),
        "results": list(verdict.results),
    }


def _difference(each: Difference) -> dict[str, Any]:
    """Return a difference as JSON; the side on which there is nothing is left out."""
    sides = {"expected": each.expected, "actual": each.actual}
    return {"path": each.path, **{name: side for name, side in sides.items() if side is not MISSING}}


def diagnoses_json(diagnoses: Sequence[Diagnosis]) -> list[dict[str, Any]]:
    """Return diagnoses as JSON."""
    return [msgspec.to_builtins(each) for each in diagnoses]


def show_result(result: dict[str, Any]) -> None:
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
