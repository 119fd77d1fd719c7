"""What the host does in a step, by the kind of the step.

The processes that serve pages and the worker use this one registry. A request may wait for weeks:
keep each kind here, and what it does, for as long as runs of it wait.
"""

import asyncio
import os
from datetime import timedelta

from scoria_core import Completed, NeedsApproval

MODEL_TAKES = float(os.environ.get("MODEL_TAKES", "0.2"))


async def refund(step, run):
    """Refund exactly what was approved; request approval if there is none, or it expired."""
    if step.approval is not None and step.approval.status == "approved":
        approved = step.approval.arguments
        # Your payment service is awaited here. The key stays the same if the step runs again.
        return Completed({"refunded": approved["cents"], "key": step.idempotency_key})
    return NeedsApproval(
        tool_name="send_refund",
        arguments=step.input,
        reason=f"{run.actor_id} asks for a refund",
        not_by=["requester"],
        expires_in=timedelta(days=14),
    )


async def refund_in_euros(step, run):
    """Carry on a refund that was requested before amounts were in cents."""
    if step.approval is not None and step.approval.status == "approved":
        approved = step.approval.arguments
        return Completed({"refunded": round(float(approved["amount"]) * 100)})
    return NeedsApproval(
        tool_name="send_refund",
        arguments=step.input,
        reason=f"{run.actor_id} asks for a refund",
        not_by=["requester"],
    )


async def draft(step, run):
    """Keep a draft: what came of it is in its run."""
    return Completed({"draft": step.input["text"]})


async def review(step, run):
    """Judge a draft by what was projected, which is all that the critic sees."""
    await asyncio.sleep(MODEL_TAKES)  # your model is awaited here; others are served meanwhile
    words = len(step.projected_context["draft_answer"].split())
    return Completed({"verdict": "fits the policy", "words_read": words})


HANDLERS = {
    "refund-in-cents": refund,
    "refund": refund_in_euros,  # nobody starts these any more, and some still wait for a decision
    "draft": draft,
    "review": review,
}
