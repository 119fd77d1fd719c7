"""The libraries that there are bridges to, OpenTelemetry among them."""

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, distribution
from types import MappingProxyType

LIBRARIES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "langgraph": ("langgraph", "langgraph-checkpoint-conformance"),
        "pydantic_ai": ("pydantic-ai-slim",),
        "agents": ("openai-agents",),
        "otel": ("opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-http"),
    }
)
"""The distributions that the tests of a bridge need, by the name that these tests begin with."""

PAGES = MappingProxyType(
    {
        "langgraph": "bridges/langgraph.md",
        "pydantic_ai": "bridges/pydantic-ai.md",
        "agents": "bridges/openai-agents.md",
        "otel": "observability.md",
    }
)
"""The page on each bridge, in `docs`."""


def lacking(name: str) -> list[str]:
    """Return what is not installed of what the tests of a bridge need."""
    return [each for each in LIBRARIES[name] if not _is_installed(each)]


def _is_installed(name: str) -> bool:
    # `find_spec` would not tell: several distributions share the module `langgraph`.
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True
