"""The model of the composition: complete within its bounds, and no bug gets past it."""

import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import attrs
import pytest

from lab.model import composition as composing
from lab.model import search as searching
from lab.model.__main__ import main
from lab.model.composition import (
    IDLE,
    UNBOUNDED,
    Action,
    Bounds,
    Composition,
    Handling,
    Moment,
    Phase,
    Situation,
    clashes,
    told_apart,
    within,
)
from lab.model.invariants import INVARIANTS
from lab.model.planted import BUGS, planted
from lab.model.script import VOCABULARY, NotAScript, read, written
from lab.model.search import CounterExample, Report, search
from lab.model.vocabulary import ANSWERS, CALLS, SEARCHES, STARTS, Claim, Command
from lab.model.walk import Walk, replay
from scoria_core import lifecycles
from scoria_diagrams import lifecycle_of, render
from tests.support import ROOT
from tests.support.tlc import read_tla

WIDE = Bounds(steps=3, approvals=1, attempts=1)
LONG = Bounds(steps=2, approvals=2, attempts=2)
SMALL = Bounds(steps=1, approvals=1, attempts=1)
NARROW = [each for each in SEARCHES if each != "lifecycles"]
"""The searches that are about one way in which people decide."""


@cache
def report_of(bounds: Bounds) -> Report:
    """Return what a search within `bounds` finds; made once."""
    return search(bounds)


@pytest.mark.parametrize(
    "bounds",
    [WIDE, pytest.param(LONG, marks=pytest.mark.slow), *map(within, NARROW)],
    ids=["wide", "long", *NARROW],
)
def test_every_invariant_holds_everywhere(bounds: Bounds) -> None:
    """Nothing breaks an invariant, each was checked in every run, and every run can be ended."""
    report = report_of(bounds)
    assert report.counter_example is None
    assert report.dead_ends == 0
    assert report.checked.keys() == set(range(1, 10)) == INVARIANTS.keys()
    assert min(report.checked.values()) >= report.runs > (500 if bounds in (WIDE, LONG) else 100)
    assert report.states > report.runs


def test_the_bounds_are_what_ends_a_search() -> None:
    """One step, request or attempt more is more situations."""
    sizes = [
        search(bounds).states
        for bounds in (SMALL, attrs.evolve(SMALL, steps=2), attrs.evolve(SMALL, attempts=2))
    ]
    assert sizes[0] < min(sizes[1:])
    assert search(attrs.evolve(SMALL, approvals=2)).states > sizes[0]
    assert search(attrs.evolve(SMALL, callers=1)).states < sizes[0]


# --- nothing is hidden by how situations are told apart ------------------------------------------


def plainly(bounds: Bounds) -> set[object]:
    """Reach every situation again, one by one: no numbers, no shared moments, no symmetry."""
    composition = Composition(bounds)
    first = composition.initial()
    known, following = {spelled(first)}, [first]
    for situation in following:
        for action in composition.actions(situation):
            reached, broken = composition.step(situation, action)
            assert not broken
            if spelled(reached) not in known:
                known.add(spelled(reached))
                following.append(reached)
    return {(moment, *sorted(callers)) for moment, *callers in known}


def spelled(situation: Situation) -> tuple[object, *tuple[str, ...]]:
    """Return a situation as values that are equal for equal situations."""
    return told_apart(situation.moment), *map(spelled_phase, situation.callers)


def spelled_phase(phase: Phase) -> str:
    """Return where a caller stands, with the run it would commit."""
    result = getattr(phase, "result", None)
    future = None if result is None else told_apart(result)
    return repr((type(phase).__name__, getattr(phase, "command", None), future, phase_claim(phase)))


def phase_claim(phase: Phase) -> Claim | None:
    """Return the claim a caller holds or would commit, or None."""
    return getattr(phase, "claim", None)


def test_a_plain_walk_reaches_the_same_situations() -> None:
    """What the search does to be fast loses no situation, and makes none up."""
    assert len(plainly(SMALL)) == report_of(SMALL).states


@pytest.mark.slow
def test_runs_that_are_merged_have_one_future() -> None:
    """Whatever two histories led to one moment, each command yields the same from there."""
    composition = Composition(Bounds(steps=2, approvals=1, attempts=1))
    known: dict[object, Moment] = {}
    following = [composition.initial().moment]
    compared = 0
    for moment in following:
        for reached in (composition.later(moment), *results(composition, moment)):
            same = known.setdefault(told_apart(reached), reached)
            if same is reached:
                following.append(reached)
            else:
                compared += 1
                assert future(composition, reached) == future(composition, same)
    assert compared > len(known) > 100


