"""Verdicts that were false: what a target raises, leaves or answers is never a pass."""

import ast
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

import scoria_conformance
from scoria_conformance import Check, Status, Verdict, verify
from scoria_conformance.catalogue import LIMITED, NEEDS, Case, catalogue, chosen
from scoria_conformance.clauses import FEATURES
from scoria_conformance.outcomes import outcome, part
from scoria_conformance.steps import STEPS

VERIFY: ModuleType = sys.modules["scoria_conformance.verify"]

DUE = "store: Any sequence of calls is answered as the reference answers"
STORED = "store: A run is stored with its first records"
READ = "store: Records come back in the order of their sequence"
LASTS = "store: What was written outlives a store that is closed"
ONLY_DUE = "any_sequence and not pruned and not opened_again and not by_two"
"""What selects it in pytest."""

FEW = (DUE, STORED, READ, LASTS)
"""Scenarios of which the first alone asks what is due, and the last needs a store that lasts."""

STORES = '''
import builtins, datetime, os, signal, sys, threading, time, unittest
import hypothesis, pytest
from scoria_conformance.attribution import SuiteBroken
from scoria_memory import MemoryStore
from scoria_core.errors import ScoriaError

class Store(MemoryStore):
    """Does what it should, until it is asked what is due."""
    def list_due(self, **asked):
        self.stray()
        return super().list_due(**asked)

class Text(str):
    __eq__ = lambda *_: True
    __hash__ = str.__hash__

class Row(tuple):
    __eq__ = lambda *_: True
    __hash__ = tuple.__hash__

def asked(name):
    """Return a factory of stores that do what is done here by this name, once they are asked."""
    kind = type(name, (Store,), {"stray": lambda self: STRAY[name]()})
    return lambda directory: kind()

class VersionConflict(ScoriaError):
    __eq__ = lambda *_: True

def goes_away():
    os.mkdir("gone")
    os.chdir("gone")
    os.rmdir("../gone")

def raises(error):
    raise error

STRAY = {
    "skips": lambda: pytest.skip("not applicable: the store does not declare it"),
    "skips_unmet": lambda: pytest.skip("no evidence page to look at"),
    "skips_as_unittest": lambda: raises(unittest.SkipTest("not applicable: so it says")),
    "skips_in_a_group": lambda: raises(BaseExceptionGroup("g", [pytest.skip.Exception("x")])),
    "fails": lambda: pytest.fail("so it says"),
    "expects_to_fail": lambda: pytest.xfail("so it says"),
    "ends_the_session": lambda: pytest.exit("all is well", returncode=0),
    "exits": lambda: sys.exit(0),
    "interrupts": lambda: raises(KeyboardInterrupt()),
    "ends_the_process": lambda: os._exit(0),
    "kills_the_process": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "rejects_the_example": lambda: hypothesis.reject(),
    "closes_all": lambda: (os.closerange(0, 256), raises(ValueError("closed"))),
    "goes_away": lambda: (goes_away(), raises(ValueError("away"))),
    "breaks_the_suite": lambda: raises(SuiteBroken("x")),
    "calls_it_a_conflict": lambda: raises(VersionConflict("equal to all")),
}
for name in STRAY:
    globals()[name] = asked(name)

FORKED = []

def sleeps(directory):
    class Sleeps(MemoryStore):
        def list_due(self, **asked):
            while True:
                try:
                    time.sleep(60)
                except BaseException:
                    pass
    return Sleeps()

def hangs_on_close(directory):
    class Hangs(MemoryStore):
        def list_due(self, **asked):
            self.asked = True
            return super().list_due(**asked)
        def close(self):
            if hasattr(self, "asked"):
                threading.Event().wait()
            super().close()
    return Hangs()

def goes_on_twice(directory):
    """Once: of each call that is made twice there would soon be thousands."""
    class Forks(MemoryStore):
        def list_due(self, **asked):
            if not FORKED:
                FORKED.append(True)
                if os.fork() == 0:
                    return []
            return super().list_due(**asked)[:1]
    return Forks()

def says_the_same(directory):
    class Says(MemoryStore):
        def list_due(self, **asked):
            return Row(())
    return Says()

def says_texts(directory):
    class Says(MemoryStore):
        def list_due(self, **asked):
            return [Text(each) for each in reversed(super().list_due(**asked))]
    return Says()

def swallows(directory):
    """Answers wrong in a thread, whose error nobody sees."""
    class Says(MemoryStore):
        def create(self, key, records, *, row):
            return Text(super().create(key, records, row=row))
    return Says()

def unknown(directory):
    class Unknown(MemoryStore):
        capabilities = frozenset({"Durable", "multiprocess"})
    return Unknown()

def listed(directory):
    class Listed(MemoryStore):
        capabilities = ["durable"]
    return Listed()

def changes(directory, times=[]):
    class Changes(MemoryStore):
        @property
        def capabilities(self):
            return declared
    times.append(1)
    declared = frozenset({"durable"}) if len(times) % 2 else frozenset()
    return Changes()

def scribbles(directory):
    class Scribbles(MemoryStore):
        def list_due(self, **asked):
            (path,) = [each for each in sys.argv if each.startswith("--scoria-events=")]
            with open(path.partition("=")[2], "a") as file:
                file.write('["checked"]\\n')
            return super().list_due(**asked)
    return Scribbles()

def opens_once(directory, times=[]):
    times.append(1)
    if len(times) > 1:
        pytest.skip("not applicable: the store does not declare it")
    return MemoryStore()
'''

