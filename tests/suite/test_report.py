"""The report of a verification: its statuses, its files, and what must never look green."""

import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path

import attrs
import pytest
from cattrs.preconf.json import make_converter
from rich.console import Console

from scoria_cli.console import console
from scoria_cli.verify import Watch, report
from scoria_conformance import (
    Check,
    Exclusions,
    ExclusionsRefused,
    Progress,
    Status,
    Verdict,
    specification,
    verify,
)
from scoria_conformance.attribution import judged
from scoria_conformance.catalogue import chosen
from scoria_conformance.printable import LIMIT
from scoria_conformance.report import FILES, Document, write
from scoria_conformance.setting import Adapter, Setting
from scoria_conformance.verdict import Outcome, StepSeen, worst
from scoria_conformance.verify import MOST_ENDED
from scoria_core.errors import StoreUnavailable
from scoria_core.visible import visible_block
from tests.support.browser import browse
from tests.support.pictures import GROUND, pixels_of

TODAY = date(2026, 11, 22)
SOON = date.today() + timedelta(days=30)
HOSTILE = (
    "<script>document.title='pwned'</script>]]> | `x` \x00 \x1b[31m \udc80 \u202e" + "A" * 1_000_000
)

STEPS = """
import pytest
from pytest_bdd import given, scenarios, then
from scoria_conformance.attribution import Unmet

scenarios("little.feature")

@given("a store")
def _(world): pass

@then("it holds")
def _(): pass

@then("it does not hold")
def _(): assert "what was seen" == "what was expected"

@then("it is not declared")
def _(): assert False

@then("it skips")
def _(): pytest.skip("not applicable: the store does not declare it")

@then("a need is not met")
def _(): raise Unmet("no browser to look with")

@then("the step is broken")
def _(): no_such_name

@then("the answer cannot be worked with")
def _(): len(None)

@then("it is awaited by nobody")
async def _(): assert False

@then("it is yielded to nobody")
async def _(): yield

@then("it needs what nobody has")
def _(no_such_fixture): pass

@then("the store raises")
def _(world): world.store.breaks()

@then("the seed is 7")
def _(scoria_seed): assert scoria_seed == 7

"""

FACTORY = """
import pytest
pytest_plugins = ["scoria_conformance.plugin"]

@pytest.fixture
def scoria_store_factory():
    from little_store import make
    return make
"""

STORE = """
from scoria_core.errors import StoreUnavailable
from scoria_memory import MemoryStore

class Store(MemoryStore):
    def breaks(self):
        raise RuntimeError("out of order")

def make(directory):
    return Store()
"""


NEEDS = {"it is not declared": " @durable"}
"""What a scenario needs the store to declare, by its last step."""


def little(
    directory: Path, *thens: str, store: str = STORE, options: tuple[str, ...] = ()
) -> Document:
    """Run a feature with one scenario for each last step, as an adopter does; read the report."""
    (directory / "little.feature").write_text(
        "@store\nFeature: A little feature\n"
        + "".join(
            f"  @STORE-1{NEEDS.get(then, '')}\n  Scenario: Then {then}\n"
            f"    Given a store\n    Then {then}\n"
            for then in thens
        )
    )
    (directory / "conftest.py").write_text(FACTORY)
    (directory / "little_store.py").write_text(store)
    (directory / "test_little.py").write_text(STEPS)
    return adopted(directory, *options)


def adopted(directory: Path, *options: str) -> Document:
    """Run an adopter's tests in their directory, and read the report."""
    report = directory / "report"
    command = [sys.executable, "-m", "pytest", "-q", "--strict-markers", "-p", "no:cacheprovider"]
    command += ["-c", "/dev/null", f"--rootdir={directory}", f"--scoria-report-dir={report}"]
    ran = subprocess.run(
        [*command, *options], cwd=directory, capture_output=True, text=True, check=False
    )
    assert (report / "report.json").exists(), ran.stdout + ran.stderr
    return read(report)


