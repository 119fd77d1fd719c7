"""Hosts that confuse runs, sessions and tenants: the demo host, changed."""

from collections.abc import Callable, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from flask import Flask, redirect, request, session, url_for
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from lab.first_contact.guide_host import assistant
from lab.first_contact.guide_host.app import create_app
from lab.first_contact.guide_host.client import connect
from lab.first_contact.guide_host.handlers import succeed, wait_for_approval
from lab.first_contact.guide_host.login import signed_in
from lab.first_contact.wrong import Wrong
from scoria_conformance.host import HostRefused, HostSession
from scoria_conformance.serving import served
from scoria_core import Scoria, StepSpec
from scoria_core.errors import RunNotFound, ScoriaError
from scoria_memory import MemoryStore
from scoria_web import Scope, evidence_app

MakeHost = Callable[[], Any]
ScopeOf = Callable[[Mapping[str, Any]], Scope | None]


def right() -> Flask:
    """Return the demo host as it is, over a store in memory."""
    return create_app(Scoria(MemoryStore()))


def _scoria(app: Flask) -> Scoria:
    scoria: Scoria = app.extensions["scoria"]
    return scoria


def _replaced(app: Flask, endpoint: str, view: Callable[..., Any]) -> None:
    app.view_functions[endpoint] = signed_in(view)


def _visited(app: Flask, environ: Mapping[str, Any]) -> Mapping[str, Any]:
    return app.session_interface.open_session(app, app.request_class(dict(environ))) or {}


def _scoped(app: Flask, scope: ScopeOf) -> Flask:
    plain = app.wsgi_app.app  # type: ignore[attr-defined]  # the demo wraps it so
    evidence = evidence_app(_scoria(app), scope=scope)
    app.wsgi_app = DispatcherMiddleware(plain, {"/scoria": evidence})  # type: ignore[method-assign]
    return app


def _shown(run_id: str) -> Any:
    return redirect(url_for("assistant.show_run", run_id=run_id))


def _started(**more: Any) -> str:
    return (
        assistant.runs()
        .start_run(
            assistant.identity(),
            root_role_id="executor",
            initial_step=StepSpec(kind="approval", role_id="executor"),
            metadata={"payload": {"prompt": request.form["prompt"]}},
            handlers={"approval": wait_for_approval},
            **more,
        )
        .run_id
    )


@contextmanager
def _host(make: MakeHost) -> Any:
    with served(make()) as base_url:
        yield connect(base_url)


def _user(host: Any, actor_id: str = "user-1", tenant_id: str = "account-1") -> HostSession:
    signed: HostSession = host.sign_in(actor_id=actor_id, tenant_id=tenant_id)
    return signed


def _reviewer(host: Any, tenant_id: str = "account-1") -> HostSession:
    signed: HostSession = host.sign_in(actor_id="rev-7", tenant_id=tenant_id, reviewer=True)
    return signed


def _is_refused(call: Callable[[], object]) -> bool:
    try:
        call()
    except HostRefused:
        return True
    return False


def latest_of_the_account() -> Flask:
    """Stores the latest run_id for the account, so that its users overwrite each other's."""
    app, latest = right(), dict[str, str]()

    def create_run() -> Any:
        run_id = latest[session["account_id"]] = _started()
        return _shown(run_id)

    plain = assistant._session_as_json

    def turns() -> Any:
        return plain() | {"last_scoria_run_id": latest.get(session["account_id"])}

    _replaced(app, "assistant.create_run", create_run)
    _replaced(app, "assistant.turns", turns)
    return app


def show_latest_of_the_account(make: MakeHost) -> None:
    """Each user finds the run of their own latest turn."""
    with _host(make) as host:
        one, other = _user(host), _user(host, "user-2")
        first = one.start_turn("one")
        other.start_turn("two")
        assert one.stored_run_id() == first.run_id


def stored_once() -> Flask:
    """Stores the run_id of the first turn of a session, and no later one."""
    app = right()

    def create_run() -> Any:
        run_id = _started()
        session.setdefault("last_scoria_run_id", run_id)
        return _shown(run_id)

    _replaced(app, "assistant.create_run", create_run)
    return app


def show_stored_once(make: MakeHost) -> None:
    """The run of the second turn is stored, too."""
    with _host(make) as host:
        user = _user(host)
        user.start_turn("one")
        second = user.start_turn("two")
        assert user.stored_run_id() == second.run_id


