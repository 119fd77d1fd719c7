"""One verification: this process demands the outcomes, others run the scenarios.

Nothing of what is under test is run here. A process that ends in a scenario, or is in one for
longer than that may take, has failed it; another goes on with those that are left.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType

import attrs

from scoria_conformance.catalogue import TAGS, Case, catalogue, chosen, promised
from scoria_conformance.clauses import specification
from scoria_conformance.demanding import named_by, outcome
from scoria_conformance.events import Heard
from scoria_conformance.exclusions import Exclusions
from scoria_conformance.setting import SEED, Adapter, Setting
from scoria_conformance.target import Target
from scoria_conformance.verdict import Check, Status, Verdict
from scoria_core.errors import StoreUnavailable

TIMEOUT = 1_800
"""How many seconds a suite may take; an adapter that hangs has not been verified."""

STARTING = 60
"""How many seconds a process may take to its first scenario, and from its last to its end."""

MOST_ENDED = 10
"""How many scenarios may end their process, or hang, before the rest is left out."""

LISTENING = 0.1
"""How many seconds pass between two looks at what the suite says."""

DUMPING = 1.0
"""How many seconds a process that hangs is given to say where."""

INNERMOST = 6
"""How many calls of each thread of a process that hangs are told."""

MOST_SAID = 100_000
"""How many characters of what a process printed are looked at."""

SUITES: Mapping[str, str] = MappingProxyType({tag.replace("_", "-"): tag for tag in TAGS})
"""The suites by name, and the tag that each one runs."""


@attrs.frozen
class Progress:
    """How far a suite is: `done` of `total` checks, and the scenario that it is in."""

    done: int
    total: int
    failed: int
    running: str


Tell = Callable[[Progress], None]


def verify(
    target: str,
    *,
    suite: str | None = None,
    page: str | None = None,
    host: str | None = None,
    seed: int = SEED,
    deep: bool = False,
    exclusions: Exclusions | None = None,
    tell: Tell = lambda _: None,
) -> Verdict:
    """Run the suite against `target` and return what was found.

    `suite` is a name in `SUITES`, or None for all. `page` and `host` name, as `module:name`, what
    makes the evidence page of a facade and what drives a host; with `host`, a `target` that is no
    URL is the `module:name` of a WSGI app. `seed` is what random examples are drawn from; with
    `deep` many times as many are tried. `tell` hears how far it is, several times a second. Raises
    `StoreUnavailable` where there is nothing at `target` to run the suite against, and
    `ExclusionsRefused` where one of `exclusions` names no scenario.
    """
    if exclusions is not None:
        named = {name for case in catalogue().values() for name in (case.scenario, case.name)}
        exclusions.refuse_unknown(named)
    Target(target, host).read()
    is_host, name = Target(target, host).is_host, Target(target).name
    cases = _demanded(is_host, suite)
    setting = Setting.here(specification().version, seed)
    with tempfile.TemporaryDirectory(prefix="scoria-verify-") as directory:
        told = [*_told(target, page, host, seed), *(["--scoria-deep"] if deep else [])]
        run = _Run(cases, told, Path(directory), tell)
        run.all()
    checks = tuple(outcome(case, run.checks.get(case.id), run.adapter) for case in cases)
    found = exclusions.applied(checks) if exclusions is not None else checks
    is_part = suite is not None or is_host
    owed, ended = () if is_part else promised(), setting.ended(run.adapter)
    return Verdict(name, found, run.problem, owed, ended, suite or "")


def _demanded(is_host: bool, suite: str | None) -> tuple[Case, ...]:
    tags = [SUITES[suite]] if suite else []
    return chosen(*tags, *(["host"] if is_host else []))


PYTEST = (sys.executable, "-P", "-m", "pytest")
"""Without -P, Python would look for every module first where the user stands."""


@attrs.define
class _Run:
    """The processes of one verification, one after the other, and what became of each scenario."""

    cases: Sequence[Case]
    told: Sequence[str]
    directory: Path
    tell: Tell
    checks: dict[str, Check] = attrs.field(factory=dict)
    adapter: Adapter = attrs.field(factory=Adapter)
    problem: str = ""
    _ended: int = 0
    _deadline: float = attrs.field(factory=lambda: time.monotonic() + TIMEOUT)

    def all(self) -> None:
        """Run every case; where that cannot be done, `problem` says why.

        Raises `StoreUnavailable` where there is nothing to run them against.
        """
        while not self.problem and (left := [c for c in self.cases if c.id not in self.checks]):
            if self._ended >= MOST_ENDED:
                self._leave_out(left)
                return
            self._some(left)

    def _leave_out(self, left: Sequence[Case]) -> None:
        reason = f"not run: {self._ended} scenarios had ended their process, or hung"
        self.checks |= {case.id: attrs.evolve(named_by(case), reason=reason) for case in left}

    def _some(self, left: Sequence[Case]) -> None:
        """Run as many as one process gets through."""
        place = Path(tempfile.mkdtemp(dir=self.directory))
        child = _Child(place, {case.id: case for case in left}, self._deadline, self._progress)
        why = child.run(self.told)
        heard = child.heard
        if heard.unavailable and not self.checks:
            raise StoreUnavailable(**heard.unavailable)
        self._note_adapter(heard.adapter)
        self.checks |= {case: heard.checks[case] for case in heard.settled if case in heard.checks}
        if heard.garbled:
            self.problem = "somebody else wrote to where the suite says what it does"
        elif heard.running in child.cases and not child.is_spent:
            self.checks[heard.running] = _broken(child, why)
            self._ended += 1
        elif why or not heard.settled:
            self.problem = why or "the suite ended without a word on any scenario"

    def _note_adapter(self, adapter: Adapter) -> None:
        if self.adapter.name and adapter.name and adapter != self.adapter:
            self.problem = f"what is under test changed: {self.adapter}, then {adapter}"
        self.adapter = adapter if adapter.name else self.adapter

    def _progress(self, heard: Heard) -> None:
        checks = [*self.checks.values(), *(heard.checks[each] for each in heard.checks)]
        failed = sum(check.status == Status.FAILED for check in checks)
        total = len(self.cases) if heard.collected or self.checks else 0
        running = catalogue()[heard.running].name if heard.running in catalogue() else ""
        self.tell(Progress(len(checks), total, failed, running))


def _broken(child: "_Child", why: str) -> Check:
    """Return the check of the scenario in which a process ended, or had to be ended."""
    check = child.heard.checks.get(child.heard.running) or named_by(
        child.cases[child.heard.running]
    )
    expected = "the scenario comes to its end"
    return attrs.evolve(check, status=Status.FAILED, reason=why, expected=expected, seen=why)


@attrs.define
class _Child:
    """A process that runs cases: what it says is heard while it runs.

    `is_spent` says that the time of the whole suite is over, which is no scenario's fault.
    """

    directory: Path
    cases: Mapping[str, Case]
    deadline: float
    tell: Callable[[Heard], None]
    heard: Heard = attrs.field(factory=Heard)
    is_spent: bool = False

    def run(self, told: Sequence[str]) -> str:
        """Run it to its end; return why it did not come to a good one, or nothing."""
        events, said, only = (self.directory / name for name in ("events", "said", "only"))
        only.write_text(json.dumps([*self.cases]), encoding="utf-8")
        command = [
            *(*PYTEST, *pytest_arguments(), "--no-header", "-q", *told),
            *(f"--scoria-events={events}", f"--scoria-only={only}"),
            f"--basetemp={self.directory}/stores",
        ]
        # What hypothesis keeps belongs with the stores, and not where the caller is.
        kept = {"HYPOTHESIS_STORAGE_DIRECTORY": f"{self.directory}/hypothesis"}
        with said.open("wb") as output:
            # A session of its own, so that no process which it began is left behind.
            process = subprocess.Popen(  # noqa: S603 - no shell, and the arguments are made here
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**environment(), **kept},
                start_new_session=True,
            )
        try:
            late = self._follow(process, events)
            if late:
                _dump(process)
        finally:
            _end(process)
        return self._why(process.returncode, late, said)

    def _follow(self, process: "subprocess.Popen[bytes]", events: Path) -> str:
        """Listen until the process ends; return what took too long where it has to be ended."""
        place, since = "", time.monotonic()
        while True:
            running = process.poll() is None
            self.heard.listen(events)
            self.tell(self.heard)
            if not running:
                return ""
            now = time.monotonic()
            if (here := f"{self.heard.running} {len(self.heard.settled)}") != place:
                place, since = here, now
            if late := self._late(now, now - since):
                return late
            with suppress(subprocess.TimeoutExpired):
                process.wait(LISTENING)

    def _late(self, now: float, seconds: float) -> str:
        """Return what has taken too long, if anything has."""
        if now > self.deadline:
            self.is_spent = True
            return f"the suite did not end within {TIMEOUT} seconds"
        case = self.cases.get(self.heard.running)
        if case is not None:
            late = seconds > case.limit
            return f"it did not end within {case.limit:.0f} seconds" if late else ""
        if seconds <= STARTING:
            return ""
        if self.heard.ended:
            return f"its process did not end within {STARTING} seconds of the last scenario"
        return f"no scenario began within {STARTING} seconds"

    def _why(self, code: int, late: str, said: Path) -> str:
        heard, lines = self.heard, _lines(said)
        if late:
            return "\n".join([late, *_where(lines)])
        ended = "\n".join([_code(code), *lines[-15:]]).strip()
        if heard.running:
            return f"its process ended ({ended}"
        if not heard.collected:
            return f"the suite ran no check ({ended}"
        for case in self.cases.values():
            if heard.collected.get(case.id) != case.digest:
                return f"the suite has not {case.id!r} as it ships: install scoria-kit anew"
        if code not in (0, 1) or not heard.ended:
            return f"the suite broke off ({ended}"
        left = len(self.cases.keys() - ({*heard.settled} & heard.checks.keys()))
        return f"{left} of {len(self.cases)} collected checks were not reported" if left else ""


def _code(code: int) -> str:
    """Return how a process ended, in words, with a bracket that closes."""
    if code >= 0:
        return f"exit {code})"
    with suppress(ValueError):
        return f"{signal.Signals(-code).name})"
    return f"signal {-code})"


def _lines(said: Path) -> list[str]:
    """Return the last lines that a process printed."""
    try:
        with said.open("rb") as file:
            file.seek(max(file.seek(0, os.SEEK_END) - MOST_SAID, 0))
            return file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return []


def _where(lines: Sequence[str]) -> Iterator[str]:
    """Yield the calls that each thread was in, by what `_dump` had printed, the last first."""
    shown = 0
    for line in lines:
        if "(most recent call first)" in line:
            shown = INNERMOST
            yield line
        elif line.startswith("  File ") and shown:
            shown -= 1
            yield line


def _dump(process: "subprocess.Popen[bytes]") -> None:
    """Have a process that hangs say where it is, if it still can: at SIGABRT pytest's does."""
    if not hasattr(os, "killpg"):
        return
    with suppress(OSError, subprocess.TimeoutExpired):
        process.send_signal(signal.SIGABRT)
        process.wait(DUMPING)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End a process and all that it began."""
    with suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()


def _told(target: str, page: str | None, host: str | None, seed: int) -> list[str]:
    options = {
        "--scoria-target": target,
        "--scoria-page": page,
        "--scoria-host": host,
        "--scoria-seed": str(seed),
    }
    return [f"{name}={value}" for name, value in options.items() if value is not None]


def pytest_arguments() -> list[str]:
    """Return what makes pytest run the suite, whatever else is configured where it is run."""
    package = files("scoria_conformance")
    return [
        str(package / "suite.py"),
        *("-c", str(package / "pytest.ini"), "--rootdir", str(package)),
        *("-p", "pytest-bdd", "-p", "scoria_conformance.plugin", "-p", "no:cacheprovider"),
        *("--import-mode", "importlib"),
    ]


CHANGING = ("PYTHONOPTIMIZE", "PYTHONWARNINGS", "PYTHONINSPECT")
"""What of Python's own environment would change what a scenario finds, or keep it from ending."""


def environment() -> dict[str, str]:
    """Leave out what would change the run: options and plugins of the caller's own pytest."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("PYTEST_") and name not in CHANGING
    }
    return {**kept, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
