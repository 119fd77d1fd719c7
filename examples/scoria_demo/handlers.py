"""What the host does in a step; a real one would call its model and its tools here."""

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any

from scoria_core import Completed, Failed, Handler, NeedsApproval, RunSummary, Step

ORDERS: Mapping[str, int] = MappingProxyType({"A-17": 1_250, "A-18": 80, "A-19": 3_400})
"""What was paid for each order in the books of the shop."""

ONE_REVIEWER = 1_000
"""A refund of more than this needs two reviewers."""

SMALLER_REFUND = MappingProxyType(
    {
        "type": "object",
        "properties": {
            "order": {"type": "string", "title": "Order"},
            "amount": {
                "type": "integer",
                "title": "Amount",
                "minimum": 1,
                "maximum": ONE_REVIEWER,
            },
        },
        "required": ["order", "amount"],
        "additionalProperties": False,
    }
)
"""The changes that a reviewer may make: the form is made from this, and checked against it."""


def reply(step: Step, run: RunSummary) -> Completed | NeedsApproval:
    """Send exactly the approved reply, or draft one; after a rejection, draft another."""
    said = step.approval
    if said is not None and said.status == "approved":
        return Completed({"sent": said.arguments})
    draft = f"Thank you for asking: {run.metadata['payload']['prompt']}"
    reason = "A reply to a customer needs a second pair of eyes"
    if said is not None and said.status == "rejected":
        reason = f"Drafted anew, after {said.decided_by} said: {said.note or 'no'}"
        draft = f"{draft}\n\nWe looked into it again and will write to you by tomorrow."
    return NeedsApproval(
        tool_name="send_reply",
        arguments={"reply": draft},
        reason=reason,
        may_edit=True,
        on_reject="resume",
    )


def refund(step: Step, _: RunSummary) -> Completed | Failed | NeedsApproval:
    """Refund exactly what was approved; a large refund needs two people, who may not change it."""
    if step.approval is not None and step.approval.status == "approved":
        return Completed({"refunded": step.approval.arguments})
    order, amount = step.input["order"], step.input["amount"]
    paid = ORDERS.get(order)
    if paid is None:
        return Failed("There is no such order in the books", {"order": order})
    is_large = amount > ONE_REVIEWER
    return NeedsApproval(
        tool_name="send_refund",
        arguments={"order": order, "amount": amount},
        reason=f"{paid} was paid for {order}",
        may_edit=False if is_large else SMALLER_REFUND,
        approvals_needed=2 if is_large else 1,
        not_by=["requester"],
        expires_in=timedelta(days=3),
    )


def review(step: Step, _: RunSummary) -> Completed:
    """Judge the draft by what was projected, which is all the critic gets to see."""
    context: Mapping[str, Any] = step.projected_context or {}
    words = len(str(context.get("draft_answer", "")).split())
    return Completed({"verdict": "fits the policy", "words_read": words})


HANDLERS: Mapping[str, Handler] = MappingProxyType(
    {"approval": reply, "refund": refund, "review": review}
)
"""The handler of each kind of step, for the host and for the worker beside it."""
