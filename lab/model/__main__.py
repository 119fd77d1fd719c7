"""`python -m lab.model`: 0 every invariant holds, 1 one does not, 2 bad usage."""

import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TextIO

import click

from lab.model.composition import UNBOUNDED, Bounds, Composition, within
from lab.model.invariants import INVARIANTS
from lab.model.planted import BUGS, planted
from lab.model.script import NotAScript, read, written
from lab.model.search import Report, search
from lab.model.vocabulary import SEARCHES
from lab.model.walk import StoredRun, Walk, replay
from scoria_conformance.target import Target
from scoria_core import ScoriaError
from scoria_core.errors import safe_repr

_DEFAULT = Bounds()


@click.command(context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.option("--steps", type=click.IntRange(1), default=_DEFAULT.steps)
@click.option("--approvals", type=click.IntRange(0, 3), default=_DEFAULT.approvals)
@click.option("--attempts", type=click.IntRange(1), default=_DEFAULT.attempts)
@click.option("--search", "about", type=click.Choice([*SEARCHES]), help="What it is about.")
@click.option("--plant", type=click.IntRange(1, 9), help="Plant a bug against this invariant.")
@click.option("--replay", "script", type=click.File(), help="Walk a script, and search nothing.")
@click.option("--target", help="Where the replay keeps its journal: store URL or module:factory.")
def model(
    about: str | None,
    plant: int | None,
    script: TextIO | None,
    target: str | None,
    **bounds: int,
) -> int:
    """Explore the four lifecycles composed, and hold every situation to the nine invariants.

    Without --search all of its searches are made, one after the other.
    """
    searches = [about] if about else [*SEARCHES]
    if plant is not None:
        searches = [each for each in searches if (each, plant) in BUGS][:1]
        if not searches:
            raise click.UsageError(f"no bug against invariant {plant} is found by {about}")
    if target is not None and script is None:
        raise click.UsageError("--target says where a script is replayed: give --replay FILE too")
    with ExitStack() as stack:
        if plant is not None:
            _tell(f"planted      {BUGS[searches[0], plant].words}")
            stack.enter_context(planted(searches[0], plant))
        if script is None:
            return max(_search(within(each, **bounds)) for each in searches)
        walk = Walk(Composition(UNBOUNDED), _stored(target, stack))
        return _replay(walk, script)


def _search(bounds: Bounds) -> int:
    report = search(bounds)
    found = report.counter_example
    _tell_size(report)
    if found is not None:
        click.echo(written(found.script), nl=False)
        _tell(*map(str, found.breaches))
        return 1
    for number, holds in INVARIANTS.items():
        promise = str(holds.__doc__).splitlines()[0]
        _tell(f"holds, checked {report.checked[number]:,} times. {promise}")
    _tell(f"dead ends    {report.dead_ends or 'none: every run can still be ended'}")
    return 1 if report.dead_ends else 0


def _tell(*lines: str) -> None:
    """Print what is no part of a script, so that all that is printed can be replayed as one."""
    for line in lines:
        click.echo(f"# {line}")


def _tell_size(report: Report) -> None:
    bounds = report.bounds
    _tell(
        f"search       {bounds.search}",
        f"bounds       {bounds.callers} callers, {bounds.steps} steps, "
        f"{bounds.approvals} approvals, {bounds.attempts} attempts of a step",
        f"states       {report.states:,}, in which {report.runs:,} different runs stand",
        f"transitions  {report.transitions:,}, and {report.refusals:,} different refusals",
        f"depth        {report.depth}",
        f"time         {report.seconds:.1f} s",
    )


def _stored(target: str | None, stack: ExitStack) -> StoredRun | None:
    if target is None:
        return None
    Target(target).check()
    directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="scoria-model-"))
    stored = StoredRun(Target(target).store_factory(), Path(directory))
    stack.callback(stored.close)
    return stored


def _replay(walk: Walk, script: TextIO) -> int:
    lines = read(script.read())
    if not lines:
        raise click.UsageError("the script has no action in it; give one that a search printed")
    found = replay(walk, lines)
    if found is None:
        _tell("every line was walked, and every invariant held")
        return 0
    line, problems = found
    _tell(f"line {line.number}: {line.action}")
    _tell(*problems)
    return 1


def main() -> int:
    """Run the command; what is wrong with its input is one line on stderr."""
    try:
        code: int = model.main(prog_name="lab.model", standalone_mode=False)
    except click.ClickException as error:
        problem = error.format_message()
    except (NotAScript, ScoriaError) as error:
        problem = str(error)
    except UnicodeDecodeError as error:
        problem = f"the script is no UTF-8 text: {safe_repr(error)}"
    else:
        return code
    click.echo(problem, err=True)
    return 2


if __name__ == "__main__":
    sys.exit(main())