def commands(moment: Moment) -> Iterator[Command]:
    """Yield every call, and every answer of a handler that may be at work."""
    yield from map(Command, CALLS if moment.has_started else STARTS)
    for step in moment.run.steps.values():
        if step.status == "running":
            for text in ANSWERS:
                yield Command(text, Claim(step.sequence, step.attempt))


def results(composition: Composition, moment: Moment) -> Iterator[Moment]:
    """Yield the runs that one command makes of a run."""
    for command in commands(moment):
        decision = composition.decide(moment, command)
        if decision.records:
            yield decision.result


def future(composition: Composition, moment: Moment) -> object:
    """Return what each command yields, a tick passed or not."""
    decided = [(command, composition.decide(moment, command)) for command in commands(moment)]
    return told_apart(composition.later(moment)), [
        (command, each.is_refused, each.is_beyond, each.claim, told_apart(each.result))
        for command, each in decided
    ]


# --- what is planted is found --------------------------------------------------------------------


@cache
def found(about: str, number: int) -> CounterExample:
    """Return what a search finds with a bug planted; made once."""
    with planted(about, number):
        example = search(within(about)).counter_example
    assert example is not None
    return example


def walked(script: str) -> list[str] | None:
    """Walk a script from its text, and return what went wrong in its last line, or None."""
    lines = read(script)
    problem = replay(Walk(Composition(UNBOUNDED)), lines)
    assert problem is None or problem[0] == lines[-1]
    return problem and problem[1]


def test_a_bug_is_planted_against_every_invariant() -> None:
    """No invariant, and no search, goes without a test that it can fail."""
    assert {number for _, number in BUGS} == INVARIANTS.keys()
    assert {about for about, _ in BUGS} == SEARCHES.keys()


@pytest.mark.parametrize(("about", "number"), BUGS)
def test_a_planted_bug_is_found(about: str, number: int) -> None:
    """The invariant it breaks is named, and its script breaks it again, and not without the bug."""
    example = found(about, number)
    assert example.numbers == (number,)
    script = written(example.script)
    with planted(about, number):
        assert walked(script) == [str(breach) for breach in example.breaches]
    assert not breaks(script)


@pytest.mark.parametrize(("about", "number"), BUGS)
def test_a_counter_example_has_no_line_too_many(about: str, number: int) -> None:
    """Without any one of its lines the script breaks nothing, or cannot be walked."""
    script = list(found(about, number).script)
    for left_out in range(len(script)):
        shorter = written(script[:left_out] + script[left_out + 1 :])
        with planted(about, number):
            assert not breaks(shorter)


def breaks(script: str) -> bool:
    """Tell whether a script can be walked and breaks an invariant."""
    try:
        return replay(Walk(Composition(UNBOUNDED)), read(script)) is not None
    except NotAScript:
        return False


