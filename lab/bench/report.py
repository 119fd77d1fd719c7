"""RESULTS.md, its plot, and the findings themselves, to keep."""

import json
from datetime import UTC, datetime
from pathlib import Path

import attrs
import cattrs

from lab.bench import history
from lab.bench.aims import Met, met
from lab.bench.catalogue import BY_NAME, Entry
from lab.bench.figures import Figures, Spread
from lab.bench.markdown import rendered
from lab.bench.plan import Findings

NOTHING = "—"


@attrs.frozen
class Row:
    """One line of the table, as text."""

    label: str
    finished: str
    rates: list[str]
    ratios: list[str]
    costs: list[str]


@attrs.frozen
class _Aim:
    """One line of the table of aims, as text."""

    label: str
    flows: int
    least: str
    found: str
    verdict: str

    @classmethod
    def of(cls, aim: Met) -> "_Aim":
        verdict = "met" if aim.is_met else "missed"
        return cls(aim.label, aim.flows, f"{aim.least:g}", _ratio(aim.found), verdict)


def table(findings: Findings) -> str:
    """Return the results as Markdown."""
    rows = _rows(Figures(findings))
    return rendered(
        "RESULTS.md",
        plan=findings.plan,
        rows=rows,
        skipped={BY_NAME[name].label: why for name, why in findings.skipped.items()},
        tuned=[BY_NAME[cost.name] for cost in findings.costs],
        machine=findings.machine,
        aims=[_Aim.of(each) for each in met(Figures(findings))],
    )


def write(findings: Findings, directory: Path) -> None:
    """Write RESULTS.md, results.svg and results.json into a directory, and a line of the history.

    The plot of the history is drawn anew.
    """
    from lab.bench.plot import draw

    directory.mkdir(parents=True, exist_ok=True)
    now = history.line(findings, datetime.now(UTC).date().isoformat())
    history.draw(history.keep(now, directory / "history.jsonl"), directory / "history.svg")
    (directory / "RESULTS.md").write_text(table(findings), encoding="utf-8")
    draw(Figures(findings), directory / "results.svg")
    kept = json.dumps(cattrs.unstructure(findings), indent=1)
    (directory / "results.json").write_text(kept + "\n", encoding="utf-8")


def _rows(figures: Figures) -> list[Row]:
    return [_row(figures, entry, finished) for entry, finished in figures.conditions()]


def _row(figures: Figures, entry: Entry, finished: int) -> Row:
    flows = figures.findings.plan.flows
    return Row(
        entry.label,
        f"{finished:,}",
        [_rate(figures.rate(entry.name, finished, each)) for each in flows],
        [_ratio(figures.ratio(entry.name, finished, each)) for each in flows],
        _costs(figures.findings, entry.name) if finished == 0 else [NOTHING] * 3,
    )


def _costs(findings: Findings, name: str) -> list[str]:
    for cost in findings.costs:
        if cost.name == name:
            return [_number(each) for each in (cost.commits, cost.statements, cost.bytes)]
    return [NOTHING] * 3


def _rate(spread: Spread | None) -> str:
    if spread is None:
        return NOTHING
    return f"{_number(spread.middle)} ({_number(spread.least)} to {_number(spread.most)})"


def _ratio(spread: Spread | None) -> str:
    if spread is None:
        return NOTHING
    return f"{spread.middle:.3g} ({spread.least:.3g} to {spread.most:.3g})"


def _number(value: float | None) -> str:
    if value is None:
        return NOTHING
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}".removesuffix(".0")
