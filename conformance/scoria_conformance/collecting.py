"""Collects the checks of a session, and reports on them at its end.

With pytest-xdist the workers make the checks, and the process that started them collects.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest

from scoria_conformance.catalogue import catalogue, promised
from scoria_conformance.events import Events
from scoria_conformance.observed import Ledger, Observed, PortBroken
from scoria_conformance.outcomes import is_whole, outcome, part, suite_of
from scoria_conformance.report import Folder, FolderInUse
from scoria_conformance.setting import Adapter, Setting
from scoria_conformance.target import Target
from scoria_conformance.verdict import Check, Status, Verdict
from scoria_core.conversion import converter

CHECKS = pytest.StashKey[dict[str, Check]]()
"""Where the configuration keeps the check of each scenario, by its node id."""

ADAPTER = pytest.StashKey[Adapter]()
"""Where the configuration keeps the target under test, once a scenario has opened it."""

LEDGER = pytest.StashKey[Ledger | None]()
"""Where the configuration keeps the calls of the scenario that runs."""

COLLECTOR = pytest.StashKey["Collector"]()
"""Where the configuration keeps the plugin that collects the checks."""

COMPLETE = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED)
"""The exit codes of a session that was not interrupted."""


@attrs.define(eq=False)
class Collector:
    """A plugin that collects the checks of one session.

    `collected` are the tests that must report, each with the id of its scenario, or "" if it is not
    a scenario of the suite.
    """

    config: pytest.Config
    setting: Setting
    collected: dict[str, str] = attrs.field(factory=dict)
    problem: str = ""
    adapter: Adapter = attrs.field(factory=Adapter)
    adapters: dict[str, Adapter] = attrs.field(factory=dict)
    _events: Events | None = attrs.field(init=False)
    _folder: Folder | None = None

    @_events.default
    def _listening(self) -> Events | None:
        path = self.config.getoption("--scoria-events")
        return Events(Path(path)) if path else None

    def say(self, event: str, data: object) -> None:
        """Send an event to the process that started the suite, if there is one."""
        if self._events is not None:
            self._events.say(event, data)

    def collect(self, nodes: Mapping[str, str]) -> None:
        """Add tests that must report."""
        self.collected.update(nodes)

    def pytest_sessionstart(self) -> None:
        """Lock the folder of the report, and remove the report of an earlier session."""
        directory = self.config.getoption("--scoria-report-dir")
        # A worker of pytest-xdist leaves the report to the process that started it.
        if directory and not hasattr(self.config, "workerinput"):
            try:
                self._folder = Folder.taken(Path(directory))
            except FolderInUse as error:
                raise pytest.UsageError(str(error)) from error

    def pytest_unconfigure(self) -> None:
        """Unlock the folder."""
        if self._folder is not None:
            self._folder.leave()

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        """Add the tests that a worker had to report."""
        self.collected.update(getattr(node, "workeroutput", {}).get(_COLLECTED, ()))
        if error:
            self.problem = "a worker of pytest-xdist broke off"

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the check of a report; a failure in a later phase replaces a pass."""
        checks = self.config.stash[CHECKS]
        if report.when == "setup":
            checks.pop(report.nodeid, None)
        carried = vars(report)
        if "scoria_check" not in carried:
            return
        check = converter.loads(carried["scoria_check"], Check)
        before = checks.get(report.nodeid)
        if before is None or check.status.badness > before.status.badness:
            checks[report.nodeid] = check
            self.say("checked", {check.id: converter.unstructure(check)})
        self._note_adapter(report.nodeid, converter.loads(carried["scoria_adapter"], Adapter))

    def _note_adapter(self, node: str, adapter: Adapter) -> None:
        if adapter.name:
            self.adapters[node] = adapter
        if adapter.name and adapter != self.adapter:
            if self.adapter.name == adapter.name:
                self.problem = f"what is under test changed: {self.adapter}, then {adapter}"
            self.adapter = adapter
            self.say("adapter", converter.unstructure(adapter))

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Write the report, or pass on which tests a worker had to report.

        If pytest saw no failure, the exit code is that of the report, unless only a part of the
        suite ran: to pytest, a session of skips is a success.
        """
        if hasattr(self.config, "workeroutput"):
            self.config.workeroutput[_COLLECTED] = self.collected
        elif self._folder is not None:
            verdict = self._verdict(exitstatus)
            self._folder.write(verdict)
            partial = verdict.status == Status.PARTIAL
            session.exitstatus = exitstatus or (0 if partial else verdict.exit_code)
        self.say("ended", int(exitstatus))

    def pytest_terminal_summary(
        self, terminalreporter: pytest.TerminalReporter, exitstatus: int
    ) -> None:
        """Print the verdict, and where the report is."""
        if self._folder is not None:
            verdict = self._verdict(exitstatus)
            said = f"scoria: {verdict.headline}; the report is in {self._folder.path}"
            terminalreporter.write_line(said)

    def _verdict(self, exitstatus: int) -> Verdict:
        checks = self.config.stash[CHECKS]
        told = self.config.getoption("--scoria-target") or ""
        target = Target(told, self.config.getoption("--scoria-host"))
        ours = {*self.collected.values()} - {""}
        found = [
            outcome(
                catalogue()[case],
                checks.get(node),
                target.declared(self.adapters.get(node, Adapter())),
            )
            for node, case in sorted(self.collected.items())
            if case
        ]
        theirs = [
            check
            for node, check in sorted(checks.items())
            if self.collected.get(node, "not collected") == ""
        ]
        return Verdict(
            target.name if told else self.adapter.name or "not named",
            (*found, *theirs),
            self._broke_off(exitstatus),
            promised() if is_whole(ours) else (),
            self.setting.ended(self.adapter),
            suite=" and ".join(suite_of(ours)),
            part=part(ours),
        )

    def _broke_off(self, exitstatus: int) -> str:
        missing = self.collected.keys() - self.config.stash[CHECKS].keys()
        if missing:
            return f"{len(missing)} of {len(self.collected)} collected checks were not reported"
        return self.problem or ("" if exitstatus in COMPLETE else "the session was interrupted")


_COLLECTED = "scoria_collected"


def put(report: pytest.TestReport, check: Check, config: pytest.Config) -> None:
    """Attach a check, and what is under test, to its report, for the process that collects them."""
    carried = {"scoria_check": check, "scoria_adapter": config.stash[ADAPTER]}
    # As text: pytest-xdist transfers only plain values.
    vars(report).update({name: converter.dumps(value) for name, value in carried.items()})


def note_adapter(config: pytest.Config, store: Observed) -> None:
    """Remember the class of the store under test, and the capabilities it declares."""
    config.stash[LEDGER] = store.ledger
    kind = type(store.store)
    declared = tuple(sorted(str(each) for each in store.capabilities))
    found, before = (
        Adapter(f"{kind.__module__}.{kind.__qualname__}", declared),
        config.stash[ADAPTER],
    )
    config.stash[ADAPTER] = found
    if before.name == found.name and before.capabilities != declared:
        raise PortBroken(f"the store declared {before.capabilities} before, and now {declared}")