def resumes_the_newest() -> Flask:
    """Resumes the newest run of the session that waits, whichever was asked for."""
    app = right()

    def resume(run_id: str) -> Any:
        turns = assistant.runs().list_runs_for_session(session["assistant_session_id"])
        waiting = [each.run_id for each in turns if each.status == "waiting_for_approval"]
        assistant.runs().resume_run([*waiting, run_id][0], handlers={"approval": succeed})
        return _shown(run_id)

    _replaced(app, "assistant.resume", resume)
    return app


def show_resumes_the_newest(make: MakeHost) -> None:
    """The run that was asked for goes on, and the newer one waits still."""
    with _host(make) as host:
        user, reviewer = _user(host), _reviewer(host)
        first, second = user.start_turn("one"), user.start_turn("two")
        reviewer.approve(first.run_id)
        reviewer.approve(second.run_id)
        user.resume(first.run_id)
        assert user.read(first.run_id).status == "completed"
        assert user.read(second.run_id).status == "waiting_for_approval"


def decides_by_resuming() -> Flask:
    """Approves what is pending by itself where a reviewer resumes."""
    app = right()

    def resume(run_id: str) -> Any:
        pending = assistant.runs().get_run(run_id).pending_approval
        if pending is not None and session["reviewer"]:
            assistant.runs().approve(run_id, approval_id=pending.approval_id, decided_by="system")
        assistant.runs().resume_run(run_id, handlers={"approval": succeed})
        return _shown(run_id)

    _replaced(app, "assistant.resume", resume)
    return app


def show_decides_by_resuming(make: MakeHost) -> None:
    """A run goes on only after somebody has approved, whoever resumes it."""
    with _host(make) as host:
        run_id = _user(host).start_turn("one").run_id
        assert _is_refused(lambda: _reviewer(host).resume(run_id))
        assert _user(host).read(run_id).status == "waiting_for_approval"


def approves_the_oldest() -> Flask:
    """Approves what has waited longest in the account, whichever run was meant."""
    app = right()

    def decide(run_id: str, decision: str) -> Any:
        runs = assistant.runs()
        waiting = [each for each in runs.list_runs() if each.pending_approval]
        for each in waiting[-1:]:
            pending = each.pending_approval
            assert pending is not None
            call = runs.approve if decision == "approve" else runs.reject
            call(each.run_id, approval_id=pending.approval_id, decided_by=session["user_id"])
        return _shown(run_id)

    _replaced(app, "assistant.decide", decide)
    return app


def show_approves_the_oldest(make: MakeHost) -> None:
    """What nobody has decided on is not resumed, and what somebody has is."""
    with _host(make) as host:
        one, other = _user(host), _user(host, "user-2")
        first, second = one.start_turn("one"), other.start_turn("two")
        _reviewer(host).approve(second.run_id)
        assert _is_refused(lambda: one.resume(first.run_id))
        other.resume(second.run_id)
        assert other.read(second.run_id).status == "completed"


def resumes_by_starting() -> Flask:
    """Starts the turn again where it should go on, and shows the new run."""
    app = right()

    def resume(run_id: str) -> Any:
        run = assistant.runs().get_run(run_id)
        if run.pending_approval is not None:
            assistant.runs().resume_run(run_id)
        again = assistant.runs().start_run(
            assistant.identity(),
            root_role_id="executor",
            initial_step=StepSpec(kind="approval", role_id="executor"),
            metadata=run.metadata,
            handlers={"approval": lambda step, run: {"sent": True}},
        )
        session["last_scoria_run_id"] = again.run_id
        return _shown(again.run_id)

    _replaced(app, "assistant.resume", resume)
    return app


def show_resumes_by_starting(make: MakeHost) -> None:
    """The very run that was stored is completed."""
    with _host(make) as host:
        user = _user(host)
        run_id = user.start_turn("one").run_id
        _reviewer(host).approve(run_id)
        user.resume(run_id)
        assert user.read(run_id).status == "completed"
        assert user.stored_run_id() == run_id


def new_session_after_the_end() -> Flask:
    """Begins another session of the assistant once a run of it has completed."""
    app = right()

    def create_run() -> Any:
        turns = assistant.runs().list_runs_for_session(session["assistant_session_id"], limit=1)
        if turns and turns[0].status == "completed":
            session["assistant_session_id"] = str(uuid4())
        session["last_scoria_run_id"] = run_id = _started()
        return _shown(run_id)

    _replaced(app, "assistant.create_run", create_run)
    return app


def show_new_session_after_the_end(make: MakeHost) -> None:
    """The turn after a completed one is of the same session."""
    with _host(make) as host:
        user = _user(host)
        first = user.start_turn("one")
        _reviewer(host).approve(first.run_id)
        user.resume(first.run_id)
        assert user.start_turn("two").session_id == first.session_id


