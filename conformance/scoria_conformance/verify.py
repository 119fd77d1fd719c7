"""One verification, in a process of its own: what crashes it cannot pass for a green one."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType

import attrs

from scoria_conformance.clauses import specification
from scoria_conformance.events import Heard
from scoria_conformance.exclusions import Exclusions
from scoria_conformance.setting import SEED, Setting
from scoria_conformance.target import Target
from scoria_conformance.verdict import Verdict

TIMEOUT = 1_800
"""How many seconds a suite may take; an adapter that hangs has not been verified."""

LISTENING = 0.1
"""How many seconds pass between two looks at what the suite says."""

SUITES: Mapping[str, str] = MappingProxyType(
    {
        "adoption": "adoption",
        "runtime-to-handoff": "runtime_to_handoff",
        "lifecycles": "lifecycles",
        "store": "store",
        "page": "page",
        "host": "host",
    }
)
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
    Target(target, host).check()
    setting = Setting.here(specification().version, seed)
    with tempfile.TemporaryDirectory(prefix="scoria-verify-") as directory:
        child = _Child(Path(directory), exclusions, tell)
        told = [*_selected(Target(target, host), suite), *_told(target, page, host, seed)]
        told += ["--scoria-deep"] if deep else []
        child.run([*PYTEST, *pytest_arguments(), "--no-header", "-q", *told])
    checks = tuple(child.heard.checks.values())
    found = exclusions.applied(checks) if exclusions is not None else checks
    promised = _promised() if not _is_part(Target(target, host), suite) else ()
    ended = setting.ended(child.heard.adapter)
    return Verdict(Target(target).name, found, child.problem, promised, ended)


PYTEST = (sys.executable, "-P", "-m", "pytest")
"""Without -P, Python would look for every module first where the user stands."""


@attrs.define
class _Child:
    """The process that runs the suite: what it says is heard while it runs."""

    directory: Path
    exclusions: Exclusions | None
    tell: Tell
    heard: Heard = attrs.field(factory=Heard)
    problem: str = ""

    def run(self, command: list[str]) -> None:
        """Run it to its end; where it does not come to one, `problem` says so."""
        events, said = self.directory / "events", self.directory / "said"
        command = [*command, f"--scoria-events={events}", f"--basetemp={self.directory}/stores"]
        # What hypothesis keeps belongs with the stores, and not where the caller is.
        kept = {"HYPOTHESIS_STORAGE_DIRECTORY": f"{self.directory}/hypothesis"}
        told = {**environment(), **kept}
        with said.open("wb") as output:
            # A session of its own, so that no process which it began is left behind.
            process = subprocess.Popen(  # noqa: S603 - no shell, and the arguments are made here
                command, stdout=output, stderr=output, env=told, start_new_session=True
            )
        try:
            ended = self._follow(process, events)
        finally:
            _end(process)
        self.problem = self._problem(process, said) if ended else self._timed_out()

    def _follow(self, process: "subprocess.Popen[bytes]", events: Path) -> bool:
        """Listen until the process ends; tell whether it did within its time."""
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            running = process.poll() is None
            self.heard.listen(events)
            if self.heard.names and self.exclusions is not None:
                self.exclusions.refuse_unknown(self.heard.names)
            self.tell(self._progress())
            if not running:
                return True
            with suppress(subprocess.TimeoutExpired):
                process.wait(LISTENING)
        return False

    def _progress(self) -> Progress:
        heard = self.heard
        return Progress(len(heard.checks), len(heard.collected), heard.failed, heard.running)

    def _timed_out(self) -> str:
        return f"the suite did not end within {TIMEOUT} seconds{self._place()}"

    def _problem(self, process: "subprocess.Popen[bytes]", said: Path) -> str:
        lines = said.read_text("utf-8", "replace").splitlines()
        last, code = "\n".join(lines[-10:]).strip(), process.returncode
        if not self.heard.collected:
            return f"the suite ran no check (exit {code}): {last}"
        if code not in (0, 1):
            return f"the suite broke off{self._place()} (exit {code}): {last}"
        missing, all_ = len(self.heard.missing), len(self.heard.collected)
        return f"{missing} of {all_} collected checks were not reported" if missing else ""

    def _place(self) -> str:
        return f" in {self.heard.running!r}" if self.heard.running else ""


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End a process and all that it began."""
    with suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()


def _is_part(target: Target, suite: str | None) -> bool:
    return suite is not None or target.is_host


def _promised() -> tuple[str, ...]:
    """Return the clauses that a run of all suites must put to the test."""
    clauses = specification().clauses
    return tuple(clause.id for clause in clauses if clause.untestable is None)


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


def _selected(target: Target, suite: str | None) -> list[str]:
    tags = [SUITES[suite]] if suite else []
    tags += ["host"] if target.is_host else []
    return ["-m", " and ".join(tags)] if tags else []


def environment() -> dict[str, str]:
    """Leave out what would change the run: options and plugins of the caller's own pytest."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return {**kept, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