def read(directory: Path) -> Document:
    """Read `report.json` by its documented shape: no field more, none less."""
    strict = make_converter(forbid_extra_keys=True)
    return strict.structure(json.loads((directory / "report.json").read_text("utf-8")), Document)


STATUSES = {
    "it holds": "passed",
    "it does not hold": "failed",
    "it is not declared": "not applicable",
    "it skips": "failed",
    "a need is not met": "could not run",
    "the step is broken": "harness error",
    "the answer cannot be worked with": "failed",
    "it needs what nobody has": "harness error",
    "the store raises": "failed",
}


@pytest.fixture(scope="module")
def each_status(tmp_path_factory: pytest.TempPathFactory) -> Document:
    """Run one scenario for each status."""
    return little(tmp_path_factory.mktemp("each"), *STATUSES)


@pytest.mark.parametrize("then", STATUSES)
def test_a_status_says_what_became_of_a_scenario(then: str, each_status: Document) -> None:
    """Each status but "excluded" comes from what its steps do."""
    (check,) = [check for check in each_status.checks if check.name == f"Then {then}"]
    assert check.status == STATUSES[then]
    assert each_status.counts["failed"] == 4


def test_evidence_names_the_step_that_broke_and_what_it_wanted(each_status: Document) -> None:
    """A failed check has its steps, the one that broke, what was expected and what was seen."""
    (check,) = [each for each in each_status.checks if each.name == "Then it does not hold"]
    assert [step.text for step in check.steps] == ["Given a store", "Then it does not hold"]
    assert [step.outcome for step in check.steps] == [Outcome.HELD, Outcome.BROKE]
    assert (check.expected, check.seen) == ("'what was expected'", "'what was seen'")
    assert each_status.adapter.name == "little_store.Store"
    assert (each_status.status, each_status.exit_code) == ("failed", 1)


OPENING = {
    "raise RuntimeError('locked')": "failed",
    "raise StoreUnavailable('x', 'is down', 'start it')": "could not run",
}


@pytest.mark.slow
@pytest.mark.parametrize(("says", "status"), OPENING.items())
def test_a_store_that_does_not_open_is_no_pass(says: str, status: str, tmp_path: Path) -> None:
    """A store that says it is not available could not be checked; one that breaks fails."""
    store = STORE.replace("return Store()", says)
    assert little(tmp_path, "it holds", store=store).checks[0].status == status


@pytest.mark.slow
def test_a_store_that_does_not_close_fails(tmp_path: Path) -> None:
    """What breaks after the last step takes the place of the pass."""
    store = STORE + "\nStore.close = lambda self: 1 / 0\n"
    (check,) = little(tmp_path, "it holds", store=store).checks
    assert (check.status, check.expected) == ("failed", "what is under test closes")


def raised_in(module: str, statement: str) -> BaseException:
    """Return what a statement raises in a module of this name."""
    scope = {"__name__": module}
    exec(f"def step():\n    {statement}", scope)  # noqa: S102 - the test's own code
    with pytest.raises(BaseException) as caught:  # noqa: PT011 - whatever it is
        scope["step"]()  # type: ignore[operator]
    error = caught.value
    assert error.__traceback__ is not None
    return error.with_traceback(error.__traceback__.tb_next)


BLAMED = {
    ("scoria_conformance.world", "raise RuntimeError"): "harness error",
    ("scoria_conformance.world", "import no_such_module"): "harness error",
    ("scoria_conformance.world", "None.attribute"): "failed",
    ("lab.mutants.stores.around", "raise RuntimeError"): "failed",
    ("my_store", "raise RuntimeError"): "failed",
    ("my_store", "import no_such_module"): "failed",
    ("my_store", "import json; json.loads('{')"): "failed",
}


