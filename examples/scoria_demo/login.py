"""A stub of a login; a real host checks a password and looks the account up."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec
from uuid import uuid4

from flask import Blueprint, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from scoria_core import Identity

PEOPLE = ("user-1", "reviewer-7", "reviewer-8")
"""The users to sign in as with one click; some decisions need two people, so two review."""

P = ParamSpec("P")
View = Callable[P, ResponseReturnValue]

pages = Blueprint("login", __name__)


def signed_in(view: View[P]) -> View[P]:
    """Send a visitor who is not signed in to the login."""

    @wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
        if "user_id" not in session:
            return redirect(url_for("login.form"))
        return view(*args, **kwargs)

    return guarded


@pages.get("/login")
def form() -> ResponseReturnValue:
    """Ask who comes."""
    return render_template("login.html", people=PEOPLE)


@pages.post("/login")
def sign_in() -> ResponseReturnValue:
    """Start a new session of the host, and with it a new session of the assistant."""
    identity = Identity(request.form["user_id"], request.form["account_id"], uuid4())
    session.clear()
    session["user_id"] = identity.actor_id
    session["account_id"] = identity.tenant_id
    session["assistant_session_id"] = identity.session_id
    session["reviewer"] = "reviewer" in request.form
    return redirect(url_for("assistant.turns"))


@pages.post("/logout")
def sign_out() -> ResponseReturnValue:
    """Forget who was here."""
    session.clear()
    return redirect(url_for("login.form"))
