"""Steps that speak to a host app, as its users do."""

from typing import Any

import attrs
import pytest
from pytest_bdd import given, parsers, then, when

from scoria_conformance.host import Evidence, Host, HostRefused, HostSession, Turn


@attrs.define
class Visit:
    """What a user of the host did and saw."""

    user: HostSession
    reviewer: HostSession
    turns: list[Turn] = attrs.field(factory=list)
    review: Turn | None = None
    refused: HostRefused | None = None

    @property
    def run_id(self) -> str:
        """The run of the first turn."""
        return self.turns[0].run_id


@given("a user signed in to the host", target_fixture="visit")
def _(host: Host) -> Visit:
    user = host.sign_in(actor_id="user-1", tenant_id="tenant-1")
    reviewer = host.sign_in(actor_id="reviewer-7", tenant_id="tenant-1", reviewer=True)
    return Visit(user, reviewer)


@when(parsers.parse('the user starts a turn with the prompt "{prompt}"'))
@when(parsers.parse('the user starts another turn with the prompt "{prompt}"'))
def _(visit: Visit, prompt: str) -> None:
    visit.turns.append(visit.user.start_turn(prompt))


@then("the host has stored the run_id of that turn")
def _(visit: Visit) -> None:
    assert visit.user.stored_run_id() == visit.run_id


@then(parsers.parse('the host reads that run back as "{status}"'))
def _(visit: Visit, status: str) -> None:
    turn = visit.user.read(visit.run_id)
    assert (turn.run_id, turn.status) == (visit.run_id, status)


@then(parsers.parse('the host reads the second run back as "{status}"'))
def _(visit: Visit, status: str) -> None:
    _, second = visit.turns
    turn = visit.user.read(second.run_id)
    assert (turn.run_id, turn.status) == (second.run_id, status)


@then("it is still the same run")
def _(visit: Visit) -> None:
    turn = visit.user.read(visit.run_id)
    assert (turn.run_id, turn.session_id) == (visit.run_id, visit.turns[0].session_id)
    assert visit.user.stored_run_id() == visit.run_id


@then("the evidence page shows that run")
def _(visit: Visit) -> None:
    evidence = visit.user.evidence(visit.run_id)
    assert evidence.status_code == 200
    assert visit.run_id in evidence.text
    assert visit.turns[0].session_id in evidence.text


@when("a reviewer approves that run")
def _(visit: Visit) -> None:
    visit.reviewer.approve(visit.run_id)


@when("the host resumes that run")
def _(visit: Visit) -> None:
    visit.user.resume(visit.run_id)


@when("the host resumes that run before anyone decides")
def _(visit: Visit) -> None:
    with pytest.raises(HostRefused) as refused:
        visit.user.resume(visit.run_id)
    visit.refused = refused.value


@then("the host refuses")
def _(visit: Visit) -> None:
    assert visit.refused is not None


@then("the second turn has the same session and another run")
def _(visit: Visit) -> None:
    first, second = visit.turns
    assert second.session_id == first.session_id
    assert second.run_id != first.run_id
    assert visit.user.stored_run_id() == second.run_id


@then("the evidence page is not found for a user of another tenant")
def _(host: Host, visit: Visit) -> None:
    stranger = host.sign_in(actor_id="user-2", tenant_id="tenant-2")
    unknown = stranger.evidence("01900000-0000-7000-8000-000000000000")
    assert stranger.evidence(visit.run_id) == unknown
    assert unknown.status_code == 404


@then("it is refused to a visitor who is not signed in")
def _(host: Host, visit: Visit) -> None:
    assert host.visit().evidence(visit.run_id).status_code == 403


@when("the user submits a draft that needs a review")
def _(visit: Visit) -> None:
    turn, visit.review = visit.user.submit_draft("Our refund policy allows this")
    visit.turns.append(turn)


@when("the user submits a draft that needs no review")
def _(visit: Visit) -> None:
    turn, visit.review = visit.user.submit_draft("See you on Monday")
    visit.turns.append(turn)


@then("the draft started one run and its review another")
def _(visit: Visit) -> None:
    assert visit.review is not None
    assert visit.review.run_id != visit.run_id
    assert visit.review.session_id == visit.turns[0].session_id


@then("the draft started one run and no review")
def _(visit: Visit) -> None:
    assert visit.user.read(visit.run_id).status == "running"
    assert visit.review is None


@then(parsers.parse('the evidence page of the review shows "{section}" from "{root}" to "{role}"'))
def _(visit: Visit, section: str, root: str, role: str) -> None:
    assert visit.review is not None
    evidence: Evidence = visit.user.evidence(visit.review.run_id)
    assert evidence.status_code == 200
    delegated: Any = evidence.text.partition(section)[2]
    assert root in delegated
    assert role in delegated
