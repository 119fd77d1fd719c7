"""OpenAI Agents: a run of an agent as a step; people approve its tools, and handoffs are seen."""

from scoria_openai_agents.handoffs import delegate
from scoria_openai_agents.steps import Asks, agent_step, request_of
from scoria_openai_agents.tools import editable

__all__ = ["Asks", "agent_step", "delegate", "editable", "request_of"]
