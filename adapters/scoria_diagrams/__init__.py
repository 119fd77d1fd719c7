"""Lifecycles as pictures and as documents that other tools read; ours, or a host's own."""

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
