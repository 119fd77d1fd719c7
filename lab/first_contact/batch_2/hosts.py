"""Hosts that are wrong: the demo host, with one view or its scope written otherwise."""

from collections.abc import Callable, Mapping
from typing import Any

from flask import Flask, abort, jsonify, redirect, request, session, url_for

from lab.first_contact.batch_2.host_tools import (
    approval_of,
    host,
    identity,
    refused,
    reviewer,
    right,
    running,
    runs,
    shown,
    user,
    view_of,
    with_scope,
)
from lab.first_contact.guide_host.client import _token, connect
from lab.first_contact.guide_host.handlers import review, succeed, wait_for_approval
from lab.first_contact.guide_host.login import signed_in
from lab.first_contact.wrong import Wrong
from scoria_core import Identity, Scoria, StepSpec
from scoria_core.errors import ApprovalNotPending
from scoria_web import Scope

Make = Callable[[], Flask]


def _start(prompt: str, who: Identity | None = None, **given: Any) -> str:
    run_id = (
        runs()
        .start_run(
            who or identity(),
            root_role_id="executor",
            initial_step=StepSpec(kind="approval", role_id="executor"),
            metadata={"payload": {"prompt": prompt}},
            handlers={"approval": wait_for_approval},
            **given,
        )
        .run_id
    )
    session["last_scoria_run_id"] = run_id
    return run_id


def _decide(run_id: str, decision: str, decided_by: str | None = None) -> None:
    if not session["reviewer"]:
        abort(403, "Only a reviewer decides. Sign in as one.")
    call = runs().approve if decision == "approve" else runs().reject
    note = request.form.get("note") or None
    by = decided_by or session["user_id"]
    call(run_id, approval_id=request.form["approval_id"], decided_by=by, note=note)


def same_prompt() -> Flask:
    """Makes the idempotency key of a turn from its session and prompt, against double clicks."""

    def create_run() -> Any:
        prompt = request.form["prompt"]
        key = f"{session['assistant_session_id']}:{hash(prompt)}"
        return shown(_start(prompt, idempotency_key=key))

    return host(create_run=create_run)


def show_same_prompt(make: Make) -> None:
    """A user says "yes" twice in one conversation."""
    with running(make) as (there, _):
        ann = user(there)
        first, second = ann.start_turn("Yes."), ann.start_turn("Yes.")
        assert first.session_id == second.session_id
        assert first.run_id != second.run_id, "the second turn got the run of the first"


def forgiving_twice() -> Flask:
    """Answers a decision that was made already as one that was made now."""

    def decide(run_id: str, decision: str) -> Any:
        try:
            _decide(run_id, decision)
        except ApprovalNotPending:
            if runs().get_run(run_id).status != "waiting_for_approval":
                raise
        return shown(run_id)

    return host(decide=decide)


def _approve(session_: Any, run_id: str, approval_id: str) -> bool:
    path = f"/assistant/runs/{run_id}/approve"
    return refused(lambda: session_._send(path, approval_id=approval_id, note="ok"))


def show_forgiving_twice(make: Make) -> None:
    """The form of a decision is sent again."""
    with running(make) as (there, scoria):
        run_id = user(there).start_turn("Hello").run_id
        rita, named = reviewer(there), approval_of(scoria, run_id)
        assert not _approve(rita, run_id, named)
        assert _approve(rita, run_id, named), "the second click was answered as if it had decided"


def bulk() -> Flask:
    """Approves with a request all others of its session that ask for the same tool."""

    def decide(run_id: str, decision: str) -> Any:
        _decide(run_id, decision)
        if decision == "approve":
            for other in runs().list_runs_for_session(runs().get_run(run_id).session_id):
                if (asked := other.pending_approval) is not None:
                    named = asked.approval_id
                    by = session["user_id"]
                    runs().approve(other.run_id, approval_id=named, decided_by=by)
        return shown(run_id)

    return host(decide=decide)


def show_bulk(make: Make) -> None:
    """Two turns of a session wait, and one is approved."""
    with running(make) as (there, scoria):
        ann = user(there)
        first, second = ann.start_turn("One"), ann.start_turn("Two")
        reviewer(there).approve(first.run_id)
        assert scoria.get_run(second.run_id).pending_approval, "another request was approved too"


