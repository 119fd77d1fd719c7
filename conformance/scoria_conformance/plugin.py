"""The pytest plugin: what is under test, the steps, and a check per scenario.

An adopter names it in `pytest_plugins` and overrides the fixture `scoria_store_factory`, or
passes `--scoria-target`.
"""

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from scoria_conformance.attribution import Unmet
from scoria_conformance.catalogue import NEEDS, TAGS, catalogue
from scoria_conformance.clauses import specification
from scoria_conformance.collecting import CHECKS as CHECKS
from scoria_conformance.collecting import LEDGER, note_adapter
from scoria_conformance.facades import FACADES
from scoria_conformance.host import Host, InProcessHost, LinksFactory, PageFactory
from scoria_conformance.observed import Ledger
from scoria_conformance.observed_host import ObservedHost
from scoria_conformance.relay import RelayedHost, relayed
from scoria_conformance.setting import SEED
from scoria_conformance.steps import STEPS
from scoria_conformance.target import Target
from scoria_conformance.world import StoreFactory, World

REWRITTEN = (
    *("scoria_conformance.deciding", "scoria_conformance.arrangements"),
    *("scoria_conformance.crash_process", "scoria_conformance.concurrency"),
    *("scoria_conformance.load_process", *STEPS),
)
"""The modules that check by assert: pytest rewrites them, so that a failure shows the values."""

pytest_plugins = ["scoria_conformance.observing", "scoria_conformance.isolation"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the command line say what is under test."""
    group = parser.getgroup("scoria")
    group.addoption(
        "--scoria-target", help="store URL, module:factory, http(s):// URL of a host, module:app"
    )
    group.addoption(
        "--scoria-page",
        help="module:function that makes the evidence page of a facade; its links are made by "
        "the function links of that module",
    )
    group.addoption("--scoria-host", help="module:function that drives the host at a base URL")
    group.addoption(
        "--scoria-seed", type=int, default=SEED, help="what random examples are drawn from"
    )
    group.addoption(
        "--scoria-facade",
        choices=sorted(FACADES),
        default="sync",
        help="whether a store is put through Scoria or AsyncScoria",
    )
    group.addoption("--scoria-deep", action="store_true", help="try far more random examples")


def pytest_configure(config: pytest.Config) -> None:
    """Register the tags, so that strict markers accept them. Refuse to run without assertions."""
    _refuse_without_asserts(config)
    limits = {f"seconds-{case.limit:.0f}": "may take so long" for case in catalogue().values()}
    for tag, meaning in {**TAGS, **NEEDS, **limits}.items():
        config.addinivalue_line("markers", f"{tag}: {meaning}")
    for clause in specification().clauses:
        config.addinivalue_line("markers", f"{clause.id}: {clause.text}")
    # Now, and not when this module is imported: that may be before pytest has its import hook.
    pytest.register_assert_rewrite(*REWRITTEN)
    # Not by `pytest_plugins`, which reads every installed package for each name.
    for name in STEPS:
        config.pluginmanager.register(import_module(name), name)


def _refuse_without_asserts(config: pytest.Config) -> None:
    """Raise `UsageError` if assertions are turned off, or would not show what they compared."""
    if not __debug__:
        raise pytest.UsageError(
            "the conformance suite checks by assert, which python -O and PYTHONOPTIMIZE turn off: "
            "run without them"
        )
    if config.getoption("assertmode") != "rewrite":
        raise pytest.UsageError(
            "the conformance suite tells what it saw by rewritten asserts: run without "
            "--assert=plain"
        )


@pytest.fixture
def scoria_target(request: pytest.FixtureRequest) -> Target:
    """Return the target under test, as the command line names it."""
    named = request.config.getoption("--scoria-target")
    if named is None:
        raise Unmet("nothing to verify: pass --scoria-target or override scoria_store_factory")
    return Target(named)


@pytest.fixture
def scoria_store_factory(scoria_target: Target) -> StoreFactory:
    """Return the factory of the store under test; the author of a store overrides this."""
    return scoria_target.store_factory()


@pytest.fixture
def scoria_page(request: pytest.FixtureRequest) -> PageFactory:
    """Return the factory of the evidence page."""
    page: PageFactory = Target(_page_of(request)).named()
    return page


@pytest.fixture
def scoria_links(request: pytest.FixtureRequest) -> LinksFactory:
    """Return the factory of links: `links`, in the module of the factory of the page."""
    module = _page_of(request).partition(":")[0]
    links: LinksFactory = Target(f"{module}:links").named()
    return links


def _page_of(request: pytest.FixtureRequest) -> str:
    named: str | None = request.config.getoption("--scoria-page")
    if named is None:
        raise Unmet("no evidence page to look at: pass --scoria-page")
    return named


@pytest.fixture
def scoria_seed(request: pytest.FixtureRequest) -> int:
    """Return the seed of the random examples; the same seed draws the same examples."""
    return int(request.config.getoption("--scoria-seed"))


@pytest.fixture
def scoria_deep(request: pytest.FixtureRequest) -> bool:
    """Tell whether to search longer than is practical for a suite that runs often."""
    return bool(request.config.getoption("--scoria-deep"))


@pytest.fixture
def world(
    request: pytest.FixtureRequest, scoria_store_factory: StoreFactory, tmp_path: Path
) -> Iterator[World]:
    """Everything one scenario knows, over a new store."""
    made = FACADES[request.config.getoption("--scoria-facade")]
    world = World(scoria_store_factory, tmp_path, make_facade=made)
    note_adapter(request.config, world.store)
    yield world
    world.close()


@pytest.fixture
def host_target(request: pytest.FixtureRequest) -> Target | None:
    """Return the host under test, or None if the target is a store."""
    driver = request.config.getoption("--scoria-host")
    target = Target(request.config.getoption("--scoria-target") or "", driver)
    if not target.is_host:
        return None
    if driver is None:
        raise Unmet("no way to talk to the host: pass --scoria-host")
    return target


@pytest.fixture
def host(request: pytest.FixtureRequest, host_target: Target | None) -> Iterator[Host]:
    """Return the host under test, or the guide's host in this process over the store under test."""
    if host_target is None:
        world: World = request.getfixturevalue("world")
        yield InProcessHost(world.scoria, request.getfixturevalue("scoria_page"))
        return
    with host_target.served() as base_url:
        yield _observed(host_target, base_url, request.config)


@pytest.fixture
def relayed_host(
    request: pytest.FixtureRequest, host_target: Target | None
) -> Iterator[RelayedHost]:
    """Return the host under test behind a relay, where one is served."""
    if host_target is None:
        raise Unmet("the host in this process is not spoken to in requests")
    with host_target.served() as base_url, relayed(base_url) as relay:
        yield RelayedHost(relay, _observed(host_target, relay.url, request.config))


def _observed(target: Target, base_url: str, config: pytest.Config) -> Host:
    config.stash[LEDGER] = ledger = Ledger()
    return ObservedHost(target.connect(base_url), ledger)
