"""The guide's controllers: start a turn, branch a draft into a review, carry on, cancel.

The host owns who is signed in, which draft needs a review and what the critic gets to see.
Scoria owns the runs, and its console takes the decisions. The host keeps nothing but the run_id.
"""

from typing import Any

from flask import (
    Blueprint,
    abort,
    current_app,
    jsonify,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from flask.typing import ResponseReturnValue

from scoria_core import Identity, Scoria, StepSpec
from scoria_demo.handlers import HANDLERS
from scoria_demo.login import signed_in

pages = Blueprint("assistant", __name__)


def runs() -> Scoria:
    """Return the runs of the account that is signed in, and of no other."""
    scoria: Scoria = current_app.extensions["scoria"]
    return scoria.for_tenant(session["account_id"])


def identity() -> Identity:
    """Normalize who acts, before a run starts."""
    return runs().identity(
        actor_id=session["user_id"],
        tenant_id=session["account_id"],
        session_id=session["assistant_session_id"],
        metadata={"channel": "web"},
    )


@pages.post("/assistant/runs")
@signed_in
def create_run() -> ResponseReturnValue:
    """Start a run that pauses for approval, and store its run_id."""
    return _start(request.form["prompt"], StepSpec(kind="approval", role_id="executor"))


@pages.post("/assistant/refunds")
@signed_in
def create_refund() -> ResponseReturnValue:
    """Start a run that refunds an order once enough people have approved it."""
    order, amount = request.form["order"].strip(), request.form.get("amount", type=int)
    if amount is None or amount < 1:
        abort(400, "An amount is a whole number above zero. Go back and give one.")
    asked = StepSpec(kind="refund", role_id="executor", input={"order": order, "amount": amount})
    return _start(f"Refund {amount} for {order}", asked)


def _start(prompt: str, step: StepSpec) -> ResponseReturnValue:
    started = runs().start_run(
        identity(),
        root_role_id="executor",
        initial_step=step,
        metadata={"payload": {"prompt": prompt}},
        handlers=HANDLERS,
    )
    session["last_scoria_run_id"] = started.run_id
    return redirect(url_for("assistant.show_run", run_id=started.run_id))


@pages.post("/assistant/drafts")
@signed_in
def create_draft() -> ResponseReturnValue:
    """Start a run for a draft, and a bounded handoff where the draft needs a review."""
    draft_answer = request.form["draft_answer"]
    metadata = {"payload": {"prompt": draft_answer}}
    started = runs().start_run(identity(), root_role_id="executor", metadata=metadata)
    session["last_scoria_run_id"] = started.run_id
    if not needs_bounded_review(draft_answer):
        return redirect(url_for("assistant.show_run", run_id=started.run_id))
    handoff_run = runs().start_handoff_run(
        identity(),
        "critic",
        root_role_id="planner",
        delegated_kind="review",
        handoff_input={"brief": "Review the draft answer for policy and accuracy"},
        projected_context={"task": "policy-and-accuracy review", "draft_answer": draft_answer},
        metadata=metadata,
        handlers=HANDLERS,
    )
    session["last_scoria_handoff_run_id"] = handoff_run.run_id
    return redirect(url_for("assistant.show_run", run_id=handoff_run.run_id))


@pages.post("/assistant/runs/<run_id>/resume")
@signed_in
def resume(run_id: str) -> ResponseReturnValue:
    """Carry on with that exact run; if that is not possible, Scoria says what it waits for."""
    if not runs().run_pending(run_id, handlers=HANDLERS):
        runs().resume_run(run_id, handlers=HANDLERS)
    return redirect(url_for("assistant.show_run", run_id=run_id))


@pages.post("/assistant/runs/<run_id>/cancel")
@signed_in
def cancel(run_id: str) -> ResponseReturnValue:
    """End a run that its own user no longer needs."""
    if runs().get_run(run_id).actor_id != session["user_id"]:
        abort(403, "Whoever started a run cancels it. Nothing was changed.")
    runs().cancel_run(run_id, reason="No longer needed", actor_id=session["user_id"])
    return redirect(url_for("assistant.show_run", run_id=run_id))


@pages.get("/assistant/runs/<run_id>")
@signed_in
def show_run(run_id: str) -> ResponseReturnValue:
    """Show where one run stands."""
    detail = runs().get_run_detail(run_id)
    if request.accept_mimetypes.best != "application/json":
        return render_template("run.html", run=detail.summary, detail=detail)
    pending = detail.summary.pending_approval
    return jsonify(
        _session_as_json()
        | {
            "run_id": run_id,
            "session_id": detail.summary.session_id,
            "status": detail.summary.status,
            "approval_id": pending and pending.approval_id,
        }
    )


@pages.get("/")
@signed_in
def turns() -> ResponseReturnValue:
    """Show the turns of this session."""
    if request.accept_mimetypes.best == "application/json":
        return jsonify(_session_as_json())
    listed = runs().list_runs_for_session(session["assistant_session_id"])
    return render_template("turns.html", runs=listed, waiting=runs().count_approvals())


def needs_bounded_review(draft_answer: str) -> bool:
    """Tell whether a draft goes to the critic; the rule is the host's own."""
    return "policy" in draft_answer


def _session_as_json() -> dict[str, Any]:
    return {
        "session_id": session["assistant_session_id"],
        "last_scoria_run_id": session.get("last_scoria_run_id"),
    }
