"""`python -m lab.bench.quick`: in a minute, what W costs beside raw stores and the last release.

For information: the figures of one minute are rough, and no test waits for any of them.
"""

import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from lab.bench.history import compared, line, read
from lab.bench.plan import Plan
from lab.bench.rounds import TrialFailedError, bench

PLAN = Plan(
    ("scoria-memory", "raw-memory", "scoria-sqlite", "raw-sqlite", "scoria-duckdb", "raw-duckdb"),
    flows=(1, 8),
    finished=(0,),
    rounds=3,
    seconds=0.4,
    counted=50,
)
HISTORY = Path(__file__).with_name("history.jsonl")


def main(plan: Plan = PLAN) -> None:
    """Measure, and print each figure beside that of the last release."""
    try:
        findings = bench(plan, lambda _: None)
    except TrialFailedError as failed:
        click.echo(f"a trial failed: {failed}", err=True)
        sys.exit(1)
    now = line(findings, datetime.now(UTC).date().isoformat())
    click.echo("\n".join(compared(now, read(HISTORY))))


if __name__ == "__main__":
    main()
