"""Steps that act on a host app as its users do, and as others try to do."""

from collections.abc import Iterator
from itertools import combinations
from typing import Any

import attrs
from pytest_bdd import given, parsers, then, when

from scoria_conformance.acts import (
    ACTED_ON,
    ACTORS,
    APPROVED,
    COLLEAGUE,
    COMPLETED,
    DONE,
    EITHER,
    OF_ANOTHER,
    ON_A_RUN,
    OWNER,
    PEOPLE,
    REFUSED,
    REVIEWER,
    RULES,
    STAGES,
    STRANGER,
    TENANT,
    VISITOR,
    WAITING,
    Outcome,
    Visits,
    do,
)
from scoria_conformance.cases import Cases
from scoria_conformance.host import Evidence, Host, HostSession, Turn
from scoria_conformance.markup import seen
from scoria_conformance.steps.calls_on_runs import UNKNOWN_RUN
from scoria_core.errors import safe_repr

NEEDS_REVIEW = "Our refund policy allows this"
ANOTHER = "Our refund policy gives thirty days"
NEEDS_NONE = "See you on Monday"


@attrs.define
class Visit:
    """The sessions of a user and a reviewer of the host, and the turns that were started."""

    user: HostSession
    reviewer: HostSession
    turns: list[Turn] = attrs.field(factory=list)
    review: Turn | None = None

    @property
    def run_id(self) -> str:
        """The run of the first turn."""
        return self.turns[0].run_id


@given("a user signed in to the host", target_fixture="visit")
def _a_user_signed_in_to_the_host(host: Host) -> Visit:
    actor_id, tenant_id = ACTORS[OWNER]
    user = host.sign_in(actor_id=actor_id, tenant_id=tenant_id)
    reviewer = host.sign_in(actor_id="reviewer-7", tenant_id=tenant_id, reviewer=True)
    return Visit(user, reviewer)


@when(parsers.parse('the user starts a turn with the prompt "{prompt}"'))
@when(parsers.parse('the user starts another turn with the prompt "{prompt}"'))
def _the_user_starts_a_turn_with_the_prompt(visit: Visit, prompt: str) -> None:
    visit.turns.append(visit.user.start_turn(prompt))


@then("the host has stored the run_id of that turn")
def _the_host_has_stored_the_run_id_of_that_turn(visit: Visit) -> None:
    assert visit.user.stored_run_id() == visit.run_id


@then(parsers.parse('the host reads that run back as "{status}"'))
def _the_host_reads_that_run_back(visit: Visit, status: str) -> None:
    turn = visit.user.read(visit.run_id)
    assert (turn.run_id, turn.status) == (visit.run_id, status)


@then("it is still the same run")
def _it_is_still_the_same_run(visit: Visit) -> None:
    turn = visit.user.read(visit.run_id)
    assert (turn.run_id, turn.session_id) == (visit.run_id, visit.turns[0].session_id)
    assert visit.user.stored_run_id() == visit.run_id


@then("the evidence page shows that run")
def _the_evidence_page_shows_that_run(visit: Visit) -> None:
    evidence = visit.user.evidence(visit.run_id)
    assert evidence.status_code == 200
    assert visit.run_id in evidence.text
    assert visit.turns[0].session_id in evidence.text


@when("a reviewer approves that run")
def _a_reviewer_approves_that_run(visit: Visit) -> None:
    visit.reviewer.approve(visit.run_id)


@when("the host resumes that run")
def _the_host_resumes_that_run(visit: Visit) -> None:
    visit.user.resume(visit.run_id)


@then("the second turn has the same session and another run")
def _the_second_turn_has_the_same_session(visit: Visit) -> None:
    first, second = visit.turns
    assert second.session_id == first.session_id
    assert second.run_id != first.run_id
    assert visit.user.stored_run_id() == second.run_id


@given("everybody in the host, each with a run that waits for approval", target_fixture="visits")
def _everybody_in_the_host_each_with_a_run(host: Host) -> Visits:
    return Visits.begin(host)


