"""pydantic-ai: a run of an agent as a step, and the tools that need approval decided by people."""

from scoria_pydantic_ai.steps import Asks, agent_step, request_of

__all__ = ["Asks", "agent_step", "request_of"]
