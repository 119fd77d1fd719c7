"""What is wrong on purpose dies, for its own clause; and what is said of it can be trusted."""

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from lab.mutants.adapters import CANARY, CATALOGUES
from lab.mutants.experiment import Fate, Finding, Meeting, Unchanged
from lab.mutants.kit import put, replace
from lab.mutants.matrix import Matrix, marks, report
from lab.mutants.wrong import Wrong, declared
from scoria_conformance.clauses import specification
from scoria_conformance.verdict import Check, Status
from scoria_core import decisions

MUTANTS = declared(CATALOGUES)

SAMPLE = """
from lab.mutants.adapters import CATALOGUES
from lab.mutants.wrong import Catalogue, declared

def crash():
    import os
    os._exit(3)

NAMES = (
    "before is inclusive", "loses the last entry on reopen", "forgets to escape",
    "resumes the latest turn", "a run with open work is completed",
    "run: completed -cancel-> cancelled made legal",
)
breaks = Catalogue("kit", lambda change: change())
breaks.mutants.extend(each for each in declared(CATALOGUES) if each.name in NAMES)
(wrong,) = [each for each in breaks.mutants if each.name == "a run with open work is completed"]
breaks.add("does not import", "RUN-10", "open work", lambda: __import__("no_such_module"))
breaks.add("crashes", "RUN-10", "open work", crash)
breaks.add("breaks nothing", "RUN-10", "open work", lambda: None)
breaks.add("breaks another clause", "PAYLOAD-3", "open work", wrong.change)
breaks.add("breaks it for another reason", "RUN-10", "said by nobody", wrong.change)

from lab.mutants.adapters import CANARY
from lab.mutants.experiment import Experiment

def of_these_clauses(experiment, items):
    clauses = {each.clause for each in (CANARY, *breaks.mutants)}
    items[:] = [each for each in items if clauses & {*each.keywords}]

Experiment.pytest_collection_modifyitems = of_these_clauses
"""
"""A module that declares one mutant of each kind, and some that must not count as killed.

It leaves the scenarios of all other clauses out: they take many minutes, and kill none of these.
"""

APPLIED = """
import os
from lab.mutants import adapters, under_test
from lab.mutants.wrong import declared

under_test.put("memory://", "scoria_cli.page:page")
for mutant in declared(adapters.CATALOGUES):
    if (child := os.fork()) == 0:
        mutant.apply()
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        print(mutant)
"""
"""A process that makes every mutant in a process of its own, and says which cannot be made."""


def mutate(*arguments: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    """Run the command on a store in memory."""
    command = [sys.executable, "-m", "lab.mutants", "adapters", "memory://"]
    return subprocess.run(
        [*command, "--page", "scoria_cli.page:page", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        check=False,
    )


@pytest.fixture(scope="module")
def tried(tmp_path_factory: pytest.TempPathFactory) -> "subprocess.CompletedProcess[str]":
    """Try the sample."""
    directory = tmp_path_factory.mktemp("tried")
    (directory / "sample.py").write_text(SAMPLE, encoding="utf-8")
    return mutate("--declared", "sample", "--matrix", "matrix.csv", cwd=directory)


def row(tried: "subprocess.CompletedProcess[str]", name: str) -> str:
    """Return what is said of one mutant."""
    (found,) = [line for line in tried.stdout.splitlines() if f" {name}  " in line]
    return found


def test_enough_is_wrong_on_purpose() -> None:
    """At least sixty, of every kind: stores, pages, hosts and the kit."""
    kinds = Counter(mutant.kind for mutant in MUTANTS)
    assert kinds.total() >= 60
    assert set(kinds) == {"store", "page", "host", "kit"}
    assert min(kinds.values()) >= 10


def test_each_mutant_has_a_name_of_its_own() -> None:
    """None hides behind another."""
    names = Counter(str(mutant) for mutant in MUTANTS)
    assert [name for name, count in names.items() if count > 1] == []


def test_each_mutant_breaks_a_clause_and_says_how_it_is_noticed() -> None:
    """A clause that there is, and words that its scenario must say."""
    known = specification().by_id
    assert [str(each) for each in MUTANTS if each.clause not in known or not each.expected] == []


def test_a_wrong_function_stands_in_place_of_the_right_one() -> None:
    """For all who have that already, whatever it is of its class; the wrong one can call it."""

    class Right:
        def method(self, by: int = 1, *, more: int = 2) -> int:
            return by + more

        @property
        def fact(self) -> int:
            return 4

        @classmethod
        def made(cls, by: int) -> int:
            return by

        @contextmanager
        def held(self) -> Iterator[int]:
            yield 6

    def wrong(right: Any, *given: Any, **named: Any) -> Any:
        found = right(*given, **named)
        return -found if isinstance(found, int) else (-each for each in found)

    method = Right().method
    for right in (Right.method, Right.fact, Right.made, Right.held):
        replace(right, wrong)
    with Right().held() as held:
        found = (method(), method(2, more=1), Right().fact, Right.made(5), held)
    assert found == (-3, -3, -4, -5, -6)
    replace(Right.method, wrong)
    assert method() == 3


def test_a_name_that_a_module_does_not_have_is_not_put_there() -> None:
    """What was renamed is noticed."""
    with pytest.raises(AssertionError, match="no_such_name"):
        put(decisions, no_such_name=1)


@pytest.mark.slow
def test_each_mutant_can_be_made() -> None:
    """What is to be changed is still there."""
    ran = subprocess.run(
        [sys.executable, "-c", APPLIED], capture_output=True, text=True, check=False
    )
    assert (ran.returncode, ran.stdout) == (0, ""), ran.stdout + ran.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "scenario"),
    [
        ("before is inclusive", "A listing has at most its limit, and begins before a run: "),
        ("loses the last entry on reopen", "What was written outlives a store that is closed: "),
        ("forgets to escape", "Every text of a run is on its page"),
        ("resumes the latest turn", "Each act is open to whom it is for"),
        ("a run with open work is completed", "A run with open work is not completed"),
        ("run: completed -cancel-> cancelled made legal", "A run refuses what its lifecycle"),
    ],
)
def test_a_mutant_of_each_kind_dies(
    tried: "subprocess.CompletedProcess[str]", name: str, scenario: str
) -> None:
    """For its own clause, and as expected."""
    assert "  killed by " in row(tried, name)
    assert scenario in row(tried, name)


