"""The libraries that there are bridges to."""

from types import MappingProxyType

LIBRARIES = ("langgraph", "pydantic_ai", "agents")
"""Each by its module, with which the names of its tests begin."""

PAGES = MappingProxyType(
    {"langgraph": "langgraph.md", "pydantic_ai": "pydantic-ai.md", "agents": "openai-agents.md"}
)
"""The page on the bridge to each."""
