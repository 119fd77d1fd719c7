"""The suite's own guards: what would be green elsewhere for the wrong reason is red here."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from _pytest.fixtures import FixtureFunctionDefinition

from scoria_conformance.isolation import FIXTURES
from scoria_conformance.plugin import REWRITTEN
from scoria_conformance.steps import STEPS as STEP_MODULES

pytestmark = pytest.mark.slow

FEATURE = """
Feature: Guarded
  Scenario: One step
    Then it holds
"""

SCENARIOS = "from pytest_bdd import scenarios, then\nscenarios('guarded.feature')\n"

STEPS = {
    "a step that asserts False": ("def _(): assert False", "assert False"),
    "a coroutine step": ("async def _(): assert False", "is a coroutine function"),
}


def run_guarded(steps: str, directory: Path) -> subprocess.CompletedProcess[str]:
    """Run one scenario with these steps under the plugin."""
    (directory / "guarded.feature").write_text(FEATURE)
    (directory / "test_guarded.py").write_text(SCENARIOS + steps)
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "scoria_conformance.plugin",
            "-c",
            "/dev/null",
        ],
        capture_output=True,
        text=True,
        cwd=directory,
        check=False,
    )


@pytest.mark.parametrize(("step", "said"), STEPS.values(), ids=STEPS)
def test_a_step_that_does_not_hold_is_red(step: str, said: str, tmp_path: Path) -> None:
    """Nothing awaits a coroutine step, so one is refused rather than passed."""
    ran = run_guarded(f"@then('it holds')\n{step}\n", tmp_path)
    assert ran.returncode == 1, ran.stdout
    assert said in ran.stdout


EARLY = """
import sys
import scoria_conformance.plugin
import pytest
from scoria_conformance.verify import pytest_arguments

pytest.main([*pytest_arguments(), "--scoria-target=memory://", "--collect-only", "-q"])
for name in scoria_conformance.plugin.REWRITTEN:
    print(name, type(sys.modules[name].__spec__.loader).__name__)
"""


def test_a_failure_shows_what_it_compared_wherever_the_plugin_is_imported_first() -> None:
    """Imported before pytest starts, and its hook with it, the plugin has its steps rewritten."""
    ran = subprocess.run([sys.executable, "-c", EARLY], capture_output=True, text=True, check=False)
    loaders = dict(line.split() for line in ran.stdout.splitlines() if line.count(" ") == 1)
    found = {loaders.get(name) for name in REWRITTEN}
    assert found == {"AssertionRewritingHook"}, ran.stdout[-500:] + ran.stderr


def test_a_scenario_whose_step_is_not_defined_is_red(tmp_path: Path) -> None:
    """A line of Gherkin that no step binds fails its scenario."""
    ran = run_guarded("", tmp_path)
    assert ran.returncode == 1, ran.stdout
    assert "Step definition is not found" in ran.stdout


def test_a_scenario_that_holds_is_green(tmp_path: Path) -> None:
    """The guards let through what is right."""
    ran = run_guarded("@then('it holds')\ndef _(): pass\n", tmp_path)
    assert ran.returncode == 0, ran.stdout


CONFTEST = """
import pytest
from pytest_bdd import given, parsers, step, then, when
from scoria_memory import MemoryStore

pytest_plugins = ["scoria_conformance.plugin"]
scoria_store_factory = pytest.fixture(lambda: lambda directory: MemoryStore())
"""

GENERIC = """
@given(parsers.parse("a {thing}"))
@given(parsers.re("(?P<thing>.*)"))
@when(parsers.parse("the {thing} is {done}"))
@then(parsers.re(".*"))
@step(parsers.re(".+"))
def _(): raise RuntimeError("a step of somebody else")
"""

SUITE = "from scoria_conformance.suite import *\n"
A_FEW = "closed_store or created_once or order_of_their_sequence or decision"


def adopted(directory: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a few scenarios of the suite in an adopter's own pytest."""
    (directory / "pytest.ini").write_text("[pytest]\n")
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options],
        capture_output=True,
        text=True,
        cwd=directory,
        check=False,
    )


