"""What the wrong hosts and their scripts have in common; nothing here is wrong."""

from collections.abc import Callable
from typing import Any

from flask import Flask, abort, redirect, request, session, url_for

from lab.first_contact.guide_host import connect, create_app
from lab.first_contact.guide_host.assistant import runs
from lab.first_contact.guide_host.handlers import wait_for_approval
from lab.first_contact.wrong import Wrong
from scoria_conformance.host import Host, HostRefused
from scoria_conformance.serving import served
from scoria_core import Scoria, StepSpec
from scoria_memory import MemoryStore


def right() -> Flask:
    """Return the demo host, over a store of its own."""
    return create_app(Scoria(MemoryStore()))


def changed(change: Callable[[Flask], object]) -> Callable[[], Flask]:
    """Return what makes the demo host with a change."""

    def make() -> Flask:
        app = right()
        change(app)
        return app

    return make


def shown_at(run_id: str) -> Any:
    """Lead to the page of a run, as the demo does after each act."""
    return redirect(url_for("assistant.show_run", run_id=run_id))


def start(who: Any) -> str:
    """Start a run from the form of the demo, and store its run_id."""
    started = runs().start_run(
        who,
        root_role_id="executor",
        initial_step=StepSpec(kind="approval", role_id="executor"),
        metadata={"payload": {"prompt": request.form["prompt"]}},
        handlers={"approval": wait_for_approval},
    )
    session["last_scoria_run_id"] = started.run_id
    return started.run_id


def decide_as(run_id: str, decision: str, decided_by: str) -> None:
    """Decide on what the form names, as a reviewer."""
    if not session["reviewer"]:
        abort(403, "Only a reviewer decides. Sign in as one.")
    call = runs().approve if decision == "approve" else runs().reject
    call(run_id, approval_id=request.form["approval_id"], decided_by=decided_by)


def asserted(driver: Callable[[Host], object]) -> Callable[..., None]:
    """Return a script that serves a host to its driver; a refusal where none is due breaks it."""

    def show(make: Callable[[], Any]) -> None:
        with served(make()) as url:
            try:
                driver(connect(url))
            except HostRefused as refused:
                raise AssertionError(f"was refused: {refused}") from refused

    return show


def is_refused(call: Callable[[], object]) -> bool:
    """Tell whether the host refuses an act."""
    try:
        call()
    except HostRefused:
        return True
    return False


def user_of(host: Host, actor: str = "user-1", tenant: str = "account-1", **more: Any) -> Any:
    """Sign in; what comes back is the session of the demo's driver."""
    return host.sign_in(actor_id=actor, tenant_id=tenant, **more)


def reviewer_of(host: Host) -> Any:
    """Sign in as a reviewer."""
    return user_of(host, "reviewer-7", reviewer=True)


def wrong_host(name: str, clause: str, change: Any, show: Any) -> Wrong:
    """Return a wrong host, with the driver of the demo."""
    return Wrong(name, clause, "host", changed(change), show, right, connect)