@pytest.mark.parametrize(("module", "statement"), BLAMED)
def test_who_broke_it_is_told_from_where_it_was_raised(module: str, statement: str) -> None:
    """The suite's own errors are harness errors, those of what is under test are failures."""
    raised = raised_in(module, statement)
    status = judged(raised, opening=True, steps_from="")
    assert status == BLAMED[module, statement]


def test_a_group_is_as_bad_as_its_worst() -> None:
    """A clause, a suite and the whole are never better than their worst child."""
    for number, status in enumerate(Status):
        better = list(Status)[: number + 1]
        assert worst(better) == status
        checks = [Check(each, each, clauses=("STORE-1",), suites=("store",)) for each in better]
        verdict = Verdict("x", checks)
        assert verdict.clauses[0].status == verdict.suites[0].status == status
        assert verdict.status.badness >= status.badness
    assert worst([]) == Status.COULD_NOT_RUN


EXIT_CODES = {
    (Status.PASSED,): 0,
    (Status.PASSED, Status.NOT_APPLICABLE): 0,
    (Status.PASSED, Status.EXCLUDED): 0,
    (Status.EXCLUDED,): 2,
    (Status.NOT_APPLICABLE,): 2,
    (Status.PASSED, Status.PARTIAL): 2,
    (Status.PASSED, Status.COULD_NOT_RUN): 2,
    (Status.PASSED, Status.HARNESS_ERROR): 2,
    (Status.FAILED, Status.HARNESS_ERROR): 1,
    (): 2,
}


@pytest.mark.parametrize(("statuses", "code"), EXIT_CODES.items())
def test_the_exit_code_is_0_only_where_something_passed(
    statuses: tuple[Status, ...], code: int
) -> None:
    """0 needs a pass and nothing worse than an exclusion; 1 is a failure; 2 is all else."""
    verdict = Verdict("x", [Check(status, status) for status in statuses])
    assert verdict.exit_code == code
    assert (verdict.headline == "passed") == (code == 0 and Status.EXCLUDED not in statuses)


def excluding(directory: Path, text: str) -> Exclusions:
    """Read a file of exclusions."""
    path = directory / "exclude.toml"
    path.write_text(text)
    return Exclusions.read(path, TODAY)


EXCLUDED = '[[exclude]]\nscenario = "A"\nreason = "known"\nuntil = {until}\n'


@pytest.mark.parametrize(
    ("until", "status", "becomes", "says"),
    [
        ("2026-11-22", Status.FAILED, Status.EXCLUDED, "known (until 2026-11-22; failed: broke)"),
        ("2026-11-22", Status.HARNESS_ERROR, Status.EXCLUDED, "known"),
        ("2026-11-22", Status.PASSED, Status.FAILED, "it passes, but"),
        ("2026-11-22", Status.NOT_APPLICABLE, Status.NOT_APPLICABLE, "broke"),
        ("2026-11-21", Status.FAILED, Status.FAILED, "expired on 2026-11-21"),
        ("2026-11-21", Status.PASSED, Status.PASSED, "expired on 2026-11-21"),
    ],
)
def test_an_exclusion_holds_until_its_date_and_for_what_fails(
    until: str, status: Status, becomes: Status, says: str, tmp_path: Path
) -> None:
    """An excluded check that passes is stale, and an expired exclusion excludes nothing."""
    exclusions = excluding(tmp_path, EXCLUDED.format(until=until))
    found, other = exclusions.applied([Check("A (1)", status, "broke", "A"), Check("B", status)])
    assert found.status == becomes
    assert says in found.reason
    assert other.status == status