@pytest.mark.parametrize("place", ["conftest", "test module", "plugin"])
def test_generic_steps_of_an_adopter_leave_the_suite_alone(place: str, tmp_path: Path) -> None:
    """Wherever they are bound, a scenario of the suite runs with the suite's own steps."""
    imports = "from pytest_bdd import given, parsers, step, then, when\n"
    text = {"conftest": CONFTEST, "test module": SUITE + imports, "plugin": imports}
    bound = {each: said + (GENERIC if each == place else "") for each, said in text.items()}
    (tmp_path / "conftest.py").write_text(bound["conftest"])
    (tmp_path / "test_conformance.py").write_text(bound["test module"])
    (tmp_path / "theirs.py").write_text(bound["plugin"])
    ran = adopted(tmp_path, "-p", "theirs", "-k", A_FEW)
    assert ran.returncode == 0, ran.stdout
    assert " passed" in ran.stdout


def test_an_adopters_own_features_keep_their_steps(tmp_path: Path) -> None:
    """Beside the suite, and after it, their scenarios run with what they bound."""
    (tmp_path / "guarded.feature").write_text(FEATURE)
    (tmp_path / "conftest.py").write_text(CONFTEST + GENERIC)
    (tmp_path / "test_a_suite.py").write_text(SUITE)
    (tmp_path / "test_guarded.py").write_text(SCENARIOS)
    ran = adopted(tmp_path, "-k", "closed_store or one_step")
    assert ran.returncode == 1, ran.stdout
    assert "1 failed" in ran.stdout
    assert "RuntimeError: a step of somebody else" in ran.stdout


@pytest.mark.parametrize("name", ["world", "host", "stored", "arranged", "processes"])
def test_a_fixture_that_hides_one_of_the_suites_is_refused(name: str, tmp_path: Path) -> None:
    """Nothing runs; the message names the fixture and says what to do."""
    theirs = f"@pytest.fixture\ndef {name}(): return None\n"
    (tmp_path / "conftest.py").write_text(CONFTEST + theirs)
    (tmp_path / "test_conformance.py").write_text(SUITE)
    ran = adopted(tmp_path)
    said = f"the fixture '{name}' of conftest takes the place of the conformance suite's: give it"
    assert ran.returncode == 4, ran.stdout
    assert "no tests ran" in ran.stdout
    assert said in ran.stderr


def test_every_fixture_of_the_suite_is_guarded_or_offered() -> None:
    """What no adopter is meant to define is refused: no fixture is left out."""
    offered = {
        "scoria_target",
        "scoria_store_factory",
        "scoria_page",
        "scoria_links",
        "scoria_seed",
        "scoria_deep",
    }
    defined = {
        name
        for module in ["scoria_conformance.plugin", *STEP_MODULES]
        for name, value in vars(import_module(module)).items()
        if isinstance(value, FixtureFunctionDefinition) and not name.startswith("pytestbdd_")
    }
    assert defined == offered | set(FIXTURES)


def test_a_test_of_the_adopter_may_skip_itself(tmp_path: Path) -> None:
    """What steers pytest is a failure in a scenario of the suite, and nowhere else."""
    own = "import pytest\n\n\ndef test_own():\n    pytest.skip('no browser here')\n"
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_own.py").write_text(own)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "test_own.py"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ran.returncode, "1 skipped" in ran.stdout) == (0, True), ran.stdout


@pytest.mark.parametrize(
    ("selected", "headline", "code"),
    [("closed_store", "partial: ", 0), ("evidence_page", "could not run, partial: ", 2)],
)
def test_pytest_ends_as_its_report_says(
    selected: str, headline: str, code: int, tmp_path: Path
) -> None:
    """To pytest a skip is green; the report says that it could not run, and so does the exit."""
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_conformance.py").write_text(SUITE)
    options = ("-k", selected, "--scoria-report-dir", "report")
    for more in ((), ("-n", "1")):
        ran = adopted(tmp_path, *options, *more)
        assert f"scoria: {headline}" in ran.stdout
        assert "; the report is in report" in ran.stdout
        assert ran.returncode == code, ran.stdout
