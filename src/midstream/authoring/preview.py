"""Runs code on events as production would, and returns what came of each: the Test tab, the API, and the cases.

Enters: a `Trial`, and the network it may use. Leaves: the `results` list of contract §4.2, and warnings.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from midstream.domain.arrival import Arrival
from midstream.domain.event import tried
from midstream.domain.function import Forming, FunctionSpec, Limits, Sealed
from midstream.domain.preview import result_of
from midstream.domain.rules import Rejection
from midstream.domain.settings import Definition, sensitive, strings
from midstream.runtime import Fetcher, Pool


@dataclass(frozen=True, slots=True)
class Workbench:
    """What trials run with: an instance's limits, which Deno (None: the packaged one), and the isolation required."""

    limits: Limits = field(default_factory=Limits)
    deno: str | None = None
    require: tuple[str, ...] = ()

    @asynccontextmanager
    async def pool(self, network: Fetcher) -> AsyncIterator[Pool]:
        """Yield a pool of its own: nothing that code leaves behind reaches the next trial."""
        pool = Pool(network, limits=self.limits, deno=self.deno, require=self.require)
        try:
            yield pool
        finally:
            await pool.close()


@dataclass(frozen=True, slots=True)
class Trial:
    """What to run. Values of settings that the schema calls sensitive are hidden in everything that leaves.

    Events may be as an author writes them: what they lack of a logged one is added, as of `received_at` (None: now).
    Several at once are one call of `onBatch`, if the code has it. No `hosts` means all.
    """

    code: str
    events: Sequence[Mapping[str, Any]]
    settings: Mapping[str, Any] = field(default_factory=dict, repr=False)
    schema: Sequence[Definition] = ()
    hosts: tuple[str, ...] = ()
    received_at: datetime | None = None

    def spec(self) -> FunctionSpec:
        """Return it as an instance."""
        hidden = strings(self.settings[name] for name in self.settings.keys() & sensitive(self.schema))
        sealed = {it.name: it.sealed for it in self.schema if it.sealed and it.name in self.settings}
        return FunctionSpec(
            "trial",
            "trial",
            self.code,
            settings={name: value for name, value in self.settings.items() if name not in sealed},
            secrets=tuple(sorted(set(hidden))),
            forming=Forming(max_count=max(len(self.events), 1), max_wait=0),
            hosts=self.hosts,
            sealed=tuple(Sealed(name, self.settings[name], hosts) for name, hosts in sealed.items()),
        )


@dataclass(frozen=True, slots=True)
class Preview:
    """What came of it. `events` are the given ones as the function saw them, `results` one for each."""

    results: list[dict[str, Any]]
    events: list[bytes]
    warnings: list[str]


async def preview(trial: Trial, network: Fetcher, bench: Workbench) -> Preview:
    """Run the code on the events. Its faults are in the results. Raises RuntimeUnavailable when Deno cannot start."""
    events, warnings = _prepared(trial)
    async with bench.pool(network) as pool:
        invocations = await pool.invoke(trial.spec(), events)
    results = [result_of(event, each) for event, each in zip(events, invocations, strict=True)]
    return Preview(results, events, warnings)


def _prepared(trial: Trial) -> tuple[list[bytes], list[str]]:
    numbers = itertools.count(1)
    # As if the events had come as a body in which anything may be: each is looked at itself.
    body = json.dumps(list(trial.events)).encode() + b"\n"
    arrival = Arrival("src_test", trial.received_at or datetime.now(UTC), lambda: f"test-{next(numbers)}", body)
    prepared = [tried(event, arrival) for event in trial.events]
    warnings = [
        f"event {number}: {_refused(rejection)}" for number, (_, rejection) in enumerate(prepared, 1) if rejection
    ]
    return [event for event, _ in prepared], warnings


def _refused(rejection: Rejection) -> str:
    return f"midstream would not accept it ({rejection.reason}: {rejection.detail})"
