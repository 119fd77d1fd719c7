"""Random commands of two callers, over the model and a real store at once; failures are scripts."""

import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from lab.model.composition import (
    COMMIT,
    CRASH,
    UNBOUNDED,
    Action,
    CannotHappen,
    Composition,
)
from lab.model.script import VOCABULARY, read, written
from lab.model.walk import StoredRun, Walk
from scoria_conformance.target import Target

TARGETS: Mapping[str, str] = MappingProxyType(
    {"memory": "memory://", "duckdb": "duckdb:///runs.duckdb", "sqlite": "sqlite:///runs.db"}
)
"""What to point at for each kind of store."""

EXAMPLES: Mapping[str, int] = MappingProxyType({"memory": 200})
"""How many walks a store takes that is quick; the others take fewer."""

LIKELY = [
    action
    for action in VOCABULARY.values()
    for _ in range(12 if action.deed == COMMIT else 1 if action.deed == CRASH else 2)
]
"""Everything that can happen; most of what is decided is committed, and few callers crash."""

WRONG = {
    "the_expected_version_is_ignored": "took a late commit",
    "a_batch_loses_its_last_record": "the journal breaks off",
    "memory_declared_durable": "the store has 0 entries",
    "a_new_run_is_not_told": "the store has [] to tell",
}
"""A mutant of a store for each thing that a walk notices, and what is said of it."""


class Failing(AssertionError):
    """A walk that went wrong, told as the script that walks it again."""

    def __init__(self, script: list[Action], problems: list[str]) -> None:
        super().__init__(script, problems)
        self.script, self.problems = written(script), [f"# {problem}" for problem in problems]

    def __str__(self) -> str:
        return "\n".join(["replay this:", "", self.script, *self.problems])


class Callers(RuleBasedStateMachine):
    """Two callers that do anything that can be done, on a run in a store."""

    target: str
    deeds: set[str]

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.stored = StoredRun(Target(self.target).store_factory(), Path(self.directory.name))
        self.walk = Walk(Composition(UNBOUNDED), self.stored)
        self.script: list[Action] = []

    def teardown(self) -> None:
        """Close the store of this walk."""
        self.stored.close()
        self.directory.cleanup()

    @rule(action=st.sampled_from(LIKELY))
    def happen(self, action: Action) -> None:
        """Let something happen where it can; what cannot is left out, so that scripts shrink."""
        try:
            problems = self.walk.take(action)
        except CannotHappen:
            return
        self.script.append(action)
        self.deeds.add(action.deed)
        if problems:
            raise Failing(self.script, problems)


def walk_at_random(target: str, examples: int, actions: int) -> set[str]:
    """Walk a store at random, and return what was done; fails with the shortest script found."""
    deeds: set[str] = set()
    run_state_machine_as_test(
        type("Callers", (Callers,), {"target": target, "deeds": deeds}),
        settings=settings(
            max_examples=examples,
            stateful_step_count=actions,
            deadline=None,
            derandomize=True,
            database=None,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )
    return deeds


def test_a_store_keeps_what_the_model_commits(scheme: str) -> None:
    """Read back after each action the run is that of the model, conflicts and crashes included."""
    deeds = walk_at_random(TARGETS[scheme], EXAMPLES.get(scheme, 25), actions=80)
    assert {"commit", "crash", "time passes", "resume_run", "approve 1"} <= deeds


@pytest.mark.slow
@pytest.mark.parametrize("name", WRONG)
def test_a_broken_store_is_found_and_fails_again(name: str, tmp_path: Path) -> None:
    """Its script is short, and walked through the command it fails with the same words."""
    target = f"lab.mutants.stores.opened:{name}"
    with pytest.raises(Failing) as found:
        walk_at_random(target, 400, actions=40)
    script, problems = found.value.script, found.value.problems
    assert WRONG[name] in problems[0]
    assert len(read(script)) <= 9
    assert script in str(found.value)
    again = replayed(script, target, tmp_path)
    assert again.returncode == 1, again.stderr
    assert again.stdout.splitlines()[1:] == problems
    assert replayed(script, "memory://", tmp_path).returncode == 0


def replayed(script: str, target: str, directory: Path) -> "subprocess.CompletedProcess[str]":
    """Walk a script through the command, with its journal in a store."""
    file = directory / "script.txt"
    file.write_text(script, "utf-8")
    command = [sys.executable, "-m", "lab.model", "--replay", str(file)]
    return subprocess.run(
        [*command, "--target", target],
        capture_output=True,
        text=True,
        check=False,
    )
