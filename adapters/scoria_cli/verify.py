"""`scoria verify`: the suite against a store or a host."""

import os
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from datetime import date
from importlib.util import find_spec
from pathlib import Path

import attrs
import click
from rich.console import Console

from scoria_cli.console import INDENT, console, err_line, err_status, line, out_json
from scoria_cli.moves import missing
from scoria_cli.options import Whole, json_option
from scoria_conformance import (
    SEED,
    SUITES,
    Check,
    Exclusions,
    ExclusionsRefused,
    Progress,
    Status,
    Verdict,
)
from scoria_conformance import verify as run_suite
from scoria_conformance.explaining import alike, causes, first
from scoria_conformance.facades import FACADES
from scoria_conformance.printable import printable
from scoria_conformance.report import document, taken

RUN_BY = ("pytest", "pytest_bdd", "hypothesis")
"""The libraries that run the suite and read its scenarios."""

PAGE = "scoria_cli.page:page"
DEMO_HOST = "scoria_demo.client:connect"

EVERY = 10
"""How many seconds pass between two lines of progress if stderr is no terminal."""

MAX_SEED = 2**63 - 1

MAX_JOBS = 64


def _jobs() -> int:
    """Return the number of processors, at most 4: more would wait for the slowest scenario."""
    return min(os.cpu_count() or 1, 4)


_STYLES = {
    Status.PASSED: "green",
    Status.FAILED: "bold red",
    Status.NOT_APPLICABLE: "dim",
    Status.EXCLUDED: "dim",
    Status.PARTIAL: "dim",
    Status.COULD_NOT_RUN: "yellow",
    Status.HARNESS_ERROR: "bold yellow",
}


@click.command()
@click.argument("target")
@click.option("--suite", type=click.Choice(sorted(SUITES)), help="One of them; all by default.")
@click.option(
    "--host",
    "driver",
    metavar="MODULE:NAME",
    help="What drives the host at a base URL: TARGET is a host. For a URL, the demo's by default.",
)
@click.option(
    "--exclude",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="TOML file of scenarios that are known not to pass: [[exclude]] scenario, reason, until.",
)
@click.option(
    "--report",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Directory to write report.html, report.json, junit.xml, summary.md and badge.svg to.",
)
@click.option(
    "--seed",
    type=Whole(0, MAX_SEED),
    default=SEED,
    show_default=True,
    help="What random examples come from.",
)
@click.option("--deep", is_flag=True, help="Try far more random examples; takes many minutes.")
@click.option(
    "--jobs",
    type=Whole(1, MAX_JOBS),
    default=_jobs,
    show_default="the processors, at most 4",
    help="Processes that share the scenarios of a store.",
)
@click.option(
    "--facade",
    type=click.Choice(sorted(FACADES)),
    default="sync",
    show_default=True,
    help="Put a store through Scoria, or through AsyncScoria.",
)
@json_option
def verify(
    target: str,
    suite: str | None,
    driver: str | None,
    exclude: Path | None,
    directory: Path | None,
    seed: int,
    deep: bool,
    jobs: int,
    facade: str,
    as_json: bool,
) -> int:
    """Put TARGET through the guide's checks.

    TARGET is a store URL, a module:factory that is called with an empty directory and returns a
    RunStore, or the http(s):// URL of a running host. With --host, a module:name is a WSGI app,
    which is served for the time. A store is put through its paces in a throw-away directory: the
    file that a URL names is never touched.

    With --json the document of report.json is printed. Exit codes: 0 all that ran passed, 1
    something failed, 2 it could not be told.
    """
    for library in RUN_BY:
        if find_spec(library) is None:
            raise click.UsageError(missing(library, "verify"))
    watch = Watch()
    with taken(directory) if directory is not None else nullcontext() as folder:
        try:
            exclusions = None if exclude is None else Exclusions.read(exclude, date.today())
            verdict = run_suite(
                target,
                suite=suite,
                page=PAGE,
                host=_driver(target, driver),
                seed=seed,
                deep=deep,
                facade=facade,
                jobs=jobs,
                exclusions=exclusions,
                tell=watch,
            )
        except ExclusionsRefused as refused:
            for each in refused.lines:
                err_line(f"scoria: {each}")
            return 2
        finally:
            watch.clear()
        if folder is not None:
            folder.write(verdict)
    if as_json:
        out_json(document(verdict))
    else:
        report(console(), verdict)
    return verdict.exit_code


def _driver(target: str, named: str | None) -> str | None:
    """Return the name of the driver for a host at `target`, or None for a store."""
    is_url = target.startswith(("http://", "https://"))
    if named is not None and "://" in target and not is_url:
        raise click.BadOptionUsage("--host", "--host is for a host, and TARGET is a store")
    return named or (DEMO_HOST if is_url else None)


@attrs.define
class Watch:
    """Prints progress on stderr: in place on a terminal, otherwise a line now and then."""

    clock: Callable[[], float] = time.monotonic
    told: str = ""
    told_at: float = attrs.field(init=False)

    @told_at.default
    def _begun_at(self) -> float:
        return self.clock()

    def __call__(self, progress: Progress) -> None:
        """Print the progress, if it has changed."""
        said = f"{progress.done} of {progress.total} checks, {progress.failed} failed"
        if not progress.total:
            said = "reading the features"
        elif progress.running:
            said = f"{said}: {printable(progress.running, 200)}"
        if console(err=True).is_terminal:
            self._overwrite(said)
        elif self.clock() - self.told_at >= EVERY:
            self.told_at = self.clock()
            err_line(said)

    def clear(self) -> None:
        """Remove the progress line from a terminal."""
        if self.told:
            err_status()

    def _overwrite(self, said: str) -> None:
        if said != self.told:
            self.told = said
            err_status(" ".join(said.split()))


def report(out: Console, verdict: Verdict) -> None:
    """Print a line for each check (the worst last), where to begin, and the verdict."""
    for check in reversed(first(reversed(verdict.checks))):
        _line(out, check.status, check.name, printable(check.reason.partition("\n")[0], 300))
    _begin_with(out, [check for check in verdict.checks if check.status == Status.FAILED])
    if verdict.problem:
        _line(out, Status.HARNESS_ERROR, verdict.problem)
    elif untested := [clause.id for clause in verdict.clauses if not clause.checks]:
        _line(out, Status.COULD_NOT_RUN, f"no scenario puts to the test: {', '.join(untested)}")
    if verdict.scope:
        out.print(verdict.scope, style="dim")
    counts = ", ".join(f"{verdict.count(s)} {s}" for s in reversed(Status) if verdict.count(s))
    said = f"{verdict.target}: {verdict.headline} ({counts or 'no check was run'})"
    if version := verdict.setting.specification:
        said = f"{said}, specification {version}"
    _line(out, verdict.status, said)


def _begin_with(out: Console, failed: Sequence[Check]) -> None:
    """Print the details of the failure that explains the others."""
    for check in first(failed)[:1]:
        _line(
            out, check.status, f"begin with: {check.name}", ", ".join(check.blamed or check.clauses)
        )
        told = [("expected", check.expected), ("seen", check.seen)]
        told += [("call", call) for call in check.calls]
        told += [("commonest cause", cause) for cause in causes(check)]
        for name, text in told:
            out.print(f"{INDENT}{name}: {printable(text, 1_000)}", style="")
        if others := alike(check, failed):
            out.print(f"{INDENT}{others} more say the same")


def _line(out: Console, status: Status, text: str, detail: str = "") -> None:
    line(out, status.mark, _STYLES[status], printable(text), printable(detail))
