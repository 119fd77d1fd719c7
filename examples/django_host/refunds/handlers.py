"""What the host does in a step, by the kind of the step.

The processes that serve pages and the worker use this one registry. A request may wait for weeks:
keep each kind here, and what it does, for as long as runs of it wait.
"""

import logging
from datetime import timedelta
from functools import wraps

from django.db import close_old_connections
from django.utils import timezone

from refunds.models import Refund
from scoria_core import Completed, NeedsApproval

logger = logging.getLogger(__name__)


def connected(handler):
    """Give a handler a connection that works: Django renews them by request, a worker has none."""

    @wraps(handler)
    def call(step, run):
        close_old_connections()
        try:
            return handler(step, run)
        finally:
            close_old_connections()

    return call


@connected
def refund(step, run):
    """Refund exactly what was approved; request approval if there is none, or it expired."""
    if step.approval is not None and step.approval.status == "approved":
        approved = step.approval.arguments
        # Your payment service is called here. The key stays the same if the step runs again.
        logger.info("refunds %s, %s", approved["cents"], step.idempotency_key)
        Refund.objects.filter(run_id=run.run_id, paid_at=None).update(paid_at=timezone.now())
        return Completed({"refunded": approved["cents"], "key": step.idempotency_key})
    return NeedsApproval(
        tool_name="send_refund",
        arguments=step.input,
        reason=f"{run.actor_id} asks for a refund",
        not_by=["requester"],
        expires_in=timedelta(days=14),
    )


@connected
def refund_in_euros(step, run):
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


@connected
def draft(step, run):
    """Keep a draft: what came of it is in its run."""
    return Completed({"draft": step.input["text"]})


@connected
def review(step, run):
    """Judge a draft by what was projected, which is all that the critic sees."""
    words = len(step.projected_context["draft_answer"].split())
    return Completed({"verdict": "fits the policy", "words_read": words})


HANDLERS = {
    "refund-in-cents": refund,
    "refund": refund_in_euros,  # nobody starts these any more, and some still wait for a decision
    "draft": draft,
    "review": review,
}
