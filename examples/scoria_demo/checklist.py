"""The guide's verification checklist, walked through a host and told step by step."""

from collections.abc import Iterator

import attrs

from scoria_conformance.host import Host, HostRefused, HostSession


@attrs.frozen
class Seen:
    """One line of the checklist, what was seen there, and whether it holds."""

    step: str
    saw: str
    holds: bool


def walk(host: Host) -> Iterator[Seen]:
    """Walk the six steps of the checklist, then the handoff, and tell what was seen."""
    user = host.sign_in(actor_id="user-1", tenant_id="account-1")
    yield from _turns(host, user)
    yield from _handoff(user)
    yield from _strangers(host, user)


def _turns(host: Host, user: HostSession) -> Iterator[Seen]:
    first = user.start_turn("May I return the blue kettle?")
    yield Seen(
        "1. Start a run through the host's form",
        f"run {first.run_id} is {first.status}, session {first.session_id}",
        first.status == "waiting_for_approval",
    )
    stored = user.stored_run_id()
    yield Seen("2. Store its run_id", f"the host stored {stored}", stored == first.run_id)
    read = user.read(first.run_id)
    yield Seen("3. Read it back", f"run {read.run_id} is {read.status}", read == first)
    page = user.evidence(first.run_id)
    shown = page.status_code == 200 and first.run_id in page.text
    path = f"/scoria/workflows/{first.run_id}"
    yield Seen("4. Open its evidence page", f"{page.status_code} for {path}", shown)
    yield from _resume(host, user, first.run_id)
    second = user.start_turn("And the red one?")
    yield Seen(
        "6. Start another turn of the same session",
        f"run {second.run_id} is {second.status}, session {second.session_id}",
        second.session_id == first.session_id and second.run_id != first.run_id,
    )


def _resume(host: Host, user: HostSession, run_id: str) -> Iterator[Seen]:
    refusal = _refusal(user, run_id)
    yield Seen("5. Resume before anyone decides", refusal or "it went on", bool(refusal))
    host.sign_in(actor_id="reviewer-7", tenant_id="account-1", reviewer=True).approve(run_id)
    user.resume(run_id)
    resumed = user.read(run_id)
    yield Seen(
        "   A reviewer approves, and the host resumes that exact run",
        f"run {resumed.run_id} is {resumed.status}",
        (resumed.run_id, resumed.status) == (run_id, "completed"),
    )


def _handoff(user: HostSession) -> Iterator[Seen]:
    draft, review = user.submit_draft("Our policy allows returns within 30 days.")
    if review is None:
        yield Seen("   Branch a draft into a bounded handoff", "no review was started", holds=False)
        return
    yield Seen(
        "   Branch a draft into a bounded handoff",
        f"run {draft.run_id} of the draft, run {review.run_id} of its review is {review.status}",
        review.run_id != draft.run_id and review.status == "completed",
    )
    delegated = user.evidence(review.run_id).text.partition("Delegated Evidence")[2]
    shown = "planner" in delegated and "critic" in delegated
    yield Seen("   Read its Delegated Evidence", "planner handed critic a review", shown)


def _strangers(host: Host, user: HostSession) -> Iterator[Seen]:
    run_id = user.stored_run_id() or ""
    stranger = host.sign_in(actor_id="user-2", tenant_id="account-2").evidence(run_id)
    visitor = host.visit().evidence(run_id)
    yield Seen(
        "   Nobody else sees it",
        f"{stranger.status_code} for another account, {visitor.status_code} without signing in",
        (stranger.status_code, visitor.status_code) == (404, 403),
    )


def _refusal(user: HostSession, run_id: str) -> str | None:
    try:
        user.resume(run_id)
    except HostRefused as refused:
        return f"refused: {refused}"
    return None
