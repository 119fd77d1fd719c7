"""Wrong on purpose: what the kit does with approvals."""

from attrs import evolve

from lab.mutants.kit import catalogue, instead_of, put, replace, without
from scoria_core import decisions, repository, run, scoria
from scoria_core.errors import ApprovalPending
from scoria_core.identity import checked_id
from scoria_core.lifecycles import ApprovalStatus, RunStatus, StepStatus

breaks = catalogue()

NOT_DECIDED = (None, ApprovalStatus.PENDING, ApprovalStatus.EXPIRED)


@breaks("APPROVAL-3", "need a person")
@instead_of(decisions._request_approval)
def a_request_is_shown_without_its_reason(right, change, step_id, needs):
    right(change, step_id, evolve(needs, reason=""))


breaks.add(
    "a run does not wait for its request",
    "APPROVAL-4",
    "waiting_for_approval",
    without("run", "request_approval"),
)


@breaks("APPROVAL-4", "A run waits exactly")
@instead_of(run.Run._index)
def a_step_that_asks_again_keeps_its_first_request(right, self, made):
    first = dict(self._approval_of)
    right(self, made)
    self._approval_of.update(first)


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


@breaks("APPROVAL-6", "A decision is made once")
@instead_of(decisions.approve, decisions.reject)
def a_decision_may_be_taken_back(right, change, approval_id, note):
    if _status_of(change, approval_id) in NOT_DECIDED:
        right(change, approval_id, note)


@breaks("APPROVAL-7", "ApprovalNotPending")
@instead_of(decisions.approve)
def a_second_decision_is_lost_in_silence(right, change, approval_id, note):
    if _status_of(change, approval_id) in NOT_DECIDED:
        right(change, approval_id, note)


@breaks("APPROVAL-7", "Of one yes and one no")
def a_rejection_overrules_an_approval():
    def reject(right, change, approval_id, note):
        if _status_of(change, approval_id) == ApprovalStatus.APPROVED:
            decisions.cancel(change, note)
        else:
            right(change, approval_id, note)

    def approve(right, change, approval_id, note):
        if _status_of(change, approval_id) != ApprovalStatus.REJECTED:
            right(change, approval_id, note)

    replace(decisions.reject, reject)
    replace(decisions.approve, approve)


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
    return evolve(right(self, step_id, now), approval=None)


@breaks("APPROVAL-9", "An approved run is resumed")
@instead_of(run.Run.step_view)
def a_resumed_step_gets_other_arguments(right, self, step_id, now):
    step = right(self, step_id, now)
    return evolve(step, approval=step.approval and evolve(step.approval, arguments={}))


@breaks("APPROVAL-10", "What was rejected never runs again")
@instead_of(decisions.reject)
def a_rejected_approval_resumes(right, change, approval_id, note):
    approval = decisions._pending(change, approval_id, "reject")
    decisions._decide(change, approval, "reject", note)


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
def an_expired_approval_may_be_approved(right, change, approval_id, trigger):
    approval = change.run.open_request()
    is_named = approval is not None and approval.approval_id == approval_id
    return approval if is_named else right(change, approval_id, trigger)


@breaks("APPROVAL-11", "An expired approval authorises nothing")
@instead_of(run.Run._pending_approval)
def a_listing_shows_an_expired_request_as_open(right, self, now):
    approval = self.open_request()
    return approval and run._handed_out(approval)


@breaks("APPROVAL-12", "The journal tells of an approval that expired")
@instead_of(decisions._expire_overdue)
def the_journal_keeps_no_expiry(right, change):
    pass


@breaks("APPROVAL-13", "which is pending")
@instead_of(decisions.resume)
def an_expired_request_cannot_be_resumed(right, change):
    if change.run.open_request() is not None:
        run_id, status = change.run.run_id, change.run.status
        raise ApprovalPending("run", run_id, status, "resume", because=" which is pending")
    right(change)


@breaks("APPROVAL-14", "A decision has somebody who made it")
@instead_of(scoria.Scoria._decide)
def nobody_decides(right, self, decision, run_id, approval_id, decided_by, note):
    return right(self, decision, run_id, approval_id, str(decided_by).strip() or "nobody", note)


@breaks("APPROVAL-14", "actor_id")
@instead_of(scoria.Scoria._decide)
def a_decision_by_nobody_names_another_field(
    right, self, decision, run_id, approval_id, decided_by, note
):
    actor_id = checked_id(decided_by, "actor_id")
    return right(self, decision, run_id, approval_id, actor_id, note)


@breaks("APPROVAL-15", "does not count for another")
@instead_of(decisions._pending)
def any_approval_id_will_do(right, change, approval_id, trigger):
    return right(change, next(iter(change.run.approvals), approval_id), trigger)


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
    if (subject, trigger) != ("approval", "expire") or self.run.open_request() is not None:
        right(self, subject, subject_id, trigger, **data)


@breaks("APPROVAL-16", "A yes that was used in time stays")
def a_yes_that_was_used_in_time_is_shown_as_expired_later():
    put(run, _YET_TO_RUN=tuple(StepStatus))


@breaks("APPROVAL-17", "waits for its host")
@instead_of(decisions.resume_expired)
def a_worker_resumes_what_a_person_decided_on(right, change, kinds):
    is_waiting = change.run.status == RunStatus.WAITING_FOR_APPROVAL
    if is_waiting and change.run.open_request() is None:
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