@then("each act on a run is done for whom it must be, and refused to whom it must be")
def _each_act_on_a_run_is_done_for_whom_it_must_be(visits: Visits) -> None:
    with Cases() as cases:
        for act, stage in [(each, stage) for each in ON_A_RUN for stage in STAGES[each]]:
            case = f"does {act} to a run {stage}"
            run_id = visits.another_run(stage)
            refused = [who for who in PEOPLE if RULES[act].of(who) == REFUSED]
            for who in refused:
                for problem in _refusal(visits, act, who, run_id):
                    cases.holds(f"{who} {case}", problem)
            # To look at what everybody sees takes many requests: do it once for all who must be
            # refused.
            cases.holds(f"{', '.join(refused)} {case}", _unchanged(visits))
            for who in PEOPLE:
                if who not in refused:
                    run_id = visits.another_run(stage) if act in CHANGES else run_id
                    for problem in _doing(visits, act, who, run_id, stage):
                        cases.holds(f"{who} {case}", problem)
            cases.holds(f"everybody {case}", _unchanged(visits))


@then("whoever is signed in starts a turn, and a visitor does nothing of the kind")
def _whoever_is_signed_in_starts_a_turn(visits: Visits) -> None:
    with Cases() as cases:
        for who in PEOPLE:
            for problem in _alone(visits, who, "start_turn"):
                cases.holds(f"{who} does start_turn", problem)
        told = do(visits.sessions[VISITOR], "stored_run_id")
        kept = "" if told.how == REFUSED or told.said is None else f"saw {told}"
        cases.holds("a visitor asks what is stored", kept)


def _refusal(visits: Visits, act: str, who: str, run_id: str) -> Iterator[str]:
    """Yield problems of an act that must be refused, as if there were no such run."""
    session = visits.sessions[who]
    outcome = do(session, act, run_id)
    never, again = (do(session, act, UNKNOWN_RUN).about(UNKNOWN_RUN, run_id) for _ in range(2))
    yield "" if outcome.how == REFUSED else f"expected that it is refused, saw {_told(outcome)}"
    if never == again and outcome.about(UNKNOWN_RUN, run_id) != never:
        yield f"for a run that never was it is {_told(never)}, for this one {_told(outcome)}"
    if isinstance(outcome.said, Evidence):
        code = 403 if who == VISITOR else 404
        yield "" if outcome.said.status_code == code else f"expected {code}, saw {_told(outcome)}"


def _doing(visits: Visits, act: str, who: str, run_id: str, stage: str) -> Iterator[str]:
    """Yield problems of an act that may or must be done, and that may change this run alone."""
    outcome = do(visits.sessions[who], act, run_id)
    if outcome.how == REFUSED and RULES[act].of(who) == EITHER:
        yield _unchanged(visits)
    elif outcome.how != DONE:
        yield f"expected that it is done, saw {_told(outcome)}"
    elif act in CHANGES:
        yield _changed(visits, run_id)
        now = do(visits.sessions[OWNER], "read", run_id)
        right = isinstance(now.said, Turn) and now.said.status in CHANGES[act]
        yield "" if right else f"the run is then {_told(now)}"
    elif isinstance(outcome.said, Evidence):
        yield "" if run_id in outcome.said.text else "the page is not that of the run"
    elif act == "read":
        may_be = [attrs.evolve(visits.turns[ACTED_ON], status=each) for each in STATUSES[stage]]
        is_right = outcome.said in may_be
        yield "" if is_right else f"it is read as {_told(outcome)}, not as {may_be}"


STATUSES = {
    WAITING: ("waiting_for_approval",),
    APPROVED: ("waiting_for_approval", "running"),  # a decision may also queue its step
    COMPLETED: ("completed",),
}
"""The statuses that a run may have at each stage."""

CHANGES = {"approve": STATUSES[APPROVED], "resume": STATUSES[COMPLETED]}
"""The statuses that a run may have after each act that changes it."""


def _unchanged(visits: Visits, *but: str) -> str:
    changed = [each for each in visits.changed() if each not in but]
    return f"it changed {', '.join(changed)}" if changed else ""


def _changed(visits: Visits, run_id: str) -> str:
    name, changed = visits.name(run_id), visits.changed()
    if name not in changed:
        return "it left the run as it was"
    others = [each for each in changed if each != name]
    return f"it also changed {', '.join(others)}" if others else ""


def _alone(visits: Visits, who: str, act: str) -> Iterator[str]:
    """Yield problems of an act that needs no run."""
    visits.look()
    outcome, rule = do(visits.sessions[who], act, text=NEEDS_REVIEW), RULES[act].of(who)
    yield "" if outcome.how == rule else f"expected that it is {rule}, saw {_told(outcome)}"
    yield _unchanged(visits, f"what is stored for {who}")