REFUSED = {
    "[[exclude]": "no TOML",
    "excluded = 1": "keep each entry under [[exclude]]",
    "exclude = 1": "keep each entry under [[exclude]]",
    "exclude = [1]": "write each under [[exclude]]",
    '[[exclude]]\nreason = "x"\nuntil = 2027-01-01': "toml:1: scenario is missing",
    '\n\n[[exclude]]\nscenario = "A"\nreason = " "\nuntil = 2027-01-01': "toml:3: reason is",
    '[[exclude]]\nscenario = "A"\nreason = "x"': "until is missing",
    '[[exclude]]\nscenario = "A"\nreason = "x"\nuntil = "2027-01-01"': "without quotes",
    '[[exclude]]\nscenario = "A"\nreason = "x"\nuntil = 2027-01-01T00:00:00Z': "no date",
    EXCLUDED.format(until="2027-01-01") + "who = 1": "'who' is not known",
    EXCLUDED.format(
        until="2027-02-21"
    ): "toml:1: until is more than 90 days ahead; give a day through 2027-02-20",
    EXCLUDED.format(until="9999-12-31"): "toml:1: until is more than 90 days ahead",
    2 * EXCLUDED.format(until="2027-01-01"): "toml:5: 'A' is excluded twice",
}


@pytest.mark.parametrize(("text", "says"), REFUSED.items())
def test_an_exclusion_that_is_not_whole_is_refused(text: str, says: str, tmp_path: Path) -> None:
    """Each bad entry is one line, with its place and what to do."""
    with pytest.raises(ExclusionsRefused) as refused:
        excluding(tmp_path, text)
    (line,) = refused.value.lines
    assert says in line
    assert "exclude.toml" in line
    assert "\n" not in line


def scoria(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `scoria verify` in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "scoria_cli", "verify", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, **environment},
        check=False,
    )


@pytest.mark.slow
def test_an_exclusion_that_names_no_scenario_is_bad_usage(tmp_path: Path) -> None:
    """Each is one line on stderr with its place, and the code is 2."""
    (tmp_path / "e.toml").write_text(
        EXCLUDED.format(until=SOON) + EXCLUDED.format(until=SOON).replace("A", "B")
    )
    ran = scoria("memory://", "--suite", "page", "--exclude", "e.toml", cwd=tmp_path)
    assert ran.returncode == 2
    first, second = ran.stderr.splitlines()
    assert first.startswith("scoria: e.toml:1: no scenario is called 'A'; ")
    assert second.startswith("scoria: e.toml:5: no scenario is called 'B'; ")


# What was falsely green elsewhere, each tried here.

SUITE = "from scoria_conformance.suite import *\n\ndef test_of_their_own(): pass\n"

BREAKS_OFF = """
import os
from scoria_memory import MemoryStore

class BreaksOff(MemoryStore):
    def list_due(self, **_):
        os._exit(3)

def breaks_off(directory):
    return BreaksOff()
"""


def failed(directory: Path, mutant: str, scenario: str) -> bool:
    """Put one scenario of the suite to a store that is wrong, and tell whether it failed."""
    wrong = f"from lab.mutants.stores.opened import {mutant} as make"
    (directory / "conftest.py").write_text(FACTORY.replace("from little_store import make", wrong))
    (directory / "test_conformance.py").write_text(SUITE)
    report = adopted(directory, "-k", scenario.lower().replace(" ", "_").replace(",", ""))
    assert scenario in {check.scenario for check in report.checks}
    return (report.status, report.exit_code) == ("failed", 1)


@pytest.mark.slow
def test_false_green_everything_skipped(tmp_path: Path) -> None:
    """Skips alone, and no scenario at all, are no pass."""
    skipped = little(tmp_path, "a need is not met", "it is not declared")
    assert (skipped.status, skipped.exit_code) == ("could not run", 2)
    none = adopted(tmp_path, "-k", "nothing_of_this_name")
    assert (none.status, none.exit_code, none.counts) == ("could not run", 2, {})


@pytest.mark.slow
def test_false_green_a_call_that_does_nothing(tmp_path: Path) -> None:
    """A store that acknowledges and does nothing fails, whatever else it does right."""
    assert failed(
        tmp_path,
        "an_append_is_only_acknowledged",
        "Records come back in the order of their sequence",
    )


