"""`python -m lab.bench.quick`: what W costs now, beside the last line of the history.

For information: it takes half a minute, its figures are rough, and no test waits for any of them.
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
    """Measure, and print each figure beside that of the last line of the history."""
    try:
        findings = bench(plan, lambda _: None)
    except TrialFailedError as failed:
        click.echo(f"a trial failed: {failed}", err=True)
        sys.exit(1)
    now = line(findings, datetime.now(UTC).date().isoformat())
    click.echo("\n".join(compared(now, read(HISTORY))))


if __name__ == "__main__":
    main()
