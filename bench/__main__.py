"""`make bench`: every figure beside a baseline measured in turns with it, as one table. Figures are not tests: exit 0."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
from rich.console import Console

from bench import end_to_end, filters, function_stage, ingest, runtime
from bench.figures import Figure, show

_PARTS: dict[str, Callable[..., Iterator[Figure]]] = {
    "ingest": ingest.run,
    "filters": filters.run,
    "function-stage": function_stage.run,
    "runtime": runtime.run,
    "end-to-end": end_to_end.run,
}


def main() -> None:
    """Measure, print the table, and keep the figures if asked to."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure midstream beside its baselines.")
    parser.add_argument("--quick", action="store_true", help="shorter and coarser: to see that it works")
    parser.add_argument("--only", choices=_PARTS, help="measure one part")
    parser.add_argument("--runs", type=int, help="how often each side is measured (5, or 2 with --quick)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to FILE")
    asked = parser.parse_args()
    runs = asked.runs or (2 if asked.quick else 5)
    figures: list[Figure] = []
    progress = Console(stderr=True)
    with tempfile.TemporaryDirectory(prefix="midstream-bench-") as name:
        for part in [asked.only] if asked.only else _PARTS:
            progress.print(f"Measuring {part} …")
            (folder := Path(name, part)).mkdir()
            for figure in _PARTS[part](folder, runs=runs, quick=asked.quick):
                progress.print(f"  {figure.what}: {figure.midstream:,.1f} {figure.unit}, ratio {figure.ratio:.2f}")
                figures.append(figure)
    show(figures)
    if asked.json:
        rows = [{**msgspec.to_builtins(each), "ratio": each.ratio, "reached": each.reached} for each in figures]
        asked.json.write_bytes(msgspec.json.format(msgspec.json.encode(rows), indent=2))


if __name__ == "__main__":
    main()
