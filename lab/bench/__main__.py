"""`python -m lab.bench`: measure, print the table, and keep it where a report is asked for."""

import sys
from collections.abc import Callable
from pathlib import Path

import click

from lab.bench.catalogue import BY_NAME
from lab.bench.plan import Plan
from lab.bench.report import table, write
from lab.bench.rounds import TrialFailedError, bench

DEFAULTS = Plan(tuple(BY_NAME))


def numbers(_: click.Context, __: click.Parameter, text: str) -> tuple[int, ...]:
    """Read whole numbers with commas between them."""
    try:
        return tuple(int(each) for each in text.split(","))
    except ValueError:
        raise click.BadParameter(f"{text} is not numbers with commas between them") from None


def _numbers(name: str, default: tuple[int, ...], text: str) -> Callable[..., Callable[..., None]]:
    shown = ",".join(map(str, default))
    return click.option(name, default=shown, show_default=True, callback=numbers, help=text)


@click.command(context_settings={"max_content_width": 100})
@click.option(
    "--only",
    multiple=True,
    type=click.Choice(list(BY_NAME)),
    help="Measure this candidate; may be given more than once.",
)
@_numbers("--flows", DEFAULTS.flows, "How many flows do W at once.")
@_numbers("--finished", DEFAULTS.finished, "How many finished runs are there already.")
@click.option("--rounds", default=DEFAULTS.rounds, show_default=True, help="How often in all.")
@click.option("--seconds", default=DEFAULTS.seconds, show_default=True, help="How long each time.")
@click.option("--count", type=int, help="How many W each time, instead of how long.")
@click.option("--counted", default=DEFAULTS.counted, show_default=True, help="How many to count.")
@click.option("--report", type=click.Path(path_type=Path), help="Where to keep RESULTS.md.")
def main(only: tuple[str, ...], report: Path | None, **asked: object) -> None:
    """Measure W on every store, beside peers and the raw store."""
    plan = Plan(only or DEFAULTS.names, **asked)  # type: ignore[arg-type]
    try:
        findings = bench(plan, lambda text: click.echo(text, err=True))
    except TrialFailedError as failed:
        click.echo(f"a trial failed: {failed}", err=True)
        sys.exit(1)
    click.echo(table(findings))
    if report is not None:
        write(findings, report)


if __name__ == "__main__":
    main()
