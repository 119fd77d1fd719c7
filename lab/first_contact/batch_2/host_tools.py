"""The demo host, how a part of it is replaced, and what its scripts ask it."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from flask import Flask, redirect, url_for

from lab.first_contact.guide_host import create_app
from lab.first_contact.guide_host.assistant import identity, runs
from lab.first_contact.guide_host.client import DemoHost, connect
from lab.first_contact.guide_host.login import signed_in
from scoria_conformance.host import HostRefused
from scoria_conformance.serving import served
from scoria_core import Scoria
from scoria_memory import MemoryStore
from scoria_web import Scope, evidence_app

__all__ = ["identity", "runs"]

View = Callable[..., Any]


def right() -> Flask:
    """Return the demo host as it is."""
    return create_app(Scoria(MemoryStore()))


def host(**views: View) -> Flask:
    """Return the demo host with other views in the place of its own, each for the signed in."""
    app = right()
    for name, view in views.items():
        app.view_functions[f"assistant.{name}"] = signed_in(view)
    return app


def view_of(app: Flask, name: str) -> View:
    """Return a view of the host, to call it from another."""
    return app.view_functions[f"assistant.{name}"]


def with_scope(app: Flask, change: Callable[[Scope, Mapping[str, Any]], Scope | None]) -> Flask:
    """Return the host with another scope of its evidence page."""

    def scope(environ: Mapping[str, Any]) -> Scope | None:
        visited = app.session_interface.open_session(app, app.request_class(dict(environ)))
        if visited is None or "user_id" not in visited:
            return None
        return change(Scope(visited["account_id"], visited["user_id"]), visited)

    evidence = evidence_app(app.extensions["scoria"], scope=scope)
    app.wsgi_app.mounts["/scoria"] = evidence  # type: ignore[attr-defined]
    return app


def shown(run_id: str) -> Any:
    """Send the browser on to a run."""
    return redirect(url_for("assistant.show_run", run_id=run_id))


@contextmanager
def running(make: Callable[[], Flask]) -> Iterator[tuple[DemoHost, Scoria]]:
    """Serve a host, and give who connects to it and the runs that it keeps."""
    app = make()
    with served(app) as base_url:
        yield connect(base_url), app.extensions["scoria"]


def refused(call: Callable[[], Any]) -> bool:
    """Tell whether the host refused a call."""
    try:
        call()
    except HostRefused:
        return True
    return False


def user(there: DemoHost, actor: str = "ann", tenant: str = "acme", **more: Any) -> Any:
    """Sign in."""
    return there.sign_in(actor_id=actor, tenant_id=tenant, **more)


def reviewer(there: DemoHost, tenant: str = "acme") -> Any:
    """Sign in as a reviewer."""
    return user(there, "rita", tenant, reviewer=True)


def approval_of(scoria: Scoria, run_id: str) -> str:
    """Return the id of what a run waits for."""
    pending = scoria.get_run(run_id).pending_approval
    return "" if pending is None else pending.approval_id
