"""Hosts that each break one promise about what people decide."""

from typing import Any

from flask import Flask, abort, request, session

from lab.first_contact.batch_3.host_tools import (
    asserted,
    is_refused,
    reviewer_of,
    shown_at,
    user_of,
    wrong_host,
)
from lab.first_contact.batch_4.host_tools import (
    approval_of,
    decide_on,
    deciding,
    only_reviewers,
    sent,
)
from lab.first_contact.guide_host.assistant import runs
from lab.first_contact.guide_host.handlers import succeed
from lab.first_contact.guide_host.login import signed_in
from scoria_conformance.host import Host
from scoria_core.errors import ApprovalNotPending

MOST = 1_000
"""How many runs are looked through."""


# Which request is decided.


def decide_oldest(run_id: str, decision: str) -> Any:
    """Decide what has waited longest in the account."""
    only_reviewers()
    waiting = [run.run_id for run in runs().list_runs(limit=MOST) if run.pending_approval]
    oldest = waiting[-1] if run_id in waiting else run_id
    pending = runs().get_run(oldest).pending_approval
    approval_id = pending.approval_id if pending else request.form["approval_id"]
    decide_on(oldest, decision, approval_id, session["user_id"])
    return shown_at(run_id)


def drive_decide_oldest(host: Host) -> None:
    """Assert that of two runs that wait the one that was approved goes on."""
    user = user_of(host)
    first, second = user.start_turn("One"), user.start_turn("Two")
    reviewer_of(host).approve(second.run_id)
    assert is_refused(lambda: user.resume(first.run_id))
    user.resume(second.run_id)
    assert user.read(second.run_id).status == "completed"


def decide_equal(run_id: str, decision: str) -> Any:
    """Take a yes for all that wait with the same arguments."""
    only_reviewers()
    pending = runs().get_run(run_id).pending_approval
    decide_on(run_id, decision, request.form["approval_id"], session["user_id"])
    if pending is not None and decision == "approve":
        for run in runs().list_runs(limit=MOST):
            for asked in run.pending_approvals:
                if asked.arguments_digest == pending.arguments_digest:
                    decide_on(run.run_id, decision, asked.approval_id, session["user_id"])
    return shown_at(run_id)


def drive_decide_equal(host: Host) -> None:
    """Assert that a run with the same request waits for a decision of its own."""
    user = user_of(host)
    first, second = user.start_turn("The same"), user.start_turn("The same")
    reviewer_of(host).approve(first.run_id)
    assert is_refused(lambda: user.resume(second.run_id))
    assert user.read(second.run_id).status == "waiting_for_approval"


# Who decides.


def linked(app: Flask) -> None:
    """Let a link in a mail decide, whoever follows it."""

    def follow(run_id: str, decision: str) -> Any:
        """Decide what the run waits for; who is signed in has the form for that."""
        if "user_id" in session:
            abort(405)
        scoria = app.extensions["scoria"]
        pending = scoria.get_run(run_id).pending_approval
        if pending is None:
            abort(409, "There is nothing to decide.")
        call = scoria.approve if decision == "approve" else scoria.reject
        call(run_id, approval_id=pending.approval_id, decided_by="a reviewer, by mail")
        return "Thank you."

    rule = "/assistant/runs/<run_id>/<any(approve, reject):decision>"
    app.add_url_rule(rule, "by_mail", follow, methods=["GET"])


def drive_linked(host: Host) -> None:
    """Assert that nobody decides by an address alone."""
    user = user_of(host)
    run_id = user.start_turn("A turn").run_id
    visitor: Any = host.visit()
    visitor.browser.get(f"/assistant/runs/{run_id}/approve")
    assert is_refused(lambda: user.resume(run_id))


def in_the_name_of_the_last(app: Flask) -> None:
    """Record decisions in the name of the reviewer of the account who signed in last."""
    sign_in = app.view_functions["login.sign_in"]
    on_duty: dict[str, str] = {}

    def sign_in_for_duty() -> Any:
        """Sign in, and note who reviews."""
        answer = sign_in()
        if session["reviewer"]:
            on_duty[session["account_id"]] = session["user_id"]
        return answer

    def decide(run_id: str, decision: str) -> Any:
        """Record what the reviewer decided."""
        only_reviewers()
        decided_by = on_duty.get(session["account_id"], session["user_id"])
        decide_on(run_id, decision, request.form["approval_id"], decided_by)
        return shown_at(run_id)

    app.view_functions["login.sign_in"] = sign_in_for_duty
    deciding(decide)(app)


def drive_in_the_name_of_the_last(host: Host) -> None:
    """Assert that a decision is in the name of who made it."""
    user = user_of(host)
    run_id = user.start_turn("A turn").run_id
    decides = user_of(host, "reviewer-7", reviewer=True)
    user_of(host, "reviewer-8", reviewer=True)
    decides.approve(run_id)
    page = user.evidence(run_id).text
    assert "reviewer-7" in page
    assert "reviewer-8" not in page


