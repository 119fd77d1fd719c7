"""Wrong on purpose: leases, recovery, retries, and who carries out a step."""

import math
import sys
from datetime import timedelta
from types import SimpleNamespace

from attrs import evolve

from lab.mutants.kit import catalogue, instead_of
from scoria_core import (
    decisions,
    heartbeat,
    leases,
    model,
    outcomes,
    repository,
    run,
    scheduling,
    scoria,
)
from scoria_core.dispatch import Dispatch
from scoria_core.lifecycles import RunStatus, StepStatus

breaks = catalogue()

LEASE_HOLDS = "goes on when its lease has ended"
LIVE_ONE = "longer than its lease"


def _is_at_work(run):
    step = run.active_step()
    return step is not None and step.status == StepStatus.RUNNING


@breaks("STEP-18", LEASE_HOLDS)
@instead_of(run.Run.due_at)
def a_lease_never_ends(right, self, since):
    return None if _is_at_work(self) else right(self, since)


@breaks("STEP-18", LEASE_HOLDS)
@instead_of(leases.Lease.length)
def every_lease_has_the_length_of_the_default(right, self):
    return right(leases.Lease())


@breaks("STEP-18", LEASE_HOLDS)
@instead_of(decisions.recover_overdue)
def a_lease_ends_only_after_its_time(right, change, max_attempts):
    ends_at = change.run.due_at(change.run.journal[-1].at)
    return ends_at != change.at and right(change, max_attempts)


@breaks("STEP-18", LEASE_HOLDS)
@instead_of(decisions.recover)
def a_step_whose_process_died_fails_at_once(right, change, max_attempts):
    return right(change, 0)


@breaks("STEP-18", "gives up the steps of a dead process")
@instead_of(scoria.Scoria.recover)
def who_owns_a_store_recovers_nothing(right, self):
    return 0


@breaks("STEP-18", "gives up the steps of a dead process")
@instead_of(repository.RunRepository.due)
def who_owns_a_store_waits_for_the_leases_of_the_dead(right, self, limit, until=None, **order):
    return right(self, limit, **order)


@breaks("STEP-19", "A change of the run does not end the lease")
@instead_of(run.Run.due_at)
def a_lease_ends_at_once(right, self, since):
    return since if _is_at_work(self) else right(self, since)


@breaks("STEP-19", LIVE_ONE)
@instead_of(repository.RunRepository.renew)
def the_heart_does_not_beat(right, self, run_id, is_held):
    return True


@breaks("STEP-19", LIVE_ONE)
@instead_of(heartbeat.Heartbeat._attend)
def the_heart_beats_once(right, self, renewal):
    right(self, renewal)
    renewal.renew_at = math.inf


@breaks("STEP-19", LIVE_ONE)
@instead_of(repository.RunRepository.renew)
def a_lease_is_renewed_to_when_it_would_have_ended(right, self, run_id, is_held):
    claimed_at = self.load(run_id).journal[-1].at
    then = SimpleNamespace(now=lambda: claimed_at)
    return right(evolve(self, clock=then), run_id, is_held)


@breaks("STEP-19", LIVE_ONE)
@instead_of(scheduling.Scheduler._recover)
def a_store_that_is_opened_twice_recovers_the_steps_of_the_living(right, self, run_id):
    def decide(change):
        return decisions.recover(change, self.max_attempts)

    return self.runs.change(run_id, decide)[1]


@breaks("STEP-19", "A lease that was renewed is not taken")
@instead_of(repository.RunRepository._append)
def a_lease_is_taken_though_it_was_renewed(right, self, change, version):
    right(self, evolve(change, only_if_due=False), version)


@breaks("STEP-19", "A change of the run does not end the lease")
@instead_of(run.Run.due_at)
def a_step_that_is_queued_ends_the_lease_of_the_one_at_work(right, self, since):
    is_ended = _is_at_work(self) and self.first_queued_step() is not None
    return since if is_ended else right(self, since)


@breaks("STEP-20", "fails in the end")
@instead_of(decisions.recover)
def a_step_that_kills_its_workers_has_attempts_without_end(right, change, max_attempts):
    return right(change, sys.maxsize)


