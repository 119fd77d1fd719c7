"""`python -m scoria_diagrams.generated [--check]`: the diagrams and the tables of `spec/`.

SVG is left out: what Graphviz draws differs from one version to the next.
"""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from scoria_diagrams.formats import render
from scoria_diagrams.lifecycle import Lifecycle, ours

SUFFIXES = {
    "dot": ".dot",
    "mermaid": ".mmd",
    "plantuml": ".puml",
    "scxml": ".scxml",
    "tla": ".tla",
    "xstate": ".xstate.json",
}
"""The formats that are written for each lifecycle, and the suffixes of their files."""

_DIAGRAMS = Path("spec", "diagrams")
_PAGE = Path("spec", "lifecycles.md")
_MARKERS = ("<!-- generated: {} -->", "<!-- end of generated: {} -->")


def main(arguments: list[str]) -> int:
    """Write what is generated, or with `--check` name what is stale; return the exit code."""
    if arguments not in ([], ["--check"]) or not _PAGE.exists():
        return _say(f"usage, where {_PAGE} is: python -m scoria_diagrams.generated [--check]", 2)
    wanted = files(_PAGE.read_text("utf-8"))
    if arguments:
        stale = sorted({*_changed(wanted), *_left_over(wanted)})
        return _say(f"stale: {', '.join(map(str, stale))}; run make diagrams", 1) if stale else 0
    _write(wanted)
    return 0


def files(page: str) -> Mapping[Path, str]:
    """Return the text of every generated file by its path; `page` is the page to fill in."""
    diagrams = {
        _DIAGRAMS / f"{each.name}{suffix}": render([each], format_)
        for each in ours()
        for format_, suffix in SUFFIXES.items()
    }
    together = {_DIAGRAMS / "lifecycles.json": render(ours(), "json")}
    return {**diagrams, **together, _PAGE: filled(page)}


def filled(page: str) -> str:
    """Return the page with each block between its markers replaced."""
    for each in ours():
        start, end = (marker.format(each.name) for marker in _MARKERS)
        before, started, rest = page.partition(start)
        _, ended, after = rest.partition(end)
        if not (started and ended):
            raise SystemExit(f"{_PAGE}: mark the place of {each.name} with {start} and {end}")
        page = f"{before}{start}{_block(each)}{end}{after}"
    return page


def _block(lifecycle: Lifecycle) -> str:
    table, picture = render([lifecycle], "markdown"), render([lifecycle], "mermaid")
    return f"\n\n{table}\n```mermaid\n{picture}```\n\n"


def _changed(wanted: Mapping[Path, str]) -> Iterator[Path]:
    for path, text in wanted.items():
        if not path.exists() or path.read_text("utf-8") != text:
            yield path


def _left_over(wanted: Mapping[Path, str]) -> set[Path]:
    return set(_DIAGRAMS.glob("*")) - set(wanted)


def _write(wanted: Mapping[Path, str]) -> None:
    _DIAGRAMS.mkdir(exist_ok=True)
    for path in _left_over(wanted):
        path.unlink()
    for path, text in wanted.items():
        path.write_text(text, "utf-8")


def _say(message: str, code: int) -> int:
    print(message, file=sys.stderr)  # noqa: T201 - this is a command
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
