"""Hosts that each break one promise; all but that is the guide's."""

import hashlib
from collections.abc import Callable, Iterable
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from flask import Flask, redirect, request, session, url_for
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import Forbidden

from lab.first_contact.batch_6.looks import inside
from lab.first_contact.guide_host import assistant, connect, create_app
from lab.first_contact.guide_host.handlers import review, wait_for_approval
from lab.first_contact.guide_host.login import signed_in
from lab.first_contact.wrong import Wrong
from scoria_core import Scoria, ScoriaError, StepSpec

Make = Callable[[], Any]


def right() -> Flask:
    """Return the guide's host."""
    return create_app(Scoria.open("memory://"))


def own_evidence() -> Flask:
    """Show evidence to reviewers, and to a user that of their own runs."""
    app = right()
    mounts = app.wsgi_app.mounts  # type: ignore[attr-defined]  # a DispatcherMiddleware
    page, scoria = mounts["/scoria"], app.extensions["scoria"]

    def answer(environ: Any, start_response: Any) -> Iterable[bytes]:
        who: Any = app.session_interface.open_session(app, app.request_class(environ)) or {}
        _, _, run_id = environ["PATH_INFO"].partition("/workflows/")
        if run_id and "user_id" in who and not who["reviewer"]:
            try:
                run = scoria.for_tenant(who["account_id"]).get_run(run_id)
            except ScoriaError:
                run = None
            if run is not None and run.actor_id != who["user_id"]:
                return Forbidden()(environ, start_response)
        result: Iterable[bytes] = page(environ, start_response)
        return result

    mounts["/scoria"] = answer
    return app


def show_own_evidence(make: Make) -> None:
    """A colleague of the same account reads the evidence of a run."""
    host = inside(make)
    run = host.sign_in(actor_id="amy", tenant_id="acme").start_turn("hello")
    colleague = host.sign_in(actor_id="bob", tenant_id="acme").browser
    assert colleague.get(f"/scoria/workflows/{run.run_id}").status_code == 200


def one_run_per_prompt() -> Flask:
    """Start a run once for each prompt of a session: a browser may send the form twice."""
    app = right()

    def create_run() -> ResponseReturnValue:
        prompt = request.form["prompt"]
        digest = hashlib.sha256(prompt.encode()).hexdigest()
        started = assistant.runs().start_run(
            assistant.identity(),
            root_role_id="executor",
            initial_step=StepSpec(kind="approval", role_id="executor"),
            metadata={"payload": {"prompt": prompt}},
            handlers={"approval": wait_for_approval},
            idempotency_key=f"{session['assistant_session_id']}:{digest}",
        )
        session["last_scoria_run_id"] = started.run_id
        return redirect(url_for("assistant.show_run", run_id=started.run_id))

    app.view_functions["assistant.create_run"] = signed_in(create_run)
    return app


def show_one_run_per_prompt(make: Make) -> None:
    """Who asks the same again the next day asks anew."""
    user = inside(make).sign_in(actor_id="amy", tenant_id="acme")
    first, second = user.start_turn("What is new?"), user.start_turn("What is new?")
    assert first.session_id == second.session_id
    assert first.run_id != second.run_id


def account_of_the_gateway() -> Flask:
    """Take the account from the header that the gateway sets, where it is there."""

    def runs() -> Scoria:
        scoria: Scoria = app.extensions["scoria"]
        return scoria.for_tenant(request.headers.get("X-Account-Id", session["account_id"]))

    app = right()
    assistant.runs = runs
    return app


def show_account_of_the_gateway(make: Make) -> None:
    """A reviewer of another account does not decide, whatever header is sent."""
    host = inside(make)
    user = host.sign_in(actor_id="amy", tenant_id="acme")
    other = host.sign_in(actor_id="eve", tenant_id="other", reviewer=True)
    run = user.start_turn("hello")
    other.browser.headers["X-Account-Id"] = "acme"
    other.browser.get(f"/assistant/runs/{run.run_id}")
    try:
        other.approve(run.run_id)
        other.resume(run.run_id)
    except Exception:  # noqa: BLE001, S110 - however it is refused
        pass
    assert user.read(run.run_id).status == "waiting_for_approval"


