"""Wrong on purpose: what the kit does with steps."""

from collections.abc import Mapping
from typing import Any

from attrs import evolve

from lab.mutants.kit import catalogue, instead_of
from scoria_core import (
    decisions,
    event_loop,
    execution,
    handlers,
    repository,
    run,
    scheduling,
    validation,
)
from scoria_core.lifecycles import RunStatus, StepStatus
from scoria_core.outcomes import Completed, Failed, Outcome

breaks = catalogue()


@breaks("STEP-3", "before start returns")
@instead_of(repository.RunRepository.create)
def start_does_not_carry_out_its_step(right, self, *given):
    run, _ = right(self, *given)
    return run, None


class _ForEveryKind(dict[str, Any]):
    """Handlers that have one for every kind."""

    def __bool__(self):
        return True

    def __contains__(self, kind):
        return True

    def __missing__(self, kind):
        return lambda step, run: None


@breaks("STEP-4", "stays queued")
@instead_of(scheduling.Scheduler._with)
def a_step_without_a_handler_is_taken_for_done(right, self, given):
    return _ForEveryKind(right(self, given))


@breaks("STEP-5", "on record before the handler is entered")
@instead_of(execution.Execution.claim)
def the_handler_is_entered_before_the_claim_is_stored(right, self, change):
    step = right(self, change)
    is_stored = change.run.version > len(change.records)
    if step is not None and is_stored:
        self.handlers[step.kind](step, change.run.summary(change.at))
    return step


@breaks("STEP-6", "on record when the call returns")
@instead_of(execution.Execution._record)
def the_outcome_of_a_handler_is_not_stored(right, self, step, outcome):
    change = self.repository._change(self.repository.load(step.run_id), None)
    return change.run, execution._conclusion(step, outcome)(change), None


def _claimed_beside(right, change, *given):
    """Claim a step as if none was active."""
    run, active = change.run, change.run._active
    run._active = {}
    step = right(change, *given)
    run._active = {**active, **run._active}
    return step


@breaks("STEP-7", "while one waits for a person")
@instead_of(decisions.claim_next)
def a_step_begins_while_one_waits(right, change, *given):
    status = change.run.status
    if status == RunStatus.WAITING_FOR_APPROVAL:
        change.run.status = RunStatus.RUNNING
    step = _claimed_beside(right, change, *given)
    change.run.status = status
    return step


breaks.add(
    "a step begins while one is at work",
    "STEP-7",
    "while one is at work",
    instead_of(decisions.claim_next)(_claimed_beside),
)


@breaks("STEP-8", "the order in which they were added")
@instead_of(run.Run.first_queued_step)
def the_step_that_was_added_last_runs_first(right, self):
    queued = [step for step in self.uncompleted_steps() if step.status == "queued"]
    return queued[-1] if queued else None


@breaks("STEP-8", "does not overtake")
@instead_of(decisions.claim_next)
def a_step_overtakes_one_without_a_handler(right, change, kinds, lease):
    run, uncompleted = change.run, change.run._uncompleted
    run._uncompleted = {each: None for each in uncompleted if run.steps[each].kind in kinds}
    step = right(change, kinds, lease)
    run._uncompleted = uncompleted
    return step


@breaks("STEP-9", "a mapping")
@instead_of(validation.Validator.outcome)
def a_mapping_is_no_answer(right, self, answer):
    return right(self, object() if isinstance(answer, Mapping) else answer)


@breaks("STEP-9", "Failed")
@instead_of(decisions.conclude)
def Failed_completes_the_step(right, change, claimed, outcome, **named):
    done = Completed() if isinstance(outcome, Failed) else outcome
    return right(change, claimed, done, **named)


@breaks("STEP-10", "Any other answer fails the step")
@instead_of(validation.Validator.outcome)
def any_answer_is_kept_as_text(right, self, answer):
    is_answer = isinstance(answer, Outcome | Mapping | None)
    return right(self, answer if is_answer else {"said": str(answer)})


@breaks("STEP-11", "LookupError")
@instead_of(handlers.error_of)
def an_exception_is_kept_without_its_type(right, error):
    return evolve(right(error), type="Error")


@breaks("STEP-11", "LookupError")
@instead_of(handlers.error_of)
def an_exception_is_kept_without_its_message(right, error):
    return evolve(right(error), message="")


@breaks("STEP-12", "A handler is given per call or to the facade")
@instead_of(scheduling.Scheduler._with)
def the_handlers_of_the_facade_come_first(right, self, given):
    return {**right(self, given), **self.handlers}


@breaks("STEP-12", "to the facade")
@instead_of(scheduling.Scheduler._with)
def the_handlers_of_the_facade_are_not_used(right, self, given):
    return handlers.resolve(given)


@breaks("STEP-13", "no_such_module")
@instead_of(handlers._resolved)
def a_handler_is_looked_up_when_it_is_called(right, kind, handler):
    if isinstance(handler, str):
        return lambda *given: right(kind, handler)(*given)
    return right(kind, handler)


@breaks("STEP-13", "7")
@instead_of(handlers._resolved)
def what_cannot_be_called_is_taken_for_a_handler(right, kind, handler):
    return right(kind, handler) if isinstance(handler, str) else handler


@breaks("STEP-14", "A handler that is a coroutine function is awaited")
@instead_of(event_loop.awaited_on)
def a_coroutine_is_not_awaited(right, loop, awaitable):
    awaitable.close()


@breaks("STEP-38", "is refused by a call that blocks")
@instead_of(event_loop.is_in_a_loop)
def an_event_loop_is_blocked(right):
    return False


@breaks("STEP-15", "not recorded")
@instead_of(decisions.is_still_claimed)
def a_late_answer_is_recorded(right, run, claimed):
    return run.steps[claimed.step_id].status == StepStatus.RUNNING


@breaks("STEP-15", "cancelled")
@instead_of(decisions.is_still_claimed)
def an_answer_after_the_end_breaks_the_call(right, run, claimed):
    return True


@breaks("STEP-16", "goes back to the queue")
@instead_of(execution.Execution._release)
def a_step_that_was_stopped_stays_running(right, self, change):
    return False


@breaks("STEP-16", "goes back to the queue")
@instead_of(run._step_changes)
def a_step_that_was_stopped_keeps_its_attempt(right, step, entry):
    changes = right(step, entry)
    return {**changes, "attempt": step.attempt} if entry.trigger == "release" else changes


@breaks("STEP-17", "A run that failed or ended takes no other step")
@instead_of(decisions.add_step)
def a_failed_run_takes_another_step(right, change, spec):
    if change.run.status == RunStatus.FAILED:
        decisions._queue(change, change.new_id(), spec)
    else:
        right(change, spec)


@breaks("STEP-2", "A step is not moved by a call out of place")
@instead_of(decisions.retry)
def a_retry_of_what_did_not_fail_is_taken_for_done(right, change):
    if change.run.status == RunStatus.FAILED:
        right(change)
