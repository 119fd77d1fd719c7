"""One verification: this process requires the outcomes, other processes run the scenarios.

No code of the target runs in this process. Each other process runs a share of the scenarios. A
scenario has failed if it ends its process, or takes longer than it may; then a new process runs the
rest of that share.
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
from itertools import cycle
from pathlib import Path
from types import MappingProxyType

import attrs

from scoria_conformance.catalogue import TAGS, Case, catalogue, chosen, promised
from scoria_conformance.clauses import specification
from scoria_conformance.events import Transcript
from scoria_conformance.exclusions import Exclusions
from scoria_conformance.outcomes import named_by, outcome
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
"""How many seconds pass between two looks at the events of the suite."""

DUMPING = 1.0
"""How many seconds a process that hangs has to print where it is."""

INNERMOST = 6
"""How many innermost calls of each thread are reported of a process that hangs."""

MOST_SAID = 100_000
"""How many of the last bytes that a process printed are read."""

SUITES: Mapping[str, str] = MappingProxyType({tag.replace("_", "-"): tag for tag in TAGS})
"""The suites by name, and the tag that each one runs."""


@attrs.frozen
class Progress:
    """The progress of a suite: `done` of `total` checks, and the scenario that is running."""

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
    facade: str = "sync",
    jobs: int = 1,
    exclusions: Exclusions | None = None,
    tell: Tell = lambda _: None,
) -> Verdict:
    """Run the suite against `target` and return the verdict.

    `suite` is a name in `SUITES`, or None for all. `page` and `host` name, as `module:name`, the
    factory of the evidence page and the driver of a host; with `host`, a `target` that is not a URL
    is the `module:name` of a WSGI app. `seed` is the seed of the random examples; `deep` tries many
    times as many. `facade` is "sync" or "async": a store is tested through `Scoria` or
    `AsyncScoria`. `jobs` processes share the scenarios of a store; a host is tested by one process,
    since it may exist only once. `tell` is called with the progress several times a second.

    Raises `StoreUnavailable` if there is nothing at `target` to test, and `ExclusionsRefused` if
    one of `exclusions` names no scenario.
    """
    if jobs < 1:
        raise ValueError(f"jobs is {jobs}; pass 1 or more")
    if exclusions is not None:
        named = {name for case in catalogue().values() for name in (case.scenario, case.name)}
        exclusions.refuse_unknown(named)
    Target(target, host).read()
    is_host, name = Target(target, host).is_host, Target(target).name
    if facade == "async":
        name = f"{name} through AsyncScoria"
    cases = _demanded(is_host, suite)
    setting = Setting.here(specification().version, seed)
    with tempfile.TemporaryDirectory(prefix="scoria-verify-") as directory:
        told = [*_told(target, page, host, seed, facade), *(["--scoria-deep"] if deep else [])]
        run = _Run(cases, told, Path(directory), tell)
        run.all(1 if is_host else jobs)
    declared = Target(target, host).declared(run.adapter)
    checks = tuple(outcome(case, run.checks.get(case.id), declared) for case in cases)
    found = exclusions.applied(checks) if exclusions is not None else checks
    is_part = suite is not None or is_host
    owed, ended = () if is_part else promised(), setting.ended(run.adapter)
    return Verdict(name, found, run.problem, owed, ended, suite or "")


def _demanded(is_host: bool, suite: str | None) -> tuple[Case, ...]:
    tags = [SUITES[suite]] if suite else []
    return chosen(*tags, *(["host"] if is_host else []))


PYTEST = (sys.executable, "-P", "-m", "pytest")
"""Without -P, Python would look for every module in the current directory first."""


@attrs.define
class _Run:
    """The processes of one verification, and the check of each scenario."""

    cases: Sequence[Case]
    told: Sequence[str]
    directory: Path
    tell: Tell
    checks: dict[str, Check] = attrs.field(factory=dict)
    adapter: Adapter = attrs.field(factory=Adapter)
    problem: str = ""
    _running: "list[_Child]" = attrs.field(factory=list)
    _ended: int = 0
    _deadline: float = attrs.field(factory=lambda: time.monotonic() + TIMEOUT)

    def all(self, jobs: int) -> None:
        """Run every case, in `jobs` processes at once; if that is impossible, `problem` says why.

        Raises `StoreUnavailable` if there is nothing to test.
        """
        try:
            for share in _shares(self.cases, jobs):
                self._begin(share)
            while self._running and not self.problem and self._ended < MOST_ENDED:
                time.sleep(LISTENING)
                for child in [each for each in self._running if each.has_ended()]:
                    self._running.remove(child)
                    self._take(child)
                    if left := [
                        case for case in child.cases.values() if case.id not in self.checks
                    ]:
                        self._begin(left)
                self._tell()
        finally:
            for child in self._running:
                child.end()
                self._keep(child)
        if self._ended >= MOST_ENDED:
            self._leave_out()

    def _begin(self, cases: Sequence[Case]) -> None:
        place = Path(tempfile.mkdtemp(dir=self.directory))
        child = _Child.begun(place, {case.id: case for case in cases}, self.told, self._deadline)
        self._running.append(child)

    def _leave_out(self) -> None:
        reason = f"not run: {self._ended} scenarios had ended their process, or hung"
        left = [case for case in self.cases if case.id not in self.checks]
        self.checks |= {case.id: attrs.evolve(named_by(case), reason=reason) for case in left}

    def _take(self, child: "_Child") -> None:
        """Take the results of a process that has ended."""
        transcript = child.transcript
        if transcript.unavailable and not self.checks:
            raise StoreUnavailable(**transcript.unavailable)
        self._keep(child)
        if transcript.garbled:
            self.problem = "somebody else wrote to where the suite says what it does"
        elif transcript.running in child.cases and not child.is_spent:
            self.checks[transcript.running] = _broken(child)
            self._ended += 1
        elif child.why or not transcript.settled:
            self.problem = child.why or "the suite ended before it reported any scenario"

    def _keep(self, child: "_Child") -> None:
        """Keep the checks of the scenarios that a process finished, and its target under test."""
        adapter, transcript = child.transcript.adapter, child.transcript
        if self.adapter.name and adapter.name and adapter != self.adapter:
            self.problem = f"what is under test changed: {self.adapter}, then {adapter}"
        self.adapter = adapter if adapter.name else self.adapter
        self.checks |= {
            case: transcript.checks[case]
            for case in transcript.settled
            if case in transcript.checks
        }

    def _tell(self) -> None:
        transcript = [child.transcript for child in self._running]
        checks = [
            *self.checks.values(),
            *(check for each in transcript for check in each.checks.values()),
        ]
        failed = sum(check.status == Status.FAILED for check in checks)
        total = len(self.cases) if self.checks or any(each.collected for each in transcript) else 0
        running = [
            catalogue()[each.running].name for each in transcript if each.running in catalogue()
        ]
        self.tell(Progress(len(checks), total, failed, next(iter(running), "")))


def _shares(cases: Sequence[Case], jobs: int) -> list[list[Case]]:
    """Deal the cases out in shares, longest limit first, back and forth; no share is empty."""
    shares: list[list[Case]] = [[] for _ in range(min(jobs, len(cases)))]
    turns = cycle([*shares, *reversed(shares)])
    for case, share in zip(sorted(cases, key=lambda case: -case.limit), turns, strict=False):
        share.append(case)
    return shares


def _broken(child: "_Child") -> Check:
    """Return the check of the scenario that ended its process, or was ended with it."""
    case, why = child.cases[child.transcript.running], child.why
    check = child.transcript.checks.get(case.id) or named_by(case)
    expected = "the scenario finishes"
    return attrs.evolve(check, status=Status.FAILED, reason=why, expected=expected, seen=why)


@attrs.define(eq=False)
class _Child:
    """A process that runs cases; `transcript` has its events so far.

    Once it has ended, `why` is the problem with its end, if any. `is_spent` means that the time of
    the whole suite is over, which is not the fault of a scenario.
    """

    directory: Path
    cases: Mapping[str, Case]
    deadline: float
    process: "subprocess.Popen[bytes]"
    transcript: Transcript = attrs.field(factory=Transcript)
    why: str = ""
    is_spent: bool = False
    _place: str = ""
    _since: float = attrs.field(factory=time.monotonic)

    @classmethod
    def begun(
        cls, directory: Path, cases: Mapping[str, Case], told: Sequence[str], deadline: float
    ) -> "_Child":
        """Start a process that runs these cases, and keeps what it needs in `directory`."""
        only = directory / "only"
        only.write_text(json.dumps([*cases]), encoding="utf-8")
        command = [
            *(*PYTEST, *pytest_arguments(), "--no-header", "-q", *told),
            *(f"--scoria-events={directory}/events", f"--scoria-only={only}"),
            f"--basetemp={directory}/stores",
        ]
        # Keep the files of hypothesis with the stores, and out of the caller's directory.
        kept = {"HYPOTHESIS_STORAGE_DIRECTORY": f"{directory}/hypothesis"}
        with (directory / "said").open("wb") as output:
            # A session of its own, so that all of its child processes can be killed with it.
            process = subprocess.Popen(  # noqa: S603 - no shell, and the arguments are made here
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**environment(), **kept},
                start_new_session=True,
            )
        return cls(directory, cases, deadline, process)

    def has_ended(self) -> bool:
        """Read its events, and end it if it takes too long; tell whether it has ended."""
        ended = self.process.poll() is not None
        self.transcript.listen(self.directory / "events")
        late = "" if ended else self._late()
        if not ended and not late:
            return False
        if late:
            _dump(self.process)
        self.end()
        self.why = self._why(late)
        return True

    def end(self) -> None:
        """Kill the process and all that it started."""
        with suppress(ProcessLookupError, PermissionError):
            if hasattr(os, "killpg"):
                os.killpg(self.process.pid, signal.SIGKILL)
            else:
                self.process.kill()
        self.process.wait()

    def _late(self) -> str:
        """Return what took too long, or ""."""
        now = time.monotonic()
        if (place := f"{self.transcript.running} {len(self.transcript.settled)}") != self._place:
            self._place, self._since = place, now
        seconds = now - self._since
        if now > self.deadline:
            self.is_spent = True
            return f"the suite did not end within {TIMEOUT} seconds"
        case = self.cases.get(self.transcript.running)
        if case is not None:
            late = seconds > case.limit
            return f"it did not end within {case.limit:.0f} seconds" if late else ""
        if seconds <= STARTING:
            return ""
        if self.transcript.ended:
            return f"its process did not end within {STARTING} seconds of the last scenario"
        return f"no scenario began within {STARTING} seconds"

    def _why(self, late: str) -> str:
        transcript, lines = self.transcript, _lines(self.directory / "said")
        code = self.process.returncode
        if late:
            return "\n".join([late, *_where(lines)])
        ended = "\n".join([_code(code), *lines[-15:]]).strip()
        if transcript.running:
            return f"its process ended ({ended}"
        if not transcript.collected:
            return f"the suite ran no check ({ended}"
        for case in self.cases.values():
            if transcript.collected.get(case.id) != case.digest:
                return f"the suite has not {case.id!r} as it ships: install scoria-kit anew"
        if code not in (0, 1) or not transcript.ended:
            return f"the suite broke off ({ended}"
        left = len(self.cases.keys() - ({*transcript.settled} & transcript.checks.keys()))
        return f"{left} of {len(self.cases)} collected checks were not reported" if left else ""


def _code(code: int) -> str:
    """Return how a process ended, in words, with the closing bracket."""
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
    """Yield the innermost calls of each thread, from the output of `_dump`."""
    shown = 0
    for line in lines:
        if "(most recent call first)" in line:
            shown = INNERMOST
            yield line
        elif line.startswith("  File ") and shown:
            shown -= 1
            yield line


def _dump(process: "subprocess.Popen[bytes]") -> None:
    """Let a process that hangs print its stack if it can: faulthandler does so at SIGABRT."""
    if not hasattr(os, "killpg"):
        return
    with suppress(OSError, subprocess.TimeoutExpired):
        process.send_signal(signal.SIGABRT)
        process.wait(DUMPING)


def _told(target: str, page: str | None, host: str | None, seed: int, facade: str) -> list[str]:
    options = {
        "--scoria-target": target,
        "--scoria-page": page,
        "--scoria-host": host,
        "--scoria-seed": str(seed),
        "--scoria-facade": facade,
    }
    return [f"{name}={value}" for name, value in options.items() if value is not None]


def pytest_arguments() -> list[str]:
    """Return arguments that make pytest run the suite, whatever is configured where it runs."""
    package = files("scoria_conformance")
    return [
        str(package / "suite.py"),
        *("-c", str(package / "pytest.ini"), "--rootdir", str(package)),
        *("-p", "pytest-bdd", "-p", "scoria_conformance.plugin", "-p", "no:cacheprovider"),
        *("--import-mode", "importlib"),
    ]


CHANGING = ("PYTHONOPTIMIZE", "PYTHONWARNINGS", "PYTHONINSPECT")
"""Variables of Python that would change what a scenario finds, or keep it from ending."""


def environment() -> dict[str, str]:
    """Return the environment without what would change the run, such as pytest options."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("PYTEST_") and name not in CHANGING
    }
    return {**kept, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