def one_run_for_a_prompt() -> Flask:
    """Takes a prompt that is sent again in a session for a repeated request."""
    app = right()

    def create_run() -> Any:
        name = f"{session['assistant_session_id']} {request.form['prompt']}"[:255]
        session["last_scoria_run_id"] = run_id = _started(idempotency_key=name)
        return _shown(run_id)

    _replaced(app, "assistant.create_run", create_run)
    return app


def show_one_run_for_a_prompt(make: MakeHost) -> None:
    """Two turns with the same words are two runs."""
    with _host(make) as host:
        user = _user(host)
        first, second = user.start_turn("yes"), user.start_turn("yes")
        assert second.session_id == first.session_id
        assert second.run_id != first.run_id


def shows_what_it_saw() -> Flask:
    """Shows a run to a session as the session saw it first, until it resumes it itself."""
    app = right()
    plain: Any = app.view_functions["assistant.show_run"]
    kept = dict[tuple[str, str], Any]()

    def show_run(run_id: str) -> Any:
        name = (session["assistant_session_id"], run_id)
        if request.accept_mimetypes.best != "application/json" or session["reviewer"]:
            return plain(run_id=run_id)
        if name not in kept:
            kept[name] = plain(run_id=run_id).get_data()
        return app.response_class(kept[name], mimetype="application/json")

    resumes = app.view_functions["assistant.resume"]

    def resume(run_id: str) -> Any:
        answer = resumes(run_id=run_id)
        kept.pop((session["assistant_session_id"], run_id), None)
        return answer

    _replaced(app, "assistant.show_run", show_run)
    _replaced(app, "assistant.resume", resume)
    return app


def show_shows_what_it_saw(make: MakeHost) -> None:
    """A run that somebody else has resumed is read back as it is on record."""
    with _host(make) as host:
        user, reviewer = _user(host), _reviewer(host)
        run_id = user.start_turn("one").run_id
        reviewer.approve(run_id)
        reviewer.resume(run_id)
        assert user.read(run_id).status == "completed"


def evidence_for_the_starter() -> Flask:
    """Serves the evidence of a run to the user who started it, and to no colleague."""
    app = right()

    def scope(environ: Mapping[str, Any]) -> Scope | None:
        visited = _visited(app, environ)
        if "user_id" not in visited:
            return None
        run_id = str(environ.get("PATH_INFO", "")).rpartition("/")[2]
        try:
            run = _scoria(app).for_tenant(visited["account_id"]).get_run(run_id)
        except ScoriaError:
            run = None
        if run is not None and run.actor_id != visited["user_id"]:
            return None
        return Scope(tenant_id=visited["account_id"], actor_id=visited["user_id"])

    return _scoped(app, scope)


def show_evidence_for_the_starter(make: MakeHost) -> None:
    """A colleague of the same account sees the evidence."""
    with _host(make) as host:
        run_id = _user(host).start_turn("one").run_id
        page = _user(host, "user-2").evidence(run_id)
        assert page.status_code == 200
        assert run_id in page.text


def scope_of_the_last_login() -> Flask:
    """Keeps who is signed in for the whole process."""
    app, last = right(), dict[str, Any]()
    plain = app.view_functions["login.sign_in"]

    def sign_in() -> Any:
        answer = plain()
        last.update(tenant_id=session["account_id"], actor_id=session["user_id"])
        return answer

    app.view_functions["login.sign_in"] = sign_in
    return _scoped(app, lambda environ: Scope(**last) if last else None)


def show_scope_of_the_last_login(make: MakeHost) -> None:
    """A visitor gets no evidence, though somebody has just signed in."""
    with _host(make) as host:
        run_id = _user(host).start_turn("one").run_id
        assert host.visit().evidence(run_id).status_code == 403


def account_by_user() -> Flask:
    """Remembers the account of a user by the user's name alone."""
    app, accounts = right(), dict[str, str]()

    def scope(environ: Mapping[str, Any]) -> Scope | None:
        visited = _visited(app, environ)
        if "user_id" not in visited:
            return None
        tenant_id = accounts.setdefault(visited["user_id"], visited["account_id"])
        return Scope(tenant_id=tenant_id, actor_id=visited["user_id"])

    return _scoped(app, scope)


def show_account_by_user(make: MakeHost) -> None:
    """A user of the same name in another account does not see the run."""
    with _host(make) as host:
        user = _user(host, "kim", "account-1")
        run_id = user.start_turn("one").run_id
        assert user.evidence(run_id).status_code == 200
        assert _user(host, "kim", "account-2").evidence(run_id).status_code == 404


