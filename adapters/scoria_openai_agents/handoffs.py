"""Handoffs that pass on the fields that the model fills in, and not the conversation."""

from dataclasses import replace
from typing import Any

import attrs
from agents import Agent, Handoff, RunContextWrapper, handoff
from pydantic import BaseModel

from scoria_core import HandOff
from scoria_core.errors import InvalidHandoff


class HandedOff(Exception):
    """Ends a run of the SDK when its model hands off; `outcome` is the answer of the step."""

    def __init__(self, outcome: HandOff) -> None:
        super().__init__(outcome.delegated_role_id)
        self.outcome = outcome


def delegate(
    agent: Agent[Any],
    *,
    kind: str,
    context: type[BaseModel],
    role_id: str | None = None,
) -> Handoff[Any, Any]:
    """Return a handoff to `agent`, for the `handoffs` of another, that a run shows as delegated.

    The model fills in `context`: its fields are all that the other agent gets, as the projected
    context of a step of that `kind`. Without `role_id` the role has the name of the agent. A field
    name that a projected context must not have is `UnsafeProjectedContext` when the model hands
    off.
    """

    async def unused(_: RunContextWrapper[Any], __: Any) -> None:
        """Do nothing: `_Delegate` is called in its place."""

    made = handoff(agent, input_type=context, on_handoff=unused)
    role = agent.name if role_id is None else role_id
    return replace(made, on_invoke_handoff=_Delegate(role, kind, context))


def check_handoffs(agent: Agent[Any]) -> None:
    """Raise `InvalidHandoff` if a handoff of the agent passes on its whole conversation."""
    for each in agent.handoffs:
        if not (isinstance(each, Handoff) and isinstance(each.on_invoke_handoff, _Delegate)):
            name = each.agent_name if isinstance(each, Handoff) else each.name
            problem = f"to {name!r} passes the whole conversation on; make it with delegate()"
            raise InvalidHandoff("handoffs", problem)


@attrs.frozen
class _Delegate:
    role: str
    kind: str
    context: type[BaseModel]

    async def __call__(self, _: RunContextWrapper[Any], arguments: str) -> Any:
        projected = self.context.model_validate_json(arguments).model_dump(mode="json")
        raise HandedOff(
            HandOff(
                delegated_role_id=self.role,
                delegated_kind=self.kind,
                handoff_input={"kind": self.kind},
                projected_context=projected,
            )
        )
