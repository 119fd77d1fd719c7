"""What was found about changes of the lifecycles, as text for a person and as an exit code."""

from collections.abc import Iterable, Iterator, Sequence

from lab.mutants.experiment import Experiment, Fate, Finding
from lab.mutants.lifecycles import KINDS, Change
from scoria_core.lifecycles import MACHINES

_WIDTH = 60
"""How much of what a scenario said is shown."""


def report(experiment: Experiment) -> Iterator[str]:
    """Yield the lines: a row for the canary and for each change, and how many were killed."""
    canary, findings = experiment.canary, experiment.findings
    if canary.fate != Fate.SURVIVED:
        yield f"the unchanged machines do not pass: {canary.scenario} {_shortened(canary.reason)}"
        return
    yield "passed    the unchanged machines"
    wide = max((len(str(finding.mutant)) for finding in findings), default=0)
    yield from (_row(finding, wide) for finding in findings)
    yield ""
    yield from _counts(findings)


def exit_code(experiment: Experiment) -> int:
    """Return 0 where every change was killed, 1 where one survived, 2 where it cannot be told."""
    fates = {finding.fate for finding in experiment.findings}
    if Fate.SURVIVED in fates:
        return 1
    return 0 if fates == {Fate.KILLED} else 2


def _row(finding: Finding, wide: int) -> str:
    row = f"{finding.fate:<8}  {finding.mutant!s:<{wide}}  {finding.scenario}"
    return f"{row}: {_shortened(finding.reason)}" if finding.reason else row.rstrip()


def _shortened(reason: str) -> str:
    first = reason.partition("\n")[0]
    return first if len(first) <= _WIDTH else f"{first[: _WIDTH - 3]}..."


def _counts(findings: Sequence[Finding]) -> Iterator[str]:
    """Yield a line per kind with a column per subject, and one for all."""
    yield _line("killed", [*MACHINES, "all"])
    for kind in KINDS:
        yield _line(kind, _by_subject([each for each in findings if _change(each).kind == kind]))
    yield _line("all", _by_subject(findings))
    share = 100 * _killed(findings) / max(len(findings), 1)
    yield ""
    yield f"{_ratio(findings)} ({share:.4g} %)"


def _by_subject(findings: Sequence[Finding]) -> Iterator[str]:
    for subject in MACHINES:
        yield _ratio([each for each in findings if _change(each).subject == subject])
    yield _ratio(findings)


def _ratio(findings: Sequence[Finding]) -> str:
    return f"{_killed(findings)} of {len(findings)}"


def _killed(findings: Sequence[Finding]) -> int:
    return sum(finding.fate == Fate.KILLED for finding in findings)


def _line(name: str, cells: Iterable[str]) -> str:
    return f"{name:<12}" + "".join(f"{cell:<13}" for cell in cells).rstrip()


def _change(finding: Finding) -> Change:
    assert isinstance(finding.mutant, Change)
    return finding.mutant
