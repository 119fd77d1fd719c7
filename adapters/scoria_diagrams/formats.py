"""The formats by their names."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import attrs

from scoria_diagrams import dot, markdown, mermaid, plain_json, plantuml, scxml, svg, tla, xstate
from scoria_diagrams.lifecycle import Lifecycle


@attrs.frozen
class Format:
    """How one lifecycle is written, and how several are as one document."""

    one: Callable[[Lifecycle], str]
    several: Callable[[Sequence[Lifecycle]], str]


FORMATS: Mapping[str, Format] = MappingProxyType(
    {
        "dot": Format(dot.one, dot.several),
        "json": Format(plain_json.one, plain_json.several),
        "markdown": Format(markdown.one, markdown.several),
        "mermaid": Format(mermaid.one, mermaid.several),
        "plantuml": Format(plantuml.one, plantuml.several),
        "scxml": Format(scxml.one, scxml.several),
        "svg": Format(svg.one, svg.several),
        "tla": Format(tla.one, tla.several),
        "xstate": Format(xstate.one, xstate.several),
    }
)
"""Every format by the name that `scoria diagram --format` takes."""


def render(lifecycles: Sequence[Lifecycle], name: str) -> str:
    """Return lifecycles in a format; the same ones give the same text.

    Raises `KeyError` if no format has that name, and `DotUnavailable` if `svg` needs Graphviz and
    it is missing.
    """
    written = FORMATS[name]
    return written.one(lifecycles[0]) if len(lifecycles) == 1 else written.several(lifecycles)