@breaks("STEP-20", "fails in the end")
@instead_of(decisions.recover)
def a_step_that_kills_its_workers_has_an_attempt_too_many(right, change, max_attempts):
    return right(change, max_attempts + 1)


@breaks("STEP-20", "LeaseExpired")
@instead_of(decisions._fail_step)
def a_step_that_killed_its_workers_does_not_say_why_it_failed(right, change, step_id, error):
    right(change, step_id, evolve(error, type=error.type.replace("LeaseExpired", "Failed")))


@breaks("STEP-21", "is tried again, later each time")
@instead_of(decisions._delay_of)
def a_retry_that_is_declared_is_not_made(right, claimed):
    return None


@breaks("STEP-21", "is tried again, later each time")
@instead_of(decisions._delay_of)
def a_step_is_tried_again_at_once(right, claimed):
    return None if right(claimed) is None else timedelta()


@breaks("STEP-21", "is tried again, later each time")
@instead_of(decisions.claim_next)
def a_step_is_claimed_before_it_may_be_tried_again(right, change, *given):
    if (step := change.run.first_queued_step()) is not None:
        change.run.steps[step.step_id] = evolve(step, not_before=None)
    return right(change, *given)


@breaks("STEP-21", "is tried again, later each time")
@instead_of(run.Run.due_at)
def a_step_that_waits_to_be_tried_again_is_pending(right, self, since):
    due_at = right(self, since)
    return since if due_at is not None and self.active_step() is None else due_at


@breaks("STEP-21", "is tried again, later each time")
@instead_of(outcomes.Retry.delay_after)
def every_delay_is_as_long_as_the_first(right, self, attempt):
    return right(self, attempt) and right(self, 1)


@breaks("STEP-21", "After its last attempt")
@instead_of(outcomes.Retry.delay_after)
def the_last_attempt_is_made_for_ever(right, self, attempt):
    return right(evolve(self, max_attempts=attempt + 1), attempt)


@breaks("STEP-21", "After its last attempt")
@instead_of(outcomes.Retry.delay_after)
def a_step_is_tried_again_once_more_than_it_declares(right, self, attempt):
    return right(evolve(self, max_attempts=self.max_attempts + 1), attempt)


@breaks("STEP-22", "have one idempotency key")
@instead_of(model.Step.idempotency_key)
def each_attempt_has_an_idempotency_key_of_its_own(right, self):
    return f"{self.step_id}-{self.attempt}"


@breaks("STEP-22", "have one idempotency key")
@instead_of(model.Step.idempotency_key)
def the_steps_of_a_run_share_an_idempotency_key(right, self):
    return self.run_id


@breaks("STEP-22", "have one idempotency key")
@instead_of(model.Step.idempotency_key)
def steps_of_two_runs_share_an_idempotency_key(right, self):
    return f"step-{self.sequence}"


@breaks("STEP-23", "A host that queues its steps")
@instead_of(scheduling.Scheduler._claimable)
def a_host_that_queues_carries_out_its_steps_itself(right, self, handlers):
    return {} if self.dispatch == Dispatch.THREAD else handlers


@breaks("STEP-23", "has its call answered first")
@instead_of(scheduling.Scheduler._carry_out)
def a_host_that_uses_threads_waits_for_them(right, self, execution, run, step, handlers):
    if self.dispatch == Dispatch.THREAD:
        self._work_on_thread(run.run_id, handlers)
    return execution.carry_out(run, step)


@breaks("STEP-24", "The tenants take turns")
@instead_of(repository.RunRepository.due)
def the_tenant_who_was_first_is_served_first(right, self, limit, until=None, **order):
    return right(self, limit, until)


@breaks("STEP-25", "is put anew")
@instead_of(decisions.resume_expired)
def a_request_that_expired_is_left_waiting(right, change, kinds):
    return False


@breaks("STEP-25", "is put anew")
@instead_of(run.Run.due_at)
def a_run_is_never_due_for_its_request(right, self, since):
    is_waiting = self.status == RunStatus.WAITING_FOR_APPROVAL
    return None if is_waiting else right(self, since)


@breaks("STEP-25", "waits for whoever has a handler")
@instead_of(decisions.resume_expired)
def a_request_that_expired_is_given_up_without_a_handler(right, change, kinds):
    return right(change, {step.kind for step in change.run.steps.values()})
