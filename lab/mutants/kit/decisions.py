"""Wrong on purpose: what people may say to a request, and who may say it."""

from attrs import evolve

from lab.mutants.kit import catalogue, instead_of, put
from scoria_core import decisions, run, scoria
from scoria_core.errors import ApprovalNotPending, ApprovalPending, DecisionRefused, InvalidPayload
from scoria_core.lifecycles import ApprovalStatus, StepStatus
from scoria_core.outcomes import Completed, StepSpec
from scoria_core.validation import Validator

breaks = catalogue()


def _of_each(right, self, step_id, now, **changes):
    """Return a step whose requests are changed, each by what `changes` makes of it."""
    step = right(self, step_id, now)
    changed = [
        evolve(each, **{name: make(each) for name, make in changes.items()})
        for each in step.approvals
    ]
    return evolve(step, approvals=tuple(changed))


# --- edits and answers ---------------------------------------------------------------------------


@breaks("APPROVAL-19", "differ from what was proposed")
@instead_of(decisions._edited)
def an_edit_is_lost(right, approval, decision):
    return right(approval, evolve(decision, arguments=None))


@breaks("APPROVAL-19", "differ from what was proposed")
@instead_of(run.Run.step_view)
def the_handler_gets_what_was_proposed(right, self, step_id, now):
    return _of_each(right, self, step_id, now, arguments=lambda each: each.proposed_arguments)


@breaks("APPROVAL-19", "differ from what was proposed")
@instead_of(run.Run.step_view)
def what_was_proposed_is_forgotten(right, self, step_id, now):
    return _of_each(right, self, step_id, now, proposed_arguments=lambda each: each.arguments)


@breaks("APPROVAL-19", "differ from what was proposed")
@instead_of(run.Run.step_view)
def an_edit_keeps_the_digest_of_what_was_proposed(right, self, step_id, now):
    return _of_each(right, self, step_id, now, arguments_digest=lambda each: each.proposed_digest)


@breaks("APPROVAL-19", "differ from what was proposed")
@instead_of(decisions.Change.move)
def equal_arguments_count_as_an_edit(right, self, subject, subject_id, trigger, **data):
    if trigger == "approve" and self.run.approvals[subject_id].may_edit:
        asked = self.run.approvals[subject_id]
        data = {"arguments": asked.arguments, "proposed_digest": asked.proposed_digest, **data}
    right(self, subject, subject_id, trigger, **data)


@breaks("APPROVAL-20", "An edit that the request does not allow")
@instead_of(decisions._edited)
def anything_may_be_edited(right, approval, decision):
    edited = right(evolve(approval, may_edit=True), decision)
    return evolve(edited, may_edit=approval.may_edit)


@breaks("APPROVAL-20", "An edit that the request does not allow")
@instead_of(Validator.fits)
def an_edit_is_not_held_to_its_schema(right, self, approval):
    right(self, evolve(approval, may_edit=True))


@breaks("APPROVAL-20", "An edit that the request does not allow")
@instead_of(Validator.fits)
def an_edit_that_does_not_fit_is_named_as_a_whole(right, self, approval):
    try:
        right(self, approval)
    except InvalidPayload as error:
        raise InvalidPayload(error.path.partition(".")[0], error.problem) from None


@breaks("APPROVAL-21", "An answer that is missing")
@instead_of(Validator.fits)
def an_answer_is_not_held_to_its_schema(right, self, approval):
    right(self, evolve(approval, answer_schema=None))


@breaks("APPROVAL-21", "An answer that is missing")
@instead_of(decisions._edited)
def an_answer_may_be_missing(right, approval, decision):
    asked = approval.answer_schema is not None and decision.answer is None
    return right(approval, evolve(decision, answer={"choice": "keep"}) if asked else decision)


@breaks("APPROVAL-21", "An answer that is missing")
@instead_of(decisions._edited)
def an_answer_that_nobody_asked_for_is_dropped(right, approval, decision):
    is_asked = approval.answer_schema is not None
    return right(approval, decision if is_asked else evolve(decision, answer=None))


@breaks("APPROVAL-21", "An answer is kept")
@instead_of(run.Run.step_view)
def an_answer_is_not_handed_to_its_step(right, self, step_id, now):
    return _of_each(right, self, step_id, now, answer=lambda _: None)


@breaks("APPROVAL-22", "A schema that cannot be used")
@instead_of(Validator._schema)
def a_schema_is_taken_as_it_comes(right, self, value, path):
    return value