def test_commits_that_ignore_the_version_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no commit ever conflicts, two callers come to be in the handler of one step."""

    def never_stale(phase: Phase) -> Phase:
        return phase

    monkeypatch.setattr(composing, "stale", never_stale)
    monkeypatch.setattr(searching, "stale", never_stale)
    example = search(LONG).counter_example
    assert example is not None
    assert 1 in example.numbers


def test_two_handlers_of_one_step_break_the_first_invariant() -> None:
    """A claim that two callers hold and that stands is a breach; one that fell is none."""
    walk = Walk(Composition(UNBOUNDED))
    for line in read("caller 1: start_run served\ncaller 1: commit"):
        walk.take(line.action)
    claim = phase_claim(walk.situation.callers[0])
    assert claim is not None
    both = (Handling(claim), Handling(claim))
    assert [breach.number for breach in clashes(walk.situation.moment, both)] == [1]
    assert not clashes(walk.situation.moment, (Handling(claim), IDLE))
    walk.take(Action("cancel_run", 2))
    walk.take(Action("commit", 2))
    assert not clashes(walk.situation.moment, both)


# --- the lifecycles, as TLC walks them -----------------------------------------------------------


def reached(subject: str) -> set[tuple[str | None, str | None, str]]:
    """Return the moves of a subject in the composition; those that create it go from None."""
    reports = [report_of(bounds) for bounds in (LONG, WIDE, *map(within, NARROW))]
    moves = {move for report in reports for move in report.moves}
    return {move[1:] for move in moves if move[0] == subject}


@pytest.mark.slow
@pytest.mark.parametrize("subject", lifecycles.MACHINES)
def test_tlc_reaches_what_the_composition_reaches(subject: str, tmp_path: Path) -> None:
    """TLC finds the states and moves in the exported module that the runs of the model make."""
    module = render([lifecycle_of(subject, lifecycles.MACHINES[subject])], "tla")
    walked = read_tla(module, tmp_path)
    created = {(None, None, walked.initial)}
    assert reached(subject) == walked.moves | created
    assert {to for *_, to in reached(subject)} == {walked.initial} | {m[2] for m in walked.moves}


@pytest.mark.slow
@pytest.mark.parametrize("subject", lifecycles.MACHINES)
def test_every_declared_transition_is_made(subject: str) -> None:
    """The composition leaves out no transition that a lifecycle declares."""
    table = lifecycles.transitions(subject)
    missed = {(source, trigger, dest) for (source, trigger), dest in table.items()}
    assert missed - reached(subject) == set()


# --- scripts -------------------------------------------------------------------------------------


def test_every_action_is_read_as_it_is_written() -> None:
    """A script of everything that can be said comes back as it was."""
    actions = list(VOCABULARY.values())
    assert [line.action for line in read(written(actions))] == actions


def test_a_script_may_have_comments_and_blank_lines() -> None:
    """Only actions count, and each knows the line it stands in."""
    lines = read("# why\n\n  caller 1:   commit # late\ntime passes\n")
    assert [(each.number, str(each.action)) for each in lines] == [
        (3, "caller 1: commit"),
        (4, "time passes"),
    ]


def test_what_is_no_action_is_named_with_what_was_meant() -> None:
    """The line, its text and the nearest action are told, in one line."""
    with pytest.raises(NotAScript, match=r"line 2, .*'caller 2: commit' meant") as refused:
        read("time passes\ncaller 2: comit\n")
    assert "\n" not in str(refused.value)


def test_an_action_that_cannot_happen_is_named() -> None:
    """Nothing is committed that was not decided."""
    with pytest.raises(NotAScript, match="line 1, 'caller 1: commit', cannot happen here"):
        walked("caller 1: commit\n")


# --- the command ---------------------------------------------------------------------------------


def told(*arguments: str) -> tuple[int, str, str]:
    """Run the command in a process, and return its exit code and what it printed."""
    command = [sys.executable, "-m", "lab.model", *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    return ran.returncode, ran.stdout, ran.stderr


def test_the_command_tells_bounds_states_time_and_invariants() -> None:
    """The figures of the search are printed, and a line for each invariant; the exit code is 0."""
    few = ("--steps", "1", "--approvals", "1", "--attempts", "1")
    code, out, err = told("--search", "lifecycles", *few)
    assert (code, err) == (0, "")
    assert f"{report_of(SMALL).states:,}, in which {report_of(SMALL).runs} different" in out
    for number, holds in INVARIANTS.items():
        checked = report_of(SMALL).checked[number]
        assert f"holds, checked {checked:,} times. {str(holds.__doc__).splitlines()[0]}" in out
    for word in ("bounds", "transitions", "depth", "time", "dead ends"):
        assert f"\n# {word} " in f"\n{out}"


def test_the_command_prints_a_script_that_it_replays(tmp_path: Path) -> None:
    """What it prints of a counter-example is a script, and walking it fails in the same way."""
    code, out, _ = told("--plant", "3")
    assert code == 1
    script = tmp_path / "found.txt"
    script.write_text(out)
    code, again, _ = told("--plant", "3", "--replay", str(script))
    assert code == 1
    told_of = f"# {found('lifecycles', 3).breaches[0]}"
    assert again.splitlines()[-1] == out.splitlines()[-1] == told_of
    assert told("--replay", str(script), "--target", "memory://")[0] == 0


BAD_USAGE = {
    "no such option": ["--nonsense"],
    "no such bug": ["--plant", "10"],
    "no such file": ["--replay", "no-such-file"],
    "no step": ["--steps", "0"],
    "a target without a script": ["--target", "memory://"],
    "no script": ["--replay", "pyproject.toml"],
    "no text": ["--replay", sys.executable],
    "no such store": ["--replay", "/dev/null", "--target", "nosuch://"],
    "no such module": ["--replay", "/dev/null", "--target", "no.such:store"],
}


@pytest.mark.parametrize("arguments", BAD_USAGE.values(), ids=BAD_USAGE)
def test_bad_usage_is_one_line(
    arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit code is 2, and nothing but the problem is printed."""
    monkeypatch.setattr(sys, "argv", ["model", *arguments])
    assert main() == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
