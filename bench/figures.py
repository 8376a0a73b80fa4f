"""One measured figure beside its baseline, and the table of all of them."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Literal

import msgspec
from rich.console import Console
from rich.table import Table


class Figure(msgspec.Struct, frozen=True):
    """A figure: medians of interleaved runs. `floor` is of the ratio, or of midstream's own value.

    With `lower` less is better, and the floor is a ceiling.
    """

    what: str
    unit: str
    baseline: float
    midstream: float
    runs: int
    floor: float | None = None
    floor_of: Literal["ratio", "value"] = "ratio"
    note: str = ""
    lower: bool = False

    @property
    def ratio(self) -> float:
        """Midstream's value as a share of the baseline's."""
        return self.midstream / self.baseline

    @property
    def reached(self) -> bool | None:
        """Whether it is at its floor; None without one."""
        if self.floor is None:
            return None
        value = self.ratio if self.floor_of == "ratio" else self.midstream
        return value <= self.floor if self.lower else value >= self.floor


def median_figure(
    what: str,
    unit: str,
    baseline: Sequence[float],
    midstream: Sequence[float],
    *,
    floor: float | None = None,
    floor_of: Literal["ratio", "value"] = "ratio",
    note: str = "",
    lower: bool = False,
) -> Figure:
    """Return the figure of several runs."""
    middle, ours = statistics.median(baseline), statistics.median(midstream)
    return Figure(what, unit, middle, ours, len(midstream), floor, floor_of, note, lower)


def show(figures: Sequence[Figure]) -> None:
    """Print the table."""
    table = Table(title="midstream beside its baselines")
    table.add_column("what")
    for name in ("baseline", "midstream", "unit", "ratio", "floor", "reached?"):
        table.add_column(name, justify="left" if name in ("unit", "reached?") else "right", no_wrap=True)
    for each in figures:
        table.add_row(
            each.what,
            _number(each.baseline),
            _number(each.midstream),
            each.unit,
            f"{each.ratio:.2f}",
            _floor(each),
            {True: "[green]yes[/]", False: "[red]no[/]", None: "–"}[each.reached],
        )
    console = Console()
    console = console if console.is_terminal else Console(width=120)
    console.print(table)
    console.print("Medians of runs in turns; ratio = midstream ÷ baseline.", highlight=False)
    for each in figures:
        if each.note:
            console.print(f"{each.what}: {each.note}", highlight=False)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"


def _floor(figure: Figure) -> str:
    if figure.floor is None:
        return ""
    floor = f"{figure.floor:.2f}" if figure.floor_of == "ratio" else f"{_number(figure.floor)} {figure.unit}"
    return f"≤ {floor}" if figure.lower else floor
