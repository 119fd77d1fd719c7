"""What W cost whenever all of the bench was run, so that a loss is seen: history.jsonl.

Counts and ratios are kept, and no times: those of two machines tell nothing of each other.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import cattrs

from lab.bench.calls import counted
from lab.bench.catalogue import BY_NAME
from lab.bench.figures import Figures, scoria_beside
from lab.bench.plan import Findings

BESIDE = " beside "


@attrs.frozen
class Line:
    """What was measured of a version on a day; who measures again that day takes the line's place.

    `figures` are counts of one W, and how often Scoria did W while the raw store did it once, each
    by what it is called.
    """

    version: str
    on: str
    figures: Mapping[str, float]


def line(findings: Findings, on: str) -> Line:
    """Return the line of what was found on a day, with the Python calls of W as they are now."""
    figures = dict(_figures(findings))
    calls = {"Python calls of a W in memory": round(sum(counted().values()), 1)}
    return Line(findings.machine["scoria-kit"], on, {**calls, **figures})


def _figures(findings: Findings) -> Iterator[tuple[str, float]]:
    for cost in findings.costs:
        entry = BY_NAME[cost.name]
        for what, each in (("commits", cost.commits), ("statements", cost.statements)):
            if entry.is_scoria and each is not None:
                yield f"{what} of a W, {entry.label}", round(each, 1)
    figures = Figures(findings)
    for name in findings.plan.names:
        for flows in findings.plan.flows:
            if name.startswith("raw-") and (ratio := figures.ratio(name, 0, flows)) is not None:
                ours, theirs = scoria_beside(BY_NAME[name]).label, BY_NAME[name].label
                yield f"{ours}{BESIDE}{theirs}, flows: {flows}", round(ratio.middle, 3)


def read(file: Path) -> list[Line]:
    """Return the lines of a history, the oldest first; none if there is no such file."""
    if not file.exists():
        return []
    lines = file.read_text("utf-8").splitlines()
    return [cattrs.structure(json.loads(each), Line) for each in lines]


def keep(new: Line, file: Path) -> list[Line]:
    """Write a line into a history, in the place of an earlier one of its day; return all."""
    kept = [*(each for each in read(file) if each.on != new.on), new]
    text = "".join(json.dumps(cattrs.unstructure(each)) + "\n" for each in kept)
    file.write_text(text, "utf-8")
    return kept


def compared(now: Line, lines: Sequence[Line]) -> list[str]:
    """Return each figure as text, beside what it was when it was measured last."""
    before = lines[-1] if lines else Line("", "never", {})
    width = max(map(len, now.figures))
    told = [f"{'':{width}}  {'now':>10}  {before.on:>10}"]
    for name, value in now.figures.items():
        then = before.figures.get(name)
        told.append(f"{name:{width}}  {value:>10,g}  {'-' if then is None else f'{then:,g}':>10}")
    return told


def draw(lines: Sequence[Line], file: Path) -> None:
    """Draw the ratios as SVG: a panel for each store, a line for each number of flows."""
    # Only who draws needs matplotlib.
    import matplotlib as mpl
    from matplotlib.figure import Figure

    from lab.bench.plot import STYLE

    names = dict.fromkeys(name for each in lines for name in each.figures if BESIDE in name)
    panels: dict[str, list[str]] = {}
    for name in names:
        panels.setdefault(name.partition(",")[0], []).append(name)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(3.2 * len(panels), 3.2))
        for number, (title, of_store) in enumerate(panels.items(), start=1):
            panel: Any = figure.add_subplot(1, len(panels), number)
            for name in of_store:
                found = [each for each in lines if name in each.figures]
                days = [f"{each.version}\n{each.on}" for each in found]
                ratios = [each.figures[name] for each in found]
                panel.plot(days, ratios, marker="o", label=name.rpartition(", ")[2])
            panel.set_title(title, fontsize=9)
            panel.set_ylim(bottom=0)
            panel.margins(x=0.25)
            panel.grid(axis="y", color="#dddddd")
            panel.legend(fontsize=7, frameon=False)
        figure.tight_layout()
        figure.savefig(file, metadata={"Date": None})
