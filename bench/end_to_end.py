"""From HTTP through a function to an HTTP receiver: how many events a second, and how long one takes at a calm rate.

The baseline is the generator posting the same requests straight to the same receiver.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench import traffic
from bench.figures import Figure, median_figure
from bench.function_stage import MASK, SETTINGS
from bench.generator import Orders
from bench.processes import Receiver, generate, midstream, receiving
from bench.receiver import Seen
from midstream.app.tally import quantile
from tests.whole import WRITE_KEY, shop

_FLOOR = 10_000  # events a second
_SDK_BATCH = (50, 100)  # events in one request of Segment's server-side libraries
_CONNECTIONS = 16
_PACED_CONNECTIONS = 256
_RATE = 500  # events a second, for latency


def run(folder: Path, *, runs: int, quick: bool) -> Iterator[Figure]:
    """Measure throughput with and without batches at the destination, then latency."""
    events = 20_000 if quick else 100_000
    few = events // 4
    yield _throughput(
        "end to end, webhook takes batches",
        traffic.write(traffic.batches(events, _SDK_BATCH, WRITE_KEY), folder / "batches"),
        traffic.write(traffic.batches(events, _SDK_BATCH, WRITE_KEY), folder / "straight"),
        folder / "batched",
        events=events,
        runs=runs,
        floor=_FLOOR,
        batch="array",
        batch_count=1000,
    )
    yield _throughput(
        "end to end, webhook one by one",
        traffic.write(traffic.batches(few, _SDK_BATCH, WRITE_KEY), folder / "batches"),
        traffic.write(traffic.singles(few, WRITE_KEY), folder / "straight"),
        folder / "one-by-one",
        events=few,
        runs=runs,
    )
    yield from _latency(folder, seconds=3 if quick else 10, runs=runs)


def _configuration(receiver: Receiver, **webhook: Any) -> dict[str, str]:
    files = shop(receiver.url, code=MASK, **webhook)
    salt = f'settings = {{ salt = "{SETTINGS["salt"]}" }}\n'
    schema = '[function.change.settings.salt]\nlabel = "Salt"\ntype = "STRING"\n'
    return files | {"shop.toml": files["shop.toml"] + salt + schema}


def _throughput(
    what: str,
    requests: Path,
    straight: Path,
    folder: Path,
    *,
    events: int,
    runs: int,
    floor: float | None = None,
    **webhook: Any,
) -> Figure:
    direct: list[float] = []
    through: list[float] = []
    with receiving() as receiver, midstream(folder, _configuration(receiver, **webhook)) as front:
        for number in range(runs + 1):
            for port, file, rates in ((receiver.port, straight, direct), (front, requests, through)):
                report = generate(Orders(port, str(file), _CONNECTIONS))
                seen = receiver.until(events)
                _check_masked(seen, expected=port == front)
                if number:  # the first round only warms up
                    rates.append(events / ((seen.last - report.began) / 1e9))
    return median_figure(what, "events/s", direct, through, floor=floor, floor_of="value")


def _check_masked(seen: Seen, *, expected: bool) -> None:
    if ('"masked":true' in seen.sample) != expected:
        raise RuntimeError(f"expected events {'with' if expected else 'without'} the function's mark, got another")


def _latency(folder: Path, *, seconds: float, runs: int) -> Iterator[Figure]:
    """From the 200 to the arrival; beside it how long the receiver's own 200 takes when it is asked directly."""
    events = int(_RATE * seconds)
    requests = traffic.write(traffic.singles(events, WRITE_KEY), folder / "latency-singles")
    direct: list[list[float]] = []
    through: list[list[float]] = []
    with receiving() as receiver, midstream(folder / "latency", _configuration(receiver)) as front:
        for number in range(runs + 1):
            for port, found in ((receiver.port, direct), (front, through)):
                report = generate(Orders(port, str(requests), _PACED_CONNECTIONS, rate=_RATE, times=True))
                arrivals = receiver.until(events).arrivals
                begins = report.sent if port == receiver.port else report.answered
                ends = report.answered if port == receiver.port else [arrivals[index] for index in range(events)]
                if number:
                    # An arrival may overtake the 200's way back to the sender.
                    found.append(sorted(max(0.0, (end - begin) / 1e6) for begin, end in zip(begins, ends, strict=True)))
    for name, share in (("p50", 0.5), ("p99", 0.99)):
        yield median_figure(
            f"latency at {_RATE} events/s, {name}",
            "ms",
            [quantile(each, share) or 0.0 for each in direct],
            [quantile(each, share) or 0.0 for each in through],
            note="from the 200 to arrival; baseline: from a direct post to its 200",
        )