LEAVING = {
    "at_import.py": "import os\nos._exit(0)\n",
    "exits_at_import.py": "import sys\nsys.exit(0)\n",
    "skips_at_import.py": (
        "import pytest\npytest.skip('not applicable: x', allow_module_level=True)\n"
    ),
}
"""Modules that do not come to an end."""


@pytest.fixture
def stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a directory with the module of the stores, where the suite runs."""
    (tmp_path / "strays.py").write_text(STORES)
    for name, text in LEAVING.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def few(stores: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Verdict]:
    """Put a store through a few scenarios, as if the suite had no more."""
    assert stores.is_dir()

    def put(name: str, *ids: str) -> Verdict:
        cases = tuple(catalogue()[each] for each in ids or FEW)
        monkeypatch.setattr(VERIFY, "_demanded", lambda *_: cases)
        return verify(f"strays:{name}", suite="store")

    return put


def statuses(verdict: Verdict) -> dict[str, str]:
    """Return what became of each scenario."""
    assert verdict.problem == ""
    return {check.id: check.status.value for check in verdict.checks}


FAILS_ALONE = {DUE: "failed", STORED: "passed", READ: "passed", LASTS: "not applicable"}

STRAYS = {
    "skips": "list_due raised Skipped: not applicable: the store does not declare it",
    "skips_unmet": "list_due raised Skipped: no evidence page to look at",
    "skips_as_unittest": "list_due raised SkipTest: not applicable: so it says",
    "skips_in_a_group": "list_due raised BaseExceptionGroup",
    "fails": "list_due raised Failed: so it says",
    "expects_to_fail": "list_due raised XFailed: so it says",
    "ends_the_session": "list_due raised Exit: all is well",
    "exits": "list_due raised SystemExit: 0",
    "interrupts": "its process ended (exit 2)",
    "ends_the_process": "its process ended (exit 0)",
    "kills_the_process": "its process ended (SIGKILL)",
    "rejects_the_example": "list_due raised UnsatisfiedAssumption",
    "closes_all": "",
    "goes_away": "list_due is not answered",
    "breaks_the_suite": "list_due raised SuiteBroken",
    "calls_it_a_conflict": "list_due raised VersionConflict",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", STRAYS)
def test_what_a_store_raises_is_not_the_suites_word(
    name: str, few: Callable[[str], Verdict]
) -> None:
    """The scenario in which it was raised has failed, and every other comes to its own."""
    verdict = few(name)
    assert statuses(verdict) == FAILS_ALONE
    assert STRAYS[name] in verdict.checks[0].reason
    assert (verdict.status, verdict.exit_code) == ("failed", 1)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sleeps", "hangs_on_close"])
def test_a_store_that_hangs_fails_where_it_hangs(
    name: str, few: Callable[[str], Verdict], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its scenario is named, with where it hangs; the others are run."""
    quick = {**catalogue(), DUE: _limited(DUE, 2.0)}
    monkeypatch.setattr(sys.modules[__name__], "catalogue", lambda: quick)
    verdict = few(name)
    assert statuses(verdict) == FAILS_ALONE
    assert verdict.checks[0].reason.startswith("it did not end within 2 seconds\n")
    assert "strays.py" in verdict.checks[0].reason


