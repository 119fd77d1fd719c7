"""SVG, drawn by Graphviz."""

import shutil
import subprocess
from collections.abc import Sequence
from typing import ClassVar

import attrs

from scoria_core.errors import ScoriaError, safe_repr
from scoria_diagrams import dot
from scoria_diagrams.lifecycle import Lifecycle


@attrs.define
class DotUnavailable(ScoriaError):
    """The `dot` of Graphviz is missing, or did not draw."""

    code: ClassVar[str] = "dot_unavailable"
    problem: str
    next_move: str

    @property
    def message(self) -> str:
        """Say what is wrong with `dot` and what to do."""
        return f"dot {self.problem}; {self.next_move}"


def one(lifecycle: Lifecycle) -> str:
    """Return a lifecycle as a picture; raises `DotUnavailable` if Graphviz is missing or fails."""
    return _drawn(dot.one(lifecycle))


def several(lifecycles: Sequence[Lifecycle]) -> str:
    """Return lifecycles as one picture; raises `DotUnavailable` if Graphviz is missing or fails."""
    return _drawn(dot.several(lifecycles))


def _drawn(graph: str) -> str:
    command = shutil.which("dot")
    if command is None:
        install = "install Graphviz (apt-get install graphviz, brew install graphviz)"
        raise DotUnavailable("is not installed", install)
    ran = subprocess.run(  # noqa: S603 - the graph goes to its stdin, no argument is the user's
        [command, "-Tsvg"], input=graph.encode(), capture_output=True, check=False
    )
    if ran.returncode != 0:
        said = safe_repr(ran.stderr.decode(errors="replace"), 200)
        raise DotUnavailable(f"failed: {said}", "try --format dot and look at the graph")
    return ran.stdout.decode()