@breaks("APPROVAL-22", "has a pattern without bound")
@instead_of(Validator._schema)
def a_pattern_is_not_looked_at(right, self, value, path):
    return value if value and "pattern" in value else right(self, value, path)


# --- a no ----------------------------------------------------------------------------------------


@breaks("APPROVAL-23", "A no under")
@instead_of(decisions.decide)
def every_no_ends_the_run(right, change, decision, approval):
    right(change, decision, evolve(approval, on_reject="cancel"))


@breaks("APPROVAL-23", "A no under")
@instead_of(run.Run.step_view)
def a_no_reads_as_a_yes(right, self, step_id, now):
    yes = {ApprovalStatus.REJECTED: ApprovalStatus.APPROVED}
    return _of_each(
        right, self, step_id, now, status=lambda each: yes.get(each.status, each.status)
    )


@breaks("APPROVAL-23", "A no under")
@instead_of(run.Run.step_view)
def the_note_of_a_no_is_lost(right, self, step_id, now):
    return _of_each(right, self, step_id, now, note=lambda _: None)


@breaks("APPROVAL-23", "A no under")
@instead_of(decisions.decide)
def a_no_resumes_the_run_at_once(right, change, decision, approval):
    right(change, decision, approval)
    if decision.trigger == "reject" and approval.on_reject == "resume":
        decisions.resume(change)


@breaks("APPROVAL-10", "ends the run, whatever else was asked")
@instead_of(decisions._withdraw_requests)
def a_no_withdraws_nothing_else(right, change):
    pass


@breaks("APPROVAL-10", "ends the run, whatever else was asked")
@instead_of(decisions._expire_overdue)
def what_is_overdue_is_withdrawn(right, change):
    pass


@breaks("APPROVAL-10", "ends the run, whatever else was asked")
@instead_of(decisions.decide)
def one_no_of_several_goes_on(right, change, decision, approval):
    several = len(change.run.requests_of(approval.step_id)) > 1
    right(change, decision, evolve(approval, on_reject="resume") if several else approval)


# --- several at once -----------------------------------------------------------------------------


@breaks("APPROVAL-24", "decided each by itself")
@instead_of(decisions._request_approvals)
def only_the_first_of_several_is_asked(right, change, claimed, requests):
    right(change, claimed, requests[:1])


@breaks("APPROVAL-24", "decided each by itself")
@instead_of(run.Run.requests_of)
def several_are_handed_over_in_another_order(right, self, step_id):
    return right(self, step_id)[::-1]


@breaks("APPROVAL-24", "decided each by itself")
@instead_of(run.Run.step_view)
def a_decision_is_handed_over_as_that_of_another_call(right, self, step_id, now):
    step = right(self, step_id, now)
    calls = [each.call_id for each in step.approvals][::-1]
    told = zip(step.approvals, calls, strict=True)
    return evolve(step, approvals=tuple(evolve(each, call_id=call) for each, call in told))


@breaks("APPROVAL-24", "decided each by itself")
@instead_of(decisions._asked)
def the_call_id_is_dropped(right, step_id, needs, at):
    return right(step_id, evolve(needs, call_id=None), at)


@breaks("APPROVAL-24", "A list is of 1 to 32")
@instead_of(Validator._requests)
def an_empty_list_is_an_answer(right, self, answer):
    return right(self, answer) if answer else Completed()


@breaks("APPROVAL-24", "A list is of 1 to 32")
def a_list_may_be_of_any_length():
    import scoria_core.validation

    put(scoria_core.validation, MAX_TOGETHER=1_000)


@breaks("APPROVAL-8", "while one of its requests is pending")
@instead_of(decisions.resume)
def a_run_is_resumed_once_one_is_decided(right, change):
    try:
        right(change)
    except ApprovalPending:
        step = change.run.active_step()
        if all(each.decided_by is None for each in change.run.requests_of(step.step_id)):
            raise
        decisions._withdraw_requests(change)
        right(change)


@breaks("APPROVAL-7", "decide different requests at once")
@instead_of(decisions.decide)
def a_yes_to_one_is_a_yes_to_all(right, change, decision, approval):
    right(change, decision, approval)
    if decision.trigger == "approve":
        for each in change.run.open_requests():
            right(change, evolve(decision, approval_id=each.approval_id), each)


@breaks("APPROVAL-12", "Requests expire one by one")
@instead_of(decisions._expire_overdue)
def one_that_expires_takes_the_others_with_it(right, change):
    right(change)
    if any(each.status == ApprovalStatus.EXPIRED for each in change.run.approvals.values()):
        decisions._withdraw_requests(change)