def decided_with_its_likes() -> Flask:
    """Approve with a request all others that ask for exactly the same: nobody reads it twice."""
    app = right()
    decided = assistant.decide

    def decide(run_id: str, decision: str) -> ResponseReturnValue:
        runs, approval_id = assistant.runs(), request.form["approval_id"]
        requests = {x.approval_id: x for x in runs.get_run(run_id).pending_approvals}
        answer = decided(run_id, decision)
        digest = requests[approval_id].arguments_digest
        for each in runs.list_approvals() if decision == "approve" else ():
            if each.arguments_digest == digest:
                who = session["user_id"]
                runs.approve(each.run_id, approval_id=each.approval_id, decided_by=who)
        return answer

    app.view_functions["assistant.decide"] = signed_in(decide)
    return app


def show_decided_with_its_likes(make: Make) -> None:
    """A run that asks for the same as another waits on when the other is approved."""
    host = inside(make)
    user = host.sign_in(actor_id="amy", tenant_id="acme")
    reviewer = host.sign_in(actor_id="ada", tenant_id="acme", reviewer=True)
    first, second = user.start_turn("hello"), user.start_turn("hello")
    reviewer.approve(first.run_id)
    assert user._get(second.run_id)["approval_id"] is not None


def session_of_a_user() -> Flask:
    """Give a user the same session wherever they sign in: by their name, which is unique."""
    app = right()
    sign_in: Callable[[], Any] = app.view_functions["login.sign_in"]

    def named() -> ResponseReturnValue:
        answer: ResponseReturnValue = sign_in()
        session["assistant_session_id"] = str(uuid5(NAMESPACE_OID, session["user_id"]))
        return answer

    app.view_functions["login.sign_in"] = named
    return app


def show_session_of_a_user(make: Make) -> None:
    """Two who are called alike in two accounts have a session each."""
    host = inside(make)
    users = [host.sign_in(actor_id="amy", tenant_id=each) for each in ("acme", "other")]
    first, second = (each.start_turn("hello") for each in users)
    assert first.session_id != second.session_id


def draft_before() -> Flask:
    """Hand on the draft before as well: the critic is to see what was changed."""
    app = right()

    def create_draft() -> ResponseReturnValue:
        draft = request.form["draft_answer"]
        before, session["draft"] = session.get("draft"), draft
        runs, who = assistant.runs(), assistant.identity()
        started = runs.start_run(who, root_role_id="executor")
        session["last_scoria_run_id"] = started.run_id
        if not assistant.needs_bounded_review(draft):
            return redirect(url_for("assistant.show_run", run_id=started.run_id))
        context = {"task": "policy-and-accuracy review", "draft_answer": draft}
        landed = runs.start_handoff_run(
            who,
            "critic",
            root_role_id="planner",
            delegated_kind="review",
            handoff_input={"brief": "Review the draft answer for policy and accuracy"},
            projected_context=context if before is None else {**context, "draft_before": before},
            handlers={"review": review},
        )
        return redirect(url_for("assistant.show_run", run_id=landed.run_id))

    app.view_functions["assistant.create_draft"] = signed_in(create_draft)
    return app


def show_draft_before(make: Make) -> None:
    """What another turn said is not handed to the critic of this one."""
    user = inside(make).sign_in(actor_id="amy", tenant_id="acme")
    user.submit_draft("My bank is in Geneva")
    _, review_of = user.submit_draft("The policy is kind")
    assert review_of is not None
    assert "Geneva" not in user.browser.get(f"/scoria/workflows/{review_of.run_id}").text


WRONG = (
    Wrong(
        "evidence of one's own",
        "HOST-3",
        kind="host",
        make=own_evidence,
        show=show_own_evidence,
        right=right,
        connect=connect,
    ),
    Wrong(
        "one run for each prompt",
        "HOST-5",
        kind="host",
        make=one_run_per_prompt,
        show=show_one_run_per_prompt,
        right=right,
        connect=connect,
    ),
    Wrong(
        "the account of the gateway",
        "HOST-8",
        kind="host",
        make=account_of_the_gateway,
        show=show_account_of_the_gateway,
        right=right,
        connect=connect,
    ),
    Wrong(
        "decided with its likes",
        "HOST-9",
        kind="host",
        make=decided_with_its_likes,
        show=show_decided_with_its_likes,
        right=right,
        connect=connect,
    ),
    Wrong(
        "the session of a name",
        "HOST-12",
        kind="host",
        make=session_of_a_user,
        show=show_session_of_a_user,
        right=right,
        connect=connect,
    ),
    Wrong(
        "the draft before",
        "HOST-13",
        kind="host",
        make=draft_before,
        show=show_draft_before,
        right=right,
        connect=connect,
    ),
)
