"""Host apps that each break one promise: the demo host with one view changed."""

import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import attrs
from flask import Flask, jsonify, request, session

from lab.first_contact.batch_3.host_tools import (
    asserted,
    decide_as,
    is_refused,
    reviewer_of,
    shown_at,
    start,
    user_of,
    wrong_host,
)
from lab.first_contact.guide_host.assistant import identity, needs_bounded_review, runs
from lab.first_contact.guide_host.client import _token
from lab.first_contact.guide_host.handlers import review, succeed, wait_for_approval
from lab.first_contact.guide_host.login import signed_in
from scoria_conformance.host import Host
from scoria_core import Scoria, StepSpec
from scoria_core.errors import ApprovalNotPending, RunNotFound, RunNotResumable
from scoria_web import evidence_app


def resumes_latest(app: Flask) -> None:
    """Resume the latest run of the session, whichever run the address names."""

    def resume(run_id: str) -> Any:
        runs().resume_run(session["last_scoria_run_id"], handlers={"approval": succeed})
        return shown_at(run_id)

    app.view_functions["assistant.resume"] = signed_in(resume)


@asserted
def show_latest(host: Host) -> None:
    """Assert that the first of two turns is resumed where that one was approved."""
    user = user_of(host)
    first, _ = user.start_turn("one"), user.start_turn("two")
    reviewer_of(host).approve(first.run_id)
    user.resume(first.run_id)
    assert user.read(first.run_id).status == "completed"


def resume_decides(app: Flask) -> None:
    """Approve what is pending where a run is resumed, as nobody would resume it otherwise."""

    def resume(run_id: str) -> Any:
        pending = runs().get_run(run_id).pending_approval
        if pending is not None:
            named = pending.approval_id
            runs().approve(run_id, approval_id=named, decided_by=session["user_id"])
        runs().resume_run(run_id, handlers={"approval": succeed})
        return shown_at(run_id)

    app.view_functions["assistant.resume"] = signed_in(resume)


@asserted
def show_decides(host: Host) -> None:
    """Assert that a run is not resumed before a person decided."""
    user = user_of(host)
    run_id = user.start_turn("one").run_id
    assert is_refused(lambda: user.resume(run_id))
    assert user.read(run_id).status == "waiting_for_approval"


def approves_session(app: Flask) -> None:
    """Approve all that waits in the session of the run that is approved."""

    def decide(run_id: str, decision: str) -> Any:
        decide_as(run_id, decision, session["user_id"])
        for other in runs().list_runs_for_session(runs().get_run(run_id).session_id):
            if decision == "approve" and other.pending_approval is not None:
                named = other.pending_approval.approval_id
                by = session["user_id"]
                runs().approve(other.run_id, approval_id=named, decided_by=by)
        return shown_at(run_id)

    app.view_functions["assistant.decide"] = signed_in(decide)


@asserted
def show_session(host: Host) -> None:
    """Assert that the second turn still waits where the first was approved."""
    user = user_of(host)
    first, second = user.start_turn("one"), user.start_turn("two")
    reviewer_of(host).approve(first.run_id)
    assert is_refused(lambda: user.resume(second.run_id))


def approves_twice(app: Flask) -> None:
    """Answer a second approval as if it were the first."""

    def decide(run_id: str, decision: str) -> Any:
        try:
            decide_as(run_id, decision, session["user_id"])
        except ApprovalNotPending:
            app.logger.info("approved already")
        return shown_at(run_id)

    app.view_functions["assistant.decide"] = signed_in(decide)


@asserted
def show_twice(host: Host) -> None:
    """Assert that an approval that is sent again is refused."""
    user, reviewer = user_of(host), reviewer_of(host)
    run_id = user.start_turn("one").run_id
    reviewer.approve(run_id)
    assert is_refused(lambda: reviewer.approve(run_id))


def starts_over(app: Flask) -> None:
    """Start a run with the same prompt where one that has ended is resumed."""

    def resume(run_id: str) -> Any:
        try:
            runs().resume_run(run_id, handlers={"approval": succeed})
        except RunNotResumable:
            runs().start_run(
                identity(),
                root_role_id="executor",
                initial_step=StepSpec(kind="approval", role_id="executor"),
                metadata=runs().get_run(run_id).metadata,
                handlers={"approval": wait_for_approval},
            )
            raise
        return shown_at(run_id)

    app.view_functions["assistant.resume"] = signed_in(resume)


@asserted
def show_starts_over(host: Host) -> None:
    """Assert that a resume that is sent again starts no run."""
    user = user_of(host)
    run_id = user.start_turn("one").run_id
    reviewer_of(host).approve(run_id)
    user.resume(run_id)
    assert is_refused(lambda: user.resume(run_id))
    page = user.browser.get("/scoria/").text
    assert page.count('<th scope="row">') == 1


