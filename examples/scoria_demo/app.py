"""The host app: its sign-in stub, the guide's controllers and the mounted console."""

import json
import logging
import secrets
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from flask import Flask, jsonify, render_template, request
from flask.typing import ResponseReturnValue
from flask.wrappers import Response
from flask_wtf.csrf import CSRFProtect
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from scoria_core import Scoria, ScoriaError
from scoria_core.visible import visible_block, visible_line
from scoria_demo import assistant, login
from scoria_web import Scope, decision_app, evidence_app
from scoria_web.app import STYLE
from scoria_web.display import badge_of

logger = logging.getLogger("scoria.demo")

HEADERS = MappingProxyType(
    {
        "Content-Security-Policy": (
            "default-src 'none'; style-src 'self'; form-action 'self'; "
            "base-uri 'none'; frame-ancestors 'none'"
        ),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Cache-Control": "no-store",
    }
)
"""The headers of every answer of the host; the console has a policy of its own."""

STATUSES = MappingProxyType(
    {
        "invalid_identity": 400,
        "invalid_payload": 400,
        "invalid_handoff": 400,
        "unsafe_projected_context": 400,
        "decision_refused": 403,
        "run_not_found": 404,
        "transition_refused": 409,
        "run_not_resumable": 409,
        "approval_pending": 409,
        "approval_not_pending": 409,
        "close_refused": 409,
        "idempotency_conflict": 409,
        "version_conflict": 409,
        "store_unavailable": 503,
    }
)
"""The HTTP status of each refusal, by its code; what is not here is a fault of ours: 500."""


def create_app(scoria: Scoria) -> Flask:
    """Return the host of `scoria`, with the evidence at /scoria and the decisions at /decisions.

    A decision queues its step: a worker with `HANDLERS` carries it out, or the button "Carry on".
    """
    app = Flask(__name__)
    app.config.update(SECRET_KEY=secrets.token_hex(), SESSION_COOKIE_SAMESITE="Lax")
    app.extensions["scoria"] = scoria
    app.jinja_env.filters.update(visible=visible_line, pretty=pretty)
    app.jinja_env.globals.update(badge_of=badge_of)
    CSRFProtect(app)
    app.register_blueprint(login.pages)
    app.register_blueprint(assistant.pages)
    app.add_url_rule("/style.css", view_func=style)
    app.register_error_handler(ScoriaError, refused)
    app.register_error_handler(HTTPException, not_served)
    app.after_request(locked_down)

    def scope(environ: Mapping[str, Any]) -> Scope | None:
        visited = app.session_interface.open_session(app, app.request_class(dict(environ)))
        if visited is None or "user_id" not in visited:
            return None
        return Scope(
            tenant_id=visited["account_id"],
            actor_id=visited["user_id"],
            session=visited["assistant_session_id"],
            may_decide=visited["reviewer"],
        )

    console = {
        "/scoria": evidence_app(scoria, scope=scope, decisions="/decisions"),
        "/decisions": decision_app(
            scoria, scope=scope, secret=app.config["SECRET_KEY"], evidence="/scoria"
        ),
    }
    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, console)  # type: ignore[method-assign]  # Flask documents wrapping it so
    return app


def style() -> ResponseReturnValue:
    """Send the style of the console, which the pages of the host have too."""
    return Response(STYLE, mimetype="text/css")


def refused(error: ScoriaError) -> ResponseReturnValue:
    """Show a refusal in its own words; of a fault of ours, only that there is one."""
    status = STATUSES.get(error.code, 500)
    if status < 500:
        return _problem(status, "That was refused", str(error), error.code)
    logger.error("%s %s", request.method, request.path, exc_info=error)
    if status == 503:
        return _problem(status, "Not just now", "The store does not answer. Try again.", error.code)
    return _problem(status, "Our fault", "The reason is in the log of the host.", error.code)


def not_served(error: HTTPException) -> ResponseReturnValue:
    """Show what HTTP has to say: no such page, a form that is too old."""
    text = error.description or error.name
    return _problem(error.code or 500, error.name, text, error.name)


def _problem(status: int, title: str, text: str, code: str) -> ResponseReturnValue:
    headers = {"Retry-After": "5"} if status == 503 else {}
    if request.accept_mimetypes.best == "application/json":
        return jsonify(code=code, message=text), status, headers
    return render_template("refused.html", title=title, text=text), status, headers


def locked_down(response: Response) -> Response:
    """Let a page load its style, post to this host, and nothing else."""
    response.headers.update(HEADERS)
    return response


def pretty(value: object) -> str:
    """Return a JSON value for reading, each of its characters seen."""
    return visible_block(json.dumps(value, indent=2, ensure_ascii=False))
