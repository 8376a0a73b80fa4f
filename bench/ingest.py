"""How many events a second the front takes in durably, beside the same server only parsing and answering."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bench import traffic
from bench.figures import Figure, median_figure
from bench.generator import Orders
from bench.processes import generate, midstream, plain
from tests.whole import WRITE_KEY

_CONNECTIONS = 64
_BATCH = 50
_FLOOR = 0.5
_GENERATOR_BUSY = 0.85  # from this share of a core on, the figure says as much of the generator as of the server
_SOURCE = {"shop.toml": f'[source.website]\nwrite_keys = ["{WRITE_KEY}"]\n'}


def run(folder: Path, *, runs: int, quick: bool) -> Iterator[Figure]:
    """Measure single events and batches of 50."""
    count = 2_000 if quick else 10_000
    shapes = {
        "ingest, single events": (traffic.write(traffic.singles(count, WRITE_KEY), folder / "singles"), 1),
        f"ingest, batches of {_BATCH}": (
            traffic.write(traffic.batches(count, (_BATCH, _BATCH), WRITE_KEY), folder / "batches"),
            _BATCH,
        ),
    }
    with plain() as baseline, midstream(folder / "ingest", _SOURCE) as front:
        for what, (requests, size) in shapes.items():
            yield _compare(what, requests, size, (baseline, front), runs=runs, seconds=1.0 if quick else 3.0)


def _compare(what: str, requests: Path, size: int, ports: tuple[int, int], *, runs: int, seconds: float) -> Figure:
    rates: tuple[list[float], list[float]] = ([], [])
    busy: tuple[list[float], list[float]] = ([], [])
    for number in range(runs + 1):
        for port, its_rates, its_busy in zip(ports, rates, busy, strict=True):
            orders = Orders(port, str(requests), _CONNECTIONS, seconds=seconds if number else 0.5)
            report = generate(orders)
            if number:  # the first round only warms up
                its_rates.append(report.requests * size / report.seconds)
                its_busy.append(report.cpu)
    note = f"generator {max(busy[0]):.0%} and {max(busy[1]):.0%} of a core"
    if max(busy[0]) > _GENERATOR_BUSY:
        note += "; the baseline is held back by it"
    return median_figure(what, "events/s", *rates, floor=_FLOOR, note=note)
