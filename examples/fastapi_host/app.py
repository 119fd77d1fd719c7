"""A FastAPI host: who asks is a dependency, and the store is open for as long as the app is."""

import os
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated
from uuid import uuid4

from a2wsgi import WSGIMiddleware
from fastapi import Depends, FastAPI, Form, HTTPException, Request
from fastapi.responses import RedirectResponse
from fastapi.templating import Jinja2Templates
from handlers import HANDLERS
from starlette.middleware.sessions import SessionMiddleware

from scoria_core import AsyncScoria, Identity, ScoriaError, StepSpec
from scoria_core.errors import RunNotFound, StoreUnavailable
from scoria_core.visible import visible_line
from scoria_web import Scope, decision_app, evidence_app

STORE = os.environ["DATABASE_URL"]
SECRET = os.environ["SECRET_KEY"]  # one for all processes: each reads what another signed

templates = Jinja2Templates(Path(__file__).parent / "templates")


@asynccontextmanager
async def lifespan(app):
    """Open the store in each process that serves, on its own loop; close it at SIGTERM."""
    async with await AsyncScoria.open(STORE, handlers=HANDLERS) as scoria:
        app.state.scoria = scoria
        yield


app = FastAPI(lifespan=lifespan)
# No other site posts our forms: a browser sends no cookie with a form of theirs.
app.add_middleware(SessionMiddleware, secret_key=SECRET, same_site="lax")


async def signed_in(request: Request) -> Identity:
    """Return who asks; lead everybody else to the login."""
    if "actor_id" not in request.session:
        raise HTTPException(303, headers={"Location": "/login"})
    return Identity.from_session(request.session)


Who = Annotated[Identity, Depends(signed_in)]


async def of_the_account(request: Request, who: Who) -> AsyncScoria:
    """Return the runs of the account that is signed in; those of others do not exist for it."""
    return request.app.state.scoria.for_tenant(who.tenant_id)


Runs = Annotated[AsyncScoria, Depends(of_the_account)]
Text = Annotated[str, Form(max_length=2_000)]


@app.get("/ping")
async def ping():
    """Answer at once: a late answer shows that something blocks the loop."""
    return "pong"


@app.get("/login")
async def login(request: Request):
    """Ask who comes."""
    return templates.TemplateResponse(request, "login.html")


@app.post("/login")
async def sign_in(request: Request, username: Text, account: Text, decides: Text = ""):
    """Take any name: put the login that your app has here. What it keeps in the session counts."""
    # The conversation is new with each login. A name that is no id is refused here, not later.
    who = Identity(username, account, session_id=str(uuid4()))
    request.session.clear()
    request.session["actor_id"] = who.actor_id
    request.session["tenant_id"] = who.tenant_id
    request.session["session_id"] = who.session_id
    request.session["decides"] = bool(decides)
    return RedirectResponse("/", 303)


@app.get("/")
async def home(request: Request, who: Who, runs: Runs):
    """Show the forms, and the runs that were started since the login."""
    turns = await runs.list_runs_for_session(who.session_id)
    shown = {"who": who, "turns": turns, "key": uuid4()}
    return templates.TemplateResponse(request, "home.html", shown)


@app.post("/refunds")
async def ask_refund(
    request: Request,
    who: Who,
    runs: Runs,
    order: Text,
    amount: Annotated[float, Form(ge=0.01, lt=1e6)],
    key: Text,
):
    """Start a run, which waits for a decision; the same form sent again starts no other."""
    asked = {"order": order, "cents": round(amount * 100)}
    run = await runs.start_run(
        who,
        root_role_id="agent",
        initial_step=StepSpec("refund-in-cents", "agent", input=asked),
        idempotency_key=key,
    )
    return kept(request, run)


@app.post("/drafts")
async def send_draft(request: Request, who: Who, runs: Runs, draft: Text):
    """Start a run for a draft; if it mentions policy, start another in which a critic reads it."""
    run = await runs.start_run(
        who, root_role_id="agent", initial_step=StepSpec("draft", "agent", input={"text": draft})
    )
    if "policy" in draft:
        run = await runs.start_handoff_run(
            who,
            "critic",
            root_role_id="planner",
            delegated_kind="review",
            handoff_input={"brief": "Review the draft for policy"},
            projected_context={"task": "policy review", "draft_answer": draft},
        )
    return kept(request, run)


@app.post("/runs/{run_id}/carry-on")
async def carry_on(runs: Runs, run_id: str):
    """Do now what a decision has queued, for who does not wait for the worker."""
    if not await runs.run_pending(run_id):
        await runs.resume_run(run_id)  # nothing was queued: start it, or say for what it waits
    return RedirectResponse(f"/scoria/workflows/{run_id}", 303)


def kept(request, run):
    """Keep the id of the latest run, and redirect to its evidence."""
    request.session["last_run_id"] = run.run_id
    return RedirectResponse(f"/scoria/workflows/{run.run_id}", 303)


@app.exception_handler(ScoriaError)
async def refused(request: Request, error: ScoriaError):
    """Show a refusal in its own words: it says what was wrong and what to do."""
    status = 404 if isinstance(error, RunNotFound) else 409
    said = visible_line(str(error))
    if isinstance(error, StoreUnavailable):
        status, said = 503, "Try again in a moment."
    return templates.TemplateResponse(request, "refused.html", {"said": said}, status)


def scope(environ):
    """Say who looks at the console: only the session of the login counts."""
    visited = environ["asgi.scope"]["session"]
    if "actor_id" not in visited:
        return None
    return Scope(
        visited["tenant_id"],
        visited["actor_id"],
        session=visited["session_id"],
        may_decide=visited["decides"],
    )


def scoria():
    """Return the facade for what runs in threads; the lifespan has opened it by then."""
    return app.state.scoria.sync


EVIDENCE = evidence_app(scoria, scope=scope, decisions="/decisions")
DECISIONS = decision_app(scoria, scope=scope, secret=SECRET, evidence="/scoria")
app.mount("/scoria", WSGIMiddleware(EVIDENCE))
app.mount("/decisions", WSGIMiddleware(DECISIONS))
