"""What the host does in a step; a real one would call its model and its tools here."""

from scoria_core import Completed, NeedsApproval, RunSummary, Step


def wait_for_approval(_: Step, run: RunSummary) -> NeedsApproval:
    """Ask a person before the reply leaves the house."""
    prompt = run.metadata["payload"]["prompt"]
    return NeedsApproval(
        tool_name="send_reply",
        arguments={"reply": f"Thank you for asking: {prompt}"},
        reason="A reply to a customer needs a second pair of eyes",
    )


def succeed(step: Step, run: RunSummary) -> Completed | NeedsApproval:
    """Send exactly what was approved, or ask again where it was not."""
    if step.approval is None or step.approval.status != "approved":
        return wait_for_approval(step, run)
    return Completed({"sent": dict(step.approval.arguments)})


def review(step: Step, _: RunSummary) -> Completed:
    """Judge the draft by what was projected, which is all the critic gets to see."""
    context = step.projected_context or {}
    words = len(str(context.get("draft_answer", "")).split())
    return Completed({"verdict": "fits the policy", "words_read": words})
