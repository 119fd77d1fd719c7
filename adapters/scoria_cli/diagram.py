"""`scoria diagram`: a lifecycle, ours or a host's own, as a picture or for another tool."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType

import click
from transitions import Machine

from scoria_cli.console import out_document
from scoria_core.errors import safe_repr
from scoria_core.importing import named
from scoria_core.lifecycles import MACHINES
from scoria_core.visible import visible_block
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
    text = visible_block(render(_lifecycles(subject), format_))
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
    raise click.UsageError(f"no lifecycle {safe_repr(subject)}: name {known}, or a module:name")


def _named(subject: str) -> object:
    """Return the machine that `module:name` names, or that the callable of this name returns."""
    next_move = "name a machine, or what returns one, as module:name, importable from here"
    try:
        found = named(subject)
        if isinstance(found, type):
            made_there = f"model = {found.__name__}(...)"
            place = f"{subject.partition(':')[0]}:model.machine"
            next_move = f"have {made_there} in its module, and name {place}"
        made = found() if callable(found) and not isinstance(found, Machine) else found
    except (Exception, SystemExit) as error:
        raise NotDrawable(subject, f"cannot be read: {safe_repr(error, 200)}", next_move) from error
    if not isinstance(made, Machine):
        _refuse_owner(subject, made)
    return made


def _refuse_owner(subject: str, made: object) -> None:
    """Suggest what to type if `subject` names a model or a module that has a machine."""
    module = subject.partition(":")[0]
    machines = [*_names_of(Machine, made), *_names_of(Machine, type(made))]
    if not machines:
        return
    place, where = f"{module}:{machines[0]}", ""
    if not isinstance(made, ModuleType):
        kind = type(made)
        known = list(_names_of(kind, sys.modules[module]))
        model = known[0] if known else kind.__name__.lower()
        place = f"{module}:{model}.{machines[0]}"
        where = "" if known else f", where {model} = {kind.__name__}()"
    problem = f"is no machine, but has one: {safe_repr(machines[0])}"
    raise NotDrawable(subject, problem, f"type scoria diagram {place}{where}")


def _names_of(kind: type, owner: object) -> Iterator[str]:
    attributes: Mapping[str, object] = getattr(owner, "__dict__", {})
    return (name for name, value in attributes.items() if isinstance(value, kind))


def _write(path: Path, text: str) -> None:
    new = not path.exists()
    try:
        path.write_text(text, "utf-8")
    except OSError:
        if new:  # leave no incomplete file
            path.unlink(missing_ok=True)
        raise