def resumes_latest() -> Flask:
    """Resumes the latest turn of the session where its user is the one who resumes."""

    def resume(run_id: str) -> Any:
        scoria = runs()
        latest = session.get("last_scoria_run_id", run_id)
        of_one = scoria.get_run(latest).session_id == scoria.get_run(run_id).session_id
        named = latest if of_one else run_id
        scoria.resume_run(named, handlers={"approval": succeed})
        return shown(run_id)

    return host(resume=resume)


def show_resumes_latest(make: Make) -> None:
    """Two turns of a session are approved, and the earlier one is resumed."""
    with running(make) as (there, scoria):
        ann = user(there)
        first, second = ann.start_turn("One").run_id, ann.start_turn("Two").run_id
        rita = reviewer(there)
        rita.approve(first)
        rita.approve(second)
        ann.resume(first)
        states = (scoria.get_run(first).status, scoria.get_run(second).status)
        assert states == ("completed", "waiting_for_approval"), f"resumed another: {states}"


def one_click() -> Flask:
    """Takes a reviewer's press on resume for the decision, to save a click."""

    def resume(run_id: str) -> Any:
        pending = runs().get_run(run_id).pending_approval
        if pending is not None and session["reviewer"]:
            named, by = pending.approval_id, session["user_id"]
            runs().approve(run_id, approval_id=named, decided_by=by)
        runs().resume_run(run_id, handlers={"approval": succeed})
        return shown(run_id)

    return host(resume=resume)


def show_one_click(make: Make) -> None:
    """A reviewer resumes what nobody has decided."""
    with running(make) as (there, scoria):
        run_id = user(there).start_turn("Hello").run_id
        rita = reviewer(there)
        assert refused(lambda: rita.resume(run_id)), "it went on without a decision"
        assert scoria.get_run(run_id).pending_approval is not None


def user_directory() -> Flask:
    """Looks the account of a user up by the user's name alone, as it was first seen."""
    accounts: dict[str, str] = {}

    def change(scope: Scope, _: Mapping[str, Any]) -> Scope:
        account = accounts.setdefault(scope.actor_id, scope.tenant_id)
        return Scope(account, scope.actor_id)

    return with_scope(right(), change)


def show_user_directory(make: Make) -> None:
    """Users of two accounts have one name."""
    with running(make) as (there, _):
        ann = user(there, "ann", "acme")
        run_id = ann.start_turn("Hello").run_id
        assert ann.evidence(run_id).status_code == 200
        other = user(there, "ann", "other")
        assert other.evidence(run_id).status_code == 404, "a namesake of another account sees it"


def form_account() -> Flask:
    """Takes the account of an act from a hidden field of its form, where there is one."""

    def decide(run_id: str, decision: str) -> Any:
        if (named := request.form.get("account_id")) is None:
            _decide(run_id, decision)
            return shown(run_id)
        if not session["reviewer"]:
            abort(403)
        view: Scoria = app.extensions["scoria"].for_tenant(named)
        call = view.approve if decision == "approve" else view.reject
        call(run_id, approval_id=request.form["approval_id"], decided_by=session["user_id"])
        return jsonify(_said(view, run_id))

    app = host(decide=decide)
    return app


def _said(view: Scoria, run_id: str) -> dict[str, Any]:
    return {"run_id": run_id, "status": view.get_run(run_id).status}


def show_form_account(make: Make) -> None:
    """A reviewer of another account sends the account of the run along."""
    with running(make) as (there, scoria):
        run_id = user(there).start_turn("Hello").run_id
        named = approval_of(scoria, run_id)
        form = {"approval_id": named, "account_id": "acme", "tenant_id": "acme", "note": "ok"}
        eve = reviewer(there, "other")
        refused(lambda: eve._send(f"/assistant/runs/{run_id}/approve", **form))
        assert approval_of(scoria, run_id) == named, "a form chose the account of its act"