def _told(outcome: Outcome) -> str:
    said = outcome.said
    if isinstance(said, Evidence):
        return f"{outcome.how} with {said.status_code}"
    return f"{outcome.how} ({safe_repr(said)})" if said else outcome.how


@then("an act out of its turn is refused, and one that is sent again changes nothing")
def _an_act_out_of_its_turn_is_refused(visits: Visits) -> None:
    with Cases() as cases:
        run_id, before = visits.another_run(), "while it waits"
        for act, who, how, after in IN_TURN:
            outcome = do(visits.sessions[who], act, run_id)
            case = f"{who} does {act} {before}"
            right = outcome.how in ((DONE, REFUSED) if how == EITHER else (how,))
            cases.holds(case, "" if right else f"expected that it is {how}, saw {_told(outcome)}")
            told = _changed(visits, run_id) if how == DONE else _unchanged(visits)
            cases.holds(case, told)
            before = after
        ended = do(visits.sessions[OWNER], "read", run_id)
        right = isinstance(ended.said, Turn) and ended.said.status == "completed"
        cases.holds("the run in the end", "" if right else f"it is {_told(ended)}")


@then("what its user reads is how the run stands, whoever changed it since")
def _what_its_user_reads_is_how_the_run_stands(visits: Visits) -> None:
    owner, run_id = visits.sessions[OWNER], visits.another_run()
    read = [(do(owner, "read", run_id), do(owner, "evidence", run_id))]
    with Cases() as cases:
        for who, act in ((REVIEWER, "approve"), (REVIEWER, "resume"), (OWNER, "resume")):
            if do(visits.sessions[who], act, run_id).how != DONE:
                # A reviewer need not be able to resume; if one has, the user cannot resume again.
                continue
            read.append((do(owner, "read", run_id), do(owner, "evidence", run_id)))
            same = read[-1][1].timeless == read[-2][1].timeless
            cases.holds(f"the page after {act}", "it is that of before" if same else "")
        (last, _), ended = read[-1], "completed"
        right = isinstance(last.said, Turn) and last.said.status == ended
        cases.holds("the run in the end", "" if right else f"it is read as {_told(last)}")


IN_TURN = (
    ("resume", OWNER, REFUSED, "while it waits"),
    ("resume", REVIEWER, REFUSED, "while it waits"),
    ("approve", REVIEWER, DONE, "once it is approved"),
    ("approve", REVIEWER, EITHER, "once it is approved"),
    ("resume", OWNER, DONE, "once it is completed"),
    ("resume", OWNER, EITHER, "once it is completed"),
    ("approve", REVIEWER, EITHER, "once it is completed"),
    ("resume", REVIEWER, EITHER, "once it is completed"),
)
"""Acts on one run in order: the act, who does it, its outcome, and the stage after it."""


@then("an act on what is no run of one's tenant is refused and changes nothing")
def _an_act_on_what_is_no_run_of_one_tenant(visits: Visits) -> None:
    own, strange = visits.turns[OWNER], visits.turns[STRANGER]
    named = {
        "a run that never was": (OWNER, UNKNOWN_RUN),
        "the session of its run": (OWNER, own.session_id),
        "no run": (OWNER, ""),
        "a run of another tenant": (OWNER, strange.run_id),
        "a run of another tenant, to decide": (REVIEWER, strange.run_id),
    }
    with Cases() as cases:
        for what, (who, run_id) in named.items():
            for act in ON_A_RUN:
                outcome = do(visits.sessions[who], act, run_id)
                told = "" if outcome.how == REFUSED else f"saw {_told(outcome)}"
                cases.holds(f"{who} does {act} to {what}", told)
            cases.holds(f"{who} does each of these to {what}", _unchanged(visits))