def accounts_without_case() -> Flask:
    """Brings the account to lower case when somebody signs in."""
    app = right()
    plain = app.view_functions["login.sign_in"]

    def sign_in() -> Any:
        answer = plain()
        session["account_id"] = session["account_id"].lower()
        return answer

    app.view_functions["login.sign_in"] = sign_in
    return app


def show_accounts_without_case(make: MakeHost) -> None:
    """The run of acme is not there for Acme."""
    with _host(make) as host:
        run_id = _user(host, "user-1", "acme").start_turn("one").run_id
        assert _user(host, "user-2", "Acme").evidence(run_id).status_code == 404


def reads_for_anybody() -> Flask:
    """Reads a run without a look at the account, where the account has it not."""
    app = right()
    plain = app.view_functions["assistant.show_run"]

    def show_run(run_id: str) -> Any:
        try:
            return plain(run_id=run_id)
        except RunNotFound:
            run = _scoria(app).get_run(run_id)
            found = {"run_id": run_id, "session_id": run.session_id, "status": run.status}
            return assistant._session_as_json() | found | {"approval_id": None}

    _replaced(app, "assistant.show_run", show_run)
    return app


def show_reads_for_anybody(make: MakeHost) -> None:
    """A user of another account cannot read the run in the host either."""
    with _host(make) as host:
        run_id = _user(host).start_turn("one").run_id
        stranger = _user(host, "user-2", "account-2")
        assert _is_refused(lambda: stranger.read(run_id))


def evidence_of_ended_runs() -> Flask:
    """Serves the evidence to whoever has its address once the run has ended."""
    app = right()

    def scope(environ: Mapping[str, Any]) -> Scope | None:
        visited = _visited(app, environ)
        run_id = str(environ.get("PATH_INFO", "")).rpartition("/")[2]
        try:
            run = _scoria(app).get_run(run_id)
        except ScoriaError:
            run = None
        if run is not None and run.status == "completed":
            return Scope(tenant_id=run.tenant_id, actor_id=visited.get("user_id", "guest"))
        if "user_id" not in visited:
            return None
        return Scope(tenant_id=visited["account_id"], actor_id=visited["user_id"])

    return _scoped(app, scope)


def show_evidence_of_ended_runs(make: MakeHost) -> None:
    """A completed run is nobody else's business either."""
    with _host(make) as host:
        user = _user(host)
        run_id = user.start_turn("one").run_id
        _reviewer(host).approve(run_id)
        user.resume(run_id)
        assert _user(host, "user-2", "account-2").evidence(run_id).status_code == 404


def _wrong(name: str, clause: str, make: MakeHost, show: Callable[[MakeHost], None]) -> Wrong:
    return Wrong(name, clause, "host", make, show, right, connect)


WRONG: list[Wrong] = [
    _wrong(
        "the latest run of the account is stored",
        "HOST-1",
        latest_of_the_account,
        show_latest_of_the_account,
    ),
    _wrong("the first run of a session stays stored", "HOST-1", stored_once, show_stored_once),
    _wrong(
        "the newest waiting run is resumed", "HOST-4", resumes_the_newest, show_resumes_the_newest
    ),
    _wrong(
        "a reviewer who resumes has approved",
        "HOST-4",
        decides_by_resuming,
        show_decides_by_resuming,
    ),
    _wrong(
        "the oldest request is approved", "HOST-4", approves_the_oldest, show_approves_the_oldest
    ),
    _wrong("resuming starts another run", "HOST-4", resumes_by_starting, show_resumes_by_starting),
    _wrong(
        "another session after a completed run",
        "HOST-5",
        new_session_after_the_end,
        show_new_session_after_the_end,
    ),
    _wrong(
        "equal prompts of a session are one run",
        "HOST-5",
        one_run_for_a_prompt,
        show_one_run_for_a_prompt,
    ),
    _wrong(
        "a run is shown as it was first seen", "HOST-2", shows_what_it_saw, show_shows_what_it_saw
    ),
    _wrong(
        "evidence for who started the run only",
        "HOST-3",
        evidence_for_the_starter,
        show_evidence_for_the_starter,
    ),
    _wrong(
        "the last login is everybody's",
        "HOST-6",
        scope_of_the_last_login,
        show_scope_of_the_last_login,
    ),
    _wrong(
        "the account is known by the user's name", "HOST-6", account_by_user, show_account_by_user
    ),
    _wrong("accounts without case", "HOST-6", accounts_without_case, show_accounts_without_case),
    _wrong(
        "a run is read for other accounts", "TENANT-1", reads_for_anybody, show_reads_for_anybody
    ),
    _wrong(
        "evidence of completed runs for anybody",
        "HOST-6",
        evidence_of_ended_runs,
        show_evidence_of_ended_runs,
    ),
]