def starter_decides() -> Flask:
    """Records a decision in the name of the run's own user, which is at hand."""

    def decide(run_id: str, decision: str) -> Any:
        _decide(run_id, decision, runs().get_run(run_id).actor_id)
        return shown(run_id)

    return host(decide=decide)


def show_starter_decides(make: Make) -> None:
    """The record says who pressed the button."""
    with running(make) as (there, scoria):
        run_id = user(there, "ann").start_turn("Hello").run_id
        reviewer(there).approve(run_id)
        by = scoria.get_run_detail(run_id).approvals[0].decided_by
        assert by == "rita", f"the decision is in the name of {by}"


def session_survives() -> Flask:
    """Keeps the session of the assistant in a browser where the next user signs in."""
    app = right()
    plain = app.view_functions["login.sign_in"]

    def sign_in() -> Any:
        kept = {
            name: session[name]
            for name in ("assistant_session_id", "last_scoria_run_id")
            if name in session
        }
        answer = plain()
        session.update(kept)
        return answer

    app.view_functions["login.sign_in"] = sign_in
    return app


def _signs_in_again(browser: Any, **form: str) -> None:
    browser.post("/login", data={**form, "csrf_token": _token(browser)})


def show_session_survives(make: Make) -> None:
    """Another user of the account signs in, in the same browser."""
    with running(make) as (there, _):
        ann = user(there, "ann")
        first = ann.start_turn("Something private")
        _signs_in_again(ann.browser, user_id="bob", account_id="acme")
        second = ann.start_turn("Hello")
        assert second.session_id != first.session_id, "two users share a session"


def latest_by_user() -> Flask:
    """Stores the latest run by the name of its user, and not in the session."""
    latest: dict[str, str] = {}

    def create_run() -> Any:
        run_id = latest[session["user_id"]] = _start(request.form["prompt"])
        return shown(run_id)

    def turns() -> Any:
        stored = latest.get(session["user_id"])
        said = {"session_id": session["assistant_session_id"], "last_scoria_run_id": stored}
        return jsonify(said)

    return host(create_run=create_run, turns=turns)


def show_latest_by_user(make: Make) -> None:
    """Users of two accounts have one name, and one of them has started nothing."""
    with running(make) as (there, _):
        user(there, "ann", "acme").start_turn("Hello")
        stored = user(there, "ann", "other").stored_run_id()
        assert stored is None, "the run of a namesake is stored for another account"


def told_critic() -> Flask:
    """Tells the critic what the user has asked before, as helpful background."""

    def create_draft() -> Any:
        draft = request.form["draft_answer"]
        listed = runs().list_runs_for_session(session["assistant_session_id"])
        asked = [run.metadata.get("payload", {}).get("prompt") for run in listed]
        started = runs().start_run(identity(), root_role_id="executor")
        session["last_scoria_run_id"] = started.run_id
        if "policy" not in draft:
            return shown(started.run_id)
        context = {"task": "policy review", "draft_answer": draft}
        if any(asked):
            context["background"] = "\n".join(filter(None, asked))
        return shown(
            runs()
            .start_handoff_run(
                identity(),
                "critic",
                root_role_id="planner",
                delegated_kind="review",
                handoff_input={"brief": "Review the draft answer for policy and accuracy"},
                projected_context=context,
                handlers={"review": review},
            )
            .run_id
        )

    return host(create_draft=create_draft)


def show_told_critic(make: Make) -> None:
    """A draft is reviewed in a session that has an earlier turn."""
    with running(make) as (there, scoria):
        ann = user(there)
        ann.start_turn("my salary is 12345")
        _, judged = ann.submit_draft("Our policy allows returns.")
        handoff = scoria.get_run_detail(judged.run_id).delegated_handoffs[0]
        given = f"{handoff.handoff_input} {handoff.projected_context}"
        assert "12345" not in given, "another turn was handed to the critic"


