"""Lifecycles as Mermaid text, read from the declared machines."""

from collections.abc import Iterator

from scoria_core.lifecycles import MACHINES, initial, is_terminal, states, transitions

HEADER = "stateDiagram-v2"


def diagram(subject: str) -> str:
    """Return the lifecycle of one subject as a Mermaid state diagram."""
    return "\n".join([HEADER, *(f"    {line}" for line in _edges(subject, ""))])


def all_diagrams() -> str:
    """Return the four lifecycles side by side in one diagram, each in a state of its own."""
    lines = [HEADER]
    for subject in MACHINES:
        named = [f'state "{state}" as {subject}_{state}' for state in states(subject)]
        inner = [*named, *_edges(subject, f"{subject}_")]
        lines += [f"    state {subject} {{", *(f"        {line}" for line in inner), "    }"]
    return "\n".join(lines)


def _edges(subject: str, prefix: str) -> Iterator[str]:
    yield f"[*] --> {prefix}{initial(subject)}"
    for (source, trigger), destination in transitions(subject).items():
        yield f"{prefix}{source} --> {prefix}{destination} : {trigger}"
    for state in states(subject):
        if is_terminal(subject, state):
            yield f"{prefix}{state} --> [*]"
