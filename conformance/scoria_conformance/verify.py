"""One verification, in a process of its own: what crashes it cannot pass for a green one."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType

from scoria_conformance.target import Target
from scoria_conformance.verdict import Check, Status, Verdict

TIMEOUT = 1_800
"""How many seconds a suite may take; an adapter that hangs has not been verified."""

SUITES: Mapping[str, str] = MappingProxyType(
    {"adoption": "adoption", "runtime-to-handoff": "runtime_to_handoff", "store": "store"}
)
"""The suites by name, and the tag that each one runs."""


def verify(
    target: str, *, suite: str | None = None, page: str | None = None, host: str | None = None
) -> Verdict:
    """Run the suite against `target` and return what was found.

    `suite` is a name in `SUITES`, or None for all. `page` and `host` name, as `module:name`, what
    makes the evidence page of a facade and what connects to a running host. Raises
    `StoreUnavailable` where there is nothing at `target` to run the suite against.
    """
    Target(target).check()
    with tempfile.TemporaryDirectory(prefix="scoria-verify-") as directory:
        report = Path(directory) / "checks.json"
        command = [*_pytest(), *_selected(target, suite), *_told(target, page, host)]
        command += [f"--scoria-report={report}", f"--basetemp={directory}/stores"]
        try:
            ran = _run(command)
        except subprocess.TimeoutExpired:
            return Verdict(target, (), f"the suite did not end within {TIMEOUT} seconds")
        return _verdict(target, report, ran)


def _run(command: list[str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # noqa: S603 - no shell, and the arguments are made here
        command, capture_output=True, text=True, env=_environment(), check=False, timeout=TIMEOUT
    )


def _told(target: str, page: str | None, host: str | None) -> list[str]:
    options = {"--scoria-target": target, "--scoria-page": page, "--scoria-host": host}
    return [f"{name}={value}" for name, value in options.items() if value is not None]


def _pytest() -> list[str]:
    package = files("scoria_conformance")
    return [
        *(sys.executable, "-m", "pytest", str(package / "suite.py")),
        *("-c", str(package / "pytest.ini"), "--rootdir", str(package)),
        *("-p", "pytest-bdd", "-p", "scoria_conformance.plugin", "-p", "no:cacheprovider"),
        *("--import-mode", "importlib", "--no-header", "-q"),
    ]


def _selected(target: str, suite: str | None) -> list[str]:
    tags = [SUITES[suite]] if suite else []
    tags += ["host"] if Target(target).is_host else []
    return ["-m", " and ".join(tags)] if tags else []


def _environment() -> dict[str, str]:
    """Leave out what would change the run: options and plugins of the caller's own pytest."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    path = os.pathsep.join([str(Path.cwd()), *filter(None, [kept.get("PYTHONPATH")])])
    return {**kept, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": path}


def _verdict(target: str, report: Path, ran: "subprocess.CompletedProcess[str]") -> Verdict:
    said = "\n".join([*ran.stdout.splitlines()[-5:], *ran.stderr.splitlines()[-5:]]).strip()
    try:
        found = json.loads(report.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return Verdict(target, (), f"the suite broke off (exit {ran.returncode}): {said}")
    checks = [
        Check(each["name"], Status(each["status"]), each["reason"]) for each in found["checks"]
    ]
    if ran.returncode not in (0, 1) or len(checks) != found["collected"]:
        return Verdict(target, checks, f"the suite did not run through: {said}")
    return Verdict(target, checks)
