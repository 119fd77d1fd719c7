"""Graphviz DOT; several lifecycles are clusters of one graph."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, pairwise

from scoria_diagrams.lifecycle import Lifecycle
from scoria_diagrams.names import ids, label, move_label

_LOOK = (
    'graph [fontname="Helvetica", fontsize=13, nodesep=0.5, ranksep=0.45]',
    'node [shape=box, style="rounded", fontname="Helvetica", fontsize=12]',
    'edge [fontname="Helvetica", fontsize=11, arrowsize=0.7]',
)
_KINDS = {"": "", "terminal": ", peripheries=2", "waiting": ', style="rounded,dashed"'}


def one(lifecycle: Lifecycle) -> str:
    """Return a lifecycle as a graph."""
    return _graph(lifecycle.name, _lines(lifecycle, ""))


def several(lifecycles: Sequence[Lifecycle]) -> str:
    """Return lifecycles as one graph with a cluster for each."""
    subjects = ids((each.name for each in lifecycles), "lifecycle")
    column = _column(lifecycles, subjects)
    return _graph("lifecycles", chain(_clusters(lifecycles, subjects), column))


def _clusters(lifecycles: Sequence[Lifecycle], subjects: dict[str, str]) -> Iterator[str]:
    for each in lifecycles:
        subject = subjects[each.name]
        yield f'subgraph "cluster_{subject}" {{'
        yield f"    label={_quoted(each.name)}"
        yield from (f"    {line}" for line in _lines(each, f"{subject}."))
        yield "}"


def _column(lifecycles: Sequence[Lifecycle], subjects: dict[str, str]) -> Iterator[str]:
    """Yield invisible edges that put the clusters in a column: a row is too wide to read."""
    for above, below in pairwise(lifecycles):
        start = f'"{subjects[below.name]}.[*]"'
        for state, id_ in ids(above.states, "state").items():
            if above.is_terminal(state):
                yield f'"{subjects[above.name]}.{id_}" -> {start} [style=invis]'


def _lines(lifecycle: Lifecycle, prefix: str) -> Iterator[str]:
    named = {state: f'"{prefix}{id_}"' for state, id_ in ids(lifecycle.states, "state").items()}
    start = f'"{prefix}[*]"'
    yield f'{start} [shape=circle, style=filled, fillcolor=black, label="", width=0.15]'
    for state, id_ in named.items():
        kind = lifecycle.kind(state)
        word = rf"\n({kind})" if kind else ""
        yield f'{id_} [label="{_escaped(label(state))}{word}"{_KINDS[kind]}]'
    yield f"{start} -> {named[lifecycle.initial]}"
    for move in lifecycle.transitions:
        text = _escaped(move_label(move))
        yield f'{named[move.source]} -> {named[move.dest]} [label=" {text} "]'


def _graph(name: str, lines: Iterable[str]) -> str:
    inner = [f"    {line}" for line in (*_LOOK, *lines)]
    return "\n".join([f"digraph {_quoted(name)} {{", *inner, "}"]) + "\n"


def _quoted(name: str) -> str:
    return f'"{_escaped(label(name))}"'


def _escaped(text: str) -> str:
    # Graphviz reads entities in a label, as HTML does.
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;")
