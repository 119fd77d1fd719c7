"""The libraries that there are bridges to."""

LIBRARIES = ("langgraph",)
"""Each by its module, with which the names of its tests begin."""
