"""Steps in which a decision says more than yes, or several requests are made at once."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import attrs
from pytest_bdd import given, parsers, then, when

from scoria_conformance.steps.runs import start
from scoria_conformance.world import ARGUMENTS, KIND, World
from scoria_core import (
    Approval,
    Completed,
    JournalEntry,
    NeedsApproval,
    Retry,
    RunSummary,
    Step,
    StepSpec,
)
from scoria_core.errors import ApprovalNotPending, DecisionRefused, ScoriaError
from scoria_core.lifecycles import ApprovalStatus
from scoria_core.payloads import MAX_BYTES, digest
from scoria_core.validation import MAX_SCHEMA_BYTES

AMOUNT = {"type": "object", "properties": {"amount": {"type": "integer", "maximum": 2_000}}}
CHOICE = {
    "type": "object",
    "properties": {"choice": {"enum": ["keep", "drop"]}},
    "required": ["choice"],
}
MESSAGES = [{"role": "user", "content": "Refund A-17"}, {"role": "assistant", "tool_calls": [1, 2]}]

REQUESTS: dict[str, dict[str, Any]] = {
    "as it is": {},
    "to edit": {"may_edit": True},
    "to edit within a schema": {"may_edit": AMOUNT},
    "to edit within any schema": {"may_edit": {}},
    "to answer": {"answer_schema": CHOICE},
    "that goes on after a no": {"on_reject": "resume"},
    'not by the requester and "reviewer-7"': {"not_by": ["requester", "reviewer-7"]},
}
"""The fields of a request beside its arguments, by the words of the feature."""

EDITS: dict[str, Any] = {
    "proposed": ARGUMENTS,
    "edited": {**ARGUMENTS, "amount": 1_000},
    "unfitting": {**ARGUMENTS, "amount": 2_001},
    "oversized": {"text": "x" * MAX_BYTES},
}
"""The arguments that a person approves."""

SAID: dict[str, Any] = {
    "no": None,
    "a fitting": {"choice": "drop"},
    "an unfitting": {"choice": "both"},
}
"""The answers that a person gives."""

SCHEMAS: dict[str, Any] = {
    "is none": {"type": "objekt"},
    "refers to another document": {"$ref": "https://example.org/schema.json"},
    "may come to refer to one": {"$dynamicRef": "https://example.org/schema.json"},
    "is too large": {"description": "x" * MAX_SCHEMA_BYTES},
    "has a pattern without bound": {"pattern": r"^(a+)+\1$"},
    "has properties by pattern": {"patternProperties": {"^(a+)+$": {}}},
    "is of another dialect": {"$schema": "http://json-schema.org/draft-07/schema#"},
    "has one of another dialect": {
        "properties": {"amount": {"$schema": "http://json-schema.org/draft-07/schema#"}}
    },
    "has a name of its own": {"$id": "https://example.org/schema.json"},
    "refers to nothing in it": {"$ref": "#/$defs/amount"},
    "doubles at each of 60 steps": {
        "$ref": "#/$defs/0",
        "$defs": {
            "60": {},
            **{str(n): {"allOf": [{"$ref": f"#/$defs/{n + 1}"}] * 2} for n in range(60)},
        },
    },
}
"""Schemas that a request must not contain, by what is wrong with each."""


@attrs.define
class Asking:
    """A handler that makes its requests, and completes when it is called after they were decided.

    It asks again if `insists` says so.
    """

    requests: Sequence[NeedsApproval]
    insists: Callable[[Step], bool] = lambda step: not step.approvals
    alone: bool = True

    def __call__(self, step: Step, _: RunSummary) -> Any:
        """Ask, or be done."""
        if self.insists(step):
            return self.requests[0] if self.alone and len(self.requests) == 1 else [*self.requests]
        return Completed({"seen": [each.status for each in step.approvals]})


def _request(number: int, **more: Any) -> NeedsApproval:
    """Return request `number` of its step, with its own arguments and call_id."""
    arguments = ARGUMENTS if number == 1 else {**ARGUMENTS, "line": number}
    return NeedsApproval(
        tool_name=f"tool-{number}",
        arguments=arguments,
        reason=f"Reason {number}",
        call_id=f"call-{number}",
        **more,
    )


def _ask(world: World, requests: Sequence[NeedsApproval], **spec: Any) -> None:
    step = StepSpec(kind=KIND, role_id="executor", **spec)
    start(world, Asking(requests), initial_step=step)
    world.calls.clear()


@given(
    parsers.re(r"a run that asks for a decision (?P<that>as it is|to .*|that goes on after a no)")
)
def _a_run_that_asks_for_a_decision(world: World, that: str) -> None:
    _ask(world, [_request(1, **REQUESTS[that])])


@given(parsers.parse('a run that asks for a decision not by the requester and "{who}"'))
def _a_run_that_asks_for_a_decision_not_by(world: World, who: str) -> None:
    _ask(world, [_request(1, not_by=["requester", who])])


@given(parsers.parse("a run that asks for a decision by {people:d} people"))
def _a_run_that_asks_for_a_decision_by_people(world: World, people: int) -> None:
    _ask(world, [_request(1, approvals_needed=people)])


@given("a run that asks for 3 decisions, one to edit, that go on after a no")
def _a_run_that_asks_for_3_decisions(world: World) -> None:
    more: list[dict[str, Any]] = [{}, {"may_edit": True}, {}]
    _ask(world, [_request(n, on_reject="resume", **each) for n, each in enumerate(more, 1)])


@given("a run that asks for 2 decisions, that go on after a no")
def _a_run_that_asks_for_2_decisions(world: World) -> None:
    _ask(world, [_request(number, on_reject="resume") for number in (1, 2)])


@given("a run that asks for 4 decisions, of which one expires")
def _a_run_that_asks_for_4_decisions(world: World) -> None:
    _ask(world, [_request(n, expires_in=60 if n == 3 else None) for n in (1, 2, 3, 4)])


@given("a run that asks for 2 decisions, of which the second expires")
def _a_run_that_asks_for_2_decisions_of_which(world: World) -> None:
    _ask(world, [_request(1), _request(2, expires_in=60)])


@given(parsers.parse("a run that asks for a decision with a reminder after {seconds:d} seconds"))
def _a_run_that_asks_with_a_reminder(world: World, seconds: int) -> None:
    _ask(world, [_request(1, remind_after=seconds)])


@given("a run that asks for a decision, and keeps its messages")
def _a_run_that_asks_and_keeps(world: World) -> None:
    _ask(world, [_request(1, keep=MESSAGES)])


@given("a run that asks for a decision that goes on after a no, and keeps its messages")
def _a_run_that_asks_and_keeps_after_a_no(world: World) -> None:
    _ask(world, [_request(1, on_reject="resume", keep=MESSAGES)])


@given(
    parsers.parse(
        "a run that asks for {count:d} decisions again whatever it is told, at most {most:d} times"
    )
)
def _a_run_that_asks_again(world: World, count: int, most: int) -> None:
    requests = [_request(number, on_reject="resume") for number in range(1, count + 1)]
    _ask(world, requests, max_requests=most)
    world.answer = Asking(requests, insists=lambda _: True)


@given(parsers.parse("a host whose may_decide {does}"), target_fixture="asked")
def _a_host_whose_may_decide(world: World, does: str) -> list[tuple[Approval, str, str, str]]:
    asked: list[tuple[Approval, str, str, str]] = []

    def may_decide(approval: Approval, run: RunSummary, who: str, decision: str) -> bool:
        asked.append((approval, run.run_id, who, decision))
        if does == "raises":
            raise RuntimeError("the directory is down")
        return None if does == "gives no answer" else False  # type: ignore[return-value]

    world.scoria = world.facade(world.store, clock=world.clock, may_decide=may_decide)
    return asked


@when(parsers.parse("a run is started with a step that asks with a schema that {does}"))
def _a_run_is_started_with_a_schema(world: World, does: str) -> None:
    _ask(world, [_request(1, answer_schema=SCHEMAS[does])], retry=Retry(max_attempts=3))


@when(parsers.parse("a run is started with a step that asks for {count:d} decisions"))
def _a_run_is_started_that_asks_for(world: World, count: int) -> None:
    _ask(world, [_request(number) for number in range(1, count + 1)])


@when(parsers.parse("a run is started with a step that asks two people for {what}"))
def _a_run_is_started_that_asks_two_people(world: World, what: str) -> None:
    more: dict[str, Any] = {"may_edit": True} if what == "an edit" else {"answer_schema": CHOICE}
    _ask(world, [_request(1, approvals_needed=2, **more)])


def _asked(world: World, number: int) -> Approval:
    """Return request `number` of those that the run made."""
    approvals = world.detail.approvals
    assert len(approvals) >= number, f"the run made {len(approvals)} requests"
    return approvals[number - 1]


def _decide(
    world: World, decide: str, number: int, who: str = "reviewer-7", **said: Any
) -> RunSummary:
    call = {"approve": world.scoria.approve, "reject": world.scoria.reject}[decide]
    approval_id = _asked(world, number).approval_id
    return call(world.run_id, approval_id=approval_id, decided_by=who, **said)


@when(parsers.parse('"{who}" approves request {number:d} with {arguments:w} arguments'))
def _approves_with_arguments(world: World, who: str, number: int, arguments: str) -> None:
    given_arguments: dict[str, Any] = {} if number > 1 else {"arguments": EDITS[arguments]}
    _decide(world, "approve", number, who, **given_arguments)


@when(parsers.parse('"{who}" approves request {number:d} with {answer} answer'))
def _approves_with_answer(world: World, who: str, number: int, answer: str) -> None:
    _decide(world, "approve", number, who, answer=SAID[answer])


@when(parsers.parse('"{who}" rejects request {number:d} with the note "{note}"'))
def _rejects_with_the_note(world: World, who: str, number: int, note: str) -> None:
    _decide(world, "reject", number, who, note=note)


@when(parsers.parse('"{who}" {decides:w} request {number:d}, and lets it go on'))
def _decides_and_lets_it_go_on(world: World, who: str, decides: str, number: int) -> None:
    _decide(world, decides.removesuffix("s"), number, who, resume=True)


@when(parsers.parse("request {number:d} is approved with {arguments:w} arguments"))
def _is_approved_with_arguments(world: World, number: int, arguments: str) -> None:
    world.attempt(lambda: _decide(world, "approve", number, arguments=EDITS[arguments]))


@when(parsers.parse("request {number:d} is approved with {answer} answer"))
def _is_approved_with_answer(world: World, number: int, answer: str) -> None:
    world.attempt(lambda: _decide(world, "approve", number, answer=SAID[answer]))


@when(parsers.parse('"{who}" tries to {decide:w} request {number:d}'))
def _tries_to_decide(world: World, who: str, decide: str, number: int) -> None:
    world.attempt(lambda: _decide(world, decide, number, who))


@when(parsers.parse('"{who}" tries to {decide:w} request {number:d} with edited arguments'))
def _tries_to_decide_with_edited(world: World, who: str, decide: str, number: int) -> None:
    said: dict[str, Any] = {"arguments": EDITS["edited"]} if decide == "approve" else {}
    try:
        world.attempt(lambda: _decide(world, decide, number, who, **said))
    except RuntimeError as raised:  # raised by the host's may_decide
        world.returned = raised


@when(
    parsers.parse('"{who}" tries to {decide:w} request {number:d} by the digest of other arguments')
)
def _tries_by_another_digest(world: World, who: str, decide: str, number: int) -> None:
    other = digest(EDITS["edited"])
    world.attempt(lambda: _decide(world, decide, number, who, arguments_digest=other))


@when(parsers.parse("they are decided in the order {order}: a yes, an edit and a no"))
def _they_are_decided_in_the_order(world: World, order: str) -> None:
    for number in map(int, order.split(", ")):
        said: dict[str, Any] = {"note": f"note {number}"}
        if number == 2:
            said["arguments"] = EDITS["edited"]
        _decide(world, "reject" if number == 3 else "approve", number, f"reviewer-{number}", **said)


@when("both requests are approved")
def _both_requests_are_approved(world: World) -> None:
    for number in (1, 2):
        _decide(world, "approve", number)


@when(parsers.parse("request 1 is approved {when:w} the second has expired"))
def _request_1_is_approved(world: World, when: str) -> None:
    if when == "after":
        world.clock.advance(timedelta(seconds=61))
    _decide(world, "approve", 1)


@when("three people approve a request each at once")
def _three_people_approve_a_request_each(world: World) -> None:
    ids = [approval.approval_id for approval in world.detail.approvals]

    def approving(number: int) -> Callable[[], RunSummary]:
        return lambda: world.scoria.approve(
            world.run_id, approval_id=ids[number], decided_by=f"reviewer-{number}"
        )

    world.race(*map(approving, range(3)))


@when(parsers.parse("{people:d} people approve it at once, each of them twice"))
def _people_approve_it_at_once(world: World, people: int) -> None:
    approval_id = _asked(world, 1).approval_id

    def approving(who: str) -> Callable[[], RunSummary]:
        return lambda: world.scoria.approve(world.run_id, approval_id=approval_id, decided_by=who)

    world.race(*(approving(f"reviewer-{number % people}") for number in range(2 * people)))


@when(parsers.parse("the handler of another run tries to {decide:w} request 1"))
def _the_handler_of_another_run_tries(world: World, decide: str) -> None:
    run_id, refused = world.run_id, list[ScoriaError]()

    def decides(*_: object) -> None:
        named, world.run_id = world.run_id, run_id
        try:
            _decide(world, decide, 1)
        except ScoriaError as error:
            refused.append(error)
        finally:
            world.run_id = named

    start(world, decides)
    world.run_id = run_id
    assert len(refused) == 1, "the handler was allowed to"
    world.error = refused[0]


@when("what is queued is run")
def _what_is_queued_is_run(world: World) -> None:
    world.scoria.run_pending(handlers=world.handlers)


@when("the run is resumed by a handler that fails")
def _the_run_is_resumed_by_a_handler_that_fails(world: World) -> None:
    asking, world.answer = world.answer, _breaks
    world.scoria.resume_run(world.run_id, handlers=world.handlers)
    world.answer = asking


def _breaks(*_: object) -> None:
    raise LookupError("no such customer")


@when("the run is retried")
def _the_run_is_retried(world: World) -> None:
    world.scoria.retry_run(world.run_id, handlers=world.handlers)


@when("the run is resumed by a handler that asks and keeps nothing")
def _the_run_is_resumed_by_a_handler_that_keeps_nothing(world: World) -> None:
    world.answer = Asking([_request(1)], insists=lambda _: True)
    world.scoria.resume_run(world.run_id, handlers=world.handlers)


@when("it is rejected and resumed until it stops asking")
def _it_is_rejected_until_it_stops(world: World) -> None:
    while world.detail.summary.status == "waiting_for_approval":
        _reject_and_resume(world)


@when(
    parsers.parse(
        "it is rejected and resumed {count:d} times, then {what}, and then until it stops asking"
    )
)
def _it_is_rejected_then(world: World, count: int, what: str) -> None:
    for _ in range(count):
        _reject_and_resume(world)
    if what == "approved":
        _decide(world, "approve", len(world.detail.approvals))
        world.scoria.resume_run(world.run_id, handlers=world.handlers)
    else:
        _decide(world, "reject", len(world.detail.approvals))
        asking, world.answer = world.answer, _breaks
        world.scoria.resume_run(world.run_id, handlers=world.handlers)
        world.answer = asking
        world.scoria.retry_run(world.run_id, handlers=world.handlers)
    _it_is_rejected_until_it_stops(world)


def _reject_and_resume(world: World) -> None:
    for number, approval in enumerate(world.detail.approvals, 1):
        if approval.status == ApprovalStatus.PENDING:
            _decide(world, "reject", number)
    world.scoria.resume_run(world.run_id, handlers=world.handlers)


@when("what is due is done after 29 seconds, 2 seconds and 60 seconds")
def _what_is_due_is_done_thrice(world: World) -> None:
    for seconds in (29, 2, 60):
        _what_is_due_is_done(world, seconds)


@when(parsers.parse("what is due is done after {seconds:d} seconds"))
def _what_is_due_is_done(world: World, seconds: int) -> None:
    world.clock.advance(timedelta(seconds=seconds))
    for run_id in world.scoria.list_pending():
        world.scoria.run_pending(run_id)


def _last_seen(world: World) -> Step:
    """Return the step as it was last given to its handler."""
    assert world.calls, "no handler was called"
    return world.calls[-1][0]


@then(
    parsers.parse("the handler got the {arguments:w} arguments, and the proposed ones beside them")
)
def _the_handler_got_the_arguments(world: World, arguments: str) -> None:
    approval = _last_seen(world).approval
    assert approval is not None
    assert approval.arguments == EDITS[arguments]
    assert approval.arguments_digest == digest(EDITS[arguments])
    assert approval.proposed_arguments == ARGUMENTS
    assert approval.proposed_digest == digest(ARGUMENTS)


@then(parsers.parse('the journal tells both by their digests, and that "{who}" decided'))
def _the_journal_tells_both(world: World, who: str) -> None:
    approval = _asked(world, 1)
    asked, decided = _entries(world, approval)
    assert (asked.data["arguments"], asked.data["arguments_digest"]) == (
        approval.proposed_arguments,
        approval.proposed_digest,
    )
    assert (decided.trigger, decided.actor_id, decided.at) == ("approve", who, approval.decided_at)
    assert decided.data["arguments_digest"] == approval.arguments_digest
    is_edited = approval.arguments != approval.proposed_arguments
    assert decided.data.get("arguments") == (approval.arguments if is_edited else None)
    assert decided.data.get("proposed_digest") == (approval.proposed_digest if is_edited else None)


def _entries(world: World, approval: Approval) -> list[JournalEntry]:
    return [each for each in world.detail.journal if each.subject_id == approval.approval_id]


@then("the handler got that answer, and the journal has it")
def _the_handler_got_that_answer(world: World) -> None:
    approval = _last_seen(world).approval
    assert approval is not None
    assert approval.answer == SAID["a fitting"] == _asked(world, 1).answer
    assert _entries(world, approval)[-1].data["answer"] == SAID["a fitting"]


@then("nobody was asked")
def _nobody_was_asked(world: World) -> None:
    assert world.detail.approvals == ()
    assert [step.attempt for step in world.detail.steps] == [1], "it was tried again"


@then(parsers.parse('the handler saw the requests as "{statuses}"'))
def _the_handler_saw_the_requests(world: World, statuses: str) -> None:
    step = _last_seen(world)
    assert [str(each.status) for each in step.approvals] == statuses.split(", ")
    assert step.approvals == world.detail.steps[0].approvals
    only = step.approvals[0] if len(step.approvals) == 1 else None
    assert step.approval == only


@then(parsers.parse('the handler saw the note "{note}"'))
def _the_handler_saw_the_note(world: World, note: str) -> None:
    approval = _last_seen(world).approval
    assert approval is not None
    assert approval.note == note


@then("each of them has its own arguments, note and call_id")
def _each_of_them_has_its_own(world: World) -> None:
    for number, approval in enumerate(_last_seen(world).approvals, 1):
        proposed = _request(number).arguments
        assert approval.proposed_arguments == proposed
        assert approval.arguments == (EDITS["edited"] if number == 2 else proposed)
        told = (approval.call_id, approval.tool_name, approval.note, approval.decided_by)
        assert told == (f"call-{number}", f"tool-{number}", f"note {number}", f"reviewer-{number}")


@then(parsers.parse('its requests are "{statuses}"'))
def _its_requests_are(world: World, statuses: str) -> None:
    approvals = world.detail.approvals
    assert [each.status for each in approvals] == statuses.split(", ")
    moved = [_entries(world, each)[-1].to_state for each in approvals]
    assert moved == [each.status for each in approvals], "the journal tells something else"


@then(parsers.parse('its requests read as "{statuses}"'))
def _its_requests_read_as(world: World, statuses: str) -> None:
    detail = world.detail
    assert [each.status for each in detail.approvals] == statuses.split(", ")
    pending = tuple(each for each in detail.approvals if each.status == "pending")
    assert detail.summary.pending_approvals == pending
    assert detail.summary.pending_approval == pending[0]


@then(parsers.parse('it is endorsed by "{people}"'))
def _it_is_endorsed_by(world: World, people: str) -> None:
    approval = _asked(world, 1)
    assert [each.by for each in approval.endorsements] == people.split(", ")
    votes = [each for each in _entries(world, approval) if each.trigger == "endorse"]
    assert [(each.by, each.at) for each in approval.endorsements] == [
        (entry.actor_id, entry.at) for entry in votes
    ]
    assert {entry.data["arguments_digest"] for entry in votes} == {approval.arguments_digest}


@then(parsers.parse('the rule is "{rule}"'))
def _the_rule_is(world: World, rule: str) -> None:
    assert isinstance(world.error, DecisionRefused)
    assert world.error.rule == rule


@then("the refusal says who has decided, and when")
def _the_refusal_says_who_has_decided(world: World) -> None:
    error, approval = world.error, _asked(world, 1)
    assert isinstance(error, ApprovalNotPending)
    told = (error.status, error.decided_by, error.decided_at)
    assert told == (approval.status, approval.decided_by, approval.decided_at)
    assert approval.decided_by == (None if approval.status == "withdrawn" else "reviewer-7")


@then(parsers.parse('it was refused with the rule "{rule}"'))
def _it_was_refused_with_the_rule(world: World, rule: str) -> None:
    _the_rule_is(world, rule)


@then("all of them succeed")
def _all_of_them_succeed(world: World) -> None:
    refused = [each for each in world.raced if isinstance(each, ScoriaError)]
    assert not refused
    assert len(world.raced) == 3


@then("two of them count, and are two people")
def _two_of_them_count(world: World) -> None:
    approval = _asked(world, 1)
    assert approval.status == "approved"
    assert len(approval.endorsements) == 1
    first = approval.endorsements[0]
    assert first.by != approval.decided_by
    assert len(_entries(world, approval)) == 3


@then("the others were refused")
def _the_others_were_refused(world: World) -> None:
    refused = [each.code for each in world.raced if isinstance(each, ScoriaError)]
    assert len(refused) == len(world.raced) - 2
    assert {*refused} <= {"approval_not_pending", "decision_refused"}


@then("it is refused so that the host's word stands")
def _it_is_refused_so_that_the_hosts_word_stands(world: World) -> None:
    if isinstance(world.returned, RuntimeError):
        assert str(world.returned) == "the directory is down"
    else:
        assert world.error is not None
        assert world.error.code in ("decision_refused", "invalid_payload")


@then("may_decide was asked about what would be approved")
def _may_decide_was_asked(world: World, asked: list[tuple[Approval, str, str, str]]) -> None:
    assert asked
    for approval, run_id, who, decision in asked:
        assert approval.arguments == EDITS["edited" if decision == "approve" else "proposed"]
        assert approval.proposed_arguments == ARGUMENTS
        assert (run_id, who) == (world.run_id, "reviewer-7")


@then("one commit has the last decision, and queues the step again")
def _one_commit_has_the_last_decision(world: World) -> None:
    last = world.detail.journal[-3:]
    assert [each.type for each in last] == ["approval_rejected", "run_resumed", "step_resumed"]
    assert len({each.at for each in last}) == 1


@then("the handler got what it kept, each time")
def _the_handler_got_what_it_kept(world: World) -> None:
    assert [step.kept for step, _ in world.calls] == [MESSAGES, MESSAGES]
    assert world.detail.steps[0].kept == MESSAGES


@then("its step has nothing kept")
def _its_step_has_nothing_kept(world: World) -> None:
    assert _last_seen(world).kept == MESSAGES
    assert world.detail.steps[0].kept is None


@then(parsers.parse("it has asked {times:d} times"))
def _it_has_asked(world: World, times: int) -> None:
    assert len(world.detail.approvals) == times


@then("the journal tells of one reminder, at 31 seconds")
def _the_journal_tells_of_one_reminder(world: World) -> None:
    asked, *rest = _entries(world, _asked(world, 1))
    assert len(rest) == 1
    reminded = rest[0]
    assert (reminded.type, reminded.at - asked.at) == ("approval_reminded", timedelta(seconds=31))
    assert _asked(world, 1).reminded_at == reminded.at


@then(parsers.parse("the journal tells that request {number:d} expired"))
def _the_journal_tells_that_request_expired(world: World, number: int) -> None:
    expired = [entry for entry in world.detail.journal if entry.type == "approval_expired"]
    assert [entry.subject_id for entry in expired] == [_asked(world, number).approval_id]
