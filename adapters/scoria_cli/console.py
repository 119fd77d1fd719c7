"""What the commands print: tables and colour for a person, plain lines for a pipe."""

import sys

from rich.console import Console
from rich.text import Text


def console() -> Console:
    """Return the console of this process; it knows whether a person reads it."""
    return Console(file=sys.stdout, soft_wrap=True, highlight=False, emoji=False, markup=False)


def line(out: Console, mark: str, style: str, text: str, detail: str = "") -> None:
    """Print one marked line; the mark says what the colour says."""
    printed = Text(f"{mark} ", style=style).append(text, style="")
    if detail:
        printed.append(f"  {detail}", style="dim")
    out.print(printed)
