"""The kill matrix, which scenario fails with which mutant: as text, a file and an exit code."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import attrs

from lab.mutants.experiment import Fate, Finding, Meeting
from lab.mutants.wrong import Wrong

KILLED, CRASHED, HELD = "x", "!", "."
"""A scenario failed by what it asserts, failed otherwise, held or did not apply; else not put."""

LEGEND = (
    f"{KILLED} failed by what it asserts, {CRASHED} failed otherwise, {HELD} held or did not "
    "apply; nothing where a mutant of its kind cannot matter (the generated scenarios of the "
    "lifecycles meet the mutants of their clauses only; mutate-lifecycles has them meet the rest)"
)

_WIDTH = 90
"""How much of what a scenario said is shown."""


@attrs.frozen
class Matrix:
    """What became of each mutant, in the order of the catalogues, and of the controls.

    `unchanged` and `lasting` are right stores, which must hold; `canary` must be killed.
    """

    unchanged: Finding
    lasting: Finding | None
    canary: Finding | None
    rows: Sequence[Finding]

    @property
    def scenarios(self) -> list[str]:
        """Every scenario that was collected, in the order in which they were run."""
        return list(dict.fromkeys(met.check.scenario for met in self.unchanged.met))

    @property
    def idle(self) -> list[str]:
        """The scenarios that killed nothing."""
        killers = {name for row in self.rows for name, mark in marks(row).items() if mark == KILLED}
        return [name for name in self.scenarios if name not in killers]

    def problems(self) -> Iterator[str]:
        """Yield what forbids to trust the rows."""
        for name, finding, fate in (
            ("the unchanged adapters", self.unchanged, Fate.SURVIVED),
            ("the right store that outlives its process", self.lasting, Fate.SURVIVED),
            ("the canary, which must die,", self.canary, Fate.KILLED),
        ):
            if finding is None:
                yield f"{name} could not be tried"
            elif finding.fate != fate:
                said = f"{finding.scenario}: {first_line(finding.reason)}"
                yield f"{name} came out as {finding.fate}: {said}"

    def exit_code(self, *, whole: bool = True) -> int:
        """Return 0 where all is killed, 1 where something is not, 2 where it cannot be told.

        `whole` where all mutants were tried, so that each scenario should have killed one.
        """
        fates = {row.fate for row in self.rows}
        if not fates or any(self.problems()):
            return 2
        if fates & {Fate.SURVIVED, Fate.ELSEWHERE}:
            return 1
        if Fate.UNKNOWN in fates:
            return 2
        return 1 if whole and self.idle else 0

    def write(self, path: Path) -> None:
        """Write the matrix: as Markdown where `path` ends in .md, else as CSV."""
        table = [["clause", "mutant", "fate", *self.scenarios], *map(self._line, self.rows)]
        with path.open("w", encoding="utf-8", newline="") as file:
            if path.suffix == ".md":
                file.writelines(_markdown(table))
            else:
                csv.writer(file).writerows(table)

    def _line(self, row: Finding) -> list[str]:
        marked = marks(row)
        cells = [marked.get(name, "") for name in self.scenarios]
        return [row.mutant.clause, str(row.mutant), str(row.fate), *cells]


def marks(row: Finding) -> Mapping[str, str]:
    """Return the mark of each scenario that a mutant met; of its examples the worst counts."""
    marked: dict[str, str] = {}
    for met in row.met:
        name = met.check.scenario
        marked[name] = min(marked.get(name, HELD), _mark(met), key=[KILLED, CRASHED, HELD].index)
    return marked


def report(matrix: Matrix, *, whole: bool = True) -> Iterator[str]:
    """Yield the lines: a row per mutant, the scenarios that killed nothing, and the totals."""
    problems = list(matrix.problems())
    yield from problems
    if not problems:
        yield "passed  the unchanged adapters, and the right store that outlives its process"
        yield f"killed  the canary, by {matrix.canary and matrix.canary.scenario}"
    wide = max((len(str(row.mutant)) for row in matrix.rows), default=0)
    yield ""
    yield from (_row(row, wide) for row in matrix.rows)
    yield ""
    yield from _totals(matrix, whole=whole)


def first_line(reason: str) -> str:
    """Return the first line, as much of it as fits."""
    line = reason.partition("\n")[0]
    return line if len(line) <= _WIDTH else f"{line[: _WIDTH - 3]}..."


def _mark(met: Meeting) -> str:
    if met.killed:
        return KILLED
    return CRASHED if met.broke else HELD


def _row(row: Finding, wide: int) -> str:
    killers = sum(mark == KILLED for mark in marks(row).values())
    start = f"{row.mutant.clause:<12}{row.mutant!s:<{wide}}"
    if row.fate == Fate.KILLED:
        return f"{start}  killed by {killers:>2}: {row.scenario}: {first_line(row.reason)}"
    said = f" {row.scenario}: {first_line(row.reason)}" if row.reason else ""
    return f"{start}  {str(row.fate).upper()}{said}"


def _totals(matrix: Matrix, *, whole: bool) -> Iterator[str]:
    if whole and matrix.idle:
        yield from (f"kills nothing: {name}" for name in matrix.idle)
        yield ""
    for kind in dict.fromkeys(_kind(row) for row in matrix.rows):
        yield _count(f"{kind} mutants", [row for row in matrix.rows if _kind(row) == kind])
    yield _count("all mutants", matrix.rows)
    if whole:
        busy = len(matrix.scenarios) - len(matrix.idle)
        yield f"{busy} of {len(matrix.scenarios)} scenarios kill at least one"


def _kind(row: Finding) -> str:
    assert isinstance(row.mutant, Wrong)
    return row.mutant.kind


def _count(name: str, rows: Sequence[Finding]) -> str:
    killed = sum(row.fate == Fate.KILLED for row in rows)
    return f"{name}: {killed} of {len(rows)} killed for their own clause"


def _markdown(table: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the table with a number for each scenario, and what the numbers stand for."""
    head, *rows = table
    numbers = [str(number) for number in range(1, len(head) - 2)]
    yield f"# Kill matrix\n\n{LEGEND[0].upper()}{LEGEND[1:]}.\n\n"
    for line in ([*head[:3], *numbers], ["---"] * len(head), *rows):
        yield f"| {' | '.join(line)} |\n"
    yield "\n"
    for number, name in zip(numbers, head[3:], strict=True):
        yield f"{number}. {name}\n"
