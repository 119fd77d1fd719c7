"""The plot: W a second by candidate, a panel for each number of flows; Scoria's dots are full."""

from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from lab.bench.catalogue import Entry
from lab.bench.figures import Figures
from lab.bench.place import Kind

INK = {
    Kind.MEMORY: "#8a8f98",
    Kind.SQLITE: "#2f6f9f",
    Kind.DUCKDB: "#b7791f",
    Kind.POSTGRESQL: "#3f7d4e",
}
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "bench",  # the same findings are drawn the same
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def draw(figures: Figures, file: Path) -> None:
    """Draw the medians with their spread, on a logarithmic scale, as SVG."""
    plan = figures.findings.plan
    entries = [entry for entry, finished in figures.conditions() if finished == plan.finished[0]]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4 * len(plan.flows), 0.3 * len(entries) + 1.2))
        panels = figure.subplots(1, len(plan.flows), sharey=True, sharex=True, squeeze=False)[0]
        for panel, flows in zip(panels, plan.flows, strict=True):
            _panel(panel, figures, entries, flows)
        figure.tight_layout()
        figure.savefig(file, metadata={"Date": None})


def _panel(panel: Any, figures: Figures, entries: list[Entry], flows: int) -> None:
    panel.set_title(f"{flows} flow{'s' if flows > 1 else ''}")
    panel.set_xscale("log")
    panel.set_xlabel("W a second")
    panel.grid(axis="x", color="#dddddd")
    panel.grid(axis="y", color="#eeeeee")
    panel.set_axisbelow(True)
    for place, entry in enumerate(entries):
        _dot(panel, figures, entry, flows, place)
    panel.set_yticks(range(len(entries)), [entry.label for entry in entries])
    panel.set_ylim(len(entries) - 0.4, -0.6)


def _dot(panel: Any, figures: Figures, entry: Entry, flows: int, place: int) -> None:
    rate = figures.rate(entry.name, figures.findings.plan.finished[0], flows)
    if rate is None:
        return
    panel.errorbar(
        rate.middle,
        place,
        xerr=[[rate.middle - rate.least], [rate.most - rate.middle]],
        color=INK[entry.kind],
        marker="o",
        markersize=7,
        markerfacecolor=INK[entry.kind] if entry.is_scoria else "white",
        capsize=3,
    )
