"""How many mutants of a module the features kill, as text for a person and as an exit code."""

from collections.abc import Iterator, Sequence

from lab.mutants.experiment import Experiment, Fate, Finding
from lab.mutants.matrix import first_line
from lab.mutants.operators import Mutation


def report(experiment: Experiment) -> Iterator[str]:
    """Yield the lines: the score of each module and of all."""
    canary, findings = experiment.canary, experiment.findings
    if canary.fate != Fate.SURVIVED:
        yield f"the unchanged code does not pass: {canary.scenario} {first_line(canary.reason)}"
        return
    for module in dict.fromkeys(_module(finding) for finding in findings):
        yield _score(module, [each for each in findings if _module(each) == module])
    yield _score("all", findings)


def exit_code(experiment: Experiment) -> int:
    """Return 0 where a score can be told, whatever it is, and 2 where none can."""
    return 0 if {each.fate for each in experiment.findings} & {Fate.KILLED, Fate.SURVIVED} else 2


def row(finding: Finding) -> str:
    """Return the line about a mutant."""
    said = f"  [{first_line(finding.reason)}]" if finding.reason else ""
    return f"{finding.fate}  {finding.mutant}{said}"


def _score(name: str, findings: Sequence[Finding]) -> str:
    """Say how many of those are killed of which it can be told: what does not import is neither."""
    killed = sum(each.fate == Fate.KILLED for each in findings)
    survived = sum(each.fate == Fate.SURVIVED for each in findings)
    unknown = len(findings) - killed - survived
    share = 100 * killed / max(killed + survived, 1)
    counts = f"{len(findings)} mutants, {killed} killed, {survived} survived, {unknown} unknown"
    return f"{name}: {counts}: {share:.1f} %"


def _module(finding: Finding) -> str:
    assert isinstance(finding.mutant, Mutation)
    return finding.mutant.module
