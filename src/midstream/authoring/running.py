"""Runs a case and says whether what came is what it expects.

Enters: code and a `Case`. Leaves: a `Verdict`. No case reaches the network.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from midstream.authoring.cases import Case
from midstream.authoring.comparing import ANY, Difference, aligned, differences
from midstream.authoring.mocked import Mocked, unmatched
from midstream.authoring.preview import Preview, Trial, Workbench, preview
from midstream.domain.settings import Definition, check_values
from midstream.errors import Invalid

# When an event of a case arrived, unless it says so itself: what is recorded must be the same tomorrow.
ARRIVED = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a case showed. `observed` is what came, in the shape of `expected`; None if the case could not be run."""

    problems: Sequence[str] = ()  # what keeps it from passing whatever is expected
    differences: Sequence[Difference] = ()
    expected: Any = None
    observed: Any = None
    results: Sequence[dict[str, Any]] = ()
    warnings: Sequence[str] = ()

    @property
    def passed(self) -> bool:
        """Whether all is as expected."""
        return not self.problems and not self.differences and self.expected is not None

    @property
    def recordable(self) -> bool:
        """Whether what came may become what is expected."""
        return not self.problems and not self.passed


async def run_case(
    code: str,
    case: Case,
    bench: Workbench,
    *,
    schema: Sequence[Definition] | None = None,
    settings: Mapping[str, Any] | None = None,
    hosts: tuple[str, ...] = (),
) -> Verdict:
    """Run a case. `settings` are for what it does not set itself. Raises RuntimeUnavailable."""
    values = {**(settings or {}), **case.settings}
    try:
        if schema is not None:
            check_values(schema, values)
    except Invalid as fault:
        return Verdict([str(fault)])
    network = Mocked(case.fetch)
    trial = Trial(code, case.given, values, schema or (), hosts, ARRIVED)
    shown = await preview(trial, network.send, bench)
    problems = [unmatched(asked) for asked in dict.fromkeys(network.unmatched)]
    return _judged(case, shown, problems)


def _judged(case: Case, shown: Preview, problems: list[str]) -> Verdict:
    stamps = [_stamps(given, seen) for given, seen in zip(case.given, shown.events, strict=True)]
    together = list(zip(shown.results, stamps, strict=True))
    if case.expectations is None:
        observed = [recorded(result, added) for result, added in together]
    else:
        observed = [observe(*each, want) for each, want in zip(together, case.expectations, strict=True)]
    came = observed if case.events is not None else observed[0]
    found = [] if case.expected is None else list(differences(case.expected, came))
    return Verdict(problems, found, case.expected, came, shown.results, shown.warnings)


def to_record(verdict: Verdict) -> Any:
    """Return what a case is to expect from now on: what came, with the "$any" that still hold."""
    return aligned(verdict.expected, verdict.observed)


def observe(result: Mapping[str, Any], stamps: Mapping[str, Any], want: Mapping[str, Any]) -> dict[str, Any]:
    """Return what there is of the keys an expectation has. `stamps` are what was added to the event before it ran.

    These need not be expected: where the function left them alone, and the expectation too, they are left out.
    """
    seen = {name: _view(name, result[name], want[name]) for name in want}
    if isinstance(seen.get("event"), dict):
        named = want["event"] if isinstance(want["event"], dict) else {}
        seen["event"] = _without(seen["event"], {name: stamps[name] for name in stamps if name not in named})
    return {name: value for name, value in seen.items() if value is not None or want[name] is None}


def recorded(result: Mapping[str, Any], stamps: Mapping[str, Any]) -> dict[str, Any]:
    """Return what to expect of a result of which nothing is expected yet: all of it that stays the same."""
    error = result["error"] and {"name": result["error"]["name"], "message": result["error"]["message"]}
    whole = {
        "outcome": result["outcome"],
        "discardReason": result["discardReason"],
        "message": result["message"],
        "event": result["event"] and _without(result["event"], stamps),
        "logs": _view("logs", result["logs"], []),
        "requests": _view("requests", result["requests"], []),
        "error": error,
    }
    return {name: value for name, value in whole.items() if value not in (None, [])}


def _stamps(given: Mapping[str, Any], seen: bytes) -> dict[str, Any]:
    return {name: value for name, value in json.loads(seen).items() if name not in given}


def _without(event: Any, stamps: Mapping[str, Any]) -> Any:
    if not isinstance(event, dict):
        return event
    return {name: value for name, value in event.items() if name not in stamps or stamps[name] != value}


def _view(name: str, value: Any, want: Any) -> Any:
    """Return a value in the shape that is wanted of it: which of its keys, and whether a body is read as JSON."""
    if value is None or want == ANY:
        return value
    match name:
        case "logs" | "requests":
            wanted = want if isinstance(want, list) else []
            shape = _log if name == "logs" else _request
            return [shape(each, wanted[index] if index < len(wanted) else None) for index, each in enumerate(value)]
        case "error":
            return {key: value[key] for key in (want or ()) if value[key] is not None}
        case _:
            return value


def _log(line: Mapping[str, Any], want: Any) -> Any:
    if isinstance(want, dict):
        return {key: line[key] for key in want}
    return line["message"]


def _request(request: Mapping[str, Any], want: Any) -> Any:
    body = request["requestBody"]
    whole = {"method": request["method"], "url": request["url"]}
    if body is not None:
        as_text = isinstance(want, dict) and isinstance(want.get("body"), str)
        whole["body"] = body if as_text else _parsed(body)
    return {key: whole[key] for key in want if key in whole} if isinstance(want, dict) else whole


def _parsed(body: str) -> Any:
    """Return a body as JSON where it is an object or a list, since that is how one reads it."""
    try:
        found = json.loads(body)
    except ValueError:
        return body
    return found if isinstance(found, dict | list) else body
