"""A Flask host: its own login, and the console of Scoria mounted below it."""

import os
from uuid import uuid4

from flask import Flask, abort, redirect, render_template, request, session, url_for
from flask_wtf.csrf import CSRFProtect
from handlers import HANDLERS
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from scoria_core import Identity, PerProcess, Scoria, ScoriaError, StepSpec
from scoria_core.errors import RunNotFound, StoreUnavailable
from scoria_core.visible import visible_line
from scoria_web import Scope, decision_app, evidence_app

STORE = os.environ.get("SCORIA_STORE", "sqlite:///refunds.sqlite")

app = Flask(__name__)
app.secret_key = os.environ["SECRET_KEY"]  # one for all processes: each reads what another signed
app.config["SESSION_COOKIE_SAMESITE"] = "Lax"
CSRFProtect(app)  # refuses a form that another site posts

# Opened by the first request of each worker: gunicorn --preload imports this page before it forks.
scoria = PerProcess(lambda: Scoria.open(STORE, handlers=HANDLERS))


@app.route("/login", methods=["GET", "POST"])
def login():
    """Take any name: put the login that your app has here. What it keeps in the session counts."""
    if request.method == "GET":
        return render_template("login.html")
    # The conversation is new with each login. A name that is no id is refused here, not later.
    who = Identity(request.form["username"], request.form["account"], session_id=str(uuid4()))
    session.clear()
    session["actor_id"] = who.actor_id
    session["tenant_id"] = who.tenant_id
    session["session_id"] = who.session_id
    session["decides"] = "decides" in request.form
    return redirect(url_for("home"))


@app.before_request
def only_who_is_signed_in():
    """Redirect everybody else to the login."""
    if "actor_id" not in session and request.endpoint != "login":
        return redirect(url_for("login"))
    return None


def runs():
    """Return the runs of the account that is signed in; those of others do not exist for it."""
    return scoria().for_tenant(session["tenant_id"])


@app.get("/")
def home():
    """Show the forms, and the runs that were started since the login."""
    turns = runs().list_runs_for_session(session["session_id"])
    return render_template("home.html", turns=turns, key=uuid4())


@app.post("/refunds")
def ask_refund():
    """Start a run, which waits for a decision; the same form sent again starts no other."""
    amount = request.form.get("amount", type=float)
    if amount is None or not 0.01 <= amount < 1_000_000:
        abort(400, "The amount is no number from 0.01 to 999,999.99. Go back and give one.")
    asked = {"order": request.form["order"], "cents": round(amount * 100)}
    run = runs().start_run(
        Identity.from_session(session),
        root_role_id="agent",
        initial_step=StepSpec("refund-in-cents", "agent", input=asked),
        idempotency_key=request.form["key"],
    )
    return kept(run)


@app.post("/drafts")
def send_draft():
    """Start a run for a draft; if it mentions policy, start another in which a critic reads it."""
    text, who = request.form["draft"], Identity.from_session(session)
    run = runs().start_run(
        who, root_role_id="agent", initial_step=StepSpec("draft", "agent", input={"text": text})
    )
    if "policy" in text:
        run = runs().start_handoff_run(
            who,
            "critic",
            root_role_id="planner",
            delegated_kind="review",
            handoff_input={"brief": "Review the draft for policy"},
            projected_context={"task": "policy review", "draft_answer": text},
        )
    return kept(run)


@app.post("/runs/<run_id>/carry-on")
def carry_on(run_id):
    """Do now what a decision has queued, for who does not wait for the worker."""
    if not runs().run_pending(run_id):
        runs().resume_run(run_id)  # nothing was queued: start it, or say for what it waits
    return evidence(run_id)


def kept(run):
    """Keep the id of the latest run, and redirect to it."""
    session["last_run_id"] = run.run_id
    return evidence(run.run_id)


def evidence(run_id):
    """Redirect to the page of a run in the console."""
    return redirect(f"{request.script_root}/scoria/workflows/{run_id}")


@app.errorhandler(ScoriaError)
def refused(error):
    """Show a refusal in its own words: it says what was wrong and what to do."""
    if isinstance(error, StoreUnavailable):
        return render_template("refused.html", said="Try again in a moment."), 503
    status = 404 if isinstance(error, RunNotFound) else 409
    return render_template("refused.html", said=visible_line(str(error))), status


def scope(environ):
    """Say who looks at the console: only the session of the login counts."""
    visited = app.session_interface.open_session(app, app.request_class(environ))
    if "actor_id" not in visited:
        return None
    return Scope(
        visited["tenant_id"],
        visited["actor_id"],
        session=visited["session_id"],
        may_decide=visited["decides"],
    )


CONSOLE = {
    "/scoria": evidence_app(scoria, scope=scope, decisions="/decisions"),
    "/decisions": decision_app(scoria, scope=scope, secret=app.secret_key, evidence="/scoria"),
}
app.wsgi_app = DispatcherMiddleware(app.wsgi_app, CONSOLE)
