"""`python -m lab.run_lifecycle`: draws the lifecycle of a run, for the page to light up.

Graphviz lays it out here, once, so that a page needs none. A test holds the drawing to the machine.
"""

import re
import subprocess
from pathlib import Path

from scoria_core.lifecycles import initial, states, transitions

TARGET = Path(__file__).parents[1] / "adapters" / "scoria_web" / "lifecycle.svg"

_LOOK = (
    "graph [rankdir=LR, nodesep=0.2, ranksep=0.9, bgcolor=transparent, pad=0.05]",
    'node [shape=box, style=rounded, fontname="Helvetica", fontsize=12, height=0.34]',
    'node [margin="0.14,0.05"]',
    'edge [fontname="Helvetica", fontsize=11, arrowsize=0.6]',
)


def graph() -> str:
    """Return the lifecycle of a run for Graphviz, each state and each move with an id."""
    lines = [
        *_LOOK,
        '"[*]" [id="state-start", shape=circle, label="", width=0.12, fixedsize=true]',
    ]
    for state in states("run"):
        lines.append(f'"{state}" [id="state-{state}", label="{_words(state)}"]')
    lines.append(f'"[*]" -> "{initial("run")}" [id="move-start"]')
    for (state, trigger), dest in transitions("run").items():
        lines.append(
            f'"{state}" -> "{dest}" [id="move-{state}-{trigger}", label=" {_words(trigger)} "]'
        )
    return "digraph {\n" + "\n".join(lines) + "\n}\n"


def drawn() -> str:
    """Return the drawing as SVG for a page: its colours are those of the page's style."""
    ran = subprocess.run(["dot", "-Tsvg"], input=graph().encode(), capture_output=True, check=True)  # noqa: S607 - whichever dot is there
    text = ran.stdout.decode()
    text = text[text.index("<svg") :].replace("&#45;", "-")
    text = re.sub(r"<!--.*?-->\n|<title>.*?</title>\n", "", text, flags=re.DOTALL)
    text = re.sub(r' (fill|stroke|font-family|font-size|xmlns(:xlink)?)="[^"]*"', "", text)
    text = re.sub(r'<svg width="[^"]*" height="[^"]*"\s*', "<svg ", text)
    return re.sub(r"(\d)\.\d+|(\d)\.0+(?=\D)", r"\1\2", text)


def _words(name: str) -> str:
    return name.replace("_", " ")


if __name__ == "__main__":
    TARGET.write_text(drawn(), "utf-8")