@breaks("APPROVAL-12", "Requests expire one by one")
@instead_of(decisions.settle_overdue)
def nobody_records_that_one_of_several_expired(right, change):
    pass


@breaks("APPROVAL-16", "Of several, what is not used in time")
@instead_of(run.Run.as_of)
def only_the_first_yes_of_several_expires(right, self, approval, now):
    asked = self.requests_of(approval.step_id)
    is_first = not asked or asked[0].approval_id == approval.approval_id
    is_pending = approval.status == ApprovalStatus.PENDING
    return right(self, approval, now) if is_first or is_pending else approval


@breaks("STEP-25", "settled has expired")
@instead_of(run.Run._index_approval)
def whichever_expired_lets_the_run_go_on(right, self, entry):
    had_expired = self._expired_last
    right(self, entry)
    self._expired_last |= had_expired


@breaks("STEP-25", "settled has expired")
@instead_of(run.Run.last_request_expired)
def a_run_goes_on_only_where_all_have_expired(right, self, now):
    step = self.active_step()
    asked = [] if step is None else self.requests_of(step.step_id)
    return all(self.as_of(each, now).status == ApprovalStatus.EXPIRED for each in asked)


# --- several people ------------------------------------------------------------------------------


@breaks("APPROVAL-25", "the last yes approves")
@instead_of(decisions.decide)
def the_first_yes_approves(right, change, decision, approval):
    right(change, decision, evolve(approval, approvals_needed=1))


@breaks("APPROVAL-25", "The second yes of one person")
@instead_of(decisions.as_decided)
def the_second_yes_of_one_person_counts(right, change, decision):
    try:
        return right(change, decision)
    except DecisionRefused as error:
        if error.rule != "voted":
            raise
        return decisions._pending(change, decision)


@breaks("APPROVAL-25", "The second yes of one person")
@instead_of(decisions.as_decided)
def a_second_yes_is_refused_as_if_barred(right, change, decision):
    try:
        return right(change, decision)
    except DecisionRefused as error:
        raise DecisionRefused(error.approval_id, error.decided_by, "not_by") from None


@breaks("APPROVAL-25", "the last yes approves")
@instead_of(run._approval_changes)
def only_the_latest_endorsement_is_kept(right, approval, entry):
    changes = right(approval, entry)
    if "endorsements" in changes:
        changes["endorsements"] = changes["endorsements"][-1:]
    return changes


@breaks("APPROVAL-25", "One no is enough")
@instead_of(decisions.as_decided)
def who_has_said_yes_cannot_say_no(right, change, decision):
    approval = right(change, decision)
    if change.actor_id in [each.by for each in approval.endorsements]:
        raise DecisionRefused(approval.approval_id, change.actor_id, "voted")
    return approval


@breaks("APPROVAL-25", "exact arguments only")
@instead_of(Validator._needs_approval)
def several_people_may_edit(right, self, needs, path):
    checked = right(self, evolve(needs, approvals_needed=1), path)
    return evolve(checked, approvals_needed=needs.approvals_needed)


# --- who may decide ------------------------------------------------------------------------------


@breaks("APPROVAL-26", "named in not_by decides nothing")
@instead_of(decisions.as_decided)
def not_by_bars_only_a_yes(right, change, decision):
    try:
        return right(change, decision)
    except DecisionRefused as error:
        if error.rule != "not_by" or decision.trigger == "approve":
            raise
        return decisions._pending(change, decision)


@breaks("APPROVAL-26", "named in not_by decides nothing")
@instead_of(decisions._asked)
def the_requester_is_not_meant(right, step_id, needs, at):
    named = [each for each in needs.not_by if each != "requester"]
    return right(step_id, evolve(needs, not_by=named), at)


@breaks("APPROVAL-26", "named in not_by decides nothing")
@instead_of(decisions._asked)
def only_the_requester_is_meant(right, step_id, needs, at):
    named = [each for each in needs.not_by if each == "requester"]
    return right(step_id, evolve(needs, not_by=named), at)


@breaks("APPROVAL-27", "The host may say who decides")
@instead_of(scoria.Scoria._host_allows)
def may_decide_is_not_asked_about_a_no(right, self, change, decision, approval):
    return decision.trigger == "reject" or right(self, change, decision, approval)


@breaks("APPROVAL-27", "The host may say who decides")
@instead_of(scoria.Scoria._host_allows)
def what_may_decide_raises_is_a_yes(right, self, change, decision, approval):
    try:
        return right(self, change, decision, approval)
    except RuntimeError:
        return True


