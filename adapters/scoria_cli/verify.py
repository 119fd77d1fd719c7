"""`scoria verify`: the suite against a store or a host."""

import click
from rich.console import Console

from scoria_cli.console import console, line
from scoria_conformance import SUITES, Status, Verdict, specification
from scoria_conformance import verify as run_suite

PAGE = "scoria_cli.page:page"
DEMO_HOST = "scoria_demo.client:connect"

_MARKS = {
    Status.PASSED: ("✓", "green"),
    Status.FAILED: ("✗", "bold red"),
    Status.NOT_APPLICABLE: ("-", "dim"),
    Status.COULD_NOT_RUN: ("?", "yellow"),
}


def _version(_: click.Context, __: click.Parameter, version: str | None) -> str | None:
    known = specification().versions
    if version not in (None, *known):
        raise click.BadParameter(f"there is no {version!r}; there is {', '.join(known)}")
    return version


@click.command()
@click.argument("target")
@click.option("--suite", type=click.Choice(sorted(SUITES)), help="One of them; all by default.")
@click.option(
    "--host",
    default=DEMO_HOST,
    show_default=True,
    metavar="MODULE:NAME",
    help="For a host: what connects to it and speaks its routes.",
)
@click.option(
    "--spec",
    metavar="VERSION",
    callback=_version,
    help="Version of the specification to hold TARGET to; the latest by default.",
)
def verify(target: str, suite: str | None, host: str, spec: str | None) -> int:
    """Put TARGET through the guide's checks.

    TARGET is a store URL, a module:factory that is called with an empty directory and returns a
    RunStore, or the http(s):// URL of a running host. A store is put through its paces in a
    throw-away directory: the file that a URL names is never touched.
    """
    verdict = run_suite(target, suite=suite, page=PAGE, host=host, spec=spec)
    report(console(), verdict)
    return verdict.exit_code


def report(out: Console, verdict: Verdict) -> None:
    """Print a line for each check, those that failed last, and the verdict."""
    for check in sorted(verdict.checks, key=lambda check: check.status == Status.FAILED):
        mark, style = _MARKS[check.status]
        line(out, mark, style, check.name, check.reason.partition("\n")[0])
    if verdict.problem:
        line(out, "?", "yellow", verdict.problem)
    counts = ", ".join(f"{verdict.count(s)} {s}" for s in Status if verdict.count(s))
    mark, style = _MARKS[verdict.status]
    line(out, mark, style, f"{verdict.target}: {verdict.status} ({counts or 'no check was run'})")