@pytest.mark.slow
def test_false_green_half_of_it_left_behind(tmp_path: Path) -> None:
    """A store that writes half a batch fails for that."""
    scenario = "Wherever a caller is stopped, another finds the store right"
    assert failed(tmp_path, "a_batch_loses_its_last_record", scenario)


@pytest.mark.slow
def test_false_green_memory_that_says_it_is_durable(tmp_path: Path) -> None:
    """A capability that is declared and broken is a failure: the store is reopened."""
    assert failed(
        tmp_path, "memory_declared_durable", "What was written outlives a store that is closed"
    )


@pytest.mark.slow
def test_false_green_two_writers(tmp_path: Path) -> None:
    """A store that takes what two write at one version fails under several callers."""
    scenario = "Wherever a caller is stopped, another finds the store right"
    assert failed(tmp_path, "a_conflict_is_swallowed", scenario)


@pytest.mark.slow
@pytest.mark.parametrize("then", ["it is awaited by nobody", "it is yielded to nobody"])
def test_false_green_an_async_step(then: str, tmp_path: Path) -> None:
    """A step that nothing awaits is refused."""
    (check,) = little(tmp_path, then).checks
    assert (check.status, check.steps[-1].outcome) == ("harness error", Outcome.BROKE)
    assert "is a coroutine function" in check.reason


@pytest.mark.slow
def test_false_green_a_first_step_that_is_not_defined(tmp_path: Path) -> None:
    """A scenario that cannot be run, or is skipped, is in the report all the same."""
    report = little(tmp_path, "no such step", "a need is not met", "it holds")
    statuses = [check.status for check in report.checks]
    assert statuses == ["could not run", "passed", "harness error"]
    assert report.exit_code == 2


@pytest.mark.slow
def test_false_green_a_scenario_that_asserts_nothing(tmp_path: Path) -> None:
    """A scenario without a Then is refused."""
    little(tmp_path, "it holds")
    (tmp_path / "little.feature").write_text(
        "@store\nFeature: F\n  Scenario: Nothing\n    Given a store\n"
    )
    (check,) = adopted(tmp_path).checks
    assert check.status == "harness error"
    assert "has no Then step" in check.reason


@pytest.mark.slow
def test_false_green_a_refusal_for_another_reason(tmp_path: Path) -> None:
    """A call that is refused with another error than it should be is a failure."""
    scenario = "Any sequence of calls is answered as the reference answers"
    assert failed(tmp_path, "a_conflict_is_told_as_unavailable", scenario)


@pytest.mark.slow
def test_false_green_an_expected_failure_that_passes(tmp_path: Path) -> None:
    """An exclusion that is stale fails, and says which entry to remove."""
    suite = "runtime-to-handoff"
    name = chosen("runtime_to_handoff")[0].name
    (tmp_path / "e.toml").write_text(EXCLUDED.format(until=SOON).replace("A", name))
    ran = scoria(
        *("memory://", "--suite", suite, "--exclude", "e.toml", "--report", "out"), cwd=tmp_path
    )
    assert ran.returncode == 1, ran.stdout
    assert f"✗ {name}  it passes, but e.toml:1 excludes it: remove that entry" in ran.stdout
    assert read(tmp_path / "out").counts["failed"] == 1


@pytest.mark.slow
def test_false_green_an_xfail_that_hides_a_failure(tmp_path: Path) -> None:
    """A mark of pytest does not exclude: what fails is failed, what passes says so."""
    little(tmp_path, "it holds", "it does not hold")
    with (tmp_path / "test_little.py").open("a") as file:
        file.write("\npytestmark = pytest.mark.xfail\n")
    report = adopted(tmp_path)
    assert report.counts == {"failed": 2}
    assert {"marked xfail, but it passes: remove the mark"} < {
        check.reason for check in report.checks
    }


@pytest.mark.slow
def test_false_green_a_need_that_is_missing() -> None:
    """Without a page to look at, every scenario about it could not run."""
    verdict = verify("memory://", suite="page")
    assert {check.status for check in verdict.checks} == {Status.COULD_NOT_RUN}
    assert verdict.exit_code == 2


