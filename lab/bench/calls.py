"""The calls that one W costs on the memory store: `python -m lab.bench.calls`.

They are counted and not timed, so that a loss is seen on any machine, in one run.
"""

import sys
from collections import Counter
from pathlib import Path
from types import FrameType

import click

from lab.bench.candidates.scoria import ScoriaRuns
from lab.bench.unit import work
from scoria_core import Scoria
from scoria_memory import MemoryStore

WORKS = 50
BUILT_IN = "built in"
ROOT = Path(__file__).parents[2]


def counted() -> dict[str, float]:
    """Return how many calls one W makes, by the file of the function; most first.

    Calls of what is built in, or compiled, are counted together, as `BUILT_IN`.
    """
    candidate = ScoriaRuns(Scoria(MemoryStore()))
    for _ in range(WORKS):  # what is done once only is done by then
        work(candidate)
    calls: Counter[str] = Counter()

    def seen(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            calls[frame.f_code.co_filename] += 1
        elif event == "c_call":
            calls[BUILT_IN] += 1

    before = sys.getprofile()
    sys.setprofile(seen)
    try:
        for _ in range(WORKS):
            work(candidate)
    finally:
        sys.setprofile(before)
        candidate.close()
    return {_place(file): count / WORKS for file, count in calls.most_common()}


def _place(file: str) -> str:
    """Return where a file is in the project, or its name."""
    path = Path(file)
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else path.name


@click.command(help=(__doc__ or "").partition("\n")[0])
def main() -> None:
    """Print the calls of one W, by file."""
    calls = counted()
    for place, count in calls.items():
        click.echo(f"{count:8.1f}  {place}")
    click.echo(f"{sum(calls.values()):8.1f}  in all")


if __name__ == "__main__":
    main()
