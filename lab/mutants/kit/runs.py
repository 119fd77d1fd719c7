"""Wrong on purpose: what the kit does with runs."""

from attrs import evolve

from lab.mutants.kit import catalogue, instead_of, of_all_tenants, put, replace, without
from scoria_core import decisions, execution, handler_call, repository, run, scoria
from scoria_core.errors import RunNotFound, RunNotResumable, VersionConflict
from scoria_core.identity import Identity
from scoria_core.lifecycles import RunStatus
from scoria_core.payloads import digest
from scoria_core.ports import Fact, Where

breaks = catalogue()


@breaks("RUN-3", "the one that is named goes on")
@instead_of(scoria.Scoria.resume_run)
def resume_goes_on_with_the_newest_run(right, self, run_id, **named):
    newest = self.list_runs(limit=1)
    return right(self, newest[0].run_id if newest else run_id, **named)


@breaks("RUN-3", "A session_id given for a run_id")
@instead_of(repository.RunRepository.load)
def resume_takes_a_session_id(right, self, run_id):
    of_session = Where(Fact.SESSION, run_id)
    found = self.store.list_runs(tenant_id=None, where=of_session, limit=1)
    return right(self, found[0].key.run_id if found else run_id)


@breaks("RUN-3", "never was")
@instead_of(scoria.Scoria.resume_run)
def a_run_that_never_was_is_begun_where_it_is_resumed(right, self, run_id, **named):
    try:
        return right(self, run_id, **named)
    except RunNotFound:
        return self.start_run(Identity("a", "tenant-1", "s"), root_role_id="executor")


@breaks("RUN-4", "list_runs_for_session")
@instead_of(repository.RunRepository._is_session)
def the_way_to_a_run_is_not_named(right, self, value):
    return False


breaks.add(
    "the way to a run is shown to every tenant",
    "RUN-4",
    "not shown to another tenant",
    instead_of(repository.RunRepository._is_session)(of_all_tenants),
)


@breaks("RUN-5", "An approved run is resumed")
@instead_of(scoria.Scoria.resume_run)
def resume_starts_another_run(right, self, run_id, **named):
    self.start_run(self.get_run_detail(run_id).identity, root_role_id="executor")
    return right(self, run_id, **named)


@breaks("RUN-6", "operator-3")
@instead_of(run.Run.summary)
def who_acts_last_owns_the_run(right, self, now):
    actors = [entry.actor_id for entry in self.journal if entry.actor_id]
    return evolve(right(self, now), actor_id=actors[-1])


@breaks("RUN-7", "Turns of one session")
@instead_of(scoria.Scoria._start)
def a_session_has_one_run(right, self, identity, **asked):
    had = self.list_runs_for_session(identity.session_id, limit=1)
    return had[0] if had else right(self, identity, **asked)


@breaks("RUN-8", "completes by itself")
@instead_of(decisions.start)
def a_run_never_completes_by_itself(right, change, facts):
    right(change, evolve(facts, driven_by="host"))


@breaks("RUN-8", "completes by itself")
@instead_of(decisions._complete_step)
def a_run_completes_with_any_of_its_steps(right, change, *given):
    right(change, *given)
    if change.run.status == RunStatus.RUNNING:
        change.move("run", change.run.run_id, "complete")


@breaks("RUN-9", "A run without a step waits")
@instead_of(decisions.start)
def a_run_without_a_step_completes_at_once(right, change, facts):
    right(change, facts)
    if facts.driven_by == "host":
        decisions.complete_run(change)


@breaks("RUN-10", "A run with open work")
@instead_of(decisions.complete_run)
def a_run_with_open_work_is_completed(right, change):
    change.move("run", change.run.run_id, "complete")


@breaks("RUN-11", "next attempt")
@instead_of(run._step_changes)
def a_retried_step_keeps_its_attempt(right, step, entry):
    return {**right(step, entry), "attempt": step.attempt}


breaks.add("a failed step leaves its run running", "RUN-11", "'failed'", without("run", "fail"))
breaks.add(
    "cancelling leaves the request open", "RUN-12", "withdrawn", without("approval", "withdraw")
)


@breaks("RUN-13", "Nothing changes a run that has ended")
@instead_of(decisions._cancel_steps)
def cancelling_leaves_the_steps_open(right, change):
    pass


@breaks("RUN-13", "Nothing changes a run that has ended")
def a_run_that_has_ended_takes_steps():
    def add_step(right, change, spec):
        decisions._queue(change, change.new_id(), spec)

    replace(decisions.add_step, add_step)
    put(run, _ENDED=frozenset())


@breaks("RUN-14", "VersionConflict")
@instead_of(repository.RunRepository._append)
def who_loses_a_race_to_resume_is_told_of_versions(right, self, change, version):
    try:
        right(self, change, version)
    except VersionConflict:
        change.only_if_due = True  # and a run that is not due any more is not decided on again
        raise VersionConflict(change.run.run_id, version, version) from None


@breaks("RUN-15", "start a new run")
@instead_of(decisions._refuse_resume)
def a_refusal_to_resume_says_nothing_of_the_way_on(right, run):
    raise RunNotResumable("run", run.run_id, run.status, "resume", next_move="no")


@breaks("RUN-15", "retry_run")
@instead_of(decisions.resume)
def resume_retries_a_failed_run(right, change):
    if change.run.status == RunStatus.FAILED:
        decisions.retry(change)
    else:
        right(change)


@breaks("RUN-16", "The same idempotency key")
def a_repeated_start_runs_again():
    claimed = {}

    def claim(right, self, change):
        step = right(self, change)
        if step is not None:
            claimed[step.step_id] = self.handlers[step.kind]
        return step

    def create(right, self, run_id, facts, decide):
        run, step = right(self, run_id, facts, decide)
        if run.run_id != run_id and step is not None:
            claimed[step.step_id](step, run.summary(self.now()))
        return run, step

    replace(execution.Execution.claim, claim)
    replace(repository.RunRepository.create, create)


@breaks("RUN-17", "not used again for something else")
@instead_of(scoria._with_digest)
def a_key_used_for_something_else_is_taken_for_a_repeat(right, facts, arguments):
    return evolve(facts, arguments_digest=facts.idempotency_key and digest({}))


@breaks("RUN-17", "not used again for something else")
@instead_of(scoria._with_digest)
def a_repeated_key_is_not_compared_for_who_starts(right, facts, arguments):
    of_nobody = right(evolve(facts, identity=Identity("a", "b", "c")), arguments)
    return evolve(of_nobody, identity=facts.identity)


breaks.add(
    "a start that lost a race runs its handler too",
    "RUN-18",
    "Two starts at once",
    a_repeated_start_runs_again,
)


@breaks("RUN-14", "the handler runs once")
@instead_of(handler_call.HandlerCall._answer)
def a_handler_runs_twice(right, self):
    right(self)
    return right(self)