def test_false_green_a_clause_without_a_check() -> None:
    """A clause that the run must put to the test, and did not, could not run."""
    held = [Check("a", Status.PASSED, clauses=("STORE-1",))]
    verdict = Verdict("x", held, promised=("STORE-1", "STORE-2"))
    assert [clause.status for clause in verdict.clauses] == ["passed", "could not run"]
    assert verdict.exit_code == 2


@pytest.mark.slow
def test_a_suite_that_breaks_off_keeps_what_it_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each scenario in which it broke off has failed, the checks before and after are kept."""
    (tmp_path / "wrong_stores.py").write_text(BREAKS_OFF)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    verdict = verify("wrong_stores:breaks_off", suite="store")
    assert (verdict.status, verdict.problem) == ("failed", "")
    assert verdict.count(Status.PASSED) >= 1
    failed = [check for check in verdict.checks if check.status == Status.FAILED]
    assert len(failed) == MOST_ENDED
    assert all(check.reason.startswith("its process ended (exit 3)") for check in failed)
    assert verdict.count(Status.COULD_NOT_RUN) > 1


# The files.


@pytest.fixture
def hostile() -> Verdict:
    """Return a verdict in which every text is an attack."""
    steps = (StepSeen(HOSTILE, Outcome.BROKE), StepSeen(HOSTILE, Outcome.NOT_REACHED))
    checks = [
        Check(
            f"{status} {HOSTILE}",
            status,
            HOSTILE,
            HOSTILE,
            ("STORE-1", HOSTILE),
            (HOSTILE,),
            HOSTILE,
            0.5,
            steps,
            HOSTILE,
            HOSTILE,
        )
        for status in Status
    ]
    adapter = Adapter(HOSTILE, (HOSTILE,))
    return Verdict(HOSTILE, checks, HOSTILE, setting=Setting(adapter, python=HOSTILE))


def test_a_report_survives_what_others_wrote(hostile: Verdict, tmp_path: Path) -> None:
    """Every file is well formed, short and free of what was smuggled in."""
    write(hostile, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {*FILES}
    for name in FILES:
        text = (tmp_path / name).read_text("utf-8")
        assert len(text) < 150 * LIMIT
        assert visible_block(text) == text
        assert name == "report.json" or "<script" not in text
    for name in ("junit.xml", "badge.svg"):
        ET.parse(tmp_path / name)  # noqa: S314 - it was just written here
    assert "\\u001b[31m \\udc80 \\u202e" in read(tmp_path).checks[0].reason


def test_a_verdict_on_a_terminal_survives_what_others_wrote(
    hostile: Verdict, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line for each check and one for what broke off; none of them is forged or moved."""
    forged = attrs.evolve(hostile, problem=f"\x1b[1A\x1b[2K\n✓ all of it passed\n{HOSTILE}")
    report(console(), forged)
    said = capsys.readouterr().out
    assert visible_block(said) == said
    lines = [line for line in said.splitlines() if not line.startswith("    ")]
    # What broke off, the whole, the failure to begin with, and how many more say the same.
    assert len(lines) in range(len(hostile.checks) + 2, len(hostile.checks) + 5)
    assert sum(line.startswith("✓") for line in lines) == 1


def test_junit_counts_what_the_report_counts(tmp_path: Path) -> None:
    """A failure, an error where it could not be told, skipped where it was left out."""
    statuses = [status for status in Status if status != Status.PARTIAL]  # never of a check
    checks = [Check(status, status, clauses=("STORE-1",)) for status in statuses]
    write(Verdict("x", checks), tmp_path)
    suite = ET.parse(tmp_path / "junit.xml").getroot()[0]  # noqa: S314 - written here
    counts = [suite.attrib[name] for name in ("tests", "failures", "errors", "skipped")]
    assert counts == ["6", "1", "2", "2"]
    for tag, count in (("testcase", 6), ("failure", 1), ("error", 2), ("skipped", 2)):
        assert len(list(suite.iter(tag))) == count


