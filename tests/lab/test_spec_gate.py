"""The gate: whatever is taken out of the specification, somebody says its name."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from multiprocessing import Pipe, get_context
from multiprocessing.connection import Connection
from pathlib import Path

import pytest
from pytest_bdd.parsers import string as exactly
from pytest_bdd.steps import StepFunctionContext

from lab.mutants.lifecycles import Change
from lab.spec_gate.bindings import Steps, binding_problems, bound_steps
from lab.spec_gate.gate import problems
from lab.spec_gate.pages import NotAClause, read_pages
from lab.spec_gate.scenarios import Line, Scenario, read_features
from scoria_conformance import specification
from scoria_core.lifecycles import MACHINES, transitions
from tests.support import ROOT

FEATURES = Path("features", "scoria_features")
SCENARIOS = read_features(ROOT / FEATURES)
CLAUSES = specification().clauses
MOVES = [(subject, *pair) for subject in MACHINES for pair in transitions(subject)]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of what the gate reads."""
    copy = tmp_path_factory.mktemp("house")
    shutil.copytree(ROOT / "spec", copy / "spec")
    shutil.copytree(ROOT / FEATURES, copy / FEATURES, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


@pytest.fixture
def house(original: Path) -> Iterator[Path]:
    """Return the copy, and put back afterwards what a test changed in it."""
    before = contents(original)
    yield original
    after = contents(original)
    for path in after.keys() - before.keys():
        path.unlink()
    for path, content in before.items():
        if after.get(path) != content:
            path.write_bytes(content)


def contents(directory: Path) -> dict[Path, bytes]:
    """Return what each file under a directory holds."""
    return {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def replaced(path: Path, old: str, new: str) -> None:
    """Replace what is there exactly once."""
    text = path.read_text("utf-8")
    assert text.count(old) == 1, f"{old!r} is there {text.count(old)} times in {path.name}"
    path.write_text(text.replace(old, new), "utf-8")


def page_of(house: Path, clause_id: str) -> Path:
    """Return the page that a clause stands on."""
    return house / "spec" / specification().by_id[clause_id].page


def without_scenario(text: str, name: str) -> str:
    """Return a feature without one scenario and its tags."""
    place = re.compile(
        rf"^(?:  @[^\n]*\n)*  Scenario(?: Outline)?: {re.escape(name)}\n(?:(?:    [^\n]*)?\n)*",
        re.MULTILINE,
    )
    rest, count = place.subn("", text)
    assert count == 1
    return rest


def without_clause(text: str, clause_id: str) -> str:
    """Return a page without one clause."""
    rest, count = re.subn(rf"^### {clause_id}\n.*?(?=^### |\Z)", "", text, flags=re.M | re.S)
    assert count == 1
    return rest


def test_everything_fits_together() -> None:
    """The gate has nothing to say about the project as it is."""
    assert list(problems(ROOT)) == []


@pytest.mark.slow
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_a_missing_scenario_is_named(house: Path, scenario: Scenario) -> None:
    """A scenario that is taken out is missed by its name."""
    feature = house / FEATURES / scenario.feature
    feature.write_text(without_scenario(feature.read_text("utf-8"), scenario.name), "utf-8")
    assert any(scenario.name in problem for problem in problems(house))


@pytest.mark.slow
@pytest.mark.parametrize("clause_id", [clause.id for clause in CLAUSES])
def test_a_missing_clause_is_named(house: Path, clause_id: str) -> None:
    """A clause that is taken out is missed by its id."""
    page = page_of(house, clause_id)
    page.write_text(without_clause(page.read_text("utf-8"), clause_id), "utf-8")
    assert f"clauses.json is stale for {clause_id}: run make spec" in problems(house)


TAGS = [
    (scenario.feature, scenario.name, tag)
    for scenario in SCENARIOS
    for tag in sorted(scenario.tags)
    if f"@{tag}" not in (ROOT / FEATURES / scenario.feature).read_text("utf-8").split("Feature:")[0]
]


@pytest.mark.slow
@pytest.mark.parametrize(("feature", "name", "tag"), TAGS)
def test_a_missing_tag_is_named(house: Path, feature: str, name: str, tag: str) -> None:
    """A tag that is taken off a scenario is missed, with the name of the scenario."""
    path = house / FEATURES / feature
    head, found, rest = path.read_text("utf-8").partition(f": {name}\n")
    assert found
    *_, tagged = re.finditer(rf"@{tag}\b", head)
    path.write_text(f"{head[: tagged.start()]}{head[tagged.end() :]}{found}{rest}", "utf-8")
    assert any(name in problem and tag in problem for problem in problems(house))


@pytest.mark.slow
@pytest.mark.parametrize("feature", sorted({each.feature for each in SCENARIOS}))
def test_a_missing_tag_of_a_feature_is_named(house: Path, feature: str) -> None:
    """A feature that lost its suite is missed with each of its scenarios."""
    path = house / FEATURES / feature
    before, tag, rest = re.split(
        r"^@(\w+)", path.read_text("utf-8"), maxsplit=1, flags=re.MULTILINE
    )
    path.write_text(before + rest.lstrip(), "utf-8")
    said = list(problems(house))
    for scenario in SCENARIOS:
        if scenario.feature == feature:
            assert any(scenario.name in each and tag in each for each in said)


def said_without(change: Change, says: Connection) -> None:
    """Change a machine, and send what the gate then says."""
    change.apply()
    says.send(list(problems(ROOT)))


@pytest.mark.slow
@pytest.mark.parametrize(("subject", "state", "trigger"), MOVES)
def test_a_missing_transition_is_named(subject: str, state: str, trigger: str) -> None:
    """A transition that is taken out of its machine is missed, from state to state."""
    dest = transitions(subject)[state, trigger]
    hears, says = Pipe(duplex=False)
    gone = Change(subject, state, trigger, dest, None)
    # In a process of its own: the machine stays changed.
    process = get_context("fork").Process(target=said_without, args=(gone, says))
    process.start()
    said = hears.recv()
    process.join()
    assert any(f"{subject}: {state} -{trigger}-> {dest}" in problem for problem in said)


def check(directory: Path) -> subprocess.CompletedProcess[str]:
    """Run the gate as `make check` does."""
    return subprocess.run(
        [sys.executable, "-m", "lab.spec_gate", "check"],
        capture_output=True,
        text=True,
        cwd=directory,
        check=False,
    )


@pytest.mark.slow
def test_the_command_says_it_and_fails(house: Path) -> None:
    """What `make check` runs exits with 0 where all fits, and else names what does not, with 1."""
    assert (check(house).returncode, check(house).stderr) == (0, "")
    replaced(page_of(house, "RUN-3"), "only by its `run_id`", "by its `session_id`")
    ran = check(house)
    assert ran.returncode == 1
    assert "clauses.json is stale for RUN-3: run make spec\n" in ran.stderr


def test_the_command_wants_to_stand_where_the_project_is(tmp_path: Path) -> None:
    """Elsewhere it says where to run it."""
    ran = check(tmp_path)
    assert ran.returncode == 2
    assert "run it where spec/ and features/ are" in ran.stderr


def _edit(path: str, old: str, new: str) -> Callable[[Path], None]:
    return lambda house: replaced(house / path, old, new)


def _add(path: str, text: str) -> Callable[[Path], None]:
    def add(house: Path) -> None:
        with (house / path).open("a", encoding="utf-8") as file:
            file.write(text)

    return add


def _remove(path: str) -> Callable[[Path], None]:
    return lambda house: (house / path).unlink()


STORE = f"{FEATURES}/store.feature"
NEW = "\n### {}\n\nIt MUST hold.\n\n- Why: because.\n- Governs: `{}`\n"
BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "a clause is there twice": (
        _add("spec/runs.md", NEW.format("RUN-1", "run.resume")),
        "clause 'RUN-1' is there 2 times",
    ),
    "a new clause has no scenario": (
        _add("spec/runs.md", NEW.format("RUN-99", "run.resume")),
        "RUN-99 has no scenario, and is not listed as untestable",
    ),
    "a clause governs a transition that is not there": (
        _add("spec/runs.md", NEW.format("RUN-99", "run.resumed")),
        "RUN-99 governs run.resumed, which is not there",
    ),
    "a clause governs a name that is not there": (
        _add("spec/runs.md", NEW.format("RUN-99", "scoria_core.scoria.Scoria.resumes")),
        "RUN-99 governs scoria_core.scoria.Scoria.resumes, which is not there",
    ),
    "a clause is called untestable all the same": (
        _add("spec/runs.md", "- Untestable: it is late.\n"),
        "RUN-31 is listed as untestable, and ",
    ),
    "a heading is no clause": (
        _edit("spec/runs.md", "A paused run MUST be", "A paused run is"),
        "runs.md: RUN-3 is not as a clause is: it says MUST, SHOULD or MAY once",
    ),
    "the extract is stale": (
        _edit("spec/runs.md", "- Why: a session has many runs", "- Why: a session had many runs"),
        "clauses.json is stale for RUN-3: run make spec",
    ),
    "what ships is stale": (
        _remove(f"{FEATURES}/clauses.json"),
        "features/scoria_features/clauses.json is stale: run make spec",
    ),
    "a promise is turned round": (
        _edit("spec/runs.md", "A paused run MUST be", "A paused run MAY be"),
        "clauses.json is stale for RUN-3: run make spec",
    ),
    "a line of a scenario is taken out": (
        _edit(STORE, "    When the store is closed, twice\n", ""),
        "traceability.md is stale where it says or should say '| A closed store says so |",
    ),
    "a link leads to no clause": (
        _edit("spec/lifecycles.md", "[STEP-7](steps.md#step-7)", "[STEP-77](steps.md#step-77)"),
        "lifecycles.md links STEP-77 to steps.md#step-77, where it is not",
    ),
    "the version is told wrong": (
        _edit("spec/README.md", "The version of the set is", "The set is at"),
        "README.md does not say that the version of the set is ",
    ),
    "a clause governs somebody else": (
        _add("spec/runs.md", NEW.format("RUN-99", "os.path.join")),
        "RUN-99 governs os.path.join, which is not there",
    ),
    "something stands under a clause that nobody reads": (
        _edit(
            "spec/runs.md", "- Why: a session has", "> Except on Sundays.\n\n- Why: a session has"
        ),
        "runs.md: RUN-3 has a blockquote that nobody would read",
    ),
    "a clause has two paragraphs": (
        _edit("spec/runs.md", "- Why: a session has", "Except on Sundays.\n\n- Why: a session has"),
        "runs.md: RUN-3 has a paragraph that nobody would read",
    ),
    "a reason has something under it": (
        _edit(
            "spec/runs.md",
            "- Governs: `run.resume`, `scoria_core.scoria.Scoria.resume_run`\n\n### RUN-4",
            "- Governs: `run.resume`\n  - Unless: no.\n\n### RUN-4",
        ),
        "runs.md: RUN-3 says 'Governs' in more than one line",
    ),
    "a heading is nearly a clause": (
        _add("spec/runs.md", "\n### Run-20\n\nIt MUST hold.\n"),
        "runs.md: 'Run-20' is no clause: head it '### ' and an id as RUN-3 is",
    ),
    "the run was taken out": (
        lambda house: (house / "spec/traceability.json").write_text("{}"),
        "traceability.json tells of no run: run make spec",
    ),
    "two scenarios have one name": (
        _add(STORE, "\n  @STORE-2\n  Scenario: A run is created once\n    When a run is started\n"),
        "scenario 'A run is created once' is there 2 times",
    ),
    "a tag is no clause": (
        _add(STORE, "\n  @STORE-77\n  Scenario: New\n    When a run is started\n"),
        "store.feature: New: @STORE-77 is no clause",
    ),
    "a tag is nothing": (
        _add(STORE, "\n  @stoer\n  Scenario: New\n    When a run is started\n"),
        "store.feature: New: @stoer is no tag",
    ),
    "a scenario says no clause": (
        _add(STORE, "\n  Scenario: New\n    When a run is started\n"),
        "store.feature: New: says no clause that it tests",
    ),
    "a line has no step": (
        _add(STORE, "\n  @STORE-2\n  Scenario: New\n    When nobody knows how\n"),
        "store.feature: New: no step binds when 'nobody knows how'",
    ),
    "a scenario was never run": (
        _add(STORE, "\n  @STORE-2\n  Scenario: New\n    When a run is started\n"),
        "scenario 'New' ran 0 checks on memory://: run make spec",
    ),
    "a feature is no Gherkin": (
        _add(STORE, "\nlorem ipsum\n"),
        "store.feature is no feature",
    ),
    "a rule would be overlooked": (
        _add(STORE, "\n  Rule: R\n    Scenario: New\n      When a run is started\n"),
        "store.feature has a rule; write its lines into each scenario",
    ),
    "examples are tagged": (
        _add(
            STORE,
            "\n  @STORE-2\n  Scenario Outline: New\n    When a run is <what>\n\n    @STORE-3\n"
            "    Examples:\n      | what |\n      | started |\n",
        ),
        "store.feature: New has tags on its examples; tag the scenario",
    ),
    "the matrix was edited": (
        _edit("spec/traceability.md", "## Scenarios", "## Scenery"),
        "traceability.md is stale where it says or should say '## Scenarios': run make spec",
    ),
    "the run is not there": (_remove("spec/traceability.json"), "traceability.json"),
}


@pytest.mark.parametrize(("break_", "said"), BROKEN.values(), ids=BROKEN)
def test_what_drifts_apart_is_named(house: Path, break_: Callable[[Path], None], said: str) -> None:
    """Each way to drift apart has its own words."""
    break_(house)
    found = list(problems(house))
    assert any(said in problem for problem in found), found


def test_a_check_that_did_not_hold_is_named(house: Path) -> None:
    """A run that failed cannot be written down as one that traced."""
    path = house / "spec" / "traceability.json"
    run = json.loads(path.read_text("utf-8"))
    run["memory://"]["A run is created once"] = {"failed": 1}
    path.write_text(json.dumps(run), "utf-8")
    assert "scenario 'A run is created once' did not hold on memory://" in problems(house)


def test_a_row_of_examples_that_is_gone_is_named(house: Path) -> None:
    """An example that is taken out leaves fewer checks than were run."""
    replaced(house / STORE, "      | no-such-store:SECRET                 |", "")
    said = (
        "scenario 'What a URL keeps secret is in no message' ran 6 checks on memory://: "
        "run make spec"
    )
    assert said in problems(house)


def _step(text: str, function: Callable[..., object]) -> StepFunctionContext:
    return StepFunctionContext("when", function, exactly(text), {}, None)


async def _never_awaited() -> None:
    raise AssertionError


def test_steps_that_would_pass_for_the_wrong_reason_are_named() -> None:
    """A coroutine, a step that nothing asks for, and two steps that bind one line."""
    scenario = Scenario("x.feature", "X", frozenset(), (Line("when", "it rains"),), 1)
    steps = (
        _step("it rains", lambda: None),
        _step("it rains", lambda: None),
        _step("it snows", _never_awaited),
    )
    assert list(binding_problems([scenario], Steps(steps))) == [
        "x.feature: X: 2 steps bind when 'it rains'",
        f"{__name__}: when 'it snows' is a coroutine, which is never awaited",
        f"{__name__}: when 'it snows' is a step that no scenario asks for",
    ]


def test_every_step_of_the_suite_is_seen() -> None:
    """The gate knows the steps that the suite runs with."""
    assert len(bound_steps().steps) > 100


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("It holds.\n\n- Why: w\n- Governs: `g`\n", "MUST, SHOULD or MAY once"),
        ("It MUST and SHOULD hold.\n\n- Why: w\n- Governs: `g`\n", "MUST, SHOULD or MAY once"),
        ("It MUST hold.\n\n- Governs: `g`\n", "begins with '- Why: '"),
        ("It MUST hold.\n\n- Why: w\n", "begins with '- Governs: '"),
        ("It MUST hold.\n\n- Why: w\n- Governs: `g`,\n", "begins with '- Governs: '"),
        ("It MUST hold.\n\n- Why: w\n- Governs: `g`\n- Becuase: x\n", "says 'Becuase'"),
        ("", "MUST, SHOULD or MAY once"),
    ],
)
def test_what_is_no_clause_is_refused_by_name(tmp_path: Path, text: str, said: str) -> None:
    """A page with a malformed clause is named, with the clause and the rule it breaks."""
    (tmp_path / "x.md").write_text(f"# X\n\n### X-1\n\n{text}", "utf-8")
    with pytest.raises(NotAClause, match=re.escape(said)) as refused:
        read_pages(tmp_path)
    assert str(refused.value).startswith("x.md: X-1 ")