def _limited(case: str, limit: float) -> Case:
    import attrs

    return attrs.evolve(catalogue()[case], limit=limit)


@pytest.mark.slow
def test_after_ten_that_ended_their_process_the_rest_is_left_out(
    few: Callable[..., Verdict], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was not run could not run, and says why."""
    monkeypatch.setattr(VERIFY, "MOST_ENDED", 1)
    later = next(case.id for case in chosen("lifecycles"))
    verdict = few("ends_the_process", DUE, later)
    assert statuses(verdict) == {DUE: "failed", later: "could not run"}
    assert verdict.checks[1].reason.startswith("not run: 1 scenarios had ended their process")


ANSWERS = {
    "says_the_same": "list_due answered () of strays.Row, and neither a list nor a tuple",
    "says_texts": "of strays.Text, and no str",
    "swallows": "create answered",
    "goes_on_twice": "",
}


@pytest.mark.slow
@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_that_is_equal_to_all_fails(name: str, few: Callable[..., Verdict]) -> None:
    """An answer is of the very type that the port says, or the scenario fails."""
    verdict = few(name, DUE)
    assert statuses(verdict) == {DUE: "failed"}
    assert ANSWERS[name] in verdict.checks[0].reason


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("unknown", "capabilities has 'Durable', 'multiprocess', which is no capability"),
        ("listed", "capabilities is ['durable'], and no frozenset"),
    ],
)
def test_an_unknown_capability_is_no_reason_to_leave_a_scenario(
    name: str, says: str, few: Callable[..., Verdict]
) -> None:
    """Every scenario says what is declared wrong, and none is not applicable."""
    verdict = few(name)
    assert set(statuses(verdict).values()) == {"failed"}
    assert all(says in check.reason for check in verdict.checks)


@pytest.mark.slow
def test_capabilities_that_change_are_no_pass(few: Callable[..., Verdict]) -> None:
    """A store that declares one thing to one scenario and another to the next is found out."""
    verdict = few("changes", STORED, READ, LASTS)
    assert (verdict.status, verdict.exit_code) == ("failed", 1)
    assert "before, and now" in verdict.checks[1].reason


@pytest.mark.slow
def test_what_somebody_else_writes_where_the_suite_is_heard_is_no_pass(
    few: Callable[..., Verdict],
) -> None:
    """A line that is not the suite's ends the verification."""
    verdict = few("scribbles", DUE, STORED)
    assert verdict.problem == "somebody else wrote to where the suite says what it does"
    assert (verdict.status, verdict.exit_code) == ("harness error", 2)


@pytest.mark.slow
def test_a_factory_that_skips_is_no_reason_to_leave_a_scenario(
    few: Callable[..., Verdict],
) -> None:
    """It opened once; whatever it raises then is a store that opens only sometimes."""
    verdict = few("opens_once", DUE, STORED)
    assert set(statuses(verdict).values()) == {"failed"}


@pytest.mark.slow
@pytest.mark.parametrize("module", LEAVING)
def test_a_module_that_ends_the_process_is_no_pass(module: str, stores: Path) -> None:
    """Nothing of the target runs in the process that says the verdict."""
    ran = verified(f"{module.removesuffix('.py')}:make", "--suite", "page", cwd=stores)
    assert ran.returncode == 2, ran.stdout + ran.stderr


def verified(*arguments: str, cwd: Path, **more: str) -> "subprocess.CompletedProcess[str]":
    """Run `scoria verify`."""
    return subprocess.run(
        [sys.executable, "-m", "scoria_cli", "verify", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, **more},
        check=False,
    )


# What is demanded.


def test_every_case_has_a_name_of_its_own_and_a_limit() -> None:
    """What is demanded is counted by these; a digest tells of each change."""
    cases = catalogue().values()
    assert len({case.digest for case in cases}) == len(cases) > 600
    assert {case.limit for case in cases} >= {60.0}
    assert {need for case in cases for need in case.needs} == {*NEEDS}
    assert LIMITED.fullmatch("seconds-120")


def test_no_clause_that_every_store_must_keep_needs_a_capability() -> None:
    """A clause is left as a whole only where each of its scenarios asks for a capability."""
    from scoria_conformance import specification

    spared = {
        clause.id
        for clause in specification().clauses
        if clause.level == "MUST"
        and (own := [case for case in catalogue().values() if clause.id in case.clauses])
        and all(case.needs for case in own)
    }
    assert spared == {
        *(f"EVENT-{number}" for number in range(1, 8)),
        *(f"STORE-{number}" for number in range(46, 53)),
        "STORE-14",
        "STORE-15",
        "STORE-23",
        "STORE-24",
        "STORE-25",
        "STORE-37",
        "STORE-38",
        "STORE-44",
    }


def test_a_missing_outcome_could_not_run() -> None:
    """And so is a scenario that says it does not apply where the store declares all it needs."""
    stored, lasts, none = catalogue()[STORED], catalogue()[LASTS], frozenset[str]()
    said = Check("x", Status.NOT_APPLICABLE)
    missing, spared = outcome(stored, None, none), outcome(lasts, said, none)
    assert (missing.status, missing.reason) == ("could not run", "no outcome of it was reported")
    assert (spared.status, spared.name) == ("not applicable", lasts.name)
    assert outcome(lasts, said, frozenset({"durable"})).status == "harness error"
    for status in (Status.NOT_APPLICABLE, Status.EXCLUDED, Status.PARTIAL):
        assert outcome(stored, Check("x", status), none).status == "harness error"


@pytest.mark.slow
@pytest.mark.parametrize("package", [True, False])
def test_a_folder_of_that_name_is_not_taken_for_ours(package: bool, tmp_path: Path) -> None:
    """Whatever stands first in the path, the scenarios are those that ship with the suite."""
    theirs = tmp_path / "scoria_features"
    theirs.mkdir()
    (theirs / "one.feature").write_text(
        "@store\nFeature: F\n  @STORE-1\n  Scenario: A run is stored with its first records\n"
        "    When a run is created with 2 records\n    Then its run_id is returned\n"
    )
    if package:
        (theirs / "__init__.py").touch()
        (theirs / "clauses.json").write_text('{"version": "9", "clauses": []}')
    suite = "runtime-to-handoff"
    ran = verified("memory://", "--suite", suite, "--json", cwd=tmp_path, PYTHONPATH=str(tmp_path))
    said = json.loads(ran.stdout)
    assert {check["id"] for check in said["checks"]} == {
        case.id for case in chosen("runtime_to_handoff")
    }
    assert said["specification"] == scoria_conformance.specification().version
    assert ran.returncode == 0, ran.stderr


# Where nothing is asserted.


def test_every_assert_of_the_suite_is_rewritten() -> None:
    """Pytest has read the module, so an assert in it holds whatever Python was told."""
    root = Path(scoria_conformance.__file__).parent
    for path in sorted(root.rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        if not any(isinstance(node, ast.Assert) for node in ast.walk(tree)):
            continue
        name = ".".join(path.relative_to(root.parent).with_suffix("").parts)
        loader = type(getattr(import_module(name), "__loader__", None)).__name__
        assert loader == "AssertionRewritingHook", f"{name}: register it, or raise"


EFFECTS = re.compile(r"(^|\.)_?(wait|poll|pop|prune|create|append|recover|start|join|send|close)$")


def test_no_assert_of_the_suite_does_anything() -> None:
    """What is left out under -O changes nothing but what is told."""
    for name in ["scoria_conformance.arrangements", *STEPS]:
        path = Path(str(import_module(name).__file__))
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Assert):
                calls = [each for each in ast.walk(node.test) if isinstance(each, ast.Call)]
                doing = [ast.unparse(each.func) for each in calls]
                assert not [each for each in doing if EFFECTS.search(each)], (path, node.lineno)


CONFTEST = """
import pytest
from strays import STORE

pytest_plugins = ["scoria_conformance.plugin"]
scoria_store_factory = pytest.fixture(lambda: STORE)
"""


def adopt(directory: Path, store: str) -> None:
    """Bind the suite as an adopter does."""
    (directory / "conftest.py").write_text(CONFTEST.replace("STORE", store))
    (directory / "test_conformance.py").write_text("from scoria_conformance.suite import *\n")
    (directory / "pytest.ini").write_text("[pytest]\n")


def adopted(
    directory: Path, *options: str, python: tuple[str, ...] = ()
) -> "subprocess.CompletedProcess[str]":
    """Run an adopter's pytest."""
    return subprocess.run(
        [sys.executable, *python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options],
        capture_output=True,
        text=True,
        cwd=directory,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("python", "options"),
    [(("-O",), ()), (("-OO",), ("--assert=plain",)), ((), ("--assert=plain",))],
)
def test_pytest_without_asserts_is_refused(
    python: tuple[str, ...], options: tuple[str, ...], stores: Path
) -> None:
    """Nothing runs; the message says what to leave out."""
    adopt(stores, "skips")
    ran = adopted(stores, *options, "-k", "closed_store", python=python)
    assert ran.returncode == 4, ran.stdout
    assert "the conformance suite" in ran.stderr


@pytest.mark.slow
def test_verify_checks_whatever_python_was_told(stores: Path) -> None:
    """PYTHONOPTIMIZE, and warnings as errors, do not reach the suite."""
    told = {"PYTHONOPTIMIZE": "2", "PYTHONWARNINGS": "error"}
    assert verified("memory://", "--suite", "host", cwd=stores, **told).returncode == 0
    broken = verified("strays:says_texts", "--suite", "host", cwd=stores, **told)
    assert broken.returncode == 0  # it asks for nothing that is due
    assert verified("strays:swallows", "--suite", "host", cwd=stores, **told).returncode == 1


# A part.


def test_a_part_is_told_from_a_suite() -> None:
    """A suite is whole where all its scenarios are; what is less says of how many."""
    store = [case.id for case in chosen("store")]
    assert part(store) == part(catalogue()) == part(case.id for case in chosen("host")) == ""
    assert part(store[:1]) == f"1 of {len(store)}"
    assert part([]) == f"0 of {len(catalogue())}"


@pytest.mark.slow
@pytest.mark.parametrize("more", [(), ("-n", "1")])
def test_a_part_of_a_suite_is_no_pass(more: tuple[str, ...], stores: Path) -> None:
    """The headline, the badge and the report say so; the exit code is pytest's own."""
    adopt(stores, "skips")
    ran = adopted(stores, "-k", "stored_with_its_first", "--scoria-report-dir", "D", *more)
    said = json.loads((stores / "D" / "report.json").read_text("utf-8"))
    told = f"1 of {len(chosen('store'))}"
    assert ran.returncode == 0, ran.stdout
    assert f"scoria: partial: {told}; the report is in D" in ran.stdout
    assert (said["status"], said["headline"], said["part"]) == ("partial", f"partial: {told}", told)
    badge = (stores / "D" / "badge.svg").read_text("utf-8")
    assert f"partial: {told}" in badge
    assert "#5b544e" in badge
    assert "#23693c" not in badge


@pytest.mark.slow
@pytest.mark.parametrize("name", ["skips", "expects_to_fail", "ends_the_session"])
@pytest.mark.parametrize("report", [True, False])
def test_pytest_is_red_where_a_store_steers_it(name: str, report: bool, stores: Path) -> None:
    """Also where no report is asked for."""
    adopt(stores, name)
    where = ("--scoria-report-dir", "D") if report else ()
    ran = adopted(stores, "-k", f"({ONLY_DUE}) or stored_with_its_first", *where)
    assert ran.returncode == 1, ran.stdout
    assert "1 failed, 1 passed" in ran.stdout


@pytest.mark.slow
def test_a_scenario_that_an_adopter_marks_to_be_skipped_could_not_run(stores: Path) -> None:
    """The mark is the adopter's word, and no pass; pytest shows it as ever."""
    adopt(stores, "skips")
    with (stores / "conftest.py").open("a") as file:
        file.write(
            "def pytest_collection_modifyitems(items):\n"
            "    [each.add_marker(pytest.mark.skip('slow here')) for each in items]\n"
        )
    ran = adopted(stores, "-k", "stored_with_its_first", "--scoria-report-dir", "D")
    (check,) = json.loads((stores / "D" / "report.json").read_text("utf-8"))["checks"]
    assert (check["status"], ran.returncode) == ("could not run", 2)
    assert "slow here" in check["reason"]
    assert "1 skipped" in ran.stdout


# The folder.

GREEN = '{"status": "passed"}'


@pytest.mark.slow
@pytest.mark.parametrize("how", ["verify", "pytest"])
def test_a_run_that_breaks_off_leaves_no_earlier_report(how: str, stores: Path) -> None:
    """What it will replace is gone when it starts; what is not of the report stays."""
    folder = stores / "D"
    folder.mkdir()
    for name in ("report.json", "badge.svg", "report.html", "theirs.txt"):
        (folder / name).write_text(GREEN)
    if how == "verify":
        assert verified("at_import:make", "--report", "D", cwd=stores).returncode == 2
    else:
        adopt(stores, "ends_the_process")
        adopted(stores, "-k", ONLY_DUE, "--scoria-report-dir", "D")
    assert not [each for each in folder.iterdir() if each.read_text("utf-8") == GREEN][1:]
    assert (folder / "theirs.txt").read_text("utf-8") == GREEN


def test_a_second_run_into_one_folder_is_refused(tmp_path: Path) -> None:
    """And it leaves what the first one writes alone."""
    from scoria_conformance.report import Folder, FolderInUse

    first = Folder.taken(tmp_path / "D")
    first.write(Verdict("x", [Check("a", Status.PASSED)]))
    with pytest.raises(FolderInUse, match=r"another run writes its report to .*D: wait"):
        Folder.taken(tmp_path / "D")
    assert (tmp_path / "D" / "report.json").exists()
    first.leave()
    Folder.taken(tmp_path / "D").leave()
    assert not (tmp_path / "D" / "report.json").exists()


@pytest.mark.parametrize("leaves", [True, False])
def test_a_forked_child_does_not_free_or_keep_a_folder(tmp_path: Path, *, leaves: bool) -> None:
    """A target may have forked one that outlives the run."""
    from scoria_conformance.report import Folder, FolderInUse

    first = Folder.taken(tmp_path / "D")
    told, telling = os.pipe()
    child = os.fork()
    if child == 0:
        if leaves:
            first.leave()
        os.write(telling, b"up")
        signal.pause()
    try:
        assert os.read(told, 2) == b"up"
        with pytest.raises(FolderInUse):
            Folder.taken(tmp_path / "D")
        first.leave()
        Folder.taken(tmp_path / "D").leave()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["verify", "pytest"])
def test_a_command_is_told_that_a_folder_is_in_use(how: str, stores: Path) -> None:
    """One line, and the code of bad usage."""
    from scoria_conformance.report import taken

    adopt(stores, "skips")
    with taken(stores / "D"):
        if how == "verify":
            ran = verified("memory://", "--report", "D", cwd=stores)
            code = 2
        else:
            ran = adopted(stores, "-k", "closed_store", "--scoria-report-dir", "D")
            code = 4
    assert ran.returncode == code
    assert "another run writes its report to" in ran.stdout + ran.stderr
    assert not list((stores / "D").iterdir())


@pytest.mark.slow
def test_the_suite_is_not_what_lies_where_it_is_run(stores: Path) -> None:
    """Neither files that configure pytest nor a plugin beside the target reach it."""
    (stores / "pytest.ini").write_text("[pytest]\naddopts = -k nothing --collect-only\n")
    (stores / "conftest.py").write_text("import os; os._exit(0)\n")
    (stores / "sitecustomize.py").write_text("import os; os._exit(0)\n")
    told = {"PYTEST_ADDOPTS": "-k nothing", "PYTEST_PLUGINS": "conftest"}
    ran = verified("memory://", "--suite", "host", cwd=stores, **told)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert FEATURES.is_dir()