def account_of_form(app: Flask) -> None:
    """Resume in the account that the form names, where it names one."""
    scoria: Scoria = app.extensions["scoria"]

    def resume(run_id: str) -> Any:
        account = request.values.get("account_id", session["account_id"])
        scoria.for_tenant(account).resume_run(run_id, handlers={"approval": succeed})
        return shown_at(run_id)

    app.view_functions["assistant.resume"] = signed_in(resume)


@asserted
def show_account(host: Host) -> None:
    """Assert that a user of another account resumes nothing, whatever the form says."""
    user, stranger = user_of(host), user_of(host, "user-2", "account-2")
    run_id = user.start_turn("one").run_id
    reviewer_of(host).approve(run_id)
    path = f"/assistant/runs/{run_id}/resume"
    assert is_refused(lambda: stranger._send(path, account_id="account-1"))
    assert user.read(run_id).status == "waiting_for_approval"


def session_of_user(app: Flask) -> None:
    """Name the session after the user, so that a user of another account shares it."""
    sign_in = app.view_functions["login.sign_in"]

    def named() -> Any:
        answer = sign_in()
        session["assistant_session_id"] = f"assistant-{session['user_id']}"
        return answer

    app.view_functions["login.sign_in"] = named


@asserted
def show_session_of_user(host: Host) -> None:
    """Assert that users of two accounts who are called alike have sessions of their own."""
    one, other = user_of(host), user_of(host, tenant="account-2")
    assert one.start_turn("one").session_id != other.start_turn("two").session_id


def latest_of_account(app: Flask) -> None:
    """Store the latest run for the account, and not for the session."""
    latest: dict[str, str] = {}

    def create_run() -> Any:
        latest[session["account_id"]] = run_id = start(identity())
        return shown_at(run_id)

    turns = app.view_functions["assistant.turns"]

    def index() -> Any:
        if "account_id" in session:
            session["last_scoria_run_id"] = latest.get(session["account_id"])
        return turns()

    app.view_functions["assistant.create_run"] = signed_in(create_run)
    app.view_functions["assistant.turns"] = index


@asserted
def show_latest_of_account(host: Host) -> None:
    """Assert that a turn of another user leaves the run that is stored for this one."""
    one, other = user_of(host), user_of(host, "user-2")
    run_id = one.start_turn("one").run_id
    other.start_turn("two")
    assert one.stored_run_id() == run_id


def decided_by_asker(app: Flask) -> None:
    """Record a decision in the name of who started the run."""

    def decide(run_id: str, decision: str) -> Any:
        decide_as(run_id, decision, runs().get_run(run_id).actor_id)
        return shown_at(run_id)

    app.view_functions["assistant.decide"] = signed_in(decide)


@asserted
def show_decided_by(host: Host) -> None:
    """Assert that the reviewer who approved is on record."""
    user = user_of(host)
    run_id = user.start_turn("one").run_id
    reviewer_of(host).approve(run_id)
    assert "reviewer-7" in user.evidence(run_id).text


def first_of_account(app: Flask) -> None:
    """Start every run of an account in the name of who started the first."""
    actors: dict[str, str] = {}

    def create_run() -> Any:
        who = identity()
        actor = actors.setdefault(who.tenant_id, who.actor_id)
        return shown_at(start(attrs.evolve(who, actor_id=actor)))

    app.view_functions["assistant.create_run"] = signed_in(create_run)


@asserted
def show_first_of_account(host: Host) -> None:
    """Assert that the run of a second user is in that user's name."""
    one, other = user_of(host), user_of(host, "user-2")
    one.start_turn("one")
    run_id = other.start_turn("two").run_id
    assert "user-2" in one.evidence(run_id).text


def hand_off(context: Callable[[str], dict[str, Any]], more_input: Callable[[], Any]) -> Any:
    """Return the view of the demo for a draft, with another context or input of the review."""

    def create_draft() -> Any:
        draft = request.form["draft_answer"]
        started = runs().start_run(identity(), root_role_id="executor")
        session["last_scoria_run_id"] = started.run_id
        if not needs_bounded_review(draft):
            return shown_at(started.run_id)
        handed = runs().start_handoff_run(
            identity(),
            "critic",
            root_role_id="planner",
            delegated_kind="review",
            handoff_input={"brief": "Review the draft answer", **more_input()},
            projected_context={"task": "review", "draft_answer": draft, **context(draft)},
            handlers={"review": review},
        )
        session["last_scoria_handoff_run_id"] = handed.run_id
        return shown_at(handed.run_id)

    return signed_in(create_draft)


