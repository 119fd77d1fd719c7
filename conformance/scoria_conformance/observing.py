"""The half of the plugin that observes: it makes a check of each scenario and its steps.

A check is attached to its test report, so that it gets from a pytest-xdist worker to the process
that writes the report.
"""

import inspect
import json
import os
from collections.abc import Callable, Collection, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest

from scoria_conformance.attribution import SuiteBroken, Told, Unmet, judged
from scoria_conformance.catalogue import SERVED
from scoria_conformance.clauses import specification
from scoria_conformance.collecting import ADAPTER, CHECKS, COLLECTOR, LEDGER, Collector, put
from scoria_conformance.items import case_of, is_of_the_suite, suites_of
from scoria_conformance.observed import PortBroken, named
from scoria_conformance.outcomes import named_by
from scoria_conformance.printable import printable
from scoria_conformance.setting import Adapter, Setting
from scoria_conformance.target import Target
from scoria_conformance.verdict import Check, Outcome, Status, StepSeen
from scoria_conformance.world import World
from scoria_core.errors import StoreUnavailable, safe_repr

VALUE = 1_000
"""How many characters of a compared value are shown."""


@attrs.define
class Watched:
    """The observations on a scenario while it runs; `left` is the suite's own reason to skip it."""

    steps: list[StepSeen] = attrs.field(factory=list)
    steps_from: str = ""
    called: bool = False
    left: BaseException | None = None
    compared: tuple[str, str] = ("", "")
    seconds: float = 0.0


_WATCHED = pytest.StashKey[Watched]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the command line say where the report goes."""
    group = parser.getgroup("scoria")
    group.addoption("--scoria-report-dir", help="directory to write the report to, in five formats")
    group.addoption("--scoria-events", help="file to write what happens to, while it happens")
    group.addoption("--scoria-only", help="JSON file of the ids of the scenarios to run")


def pytest_configure(config: pytest.Config) -> None:
    """Start without checks and observations, and register the collector."""
    config.stash[CHECKS], config.stash[ADAPTER] = {}, Adapter()
    config.stash[_WATCHED], config.stash[LEDGER] = Watched(), None
    version = specification().version
    collector = Collector(config, Setting.here(version, config.getoption("--scoria-seed")))
    config.stash[COLLECTOR] = collector
    config.pluginmanager.register(collector, "scoria-collector")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Report a missing target to the process that listens, before scenarios are collected."""
    config = session.config
    if config.getoption("--scoria-events") is None:
        return
    target = config.getoption("--scoria-target")
    try:
        Target(target, config.getoption("--scoria-host")).check()
    except StoreUnavailable as error:
        why = {"store": error.store, "problem": error.problem, "next_move": error.next_move}
        config.stash[COLLECTOR].say(
            "unavailable", {name: printable(str(why[name])) for name in why}
        )
        pytest.exit("there is nothing to test", returncode=pytest.ExitCode.USAGE_ERROR)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out scenarios that were not chosen."""
    if named := config.getoption("--scoria-only"):
        wanted = frozenset(json.loads(Path(named).read_text("utf-8")))
        items[:] = [item for item in items if case_of(item).id in wanted]


def pytest_collection_finish(session: pytest.Session) -> None:
    """Record which tests must report a check."""
    found = [item for item in session.items if suites_of(item)]
    ours = {item.nodeid: case_of(item) for item in found if is_of_the_suite(item)}
    collector = session.config.stash[COLLECTOR]
    collector.collect({item.nodeid: getattr(ours.get(item.nodeid), "id", "") for item in found})
    collector.say("collected", {case.id: case.digest for case in ours.values()})


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(
    item: pytest.Item,
    nextitem: pytest.Item | None,  # noqa: ARG001 - pytest matches by name
) -> Generator[None, object, object]:
    """Start to observe a scenario, in the directory in which the session began."""
    item.config.stash[_WATCHED], item.config.stash[LEDGER] = Watched(), None
    if not is_of_the_suite(item):
        return (yield)
    collector, case = item.config.stash[COLLECTOR], case_of(item)
    os.chdir(item.config.invocation_params.dir)
    collector.say("started", case.id)
    done = yield
    collector.say("finished", case.id)
    return done


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    """Keep the target from controlling the suite while it is opened."""
    with _steady(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    """Keep the target from controlling the suite while it is closed."""
    with _steady(item):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Skip a scenario that does not apply; keep the target from controlling any other.

    A violation of the port fails the scenario even if its steps swallowed it.
    """
    with _steady(item):
        _leave_if_not_applicable(item)
        done = yield
        ledger = item.config.stash[LEDGER]
        if ledger is not None and ledger.broken:
            raise ledger.broken[0]
        return done


@contextmanager
def _steady(item: pytest.Item) -> Iterator[None]:
    """Turn an exit of the session that the target raised into a failure."""
    try:
        yield
    except pytest.exit.Exception as error:
        if not suites_of(item):
            raise
        raise PortBroken(f"what is under test raised {named(error)}, which it may not") from error


