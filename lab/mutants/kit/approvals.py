"""Wrong on purpose: what the kit does with approvals."""

from attrs import evolve

from lab.mutants.kit import catalogue, instead_of, put, replace, without
from scoria_core import decisions, repository, run, scoria
from scoria_core.errors import ApprovalNotPending, ApprovalPending
from scoria_core.identity import checked_id
from scoria_core.lifecycles import ApprovalStatus, RunStatus, StepStatus

breaks = catalogue()


@breaks("APPROVAL-3", "need a person")
@instead_of(decisions._asked)
def a_request_is_shown_without_its_reason(right, step_id, needs, at):
    return right(step_id, evolve(needs, reason=""), at)


breaks.add(
    "a run does not wait for its request",
    "APPROVAL-4",
    "waiting_for_approval",
    without("run", "request_approval"),
)


@breaks("APPROVAL-4", "A run waits exactly")
@instead_of(run.Run._index)
def a_step_that_asks_again_keeps_its_first_request(right, self, entry):
    first = {step_id: asked for step_id, asked in self._requests_of.items() if asked}
    right(self, entry)
    self._requests_of.update(first)


@breaks("APPROVAL-5", "reviewer-7")
@instead_of(run._approval_changes)
def a_decision_does_not_say_who_made_it(right, approval, entry):
    return {**right(approval, entry), "decided_by": None}


@breaks("APPROVAL-5", "'ok'")
@instead_of(run._approval_changes)
def the_note_of_a_decision_is_dropped(right, approval, entry):
    return {**right(approval, entry), "note": None}


def _status_of(change, approval_id):
    approval = change.run.approvals.get(approval_id)
    return approval and change.run.as_of(approval, change.at).status


def _unless_decided(right, change, decision):
    """Return the request, as pending where it was decided."""
    try:
        return right(change, decision)
    except ApprovalNotPending as error:
        if error.state not in (ApprovalStatus.APPROVED, ApprovalStatus.REJECTED):
            raise
        return change.run.approvals[decision.approval_id]


def _decide_once(right, change, decision, approval):
    if approval.status == ApprovalStatus.PENDING:
        right(change, decision, approval)


@breaks("APPROVAL-6", "A decision is made once")
def a_decision_may_be_taken_back():
    replace(decisions._pending, _unless_decided)
    replace(decisions.decide, _decide_once)


@breaks("APPROVAL-7", "ApprovalNotPending")
def a_second_decision_is_lost_in_silence():
    def pending(right, change, decision):
        if decision.trigger == "approve":
            return _unless_decided(right, change, decision)
        return right(change, decision)

    replace(decisions._pending, pending)
    replace(decisions.decide, _decide_once)


@breaks("APPROVAL-7", "Of one yes and one no")
def a_rejection_overrules_an_approval():
    def decide(right, change, decision, approval):
        if approval.status == ApprovalStatus.APPROVED and decision.trigger == "reject":
            decisions.cancel(change, decision.note)
        elif approval.status == ApprovalStatus.PENDING:
            right(change, decision, approval)

    replace(decisions._pending, _unless_decided)
    replace(decisions.decide, decide)


@breaks("APPROVAL-8", "before a person has decided")
@instead_of(decisions.resume)
def a_run_is_resumed_before_anyone_decided(right, change):
    try:
        right(change)
    except ApprovalPending:
        change.move("run", change.run.run_id, "resume")
        change.move("step", change.run.active_step().step_id, "resume")


@breaks("APPROVAL-9", "An approved run is resumed")
@instead_of(run.Run.step_view)
def a_resumed_step_does_not_get_its_approval(right, self, step_id, now):
    return evolve(right(self, step_id, now), approvals=())


@breaks("APPROVAL-9", "An approved run is resumed")
@instead_of(run.Run.step_view)
def a_resumed_step_gets_other_arguments(right, self, step_id, now):
    step = right(self, step_id, now)
    return evolve(step, approvals=tuple(evolve(each, arguments={}) for each in step.approvals))


@breaks("APPROVAL-10", "What was rejected never runs again")
@instead_of(decisions.decide)
def a_rejected_approval_resumes(right, change, decision, approval):
    right(change, decision, evolve(approval, on_reject="resume"))


