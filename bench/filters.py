"""What a destination filter costs an event: a condition of ten clauses, all of which are asked, beside what it takes only
to decode the same event. Run it: `python -m bench --only filters`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from bench.figures import Figure, median_figure
from bench.functions import sample
from midstream.domain.condition import compiled
from midstream.domain.filters import DestinationFilter, Rule, held
from midstream.domain.sieve import Sieve

TEN_CLAUSES = (
    "type = 'track' and event != 'Order Refunded' and properties.total >= 0 and !contains(properties.email, '@test.')"
    " and properties.currency in ['EUR', 'USD', 'GBP'] and !match(properties.comment, '*spam*') and length(userId) > 0"
    " and properties.coupon = null and typeof(properties.email) = 'string' and lowercase(context.locale) != 'xx'"
)
ACTION = {"type": "DROP_PROPERTIES", "fields": {"properties": ["email"]}}
_ASKING = 0.5  # of decoding: small beside it


def _each(work: Callable[[Any], object], events: Sequence[Any], seconds: float) -> float:
    """Return the microseconds that an event takes."""
    done, begin = 0, time.process_time()
    while (spent := time.process_time() - begin) < seconds:
        for event in events:
            work(event)
        done += len(events)
    return spent / done * 1e6


def _sieve(condition: str) -> Callable[[bytes], object]:
    rule = held(Rule, {"if": condition, "actions": [ACTION]})
    sift = Sieve([DestinationFilter("flt_bench", "Bench", rule.if_, rule.actions)]).sift
    return lambda raw: sift(raw, "m")


def run(folder: Path, *, runs: int, quick: bool) -> Iterator[Figure]:
    """Measure the condition alone, then all that a filter does whose condition fails at its end, then one that acts."""
    seconds = 0.1 if quick else 0.5
    raw = [sample(index) for index in range(500)]
    decode = msgspec.json.Decoder().decode
    decoded = [decode(each) for each in raw]
    condition = compiled(TEN_CLAUSES)
    if not all(condition.holds(each) is True for each in decoded):
        raise AssertionError("expected that the condition holds for every event")
    parts: list[tuple[str, Callable[[Any], object], Sequence[Any], float | None]] = [
        ("ten clauses, asked", condition.holds, decoded, _ASKING),
        ("a filter of ten clauses, with what it decodes", _sieve(f"{TEN_CLAUSES} and false"), raw, None),
        ("a filter of ten clauses, and a property dropped", _sieve(TEN_CLAUSES), raw, None),
    ]
    for what, work, events, ceiling in parts:
        decoding: list[float] = []
        filtering: list[float] = []
        for _ in range(runs):
            decoding.append(_each(decode, raw, seconds))
            filtering.append(_each(work, events, seconds))
        yield median_figure(what, "µs/event", decoding, filtering, floor=ceiling, lower=True)
