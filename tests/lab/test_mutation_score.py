"""What cosmic-ray changes is tried once each, and what is said of it can be trusted."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from lab.mutants.experiment import Experiment, Fate, Finding, Unchanged
from lab.mutants.operators import Mutation, mutations
from lab.mutants.reach import run_with
from lab.mutants.score import exit_code, report

STORE = '''
from scoria_memory import MemoryStore

CHECKED: bool | None = [True][0]


class Store(MemoryStore):
    """A store with 1 promise."""

    def read(self, run_ids):
        return super().read(run_ids) if run_ids else super().read(())

    def compact(self, *, rounds: int | None = 5):
        return rounds + 1


def make_store(_):
    store: MemoryStore | None = Store()
    return store
'''
"""A store with code that matters, code that nothing calls, and code that may not import."""

MODULE = "a_store"


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the store down."""
    directory = tmp_path_factory.mktemp("store")
    (directory / f"{MODULE}.py").write_text(STORE, encoding="utf-8")
    return directory


def score(directory: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the command on the store."""
    command = [sys.executable, "-m", "lab.mutants", "operators"]
    told = [f"{MODULE}:make_store", MODULE, "--suite", "store"]
    return subprocess.run(
        [*command, *told, *arguments], capture_output=True, text=True, cwd=directory, check=False
    )


@pytest.fixture(scope="module")
def tried(directory: Path) -> list[str]:
    """Try all that is changed in the store, and return what is said of it."""
    ran = score(directory)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout.splitlines()


def said(tried: list[str], change: str) -> list[str]:
    """Return the lines about a change."""
    return [line for line in tried if change in line]


@pytest.fixture
def changes(directory: Path, monkeypatch: pytest.MonkeyPatch) -> list[Mutation]:
    """Return what is changed in the store."""
    monkeypatch.syspath_prepend(str(directory))
    return list(mutations(MODULE))


def test_every_change_is_listed_once(changes: list[Mutation]) -> None:
    """By its line and what stands there now, in the order of the lines."""
    assert len(set(changes)) == len(changes) > 10
    assert [each.line for each in changes] == sorted(each.line for each in changes)


def test_what_cannot_matter_is_left_out(changes: list[Mutation]) -> None:
    """Annotations, docstrings, and how a parameter may be passed."""
    told = {each.before for each in changes}
    assert '"""A store with 1 promise."""' not in told
    assert "store: MemoryStore | None = Store()" not in told
    checked = [each.after for each in changes if each.before.startswith("CHECKED")]
    assert len(checked) == 3
    assert all(each.startswith("CHECKED: bool | None = ") for each in checked)
    assert "def compact(self, /, rounds: int | None = 5):" not in {each.after for each in changes}


SOURCE = """LIMIT = 3
class Store:
    def read(self, most=2):
        if (
            most > 1
        ):
            return 4
        return (
            5
        )
"""


@pytest.mark.parametrize(
    ("line", "lines"),
    [
        (1, range(0)),
        (3, range(3, 11)),
        (5, range(4, 7)),
        (7, range(7, 8)),
        (9, range(8, 11)),
    ],
)
def test_a_line_matters_where_its_statement_is_run(line: int, lines: range) -> None:
    """All of the statement, without those within; as the module is imported, to everybody."""
    assert run_with(ast.parse(SOURCE), line) == lines


@pytest.mark.slow
def test_a_change_that_breaks_a_promise_is_caught(
    tried: list[str], changes: list[Mutation]
) -> None:
    """It is counted, and no line is spent on it."""
    assert said(tried, "if not run_ids") == []
    assert any(each.after.endswith("if not run_ids else super().read(())") for each in changes)


@pytest.mark.slow
def test_a_change_of_what_nothing_runs_survives(tried: list[str]) -> None:
    """And the line says that nothing runs it."""
    (line,) = said(tried, "-> return rounds - 1")
    assert line.startswith(f"survived  {MODULE}:")
    assert line.endswith("[no scenario runs it]")


@pytest.mark.slow
def test_a_change_with_which_nothing_imports_is_no_kill(tried: list[str]) -> None:
    """It is told apart from what survived."""
    (line,) = said(tried, "-> CHECKED: bool | None = [True][ 1]")
    assert line.startswith("could not tell  ")
    assert line.endswith("[IndexError: list index out of range]")


@pytest.mark.slow
def test_the_score_is_that_of_what_could_be_told(tried: list[str]) -> None:
    """The share of the killed among the killed and the survivors; the rest is counted apart."""
    rows = [line for line in tried if line.startswith(("survived", "could not tell"))]
    survived = sum(row.startswith("survived") for row in rows)
    last = tried[-1]
    counts = [int(word) for word in last.replace(",", "").split() if word.isdigit()]
    mutants, killed, *_ = counts
    assert counts == [mutants, mutants - len(rows), survived, len(rows) - survived]
    assert last.endswith(f": {100 * killed / (killed + survived):.1f} %")


@pytest.mark.slow
def test_a_module_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    """Nothing was tried, so there is no score."""
    command = [sys.executable, "-m", "lab.mutants", "operators", "memory://"]
    ran = subprocess.run(
        [*command, "no_such_module"], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert ran.returncode == 2
    assert ran.stdout == (
        "modules cannot be read: ModuleNotFoundError: No module named 'no_such_module'\n"
    )


@pytest.mark.parametrize(
    ("fates", "code"),
    [([Fate.KILLED], 0), ([Fate.SURVIVED], 0), ([Fate.UNKNOWN], 2), ([], 2)],
)
def test_without_a_mutant_to_count_there_is_no_score(
    changes: list[Mutation], fates: list[Fate], code: int
) -> None:
    """A survivor is no failure of the command: it is there to be read."""
    findings = [Finding(change, fate) for change, fate in zip(changes, fates, strict=False)]
    canary = Finding(Unchanged(), Fate.SURVIVED)
    experiment = Experiment([], print, canary=canary, findings=findings)
    assert exit_code(experiment) == code
    assert list(report(experiment))[-1].startswith(f"all: {len(fates)} mutants, ")


def test_without_a_passing_canary_nothing_is_told() -> None:
    """The report says what does not pass."""
    canary = Finding(Unchanged(), Fate.UNKNOWN, "A scenario", "broke")
    assert list(report(Experiment([], print, canary=canary))) == [
        "the unchanged code does not pass: A scenario broke"
    ]
