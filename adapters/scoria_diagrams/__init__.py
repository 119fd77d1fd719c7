"""Draws lifecycles, ours or a host's own, as pictures and as documents for other tools."""

from scoria_diagrams.formats import FORMATS, render
from scoria_diagrams.lifecycle import Lifecycle, NotDrawable, Transition, lifecycle_of, ours
from scoria_diagrams.svg import DotUnavailable

__all__ = [
    "FORMATS",
    "DotUnavailable",
    "Lifecycle",
    "NotDrawable",
    "Transition",
    "lifecycle_of",
    "ours",
    "render",
]
