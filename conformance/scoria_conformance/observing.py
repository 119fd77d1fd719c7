"""The half of the plugin that watches: a check per scenario, with what its steps came to.

A check travels on its test report, so that one made by a pytest-xdist worker reaches the process
that writes the report.
"""

import inspect
from collections.abc import Callable, Generator
from typing import Any

import attrs
import pytest

from scoria_conformance.blame import SuiteBroken, judged
from scoria_conformance.clauses import specification
from scoria_conformance.gathering import ADAPTER, CHECKS, KEEPER, Keeper, put
from scoria_conformance.items import clauses_of, feature_of, name_of, scenario_of, suites_of
from scoria_conformance.printable import printable
from scoria_conformance.setting import Adapter, Setting
from scoria_conformance.verdict import Check, Outcome, Status, StepSeen
from scoria_core.errors import shown

VALUE = 1_000
"""How many characters of a compared value are shown."""


@attrs.define
class Watched:
    """What is seen of a scenario while it runs."""

    steps: list[StepSeen] = attrs.field(factory=list)
    steps_from: str = ""
    called: bool = False
    compared: tuple[str, str] = ("", "")
    seconds: float = 0.0


_WATCHED = pytest.StashKey[Watched]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the command line say where the report goes."""
    group = parser.getgroup("scoria")
    group.addoption("--scoria-report-dir", help="directory to write the report to, in five formats")
    group.addoption("--scoria-events", help="file to write what happens to, while it happens")


def pytest_configure(config: pytest.Config) -> None:
    """Start with no checks, and nothing under watch."""
    config.stash[CHECKS], config.stash[ADAPTER] = {}, Adapter()
    config.stash[_WATCHED] = Watched()
    version = specification().version
    keeper = Keeper(config, Setting.here(version, config.getoption("--scoria-seed")))
    config.stash[KEEPER] = keeper
    config.pluginmanager.register(keeper, "scoria-keeper")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Say by which names scenarios are known, before any of them is left out."""
    names = {name for item in items for name in (scenario_of(item), name_of(item))}
    config.stash[KEEPER].say("known", sorted(names))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Keep what is to be checked."""
    nodes = [item.nodeid for item in session.items if suites_of(item)]
    session.config.stash[KEEPER].collect(nodes)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> None:
    """Watch another scenario."""
    item.config.stash[_WATCHED] = Watched()
    item.config.stash[KEEPER].say("started", name_of(item))


def pytest_bdd_before_scenario(scenario: Any) -> None:
    """Refuse a scenario that looks at nothing: it would pass whatever happened."""
    if not any(step.type == "then" for step in scenario.steps):
        raise SuiteBroken(f"scenario {scenario.name!r} has no Then step, so it checks nothing")


def pytest_bdd_before_step(request: pytest.FixtureRequest, step_func: Callable[..., Any]) -> None:
    """Note whose step comes next; what was compared before it held."""
    watched = _watched(request)
    watched.steps_from, watched.compared = step_func.__module__, ("", "")
    watched.called = False


def pytest_bdd_before_step_call(
    request: pytest.FixtureRequest, step_func: Callable[..., Any], step: Any
) -> None:
    """Refuse a coroutine step: nothing would await it, and it would pass whatever it asserts."""
    if inspect.iscoroutinefunction(step_func) or inspect.isasyncgenfunction(step_func):
        raise SuiteBroken(f"step {step.name!r} is a coroutine function, which is never awaited")
    _watched(request).called = True


def pytest_bdd_after_step(request: pytest.FixtureRequest, step: Any) -> None:
    """Note a step that held."""
    _watched(request).steps.append(StepSeen(_text(step), Outcome.HELD))


def pytest_bdd_step_error(request: pytest.FixtureRequest, scenario: Any, step: Any) -> None:
    """Note the step that broke, and those after it."""
    _note_broken(request, scenario, step)


def pytest_bdd_step_func_lookup_error(
    request: pytest.FixtureRequest, scenario: Any, step: Any
) -> None:
    """Note the step that is not defined, and those after it."""
    _note_broken(request, scenario, step)


def pytest_assertrepr_compare(
    config: pytest.Config, op: str, left: object, right: object
) -> list[str] | None:
    """Note what was expected and seen; pytest explains it as ever."""
    expected = shown(right, VALUE) if op == "==" else f"{op} {shown(right, VALUE)}"
    config.stash[_WATCHED].compared = (expected, shown(left, VALUE))
    return None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: "pytest.CallInfo[None]"
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Put what became of a scenario on its report."""
    report = yield
    item.config.stash[_WATCHED].seconds += call.duration
    if check := _check(item, call, report):
        put(report, check, item.config)
    return report


def _check(
    item: pytest.Item, call: "pytest.CallInfo[None]", report: pytest.TestReport
) -> Check | None:
    watched = item.config.stash[_WATCHED]
    if call.excinfo is not None:
        return _broken(item, call, report)
    if hasattr(report, "wasxfail"):
        reason = "marked xfail, but it passes: remove the mark"
        return attrs.evolve(_held(item, watched), status=Status.FAILED, reason=reason)
    return _held(item, watched) if call.when == "call" else None


def _held(item: pytest.Item, watched: Watched) -> Check:
    return Check(
        printable(name_of(item)),
        Status.PASSED,
        scenario=printable(scenario_of(item)),
        clauses=clauses_of(item),
        suites=suites_of(item),
        feature=printable(feature_of(item)),
        seconds=round(watched.seconds, 6),
        steps=tuple(watched.steps),
    )


def _broken(
    item: pytest.Item, call: "pytest.CallInfo[None]", report: pytest.TestReport
) -> Check | None:
    assert call.excinfo is not None
    watched, raised = item.config.stash[_WATCHED], call.excinfo.value
    # A step asks for its fixtures before it is called, and with them for what is under test.
    opening = call.when != "teardown" and not watched.called
    status, skipped = judged(raised, opening=opening, steps_from=watched.steps_from)
    reason = printable(skipped or _failure(report, call))
    check = attrs.evolve(_held(item, watched), status=status, reason=reason)
    if status not in (Status.FAILED, Status.HARNESS_ERROR):
        return check
    compared = watched.compared if isinstance(raised, AssertionError) else ("", "")
    broken = next((step.text for step in watched.steps if step.outcome == Outcome.BROKE), "")
    expected = compared[0] or broken or _EXPECTED[call.when]
    return attrs.evolve(check, expected=printable(expected), seen=compared[1] or reason)


_MORE = "\n  Use -v to get more diff"

_EXPECTED = {
    "setup": "what is under test opens",
    "call": "the scenario holds",
    "teardown": "what is under test closes",
    "collect": "the scenario is found",
}


def _note_broken(request: pytest.FixtureRequest, scenario: Any, step: Any) -> None:
    steps = _watched(request).steps
    steps.append(StepSeen(_text(step), Outcome.BROKE))
    left = scenario.steps[len(steps) :]
    steps += [StepSeen(_text(each), Outcome.NOT_REACHED) for each in left]


def _watched(request: pytest.FixtureRequest) -> Watched:
    return request.config.stash[_WATCHED]


def _text(step: Any) -> str:
    return printable(f"{step.keyword} {step.name}")


def _failure(report: pytest.TestReport, call: "pytest.CallInfo[None]") -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is not None:
        return str(crash.message).removesuffix(_MORE).strip()
    assert call.excinfo is not None
    return call.excinfo.exconly().strip()
