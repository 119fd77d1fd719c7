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
from scoria_conformance.verdict import Check, Verdict
from scoria_core.conversion import converter

TIMEOUT = 1_800
"""How many seconds a suite may take; an adapter that hangs has not been verified."""

SUITES: Mapping[str, str] = MappingProxyType(
    {
        "adoption": "adoption",
        "runtime-to-handoff": "runtime_to_handoff",
        "lifecycles": "lifecycles",
        "store": "store",
        "page": "page",
    }
)
"""The suites by name, and the tag that each one runs."""


def verify(
    target: str,
    *,
    suite: str | None = None,
    page: str | None = None,
    host: str | None = None,
    spec: str | None = None,
) -> Verdict:
    """Run the suite against `target` and return what was found.

    `suite` is a name in `SUITES`, or None for all. `page` and `host` name, as `module:name`, what
    makes the evidence page of a facade and what connects to a running host. `spec` is a version of
    the specification: clauses that it did not have yet are not applicable. Raises
    `StoreUnavailable` where there is nothing at `target` to run the suite against.
    """
    Target(target).check()
    with tempfile.TemporaryDirectory(prefix="scoria-verify-") as directory:
        report = Path(directory) / "checks.json"
        command = [sys.executable, "-m", "pytest", *pytest_arguments(), "--no-header", "-q"]
        command += [*_selected(target, suite), *_told(target, page, host, spec)]
        command += [f"--scoria-report={report}", f"--basetemp={directory}/stores"]
        try:
            ran = _run(command)
        except subprocess.TimeoutExpired:
            return Verdict(target, (), f"the suite did not end within {TIMEOUT} seconds")
        return _verdict(target, report, ran)


def _run(command: list[str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(  # noqa: S603 - no shell, and the arguments are made here
        command, capture_output=True, text=True, env=environment(), check=False, timeout=TIMEOUT
    )


def _told(target: str, page: str | None, host: str | None, spec: str | None) -> list[str]:
    options = {
        "--scoria-target": target,
        "--scoria-page": page,
        "--scoria-host": host,
        "--scoria-spec": spec,
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


def _selected(target: str, suite: str | None) -> list[str]:
    tags = [SUITES[suite]] if suite else []
    tags += ["host"] if Target(target).is_host else []
    return ["-m", " and ".join(tags)] if tags else []


def environment() -> dict[str, str]:
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
    checks = converter.structure(found["checks"], tuple[Check, ...])
    if ran.returncode not in (0, 1) or len(checks) != found["collected"]:
        return Verdict(target, checks, f"the suite did not run through: {said}")
    return Verdict(target, checks)
