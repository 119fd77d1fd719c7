"""The host app: its sign-in stub, the guide's controllers and the mounted evidence page."""

import secrets
from collections.abc import Mapping
from typing import Any

from flask import Flask, jsonify, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from scoria_core import Scoria, ScoriaError
from scoria_core.errors import RunNotFound
from scoria_demo import assistant, login
from scoria_web import Scope, evidence_app


def create_app(scoria: Scoria) -> Flask:
    """Return the host over `scoria`, with the evidence page under /scoria."""
    app = Flask(__name__)
    app.config.update(SECRET_KEY=secrets.token_hex(), SESSION_COOKIE_SAMESITE="Lax")
    app.extensions["scoria"] = scoria
    app.register_blueprint(login.pages)
    app.register_blueprint(assistant.pages)
    app.register_error_handler(ScoriaError, refused)

    def scope(environ: Mapping[str, Any]) -> Scope | None:
        visited = app.session_interface.open_session(app, app.request_class(dict(environ)))
        if visited is None or "user_id" not in visited:
            return None
        return Scope(tenant_id=visited["account_id"], actor_id=visited["user_id"])

    evidence = evidence_app(scoria, scope=scope)
    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/scoria": evidence})  # type: ignore[method-assign]  # Flask documents wrapping it so
    return app


def refused(error: ScoriaError) -> ResponseReturnValue:
    """Show a refusal in its own words: it says what was wrong and what to do."""
    status = 404 if isinstance(error, RunNotFound) else 409
    if request.accept_mimetypes.best == "application/json":
        return jsonify(code=error.code, message=str(error)), status
    return render_template("refused.html", error=error), status
