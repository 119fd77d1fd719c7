"""The libraries that there are bridges to."""

from types import MappingProxyType

LIBRARIES = ("langgraph",)
"""Each by its module, with which the names of its tests begin."""

PAGES = MappingProxyType({"langgraph": "langgraph.md"})
"""The page on the bridge to each."""
