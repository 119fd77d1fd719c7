"""What the scripts for hosts have besides what the third batch has; nothing here is wrong."""

from collections.abc import Callable
from typing import Any

from flask import Flask, abort, request, session

from lab.first_contact.guide_host.assistant import runs
from lab.first_contact.guide_host.login import signed_in


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
