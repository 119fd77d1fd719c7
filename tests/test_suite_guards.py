"""The suite's own guards: what would be green elsewhere for the wrong reason is red here."""

import subprocess
import sys
from pathlib import Path

import pytest

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


def test_a_scenario_whose_step_is_not_defined_is_red(tmp_path: Path) -> None:
    """A line of Gherkin that no step binds fails its scenario."""
    ran = run_guarded("", tmp_path)
    assert ran.returncode == 1, ran.stdout
    assert "Step definition is not found" in ran.stdout


def test_a_scenario_that_holds_is_green(tmp_path: Path) -> None:
    """The guards let through what is right."""
    ran = run_guarded("@then('it holds')\ndef _(): pass\n", tmp_path)
    assert ran.returncode == 0, ran.stdout