@then("each run and each decision is in the name of who made it")
def _each_run_and_each_decision_is_in_the_name(visits: Visits) -> None:
    with Cases() as cases:
        for who in sorted(visits.turns.keys() - OF_ANOTHER):
            actor_id, reader = _of(who), COLLEAGUE if who in (OWNER, REVIEWER) else OWNER
            page = seen(visits.sessions[reader].evidence(visits.turns[who].run_id).text).text
            others = [
                each for each, tenant in ACTORS.values() if each not in (actor_id, _of(reader))
            ]
            cases.holds(
                f"the run of {who}", "" if actor_id in page else "its page does not name them"
            )
            wrong = [each for each in others if each in page]
            cases.holds(f"the run of {who}", f"its page names {wrong}" if wrong else "")
        run_id, signed_in_last = visits.another_run(), "fay-of-the-case"
        visits.host.sign_in(actor_id=signed_in_last, tenant_id=TENANT, reviewer=True)
        visits.sessions[REVIEWER].approve(run_id)
        page = seen(visits.sessions[OWNER].evidence(run_id).text).text
        named = "" if _of(REVIEWER) in page else "its page does not name who decided"
        cases.holds("an approved run", named)
        other = "its page names another" if signed_in_last in page else ""
        cases.holds("an approved run, where another reviewer signs in after", other)


def _of(who: str) -> str:
    return ACTORS[who][0]


@then("each of them has a session of their own, and what is stored for it is its latest run")
def _each_of_them_has_a_session_of_their_own(visits: Visits) -> None:
    with Cases() as cases:
        for one, other in combinations(sorted(visits.turns), 2):
            same = visits.turns[one].session_id == visits.turns[other].session_id
            cases.holds(f"{one} and {other}", "they have one session" if same else "")
        for who in sorted(visits.turns):
            stored = visits.sessions[who].stored_run_id()
            cases.equal(f"what is stored for {who}", visits.turns[who].run_id, stored)


@when("the user submits a draft that needs a review")
def _the_user_submits_a_draft_that_needs_a_review(visit: Visit) -> None:
    turn, visit.review = visit.user.submit_draft(NEEDS_REVIEW)
    visit.turns.append(turn)


@when("the user submits another draft that needs a review")
def _the_user_submits_another_draft_that_needs_a_review(visit: Visit) -> None:
    visit.turns.append(visit.user.submit_draft(ANOTHER)[0])


@when("the user submits a draft that needs no review")
def _the_user_submits_a_draft_that_needs_no_review(visit: Visit) -> None:
    turn, visit.review = visit.user.submit_draft(NEEDS_NONE)
    visit.turns.append(turn)


@then("the draft started one run and its review another")
def _the_draft_started_one_run_and_its_review(visit: Visit) -> None:
    turn = visit.turns[-1]
    assert visit.review is not None
    assert visit.review.run_id != turn.run_id
    assert visit.review.session_id == turn.session_id


@then("the draft started one run and no review")
def _the_draft_started_one_run_and_no_review(visit: Visit) -> None:
    assert visit.user.read(visit.run_id).status in ("running", "completed")
    assert visit.review is None


@then(parsers.parse('the evidence page of the review shows "{section}" from "{root}" to "{role}"'))
def _the_evidence_page_of_the_review_shows_from(
    visit: Visit, section: str, root: str, role: str
) -> None:
    assert visit.review is not None
    evidence: Evidence = visit.user.evidence(visit.review.run_id)
    assert evidence.status_code == 200
    delegated: Any = seen(evidence.text).section(section)
    assert root in delegated
    assert role in delegated


@then(
    parsers.parse('"{section}" has the draft, and nothing of the user, the session or other turns')
)
def _has_the_draft_and_nothing_of_the_user(visit: Visit, section: str) -> None:
    assert visit.review is not None
    delegated = seen(visit.user.evidence(visit.review.run_id).text).section(section)
    others = {
        "the actor_id": _of(OWNER),
        "the tenant_id": TENANT,
        "the session_id": visit.review.session_id,
        "the run of another turn": visit.run_id,
        "the prompt of another turn": "blue kettle",
        "the draft of another turn": NEEDS_NONE,
        "the draft of another review": ANOTHER,
    }
    with Cases() as cases:
        cases.holds("the draft", "" if NEEDS_REVIEW in delegated else "it is not there")
        for what, text in others.items():
            cases.holds(what, "it is handed on" if text in delegated else "")


@then("whoever is signed in submits a draft, and a visitor does not")
def _whoever_is_signed_in_submits_a_draft(visits: Visits) -> None:
    with Cases() as cases:
        for who in PEOPLE:
            for problem in _alone(visits, who, "submit_draft"):
                cases.holds(f"{who} does submit_draft", problem)