def earlier_handed_on(app: Flask) -> None:
    """Hand the prompts of the earlier turns on as background of a draft."""

    def background(_: str) -> dict[str, Any]:
        turns = runs().list_runs_for_session(session["assistant_session_id"])
        asked = [turn.metadata["payload"]["prompt"] for turn in turns if turn.metadata]
        return {"background": asked}

    app.view_functions["assistant.create_draft"] = hand_off(background, dict)


def delegated(user: Any, draft: str) -> str:
    """Return what the page shows under the delegated evidence of the review of a draft."""
    _, handed = user.submit_draft(draft)
    assert handed is not None
    text: str = user.evidence(handed.run_id).text
    return text.partition('id="delegated-evidence"')[2].partition('id="journal"')[0]


@asserted
def show_earlier(host: Host) -> None:
    """Assert that an earlier prompt is not handed to the critic."""
    user = user_of(host)
    user.start_turn("the blue kettle")
    shown = delegated(user, "our policy")
    assert "our policy" in shown
    assert "the blue kettle" not in shown


def user_handed_on(app: Flask) -> None:
    """Tell the critic for whom it reviews."""

    def told() -> dict[str, Any]:
        return {"on_behalf_of": session["user_id"]}

    app.view_functions["assistant.create_draft"] = hand_off(lambda _: {}, told)


@asserted
def show_user_handed_on(host: Host) -> None:
    """Assert that the critic is not told who the user is."""
    assert "user-1" not in delegated(user_of(host), "our policy")


def scoped(scope_of: Callable[[Scoria, Any], Any]) -> Callable[[Flask], None]:
    """Return a change of the scope that the host gives its evidence page."""

    def change(app: Flask) -> None:
        mounts: dict[str, Any] = app.wsgi_app.mounts  # type: ignore[attr-defined]
        scoria: Scoria = app.extensions["scoria"]
        scope = scope_of(scoria, mounts["/scoria"].scope)
        mounts["/scoria"] = evidence_app(scoria, scope=scope)

    return change


def scope_of_address(_: Scoria, scope: Any) -> Any:
    """Remember who was signed in at an address, for a request from there without a session."""
    seen: dict[str, Any] = {}

    def remembered(environ: dict[str, Any]) -> Any:
        found, address = scope(environ), environ["REMOTE_ADDR"]
        if found is not None:
            seen[address] = found
        return seen.get(address)

    return remembered


@asserted
def show_address(host: Host) -> None:
    """Assert that a visitor sees no page, though a user at the same address has just seen it."""
    user = user_of(host)
    run_id = user.start_turn("one").run_id
    assert user.evidence(run_id).status_code == 200
    assert host.visit().evidence(run_id).status_code != 200


def scope_of_run(scoria: Scoria, scope: Any) -> Any:
    """Give whoever is signed in the scope of the tenant whose run the address names."""

    def found(environ: dict[str, Any]) -> Any:
        who = scope(environ)
        try:
            run = scoria.get_run(environ["PATH_INFO"].rpartition("/")[2])
        except RunNotFound:
            return who
        return who and attrs.evolve(who, tenant_id=run.tenant_id)

    return found


@asserted
def show_scope_of_run(host: Host) -> None:
    """Assert that a user of another account does not see the page."""
    run_id = user_of(host).start_turn("one").run_id
    assert user_of(host, "user-2", "account-2").evidence(run_id).status_code != 200


def new_session(app: Flask) -> None:
    """Begin a new session of the assistant once a run was resumed."""
    resume = app.view_functions["assistant.resume"]

    def resumed(run_id: str) -> Any:
        answer = resume(run_id)
        session["assistant_session_id"] = str(uuid4())
        return answer

    app.view_functions["assistant.resume"] = signed_in(resumed)


@asserted
def show_new_session(host: Host) -> None:
    """Assert that the turn after one that was resumed keeps its session."""
    user = user_of(host)
    first = user.start_turn("one")
    reviewer_of(host).approve(first.run_id)
    user.resume(first.run_id)
    assert user.start_turn("two").session_id == first.session_id


def guests(app: Flask) -> None:
    """Let a visitor start a run as a guest."""
    create_run = app.view_functions["assistant.create_run"]

    def started() -> Any:
        if "user_id" not in session:
            more = {"assistant_session_id": str(uuid4()), "reviewer": False}
            session.update(user_id="guest", account_id="guests", **more)
        return create_run()

    app.view_functions["assistant.create_run"] = started