@pytest.mark.slow
def test_the_controls_are_as_they_must_be(tried: "subprocess.CompletedProcess[str]") -> None:
    """The right stores live, and the canary dies, so that what is said of the others counts."""
    first, second, *_ = tried.stdout.splitlines()
    assert first.startswith("passed  the unchanged adapters, and the right store that outlives")
    assert second == "killed  the canary, by Records come back in the order of their sequence"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("breaks nothing", "SURVIVED"),
        ("breaks another clause", "DIED FOR ANOTHER CLAUSE A run with open work"),
        ("breaks it for another reason", "DIED FOR ANOTHER CLAUSE A run with open work"),
        ("does not import", "COULD NOT TELL : ModuleNotFoundError: No module named 'no_such_m"),
        ("crashes", "COULD NOT TELL : its process crashed"),
    ],
)
def test_what_is_no_honest_kill_does_not_count(
    tried: "subprocess.CompletedProcess[str]", name: str, said: str
) -> None:
    """It is named for what it is, and the command fails."""
    assert said in row(tried, name)
    assert tried.returncode == 1
    assert "all mutants: 6 of 11 killed for their own clause" in tried.stdout.splitlines()


@pytest.mark.slow
def test_scenarios_that_kill_nothing_are_named(tried: "subprocess.CompletedProcess[str]") -> None:
    """The sample is all that was declared, and leaves some of them idle."""
    assert "kills nothing: Payloads come back equal, in their order" in tried.stdout.splitlines()
    assert "kills nothing: A run with open work is not completed" not in tried.stdout


def test_mutants_that_cannot_be_read_are_an_error(tmp_path: Path) -> None:
    """A module that does not import kills nothing."""
    ran = mutate("--declared", "no_such_module", cwd=tmp_path)
    assert ran.returncode == 2
    assert ran.stdout == (
        "mutants cannot be read: ModuleNotFoundError: No module named 'no_such_module'\n"
    )


def met(status: Status, *, clause: str = "RUN-10", said: str = "", fair: bool = True) -> Meeting:
    """Return a scenario as it went."""
    check = Check("Scenario (row)", status, said, "Scenario", (clause,))
    return Meeting("node", check, fair, 0.0)


def wrong(name: str = "wrong") -> Wrong:
    """Return a mutant that is never made."""
    return Wrong(name, "RUN-10", "as expected", "kit", lambda: None)


