"""Stores that are wrong on purpose, a module for each kind of wrong."""

KINDS = (
    *("creating", "appending", "claiming", "reading", "rewriting", "listing", "naming", "due"),
    *("closing", "forgetting", "sharing", "pruning", "racing", "tearing", "overlooked"),
    *("indexing", "telling", "waking"),
)
"""The modules that declare mutants."""