@asserted
def show_guests(host: Host) -> None:
    """Assert that a visitor starts no run."""
    assert is_refused(lambda: host.visit().start_turn("one"))


def status_in_cookie(app: Flask) -> None:
    """Keep the status of a run in the session of its user, until that one acts on it."""
    resume = app.view_functions["assistant.resume"]
    show_run: Any = app.view_functions["assistant.show_run"]

    def shown(run_id: str) -> Any:
        if request.accept_mimetypes.best != "application/json":
            return show_run(run_id)
        if session.get("shown", {}).get("run_id") != run_id:
            session["shown"] = show_run(run_id).get_json()
        last = {"last_scoria_run_id": session.get("last_scoria_run_id")}
        return jsonify(session["shown"] | last)

    def resumed(run_id: str) -> Any:
        answer = resume(run_id)
        session.pop("shown", None)
        return answer

    app.view_functions["assistant.show_run"] = signed_in(shown)
    app.view_functions["assistant.resume"] = signed_in(resumed)


@asserted
def show_status(host: Host) -> None:
    """Assert that a user reads what is on record where a reviewer has resumed the run."""
    user, reviewer = user_of(host), reviewer_of(host)
    run_id = user.start_turn("one").run_id
    assert user.read(run_id).status == "waiting_for_approval"
    reviewer.approve(run_id)
    reviewer.resume(run_id)
    assert user.read(run_id).status == "completed"


def user_in_global(app: Flask) -> None:
    """Keep who is signed in where every request writes it, from its beginning to its end."""
    current: dict[str, str] = {}
    serve = app.wsgi_app

    def noted(environ: dict[str, Any], start_response: Any) -> Any:
        visited = app.session_interface.open_session(app, app.request_class(dict(environ)))
        if visited and "user_id" in visited:
            current["user_id"] = visited["user_id"]
        return serve(environ, start_response)

    def create_run() -> Any:
        return shown_at(start(attrs.evolve(identity(), actor_id=current["user_id"])))

    app.wsgi_app = noted  # type: ignore[method-assign]
    app.view_functions["assistant.create_run"] = signed_in(create_run)


@asserted
def show_global(host: Host) -> None:
    """Assert that a run is in the name of who asked, though another came while the form did."""
    one, other = user_of(host), user_of(host, "user-2")
    form = {"prompt": "one", "csrf_token": _token(one.browser)}
    body = urlencode(form).encode()

    def slowly() -> Iterator[bytes]:
        time.sleep(0.5)  # what was sent before is at the host by then
        other.start_turn("two")
        yield body

    headers = {
        "Content-Type": "application/x-www-form-urlencoded",
        "Content-Length": str(len(body)),
    }
    said = one.browser.post(
        "/assistant/runs", content=slowly(), headers=headers, follow_redirects=False
    )
    assert said.status_code == 302, said.text
    run_id = said.headers["Location"].rpartition("/")[2]
    assert "user-1" in other.evidence(run_id).text


WRONG = [
    wrong_host("the latest run is resumed", "HOST-4", resumes_latest, show_latest),
    wrong_host("resuming approves", "HOST-4", resume_decides, show_decides),
    wrong_host("the whole session is approved", "HOST-9", approves_session, show_session),
    wrong_host("a second approval is answered well", "HOST-10", approves_twice, show_twice),
    wrong_host("a second resume starts a run", "HOST-10", starts_over, show_starts_over),
    wrong_host("the form names the account", "HOST-8", account_of_form, show_account),
    wrong_host("sessions are named after users", "HOST-12", session_of_user, show_session_of_user),
    wrong_host(
        "the latest run is of the account", "HOST-12", latest_of_account, show_latest_of_account
    ),
    wrong_host("who asked is who decided", "HOST-11", decided_by_asker, show_decided_by),
    wrong_host(
        "runs are in the name of the first", "HOST-11", first_of_account, show_first_of_account
    ),
    wrong_host("the user is kept in a global", "HOST-11", user_in_global, show_global),
    wrong_host("earlier prompts are handed on", "HOST-13", earlier_handed_on, show_earlier),
    wrong_host("the user is handed on", "HOST-13", user_handed_on, show_user_handed_on),
    wrong_host("a scope is kept for an address", "HOST-6", scoped(scope_of_address), show_address),
    wrong_host("the scope is of the run", "HOST-6", scoped(scope_of_run), show_scope_of_run),
    wrong_host("a resumed run ends the session", "HOST-5", new_session, show_new_session),
    wrong_host("visitors start runs as guests", "HOST-8", guests, show_guests),
    wrong_host("the status is kept in a cookie", "HOST-2", status_in_cookie, show_status),
]