def found_by_request(app: Flask) -> None:
    """Find what is decided by the id of the request, which no two requests share."""

    def decide(run_id: str, decision: str) -> Any:
        """Decide on the request, in the run that made it."""
        only_reviewers()
        runs().get_run(run_id)
        scoria, approval_id = app.extensions["scoria"], request.form["approval_id"]
        waiting = {
            asked.approval_id: run
            for run in scoria.list_runs(limit=MOST)
            for asked in run.pending_approvals
        }
        if approval_id not in waiting:
            decide_on(run_id, decision, approval_id, session["user_id"])
        else:
            call = scoria.approve if decision == "approve" else scoria.reject
            made_by, note = waiting[approval_id].run_id, request.form.get("note") or None
            call(made_by, approval_id=approval_id, decided_by=session["user_id"], note=note)
        return shown_at(run_id)

    deciding(decide)(app)


def drive_found_by_request(host: Host) -> None:
    """Assert that nobody decides for another account, through a run of their own."""
    user = user_of(host)
    run_id = user.start_turn("A turn").run_id
    asked = approval_of(user, run_id)
    stranger = user_of(host, "reviewer-9", "account-2", reviewer=True)
    own = stranger.start_turn("Their own").run_id
    is_refused(lambda: sent(stranger, f"/assistant/runs/{own}/approve", approval_id=asked))
    assert is_refused(lambda: user.resume(run_id))
    assert user.read(run_id).status == "waiting_for_approval"


# When it is decided, and how often.


def resuming_decides(app: Flask) -> None:
    """Take it that a reviewer who resumes a run has approved what it waits for."""

    def resume(run_id: str) -> Any:
        """Resume the run; for a reviewer, in one go."""
        pending = runs().get_run(run_id).pending_approval
        if pending is not None and session["reviewer"]:
            decide_on(run_id, "approve", pending.approval_id, session["user_id"])
        runs().resume_run(run_id, handlers={"approval": succeed})
        return shown_at(run_id)

    app.view_functions["assistant.resume"] = signed_in(resume)


def drive_resuming_decides(host: Host) -> None:
    """Assert that a reviewer cannot resume what nobody has decided, either."""
    user = user_of(host)
    run_id = user.start_turn("A turn").run_id
    reviewer = reviewer_of(host)
    assert is_refused(lambda: reviewer.resume(run_id))
    assert user.read(run_id).status == "waiting_for_approval"


def decide_again(run_id: str, decision: str) -> Any:
    """Take the same decision of the same person, sent again, as done."""
    only_reviewers()
    try:
        decide_on(run_id, decision, request.form["approval_id"], session["user_id"])
    except ApprovalNotPending as told:
        said = "approved" if decision == "approve" else "rejected"
        if (told.status, told.decided_by) != (said, session["user_id"]):
            raise
    return shown_at(run_id)


def drive_decide_again(host: Host) -> None:
    """Assert that a decision that is sent again is refused, also to who made it."""
    user, reviewer = user_of(host), reviewer_of(host)
    run_id = user.start_turn("A turn").run_id
    path, asked = f"/assistant/runs/{run_id}/approve", approval_of(reviewer, run_id)
    sent(reviewer, path, approval_id=asked)
    assert is_refused(lambda: sent(reviewer, path, approval_id=asked))


# What is stored of it.


def decide_and_store(run_id: str, decision: str) -> Any:
    """Store the run that was decided as the one that the session is about."""
    only_reviewers()
    decide_on(run_id, decision, request.form["approval_id"], session["user_id"])
    session["last_scoria_run_id"] = run_id
    return shown_at(run_id)


def drive_decide_and_store(host: Host) -> None:
    """Assert that the session of a reviewer has the run of their own turn."""
    user, reviewer = user_of(host), reviewer_of(host)
    run_id = user.start_turn("A turn").run_id
    own = reviewer.start_turn("A turn of the reviewer").run_id
    reviewer.approve(run_id)
    assert reviewer.stored_run_id() == own


WRONG = [
    wrong_host("oldest decided", "HOST-9", deciding(decide_oldest), asserted(drive_decide_oldest)),
    wrong_host(
        "equal requests decided", "HOST-9", deciding(decide_equal), asserted(drive_decide_equal)
    ),
    wrong_host("link decides for a visitor", "HOST-8", linked, asserted(drive_linked)),
    wrong_host(
        "decided by who signed in last",
        "HOST-11",
        in_the_name_of_the_last,
        asserted(drive_in_the_name_of_the_last),
    ),
    wrong_host(
        "request of another account found",
        "HOST-8",
        found_by_request,
        asserted(drive_found_by_request),
    ),
    wrong_host(
        "reviewer resumes undecided", "HOST-4", resuming_decides, asserted(drive_resuming_decides)
    ),
    wrong_host(
        "decision sent again is done",
        "HOST-10",
        deciding(decide_again),
        asserted(drive_decide_again),
    ),
    wrong_host(
        "decided run is the stored one",
        "HOST-12",
        deciding(decide_and_store),
        asserted(drive_decide_and_store),
    ),
]
