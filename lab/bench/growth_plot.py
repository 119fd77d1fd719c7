"""The plot of growth: a panel for each call, a line for each store."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from lab.bench.growth import Grown
from lab.bench.place import Kind
from lab.bench.plot import INK, STYLE

DRAWN = ("start", "approve", "inbox", "page of an old run")
"""The calls that have a panel of their own."""


def draw(found: Sequence[Grown], long: Mapping[Kind, Mapping[int, float]], file: Path) -> None:
    """Draw what calls cost by how many runs there are, and an append by the entries of its run."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(3.2 * (len(DRAWN) + 1), 3.2))
        *panels, last = figure.subplots(1, len(DRAWN) + 1)
        for name, panel in zip(DRAWN, panels, strict=True):
            _panel(panel, name, "finished runs", _by_runs(found, name))
        _panel(last, "an append", "entries in its run", long)
        panels[0].set_ylabel("milliseconds")
        told = panels[0].get_legend_handles_labels()
        figure.legend(*told, loc="lower center", ncols=len(Kind), frameon=False)
        figure.tight_layout(rect=(0, 0.08, 1, 1))
        figure.savefig(file, metadata={"Date": None})


def _by_runs(found: Sequence[Grown], name: str) -> Mapping[Kind, Mapping[int, float]]:
    """Return the milliseconds of a call or a page, by kind of store and number of runs."""
    costs: dict[Kind, dict[int, float]] = {}
    for each in found:
        spent = each.calls.milliseconds | each.calls.pages
        costs.setdefault(each.kind, {})[each.runs] = spent[name]
    return costs


def _panel(panel: Any, title: str, counted: str, costs: Mapping[Kind, Mapping[int, float]]) -> None:
    panel.set_title(title)
    panel.set_xlabel(counted)
    panel.grid(color="#eeeeee")
    # One after the other, at equal distances: 0 has no place on a logarithmic scale.
    counts = sorted({count for spent in costs.values() for count in spent})
    for kind, spent in costs.items():
        places = [counts.index(count) for count in spent]
        panel.plot(places, [*spent.values()], marker="o", color=INK[kind], label=kind.value)
    panel.set_xticks(range(len(counts)), [f"{count:,}" for count in counts])
    panel.margins(x=0.1)
    panel.set_ylim(bottom=0)