@breaks("APPROVAL-10", "too risky")
@instead_of(decisions.Change.move)
def a_rejection_has_no_reason(right, self, subject, subject_id, trigger, **data):
    if (subject, trigger) == ("run", "reject"):
        data = {"reason": None}
    right(self, subject, subject_id, trigger, **data)


@breaks("APPROVAL-11", "expired")
@instead_of(run.Run.as_of)
def an_approval_never_expires(right, self, approval, now):
    return approval


@breaks("APPROVAL-11", "An expired approval authorises nothing")
@instead_of(decisions._pending)
def an_expired_approval_may_be_approved(right, change, decision):
    named = [
        each for each in change.run.open_requests() if each.approval_id == decision.approval_id
    ]
    return named[0] if named else right(change, decision)


@breaks("APPROVAL-11", "An expired approval authorises nothing")
@instead_of(run.Run._pending_approvals)
def a_listing_shows_an_expired_request_as_open(right, self, now):
    return tuple(map(run.handed_out, self.open_requests()))


@breaks("APPROVAL-12", "The journal tells of an approval that expired")
@instead_of(decisions._expire_overdue)
def the_journal_keeps_no_expiry(right, change):
    pass


@breaks("APPROVAL-13", "which is pending")
@instead_of(decisions.resume)
def an_expired_request_cannot_be_resumed(right, change):
    if change.run.open_requests():
        run_id, status = change.run.run_id, change.run.status
        raise ApprovalPending("run", run_id, status, "resume", because=" which is pending")
    right(change)


@breaks("APPROVAL-14", "A decision has somebody who made it")
@instead_of(scoria.Scoria._decide)
def nobody_decides(right, self, run_id, decision, decided_by):
    return right(self, run_id, decision, str(decided_by).strip() or "nobody")


@breaks("APPROVAL-14", "actor_id")
@instead_of(scoria.Scoria._decide)
def a_decision_by_nobody_names_another_field(right, self, run_id, decision, decided_by):
    return right(self, run_id, decision, checked_id(decided_by, "actor_id"))


@breaks("APPROVAL-15", "does not count for another")
@instead_of(decisions._pending)
def any_approval_id_will_do(right, change, decision):
    first = next(iter(change.run.approvals), decision.approval_id)
    return right(change, evolve(decision, approval_id=first))


breaks.add(
    "deciding again is taken for done",
    "APPROVAL-2",
    "An approval is not moved by a call out of place",
    a_second_decision_is_lost_in_silence,
)


@breaks("APPROVAL-16", "nobody used in time")
@instead_of(run.Run.as_of)
def an_old_yes_authorises(right, self, approval, now):
    is_yes = approval.status == ApprovalStatus.APPROVED
    return approval if is_yes else right(self, approval, now)


@breaks("APPROVAL-16", "authorises nothing")
@instead_of(decisions.Change.move)
def an_old_yes_is_shown_as_expired_and_used(right, self, subject, subject_id, trigger, **data):
    if (subject, trigger) != ("approval", "expire") or self.run.open_requests():
        right(self, subject, subject_id, trigger, **data)


@breaks("APPROVAL-16", "A yes that was used in time stays")
def a_yes_that_was_used_in_time_is_shown_as_expired_later():
    put(run, _YET_TO_RUN=tuple(StepStatus))


@breaks("APPROVAL-17", "waits for its host")
@instead_of(decisions.resume_expired)
def a_worker_resumes_what_a_person_decided_on(right, change, kinds):
    is_waiting = change.run.status == RunStatus.WAITING_FOR_APPROVAL
    if is_waiting and not change.run.open_requests():
        decisions.resume(change)
    return right(change, kinds)


def _at_the_time_of_the_clock(right, self, run, actor_id):
    return evolve(right(self, run, actor_id), at=self.now())


@breaks("APPROVAL-18", "whose clock is ahead")
def expiry_is_judged_by_the_clock_alone():
    def as_of(right, self, approval, now):
        is_open = approval.expires_at is not None and approval.expires_at > now
        return approval if is_open else right(self, approval, now)

    replace(run.Run.as_of, as_of)
    replace(repository.RunRepository._change, _at_the_time_of_the_clock)


breaks.add(
    "an entry is as early as the clock",
    "JOURNAL-8",
    "before it",
    instead_of(repository.RunRepository._change)(_at_the_time_of_the_clock),
)
