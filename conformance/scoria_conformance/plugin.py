"""The pytest plugin: what is under test, the steps, and a check per scenario.

An adopter names it in `pytest_plugins` and overrides the fixture `scoria_store_factory`, or
passes `--scoria-target`.
"""

import inspect
import json
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from scoria_conformance.host import Host, InProcessHost, PageFactory
from scoria_conformance.target import Target
from scoria_conformance.verdict import NOT_APPLICABLE, Check, Status
from scoria_conformance.world import StoreFactory, World

# In the order in which they import each other: pytest rewrites asserts as it imports.
pytest_plugins = [
    "scoria_conformance.steps.starting",
    "scoria_conformance.steps.refusing",
    "scoria_conformance.steps.reading",
    "scoria_conformance.steps.deciding",
    "scoria_conformance.steps.handing_off",
    "scoria_conformance.steps.hosting",
    "scoria_conformance.steps.keeping",
]

TAGS = {
    "store": "what a store promises, put to it directly",
    "adoption": "the guide's default lane: identity, start, inspect, resume",
    "runtime_to_handoff": "the guide's bounded delegation lane",
    "host": "speaks to a host app, so that a running one can be put under it",
}

_NAME = pytest.StashKey[str]()
_CHECKS = pytest.StashKey[dict[str, Check]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the command line say what is under test."""
    group = parser.getgroup("scoria")
    group.addoption(
        "--scoria-target", help="store URL, module:factory, or http(s):// URL of a host"
    )
    group.addoption(
        "--scoria-page", help="module:function that makes the evidence page of a facade"
    )
    group.addoption("--scoria-host", help="module:function that connects to the host at a URL")
    group.addoption("--scoria-report", help="file to write the checks to, as JSON")


def pytest_configure(config: pytest.Config) -> None:
    """Register the tags, so that strict markers hold."""
    for tag, meaning in TAGS.items():
        config.addinivalue_line("markers", f"{tag}: {meaning}")
    config.stash[_CHECKS] = {}


@pytest.fixture
def scoria_target(request: pytest.FixtureRequest) -> Target:
    """Return what is under test, as the command line names it."""
    named = request.config.getoption("--scoria-target")
    if named is None:
        pytest.fail("nothing to verify: pass --scoria-target or override scoria_store_factory")
    return Target(named)


@pytest.fixture
def scoria_store_factory(scoria_target: Target) -> StoreFactory:
    """Open the store under test in a directory; the fixture that a store's author overrides."""
    return scoria_target.store_factory()


@pytest.fixture
def scoria_page(request: pytest.FixtureRequest) -> PageFactory:
    """Make the evidence page of a facade."""
    named = request.config.getoption("--scoria-page")
    if named is None:
        pytest.skip("no evidence page to look at: pass --scoria-page")
    page: PageFactory = Target(named).named()
    return page


@pytest.fixture
def world(scoria_store_factory: StoreFactory, tmp_path: Path) -> Iterator[World]:
    """Everything one scenario knows, over a new store."""
    world = World(scoria_store_factory, tmp_path)
    yield world
    world.close()


@pytest.fixture
def host(request: pytest.FixtureRequest) -> Host:
    """Return the host under test, or the guide's host in this process over the store under test."""
    target = request.config.getoption("--scoria-target")
    connect = request.config.getoption("--scoria-host")
    if target is not None and Target(target).is_host:
        if connect is None:
            pytest.skip("no way to talk to the host: pass --scoria-host")
        connected: Host = Target(connect).named()(target)
        return connected
    world: World = request.getfixturevalue("world")
    return InProcessHost(world.scoria, request.getfixturevalue("scoria_page"))


def pytest_bdd_before_scenario(request: pytest.FixtureRequest, scenario: Any) -> None:
    """Note what the scenario is called in its feature."""
    request.node.stash[_NAME] = scenario.name


def pytest_bdd_before_step_call(step_func: Callable[..., Any], step: Any) -> None:
    """Refuse a coroutine step: nothing would await it, and it would pass whatever it asserts."""
    if inspect.iscoroutinefunction(step_func):
        pytest.fail(f"step {step.name!r} is a coroutine function, which is never awaited")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note what became of each scenario."""
    report = yield
    if check := _check(item, report):
        # A teardown that fails comes last, and takes the place of the pass before it.
        item.config.stash[_CHECKS][item.nodeid] = check
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the checks, and how many there should be."""
    path = session.config.getoption("--scoria-report")
    if path is None:
        return
    checks = [
        {"name": check.name, "status": check.status.value, "reason": check.reason}
        for check in session.config.stash[_CHECKS].values()
    ]
    found = {"collected": session.testscollected, "checks": checks}
    Path(path).write_text(json.dumps(found), encoding="utf-8")


def _check(item: pytest.Item, report: pytest.TestReport) -> Check | None:
    name = _scenario_name(item)
    if report.skipped:
        reason = _skip_reason(report)
        status = Status.COULD_NOT_RUN
        if reason.startswith(NOT_APPLICABLE):
            status, reason = Status.NOT_APPLICABLE, reason.removeprefix(NOT_APPLICABLE)
        return Check(name, status, reason)
    if report.failed:
        status = Status.COULD_NOT_RUN if report.when == "setup" else Status.FAILED
        return Check(name, status, _failure(report))
    return Check(name, Status.PASSED) if report.when == "call" else None


def _scenario_name(item: pytest.Item) -> str:
    in_words = item.name.partition("[")[0].removeprefix("test_").replace("_", " ").capitalize()
    name = item.stash.get(_NAME, in_words)
    callspec = getattr(item, "callspec", None)
    example = callspec.params.get("_pytest_bdd_example", {}) if callspec is not None else {}
    return f"{name} ({', '.join(example.values())})" if example else name


def _skip_reason(report: pytest.TestReport) -> str:
    if isinstance(report.longrepr, tuple):
        return report.longrepr[2].removeprefix("Skipped: ")
    return str(report.longrepr)


def _failure(report: pytest.TestReport) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    return str(crash.message if crash is not None else report.longrepr).strip()