def test_report_json_is_what_its_shape_says(each_status: Document, tmp_path: Path) -> None:
    """Read by its documented classes, nothing is missing and nothing is left over."""
    verdict = Verdict("x", each_status.checks, setting=Setting.here("1.0", 7))
    write(verdict, tmp_path)
    assert read(tmp_path) == Document.of(verdict)
    assert read(tmp_path).seed == 7


def test_a_verdict_says_that_the_specification_is_a_draft(
    each_status: Document, tmp_path: Path
) -> None:
    """On the terminal, in the report and in the clauses that ship: nothing is published yet."""
    version = specification().version
    verdict = Verdict("x", each_status.checks, setting=Setting.here(version, 7))
    write(verdict, tmp_path)
    printed = io.StringIO()
    report(Console(file=printed, width=200), verdict)
    assert version == read(tmp_path).specification == "1.0-draft"
    assert printed.getvalue().endswith("), specification 1.0-draft\n")


def test_the_summary_has_what_failed_first(each_status: Document, tmp_path: Path) -> None:
    """The headline is the verdict, and a row for each check that is no pass follows."""
    write(Verdict("x", each_status.checks), tmp_path)
    summary = (tmp_path / "summary.md").read_text("utf-8")
    assert summary.startswith("# ✗ x: failed\n")
    assert summary.index("✗ failed |", summary.index("## ")) < summary.index(
        "? could not run |", 400
    )


