"""`python -m lab.chaos kills`: exit code 0 when everything held, 1 when something did not."""

import os
import re
import sys
import tempfile
from pathlib import Path

import click

from lab.chaos import partition, queueing
from lab.chaos.kills import Play, perform
from lab.chaos.network import why_not
from lab.chaos.queueing import Queue


@click.group(context_settings={"show_default": True})
def chaos() -> None:
    """Kill, restart and cut off, and count what came of it."""


@chaos.command()
@click.option("--seconds", default=Play().seconds, help="For how long there are kills.")
@click.option("--workers", default=Play().workers)
@click.option("--hosts", default=Play().hosts)
@click.option("--seed", default=Play().seed, help="Draws the runs and who is killed.")
@click.option("--lease", default=Play().lease, help="Seconds that a claim holds.")
@click.option("--restart-every", default=Play().restart_every, help="Seconds between restarts.")
@click.option("--fault", is_flag=True, help="One worker ignores leases, which must be found.")
def kills(**options: float) -> None:
    """Kill a worker or a host every second, and crash the server again and again."""
    keep = Path(tempfile.gettempdir()) / f"scoria-chaos-{os.getpid()}"
    outcome = perform(Play(**options), keep)  # type: ignore[arg-type]
    for name, count in outcome.counts.items():
        click.echo(f"{count:>8} {name}")
    if outcome.problems:
        click.echo(f"logs and ledger are in {keep}")
    _end(outcome.problems)


@chaos.command("partition")
def cut_off() -> None:
    """Cut a worker's link in mid-handler for longer than its lease, and bring it back."""
    if (reason := why_not()) is not None:
        raise click.ClickException(reason)
    seen = partition.perform()
    for line in seen.log.splitlines():
        if partition.LATE in line or partition.TAKEN in line:
            click.echo(line)
    click.echo(f"the link was cut for {seen.cut_for:.1f} s; the lease is {partition.LEASE:.1f} s")
    _end(list(seen.problems()))


@chaos.command()
@click.option("--finished", default=Queue().finished, help="Runs that have finished.")
@click.option("--workers", default=Queue().workers)
@click.option("--fault", is_flag=True, help="Drop the indexes, which must be found.")
def queue(**options: int) -> None:
    """Empty a queue of 10,000 steps of three tenants, beside a million finished runs."""
    seen = queueing.perform(Queue(**options))  # type: ignore[arg-type]
    for plan in {re.sub(r"\d+\.\d+|\d+", "#", plan): plan for plan in seen.plans}.values():
        click.echo(plan)
    click.echo(f"{seen.look * 1000:.1f} ms a look at what is due")
    click.echo(f"{len(seen.entered)} steps in {seen.seconds:.0f} s")
    for tenant_id, size in seen.queue.waiting.items():
        done, fair = seen.finished_at(tenant_id), seen.fair_share(tenant_id)
        click.echo(
            f"{tenant_id}: {size} steps, done at {done:.1%} of the queue (turns: {fair:.1%})"
        )
    _end(list(seen.problems()))


def _end(problems: list[str]) -> None:
    for problem in problems[:50]:
        click.echo(f"PROBLEM {problem}")
    click.echo(f"{len(problems)} problems")
    sys.exit(bool(problems))


if __name__ == "__main__":
    chaos()