@pytest.mark.parametrize(
    ("meetings", "fate"),
    [
        ([met(Status.FAILED, said="assert, as expected")], Fate.KILLED),
        ([met(Status.FAILED, said="assert")], Fate.ELSEWHERE),
        ([met(Status.FAILED, said="as expected", clause="RUN-9")], Fate.ELSEWHERE),
        ([met(Status.FAILED, said="as expected", fair=False)], Fate.UNKNOWN),
        ([met(Status.COULD_NOT_RUN, said="as expected")], Fate.UNKNOWN),
        ([met(Status.PASSED), met(Status.NOT_APPLICABLE)], Fate.SURVIVED),
        ([], Fate.SURVIVED),
    ],
)
def test_only_its_own_clause_kills(meetings: list[Meeting], fate: Fate) -> None:
    """By what it asserts, and with the expected words."""
    assert wrong().judged(meetings).fate == fate


def matrix(*fates: Fate, canary: Fate = Fate.KILLED, lasting: Fate = Fate.SURVIVED) -> Matrix:
    """Return what came of mutants with these fates, each met by the one scenario."""
    failed, held = met(Status.FAILED, said="as expected"), met(Status.PASSED)
    rows = [
        Finding(wrong(f"mutant {number}"), fate, met=(failed if fate == Fate.KILLED else held,))
        for number, fate in enumerate(fates)
    ]
    unchanged = Finding(Unchanged(), Fate.SURVIVED, met=(held,))
    return Matrix(unchanged, Finding(Unchanged(), lasting), Finding(CANARY, canary), rows)


@pytest.mark.parametrize(
    ("found", "code"),
    [
        (matrix(Fate.KILLED, Fate.KILLED), 0),
        (matrix(Fate.KILLED, Fate.SURVIVED), 1),
        (matrix(Fate.KILLED, Fate.ELSEWHERE), 1),
        (matrix(Fate.KILLED, Fate.UNKNOWN), 2),
        (matrix(Fate.UNKNOWN, Fate.SURVIVED), 1),
        (matrix(), 2),
        (matrix(Fate.KILLED, canary=Fate.SURVIVED), 2),
        (matrix(Fate.KILLED, lasting=Fate.UNKNOWN), 2),
        (Matrix(Finding(Unchanged(), Fate.UNKNOWN), None, None, []), 2),
    ],
)
def test_only_a_matrix_without_a_gap_is_a_success(found: Matrix, code: int) -> None:
    """A survivor is a failure; where a control is off nothing can be told."""
    assert found.exit_code() == code
    killed = sum(finding.fate == Fate.KILLED for finding in found.rows)
    assert f"all mutants: {killed} of {len(found.rows)} killed for their own clause" in [
        *report(found)
    ]


def test_a_scenario_that_kills_nothing_is_a_failure() -> None:
    """Unless only some of the mutants were tried."""
    found = matrix(Fate.KILLED)
    idle = Meeting("idle", Check("Idle", Status.PASSED, "", "Idle", ("RUN-1",)), False, 0.0)
    found = Matrix(
        Finding(Unchanged(), Fate.SURVIVED, met=(*found.unchanged.met, idle)),
        found.lasting,
        found.canary,
        found.rows,
    )
    assert found.idle == ["Idle"]
    assert (found.exit_code(), found.exit_code(whole=False)) == (1, 0)
    assert "kills nothing: Idle" in [*report(found)]


def test_of_its_examples_the_worst_marks_a_scenario() -> None:
    """Failed by what it asserts, then failed otherwise, then held."""
    crashed, failed = met(Status.FAILED, fair=False), met(Status.FAILED)
    held = met(Status.NOT_APPLICABLE)
    assert marks(Finding(wrong(), Fate.KILLED, met=(crashed, failed, held))) == {"Scenario": "x"}
    assert marks(Finding(wrong(), Fate.KILLED, met=(held, crashed))) == {"Scenario": "!"}
    assert marks(Finding(wrong(), Fate.KILLED, met=(held,))) == {"Scenario": "."}


@pytest.mark.parametrize(
    ("name", "row"),
    [("matrix.csv", "RUN-10,mutant 0,killed,x"), ("m.md", "| RUN-10 | mutant 0 | killed | x |")],
)
def test_the_matrix_is_written(tmp_path: Path, name: str, row: str) -> None:
    """As CSV with the names of the scenarios, or as Markdown that explains its numbers."""
    path = tmp_path / name
    matrix(Fate.KILLED).write(path)
    lines = path.read_text("utf-8").splitlines()
    assert row in lines
    assert any("Scenario" in line for line in lines)