@pytest.mark.slow
@pytest.mark.parametrize(("width", "height"), [(1280, 1000), (390, 1000)])
def test_the_page_is_drawn_and_runs_nothing(
    hostile: Verdict, tmp_path: Path, width: int, height: int
) -> None:
    """In a real browser it fits its window, and the attack is text."""
    write(hostile, tmp_path)
    address, picture = f"file://{tmp_path}/report.html", tmp_path / "page.png"
    window = f"--window-size={width},{height}"
    browse(tmp_path / "profile", address, window, f"--screenshot={picture}")
    size, lines = pixels_of(picture.read_bytes())
    assert (len(lines[0]) // size, len(lines)) == (width, height)
    edges = [line[-size:][:3] for line in lines]
    assert set(edges) == {GROUND}
    page = browse(tmp_path / "profile", address, "--dump-dom")
    assert not re.search(r"<(script|link|img)", page)
    assert re.search(r"<title>.*Scoria conformance</title>", page, re.DOTALL)


# An adopter's own pytest.

REVERSED = "\ndef pytest_collection_modifyitems(items): items.reverse()\n"


@pytest.mark.slow
def test_workers_and_order_change_nothing(tmp_path: Path) -> None:
    """A run on two workers, and one in reverse, report what a plain one does."""
    (tmp_path / "test_conformance.py").write_text(SUITE)
    (tmp_path / "little_store.py").write_text(STORE)
    (tmp_path / "conftest.py").write_text(FACTORY)
    only = ("-m", "runtime_to_handoff")

    def found(*options: str) -> object:
        report = adopted(tmp_path, *only, *options)
        checks = {check.name: (check.status, check.steps, check.clauses) for check in report.checks}
        assert len(checks) > 20
        assert "Of their own" not in checks
        return report.status, report.counts, report.adapter, checks

    plain = found()
    assert found("-n", "2") == plain
    (tmp_path / "conftest.py").write_text(FACTORY + REVERSED)
    assert found() == plain


@pytest.mark.slow
def test_a_worker_that_breaks_off_is_no_pass(tmp_path: Path) -> None:
    """What a crashed worker did not report is missed."""
    store = STORE.replace("raise RuntimeError", "import os; os._exit(3)")
    report = little(tmp_path, "it holds", "the store raises", store=store, options=("-n", "1"))
    assert (report.status, report.exit_code) == ("harness error", 2)
    assert report.problem == "1 of 2 collected checks were not reported"


@pytest.mark.slow
def test_the_seed_reaches_the_steps(tmp_path: Path) -> None:
    """A step gets the seed that the report names."""
    report = little(tmp_path, "the seed is 7", options=("--scoria-seed=7",))
    assert (report.checks[0].status, report.seed) == ("passed", 7)


# While it runs.


def left_over(directory: Path) -> list[str]:
    """Return the commands of the processes that work in a directory."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_text("utf-8", "replace").replace("\0", " ")
        except OSError:
            continue
        found += [command] if f"{directory}/" in command else []
    return found


@pytest.mark.slow
def test_ctrl_c_ends_it_and_leaves_nothing(tmp_path: Path) -> None:
    """The suite ends with the command: code 2, it says so, no process and no directory left."""
    command = [sys.executable, "-m", "scoria_cli", "verify", "memory://"]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("scoria-verify-*/*/events")) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left_over(tmp_path)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said.splitlines()[-1]) == (2, "scoria: stopped")
    assert not left_over(tmp_path)
    assert not list(tmp_path.glob("scoria-verify-*"))


def all_of(terminal: int) -> bytes:
    """Return what was written to a terminal that nobody writes to any more."""
    parts: list[bytes] = []
    with suppress(OSError):  # that is how it ends
        while part := os.read(terminal, 4_096):
            parts.append(part)
    return b"".join(parts)


@pytest.mark.slow
def test_a_terminal_shows_how_far_it_is(tmp_path: Path) -> None:
    """On a terminal one line is written over: the count and the scenario it is in."""
    ours, theirs = pty.openpty()
    ran = subprocess.run(
        [
            sys.executable,
            "-m",
            "scoria_cli",
            "verify",
            "memory://",
            "--suite",
            "runtime-to-handoff",
        ],
        stdout=subprocess.PIPE,
        stderr=theirs,
        cwd=tmp_path,
        check=False,
    )
    os.close(theirs)
    said = all_of(ours).decode()
    os.close(ours)
    assert ran.returncode == 0
    assert re.search(r"\r\x1b\[K\d+ of \d+ checks, 0 failed: [A-Z]", said)
    assert said.endswith("\r\x1b[K")


def test_where_nobody_watches_a_line_comes_now_and_then(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Without a terminal there is a line at most every ten seconds."""
    now = [100.0]
    watch = Watch(lambda: now[0])
    for at in (101.0, 109.9, 110.0, 111.0, 120.1):
        now[0] = at
        watch(Progress(int(at), 555, 0, "A scenario"))
    said = capsys.readouterr().err.splitlines()
    assert [line.partition(" ")[0] for line in said] == ["110", "120"]
    assert said[0] == "110 of 555 checks, 0 failed: A scenario"


def test_an_error_of_the_kit_before_the_first_step_is_not_a_failure() -> None:
    """A store that says it is not available before a scenario begins leaves nothing to check."""
    raised = StoreUnavailable("x", "is down", "start it")
    assert judged(raised, opening=True, steps_from="") == Status.COULD_NOT_RUN
    assert judged(raised, opening=False, steps_from="") == Status.FAILED


def test_a_report_says_which_checks_are_of_the_store_itself(tmp_path: Path) -> None:
    """A store that passes was asked by few of them; the others ask the kit that runs over it."""
    held = [Check(name, Status.PASSED, suites=(suite,)) for name, suite in SCOPES]
    told = "1 of 3 checks ask the store itself; the others ask the kit over it"
    verdict = Verdict("x", held)
    assert verdict.scope == told
    assert Verdict("x", held[:1]).scope == Verdict("x", held[1:]).scope == ""
    write(verdict, tmp_path)
    for name in ("report.html", "summary.md", "report.json"):
        assert told in (tmp_path / name).read_text("utf-8")


SCOPES = (("a", "store"), ("b", "adoption"), ("c", "page"))