def cached_reading() -> Flask:
    """Keeps what a user was shown of a run until that user acts on it again."""
    kept: dict[tuple[str, str, str], Any] = {}

    def named(run_id: str) -> tuple[str, str, str]:
        return session["account_id"], session["assistant_session_id"], run_id

    def show_run(run_id: str) -> Any:
        if named(run_id) not in kept:
            kept[named(run_id)] = plain(run_id).get_data()
        return app.response_class(kept[named(run_id)], mimetype="application/json")

    def resume(run_id: str) -> Any:
        kept.pop(named(run_id), None)
        return resumed(run_id)

    app = right()
    plain, resumed = view_of(app, "show_run"), view_of(app, "resume")
    app.view_functions["assistant.show_run"] = signed_in(show_run)
    app.view_functions["assistant.resume"] = signed_in(resume)
    return app


def show_cached_reading(make: Make) -> None:
    """A user reads a run, another one resumes it, and the user reads it again."""
    with running(make) as (there, _):
        ann = user(there)
        run_id = ann.start_turn("Hello").run_id
        rita = reviewer(there)
        rita.approve(run_id)
        rita.resume(run_id)
        assert ann.read(run_id).status == "completed", "the user is shown what was"


def own_evidence() -> Flask:
    """Shows evidence to reviewers, and to users only where they have started a run themselves."""

    def change(scope: Scope, visited: Mapping[str, Any]) -> Scope | None:
        return scope if visited["reviewer"] or "last_scoria_run_id" in visited else None

    return with_scope(right(), change)


def show_own_evidence(make: Make) -> None:
    """Another user of the account opens the page of a run."""
    with running(make) as (there, _):
        run_id = user(there, "ann").start_turn("Hello").run_id
        seen = user(there, "bob").evidence(run_id)
        assert seen.status_code == 200, f"a user of the tenant is answered {seen.status_code}"


def open_start() -> Flask:
    """Lets a visitor start a turn as a guest of the account that was here last."""
    last: list[str] = []

    def create_run() -> Any:
        if "user_id" in session:
            last[:] = [session["account_id"]]
            return shown(_start(request.form["prompt"]))
        if not last:
            return redirect(url_for("login.form"))
        scoria: Scoria = app.extensions["scoria"]
        view = scoria.for_tenant(last[0])
        run_id = view.start_run(Identity("guest", last[0], "guest"), root_role_id="executor").run_id
        said = {"run_id": run_id, "session_id": "guest", "status": "running"}
        return jsonify(said | {"last_scoria_run_id": run_id})

    app = right()
    app.view_functions["assistant.create_run"] = create_run
    return app


def show_open_start(make: Make) -> None:
    """A visitor sends the form of a turn."""
    with running(make) as (there, scoria):
        user(there).start_turn("Hello")
        visitor = there.visit()
        assert refused(lambda: visitor.start_turn("Hello")), "a visitor started a turn"
        assert len(scoria.list_runs()) == 1


def _wrong(name: str, clause: str, make: Make, show: Callable[..., None]) -> Wrong:
    return Wrong(name, clause, "host", make, show, right, connect)


WRONG: list[Wrong] = [
    _wrong("one run for one prompt", "HOST-5", same_prompt, show_same_prompt),
    _wrong("second click answered as done", "HOST-10", forgiving_twice, show_forgiving_twice),
    _wrong("approves the session's others", "HOST-9", bulk, show_bulk),
    _wrong("resumes the latest turn", "HOST-4", resumes_latest, show_resumes_latest),
    _wrong("resume decides for a reviewer", "HOST-4", one_click, show_one_click),
    _wrong("evidence by user name", "HOST-6", user_directory, show_user_directory),
    _wrong("account from a form field", "HOST-8", form_account, show_form_account),
    _wrong("decided by who started", "HOST-11", starter_decides, show_starter_decides),
    _wrong("session survives a sign-in", "HOST-12", session_survives, show_session_survives),
    _wrong("latest run by user name", "HOST-12", latest_by_user, show_latest_by_user),
    _wrong("critic told earlier turns", "HOST-13", told_critic, show_told_critic),
    _wrong("reading kept for a user", "HOST-2", cached_reading, show_cached_reading),
    _wrong("evidence for starters only", "HOST-3", own_evidence, show_own_evidence),
    _wrong("a visitor starts as guest", "HOST-8", open_start, show_open_start),
]
