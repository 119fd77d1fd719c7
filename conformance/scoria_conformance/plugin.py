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
from pytest_bdd.scenario import scenario_wrapper_template_registry
from pytest_bdd.utils import registry_get_safe

from scoria_conformance.clauses import CLAUSE_ID, specification
from scoria_conformance.host import Host, InProcessHost, PageFactory
from scoria_conformance.target import Target
from scoria_conformance.verdict import NOT_APPLICABLE, Check, Status
from scoria_conformance.world import StoreFactory, World
from scoria_core.conversion import converter

# In the order in which they import each other: pytest rewrites asserts as it imports.
pytest_plugins = [
    "scoria_conformance.steps.starting",
    "scoria_conformance.steps.identifying",
    "scoria_conformance.steps.acting",
    "scoria_conformance.steps.refusing",
    "scoria_conformance.steps.giving",
    "scoria_conformance.steps.reading",
    "scoria_conformance.steps.recording",
    "scoria_conformance.steps.deciding",
    "scoria_conformance.steps.handling",
    "scoria_conformance.steps.handing_off",
    "scoria_conformance.steps.hosting",
    "scoria_conformance.steps.showing",
    "scoria_conformance.steps.keeping",
    "scoria_conformance.steps.finding",
    "scoria_conformance.steps.competing",
    "scoria_conformance.steps.moving",
]

TAGS = {
    "lifecycles": "every state meets every trigger of its lifecycle",
    "store": "what a store promises, put to it directly",
    "adoption": "the guide's default lane: identity, start, inspect, resume",
    "runtime_to_handoff": "the guide's bounded delegation lane",
    "page": "the evidence page of a run",
    "host": "speaks to a host app, so that a running one can be put under it",
}

CHECKS = pytest.StashKey[dict[str, Check]]()
"""Where the configuration keeps what became of each scenario, by its node id."""


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
    group.addoption("--scoria-spec", help="version of the specification; the latest by default")
    group.addoption("--scoria-report", help="file to write the checks to, as JSON")


def pytest_configure(config: pytest.Config) -> None:
    """Register the tags, so that strict markers hold."""
    for tag, meaning in TAGS.items():
        config.addinivalue_line("markers", f"{tag}: {meaning}")
    for clause in specification().clauses:
        config.addinivalue_line("markers", f"{clause.id}: {clause.text}")
    config.stash[CHECKS] = {}


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


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what a version of the specification that is asked for did not say yet."""
    version = config.getoption("--scoria-spec")
    if version is None:
        return
    known, asked = specification().by_id, specification().at(version).by_id
    for item in items:
        later = [each for each in _clauses(item) if each in known and each not in asked]
        if later:
            reason = f"{NOT_APPLICABLE}{later[0]} is since {known[later[0]].since}"
            item.add_marker(pytest.mark.skip(reason=reason))


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
        item.config.stash[CHECKS][item.nodeid] = check
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the checks, and how many there should be."""
    path = session.config.getoption("--scoria-report")
    if path is None:
        return
    checks = list(session.config.stash[CHECKS].values())
    found = {"collected": session.testscollected, "checks": converter.unstructure(checks)}
    Path(path).write_text(json.dumps(found), encoding="utf-8")


def _check(item: pytest.Item, report: pytest.TestReport) -> Check | None:
    status, reason = _status(report)
    if status == Status.PASSED and report.when != "call":
        return None
    return Check(_name(item), status, reason, _scenario(item), _clauses(item))


def _status(report: pytest.TestReport) -> tuple[Status, str]:
    if report.skipped:
        reason = _skip_reason(report)
        if reason.startswith(NOT_APPLICABLE):
            return Status.NOT_APPLICABLE, reason.removeprefix(NOT_APPLICABLE)
        return Status.COULD_NOT_RUN, reason
    if report.failed:
        failed = Status.COULD_NOT_RUN if report.when == "setup" else Status.FAILED
        return failed, _failure(report)
    return Status.PASSED, ""


def _scenario(item: pytest.Item) -> str:
    """Return what the scenario is called in its feature."""
    in_words = item.name.partition("[")[0].removeprefix("test_").replace("_", " ").capitalize()
    return str(getattr(_template(item), "name", in_words))


def _clauses(item: pytest.Item) -> tuple[str, ...]:
    template = _template(item)
    tags = template.tags | template.feature.tags if template is not None else set()
    return tuple(sorted(tag for tag in tags if CLAUSE_ID.fullmatch(tag)))


def _template(item: pytest.Item) -> Any:
    function = getattr(item, "function", None)
    return registry_get_safe(scenario_wrapper_template_registry, function)


def _name(item: pytest.Item) -> str:
    callspec = getattr(item, "callspec", None)
    example = callspec.params.get("_pytest_bdd_example", {}) if callspec is not None else {}
    name = _scenario(item)
    return f"{name} ({', '.join(example.values())})" if example else name


def _skip_reason(report: pytest.TestReport) -> str:
    if isinstance(report.longrepr, tuple):
        return report.longrepr[2].removeprefix("Skipped: ")
    return str(report.longrepr)


def _failure(report: pytest.TestReport) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    return str(crash.message if crash is not None else report.longrepr).strip()
