"""`scoria diagram`: a lifecycle, ours or a host's own, as a picture or for another tool."""

from collections.abc import Sequence
from pathlib import Path

import click
from transitions import Machine

from scoria_cli.console import out_document
from scoria_core.errors import shown
from scoria_core.importing import named
from scoria_core.lifecycles import MACHINES
from scoria_diagrams import FORMATS, Lifecycle, NotDrawable, lifecycle_of, ours, render


@click.command()
@click.argument("subject", default="all", metavar="[SUBJECT]")
@click.option(
    "--format",
    "format_",
    type=click.Choice(sorted(FORMATS)),
    default="mermaid",
    show_default=True,
    help="What to write; svg needs Graphviz.",
)
@click.option("-o", "--output", metavar="FILE", help="Where to write it, if not to stdout.")
def diagram(subject: str, format_: str, output: str | None) -> None:
    """Write the lifecycle of SUBJECT: run, step, approval, handoff, or all, which is the default.

    SUBJECT may also name a transitions.Machine of your own as module:name, or a callable that
    returns one. `all` is one document: composite states, clusters, sections, the regions of a
    parallel machine, or, for TLA+, one module with four variables.
    """
    text = render(_lifecycles(subject), format_)
    if output is None:
        out_document(text)
    else:
        _write(Path(output), text)


def _lifecycles(subject: str) -> Sequence[Lifecycle]:
    if subject == "all":
        return ours()
    if subject in MACHINES:
        return [lifecycle_of(subject, MACHINES[subject])]
    if ":" in subject:
        return [lifecycle_of(subject.partition(":")[2], _named(subject))]
    known = ", ".join([*MACHINES, "all"])
    raise click.UsageError(f"no lifecycle {shown(subject)}: name {known}, or a module:name")


def _named(subject: str) -> object:
    """Return the machine that `module:name` names, or that what it names returns."""
    try:
        found = named(subject)
        return found() if callable(found) and not isinstance(found, Machine) else found
    except (Exception, SystemExit) as error:
        problem = f"cannot be read: {shown(error, 200)}"
        next_move = "name a machine, or what returns one, as module:name, importable from here"
        raise NotDrawable(subject, problem, next_move) from error


def _write(path: Path, text: str) -> None:
    new = not path.exists()
    try:
        path.write_text(text, "utf-8")
    except OSError:
        if new:
            path.unlink(missing_ok=True)
        raise