@breaks("APPROVAL-27", "The host may say who decides")
@instead_of(scoria.Scoria._host_allows)
def no_answer_of_may_decide_is_a_yes(right, self, change, decision, approval):
    try:
        return right(self, change, decision, approval)
    except InvalidPayload:
        return True


@breaks("APPROVAL-27", "The host may say who decides")
@instead_of(scoria.Scoria._host_allows)
def may_decide_is_asked_about_what_was_proposed(right, self, change, decision, approval):
    proposed = evolve(
        approval,
        arguments=approval.proposed_arguments,
        arguments_digest=approval.proposed_digest,
    )
    return right(self, change, decision, proposed)


@breaks("APPROVAL-28", "A handler decides nothing")
def a_handler_may_decide():
    put(scoria, entered_handler=lambda _: None)


# --- and go on -----------------------------------------------------------------------------------


@breaks("APPROVAL-29", "A decision may let the run go on")
@instead_of(decisions.decide)
def a_decision_never_resumes(right, change, decision, approval):
    right(change, evolve(decision, resume=False), approval)


@breaks("APPROVAL-29", "A decision may let the run go on")
@instead_of(decisions.decide)
def only_a_yes_resumes(right, change, decision, approval):
    right(
        change, evolve(decision, resume=decision.trigger == "approve" and decision.resume), approval
    )


@breaks("APPROVAL-29", "A decision may let the run go on")
@instead_of(decisions.decide)
def a_decision_that_resumes_withdraws_the_others(right, change, decision, approval):
    right(change, evolve(decision, resume=False), approval)
    if decision.resume:
        decisions._withdraw_requests(change)
        decisions.resume(change)


@breaks("APPROVAL-30", "seen other arguments")
@instead_of(decisions.as_decided)
def the_digest_that_was_seen_is_not_compared(right, change, decision):
    return right(change, evolve(decision, arguments_digest=None))


@breaks("APPROVAL-30", "seen other arguments")
@instead_of(decisions.as_decided)
def the_digest_is_compared_for_a_yes_alone(right, change, decision):
    if decision.trigger == "reject":
        decision = evolve(decision, arguments_digest=None)
    return right(change, decision)


# --- what is kept, how often, and when -----------------------------------------------------------


@breaks("APPROVAL-31", "What a step keeps")
@instead_of(run.Run.step_view)
def what_is_kept_is_lost_at_a_retry(right, self, step_id, now):
    step = right(self, step_id, now)
    return evolve(step, kept=step.kept if step.attempt == 1 else None)


@breaks("APPROVAL-31", "What is kept belongs to the asking")
@instead_of(run._step_changes)
def what_is_kept_outlives_its_asking(right, step, entry):
    changes = right(step, entry)
    if entry.trigger == "request_approval" and "kept" not in entry.data:
        changes = {**changes, "kept": step.kept}
    return changes


@breaks("APPROVAL-32", "A step that asks in vain")
@instead_of(run.Run.requests_without_yes)
def a_step_asks_for_ever(right, self, step_id):
    return 0


@breaks("APPROVAL-32", "The count starts anew")
@instead_of(run.Run.requests_without_yes)
def every_request_counts_also_before_a_yes(right, self, step_id):
    return sum(each.step_id == step_id for each in self.approvals.values())


@breaks("APPROVAL-32", "A step that asks in vain")
@instead_of(decisions._queue)
def max_requests_is_the_default(right, change, step_id, spec, **more):
    right(change, step_id, evolve(spec, max_requests=StepSpec("k", "r").max_requests), **more)


@breaks("APPROVAL-33", "A reminder is recorded once")
@instead_of(decisions.settle_overdue)
def nobody_reminds(right, change):
    decisions._expire_overdue(change)


@breaks("APPROVAL-33", "A reminder is recorded once")
@instead_of(decisions._asked)
def a_reminder_is_recorded_when_somebody_looks(right, step_id, needs, at):
    after = None if needs.remind_after is None else 0.001
    return right(step_id, evolve(needs, remind_after=after), at)


@breaks("APPROVAL-33", "A reminder is recorded once")
@instead_of(run.Run.due_at)
def a_reminder_is_not_due(right, self, since):
    step = self.active_step()
    if step is None or step.status != StepStatus.WAITING_FOR_APPROVAL:
        return right(self, since)
    times = [each.expires_at for each in self.open_requests() if each.expires_at is not None]
    return min(times, default=None)


@breaks("APPROVAL-6", "A decision is made once")
@instead_of(decisions._pending)
def a_refused_decision_does_not_say_who_decided(right, change, decision):
    try:
        return right(change, decision)
    except ApprovalNotPending as error:
        error.decided_by = error.decided_at = None
        raise
