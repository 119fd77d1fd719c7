"""Every first-order change of the machines is tried, and what is said of each can be trusted."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from lab.mutants.experiment import Experiment, Fate, Finding, Unchanged
from lab.mutants.lifecycles import KINDS, Change, changes
from lab.mutants.report import exit_code, report
from scoria_core.lifecycles import MACHINES, states, transitions, triggers

CHANGES = list(changes())

TRIED = """
import json
import sys
from lab.mutants.experiment import Experiment
from lab.mutants.lifecycles import changes

class Broken:
    clause = ""

    def __init__(self, problem):
        self.problem = problem

    def __str__(self):
        return self.problem

    def apply(self):
        exec(self.problem)

named, problems = json.loads(sys.argv[1])
mutants = [each for each in changes() if str(each) in named] + [Broken(each) for each in problems]
experiment = Experiment(mutants, lambda _: None)
experiment.run("memory://", suite="lifecycles")
found = {str(each.mutant): [each.fate, each.scenario, each.reason] for each in experiment.findings}
print(json.dumps([experiment.canary.fate, found]))
"""
"""An experiment in a process of its own: argument 1 names changes, and says what else to do."""

IMPORT = "import no_such_module"
CRASH = "import os; os._exit(3)"
HARNESS = "from scoria_conformance.arrangements import Arrangement; Arrangement.attempt = None"
NOTHING = "pass"


def sample() -> list[Change]:
    """Return every removal, and a middle one of each other kind for each subject."""
    picked = [change for change in CHANGES if change.kind == "removed"]
    for kind in KINDS[1:]:
        for subject in MACHINES:
            alike = [each for each in CHANGES if (each.kind, each.subject) == (kind, subject)]
            picked.append(alike[len(alike) // 2])
    return picked


def mutate(*arguments: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    """Run the command on a store in memory."""
    command = [sys.executable, "-m", "lab.mutants", "lifecycles", "memory://"]
    return subprocess.run(
        [*command, *arguments], capture_output=True, text=True, cwd=cwd, check=False
    )


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, list[str]]]:
    """Try the sample, and what is no honest mutant; return the canary's fate and all others."""
    asked = [[str(change) for change in sample()], [IMPORT, CRASH, HARNESS, NOTHING]]
    ran = subprocess.run(
        [sys.executable, "-c", TRIED, json.dumps(asked)],
        capture_output=True,
        text=True,
        cwd=tmp_path_factory.mktemp("tried"),
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    canary, found = json.loads(ran.stdout)
    return canary, found


def test_every_first_order_change_is_listed_once() -> None:
    """As many as the tables have: removed, led elsewhere, and allowed into every state."""
    expected = Counter[tuple[str, str]]()
    for subject in MACHINES:
        legal, to = len(transitions(subject)), len(states(subject))
        expected[subject, "removed"] = legal
        expected[subject, "redirected"] = legal * (to - 1)
        expected[subject, "made legal"] = (to * len(triggers(subject)) - legal) * to
    assert Counter((each.subject, each.kind) for each in CHANGES) == expected
    assert len(set(CHANGES)) == len({str(each) for each in CHANGES}) == expected.total()


def test_listing_the_changes_makes_none() -> None:
    """What is listed starts from the table as it is, and is not in it."""
    for change in CHANGES:
        table = transitions(change.subject)
        assert table.get((change.state, change.trigger)) == change.declared != change.reached


@pytest.mark.slow
def test_unchanged_machines_pass(tried: tuple[str, dict[str, list[str]]]) -> None:
    """The canary lives, so that a death means something."""
    canary, found = tried
    assert canary == Fate.SURVIVED
    assert found[NOTHING] == [Fate.SURVIVED, "", ""]


@pytest.mark.slow
@pytest.mark.parametrize("change", sample(), ids=str)
def test_a_changed_machine_is_noticed(
    tried: tuple[str, dict[str, list[str]]], change: Change
) -> None:
    """A scenario fails with it, and what it said is kept."""
    _, found = tried
    fate, scenario, reason = found[str(change)]
    assert fate == Fate.KILLED
    assert scenario
    assert "AssertionError" in reason or "refused" in reason or reason.startswith("assert ")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("problem", "said"),
    [
        (IMPORT, "ModuleNotFoundError: No module named 'no_such_module'"),
        (CRASH, "its process crashed"),
        (HARNESS, "TypeError: 'NoneType' object is not callable"),
    ],
)
def test_what_breaks_the_harness_is_no_kill(
    tried: tuple[str, dict[str, list[str]]], problem: str, said: str
) -> None:
    """Nothing is known of a mutant with which the features cannot be run."""
    _, found = tried
    fate, _, reason = found[problem]
    assert (fate, reason) == (Fate.UNKNOWN, said)


@pytest.mark.slow
def test_the_command_prints_a_row_per_change_and_the_count(tmp_path: Path) -> None:
    """It exits 0 where all that were tried were killed."""
    ran = mutate("--suite", "lifecycles", "--only", "run: running -fail->", cwd=tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    rows = ran.stdout.splitlines()
    assert rows[0] == "passed    the unchanged machines"
    assert "5 of 5 (100 %)" in rows
    assert sum(row.startswith("killed    run: running -fail-> ") for row in rows) == 5
    assert "5 of 5 tried, 0 not killed" in ran.stderr


@pytest.mark.slow
def test_without_a_passing_canary_nothing_is_told(tmp_path: Path) -> None:
    """Where not all scenarios can be run, the command says which and exits 2."""
    ran = mutate("--suite", "page", "--only", "run: running -fail->", cwd=tmp_path)
    assert ran.returncode == 2
    assert ran.stdout.startswith("the unchanged machines do not pass: ")
    assert "pass --scoria-page" in ran.stdout


@pytest.mark.parametrize(
    ("fates", "code"),
    [
        ([Fate.KILLED, Fate.KILLED], 0),
        ([Fate.KILLED, Fate.SURVIVED], 1),
        ([Fate.SURVIVED, Fate.UNKNOWN], 1),
        ([Fate.KILLED, Fate.UNKNOWN], 2),
        ([], 2),
    ],
)
def test_only_a_count_of_all_is_a_success(fates: list[Fate], code: int) -> None:
    """A survivor is a failure; a change of which nothing is known, or none at all, no success."""
    findings = [Finding(change, fate) for change, fate in zip(CHANGES, fates, strict=False)]
    canary = Finding(Unchanged(), Fate.SURVIVED)
    experiment = Experiment([], print, canary=canary, findings=findings)
    assert exit_code(experiment) == code
    killed = fates.count(Fate.KILLED)
    assert list(report(experiment))[-1].startswith(f"{killed} of {len(fates)} (")