def _leave_if_not_applicable(item: pytest.Item) -> None:
    """Skip a scenario if the target lacks what it needs; the needs come from its feature."""
    needs = case_of(item).needs
    if not needs or not isinstance(item, pytest.Function):
        return
    if reason := _not_applicable(needs, item._request):
        watched = item.config.stash[_WATCHED]
        watched.left = pytest.skip.Exception(reason)
        raise watched.left


def _not_applicable(needs: Collection[str], request: pytest.FixtureRequest) -> str:
    if request.getfixturevalue("host_target") is not None:
        return ""
    if SERVED in needs:
        return "the host is not served: it is in the process of the suite, over the store"
    world: World = request.getfixturevalue("world")
    missing = [need for need in needs if need not in world.store.capabilities]
    return f"the store does not declare {', '.join(missing)}" if missing else ""


def pytest_bdd_before_scenario(scenario: Any) -> None:
    """Refuse a scenario without a Then step: it would pass whatever happened."""
    if not any(step.type == "then" for step in scenario.steps):
        raise SuiteBroken(f"scenario {scenario.name!r} has no Then step, so it checks nothing")


def pytest_bdd_before_step(request: pytest.FixtureRequest, step_func: Callable[..., Any]) -> None:
    """Record the module of the next step; comparisons of the step before held."""
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
    """Record a step that passed."""
    _watched(request).steps.append(StepSeen(_text(step), Outcome.HELD))


def pytest_bdd_step_error(request: pytest.FixtureRequest, scenario: Any, step: Any) -> None:
    """Record the step that failed, and those after it as not reached."""
    _note_broken(request, scenario, step)


def pytest_bdd_step_func_lookup_error(
    request: pytest.FixtureRequest, scenario: Any, step: Any
) -> None:
    """Record the step that is not defined, and those after it as not reached."""
    _note_broken(request, scenario, step)


def pytest_assertrepr_compare(
    config: pytest.Config, op: str, left: object, right: object
) -> list[str] | None:
    """Record the values that were compared; pytest explains the assertion as usual."""
    expected = safe_repr(right, VALUE) if op == "==" else f"{op} {safe_repr(right, VALUE)}"
    config.stash[_WATCHED].compared = (expected, safe_repr(left, VALUE))
    return None


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: "pytest.CallInfo[None]"
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Attach the check of a scenario to its report."""
    report = yield
    item.config.stash[_WATCHED].seconds += call.duration
    if check := _check(item, call, report):
        put(report, check, item.config)
        is_wrong = check.status in (Status.FAILED, Status.HARNESS_ERROR)
        if is_wrong and report.outcome == "skipped" and is_of_the_suite(item):
            _redden(report, check)
    return report


def _redden(report: pytest.TestReport, check: Check) -> None:
    """Report a failure to pytest if the target raised what pytest takes for a skip.

    A mark that the adopter set keeps its effect.
    """
    if hasattr(report, "wasxfail") and "xfail" in report.keywords:
        return
    vars(report).pop("wasxfail", None)
    report.outcome, report.longrepr = "failed", f"{check.status}: {check.reason}"


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
    return attrs.evolve(
        named_by(case_of(item)),
        status=Status.PASSED,
        reason="",
        suites=suites_of(item),
        seconds=round(watched.seconds, 6),
        steps=tuple(watched.steps),
    )


def _broken(
    item: pytest.Item, call: "pytest.CallInfo[None]", report: pytest.TestReport
) -> Check | None:
    watched, raised = item.config.stash[_WATCHED], _raised(call)
    if raised is watched.left:
        reason = printable(str(raised))
        return attrs.evolve(_held(item, watched), status=Status.NOT_APPLICABLE, reason=reason)
    # The fixtures of a step are set up before it is called, and with them the target under test.
    opening = call.when != "teardown" and not watched.called
    status = judged(raised, opening=opening, steps_from=watched.steps_from)
    reason = printable(_failure(report, call))
    check = attrs.evolve(_held(item, watched), status=status, reason=reason)
    if status not in (Status.FAILED, Status.HARNESS_ERROR):
        return check
    if isinstance(raised, Told):
        return attrs.evolve(
            check,
            reason=printable(str(raised)),
            expected=printable(raised.expected),
            seen=printable(raised.seen),
            calls=tuple(map(printable, raised.calls)),
            blamed=raised.clauses,
        )
    compared = watched.compared if isinstance(raised, AssertionError) else ("", "")
    broken = next((step.text for step in watched.steps if step.outcome == Outcome.BROKE), "")
    expected = compared[0] or broken or _EXPECTED[call.when]
    ledger = item.config.stash[LEDGER]
    calls = () if ledger is None else tuple(map(printable, ledger.told()))
    return attrs.evolve(
        check, expected=printable(expected), seen=compared[1] or reason, calls=calls
    )


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
    raised = _raised(call)
    if isinstance(raised, Unmet):
        return str(raised)
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is not None:
        return str(crash.message).removesuffix(_MORE).strip()
    return named(raised)


def _raised(call: "pytest.CallInfo[None]") -> BaseException:
    if call.excinfo is None:
        raise LookupError("nothing was raised")
    return call.excinfo.value
