"""What the wrong hosts and their scripts have in common; nothing here is wrong."""

from collections.abc import Callable
from typing import Any

from flask import Flask, abort, redirect, request, session, url_for

from lab.first_contact.wrong import Wrong
from scoria_conformance.host import Host, HostRefused
from scoria_conformance.serving import served
from scoria_core import Scoria, StepSpec
from scoria_demo import connect, create_app
from scoria_demo.assistant import runs
from scoria_demo.handlers import wait_for_approval
from scoria_demo.login import signed_in
from scoria_memory import MemoryStore


def right() -> Flask:
    """Return the demo host, over a store of its own."""
    return create_app(Scoria(MemoryStore()))


def changed(change: Callable[[Flask], object]) -> Callable[[], Flask]:
    """Return what makes the demo host with a change."""

    def make() -> Flask:
        """Make it."""
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


def asserted(driver: Callable[[Host], object]) -> Callable[..., None]:
    """Return a script that serves a host to its driver; a refusal where none is due breaks it."""

    def show(make: Callable[[], Any]) -> None:
        """Serve a host, and have it driven."""
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


def sent(user: Any, path: str, **form: str) -> Any:
    """Send a form of the demo in the session of a user."""
    return user._send(path, **form)


def approval_of(user: Any, run_id: str) -> str:
    """Return the id of the request that a run waits for, as a user reads it."""
    found: str = user._get(run_id)["approval_id"]
    return found


def decide_on(run_id: str, decision: str, approval_id: str, decided_by: str) -> None:
    """Decide on a request of a run of the account, in a name, with the note of the form."""
    call = runs().approve if decision == "approve" else runs().reject
    note = request.form.get("note") or None
    call(run_id, approval_id=approval_id, decided_by=decided_by, note=note)


def only_reviewers() -> None:
    """Refuse who does not review."""
    if not session["reviewer"]:
        abort(403, "Only a reviewer decides. Sign in as one.")


def deciding(view: Callable[[str, str], Any]) -> Callable[[Flask], None]:
    """Return what puts another controller in the place of the one that decides."""

    def change(app: Flask) -> None:
        """Put it there."""
        app.view_functions["assistant.decide"] = signed_in(view)

    return change
