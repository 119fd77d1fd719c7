"""Wrong on purpose: what the kit does with the runs that it keeps between calls."""

from attrs import evolve

from lab.mutants.kit import catalogue, instead_of, of_all_tenants, put
from scoria_core import repository, run, scoria
from scoria_core.validation import checked_run_id

breaks = catalogue()


@breaks("READ-1", "as another host left it")
@instead_of(repository.RunRepository.replayed)
def a_run_that_is_kept_is_not_read_again(right, self, stored):
    return self.cache.check_out(stored.key.run_id) or right(self, stored)


@breaks("RUN-11", "A run that failed in another host")
def a_refusal_is_that_of_a_run_as_it_was():
    put(repository, ScoriaError=())  # what is caught to decide anew on the run as it is


@breaks("STEP-4", "A step that another host queued")
@instead_of(repository.RunRepository._change_cached)
def there_is_nothing_to_do_in_a_run_as_it_was(right, self, run_id, decide, actor_id):
    nothing = []

    def noted(change):
        decided = decide(change)
        if not change.records:
            nothing.append((change.run, decided))
        return decided

    changed = right(self, run_id, noted, actor_id)
    return nothing[0] if nothing else changed


breaks.add(
    "a run that is kept is given to every tenant",
    "TENANT-1",
    "Another tenant's run",
    instead_of(repository.RunRepository._change_cached)(of_all_tenants),
)


@breaks("JOURNAL-3", "changed in")
@instead_of(run.Run.is_prefix_of)
def a_journal_that_was_read_once_is_not_checked_again(right, self, records):
    return True


@breaks("JOURNAL-3", "changed in")
@instead_of(run.Run.is_prefix_of)
def the_end_of_a_journal_is_all_that_is_compared(right, self, records):
    return records[self.version - 1] == self.records[-1]


@breaks("READ-4", "What was read is not what is stored")
@instead_of(run.Run.summary)
def a_summary_holds_what_is_kept(right, self, now):
    return evolve(right(self, now), metadata=self.facts.metadata)


@breaks("READ-4", "What was read is not what is stored")
@instead_of(run.handed_out)
def a_request_is_handed_out_as_it_is_kept(right, approval):
    return approval


@breaks("READ-4", "What was read is not what is stored")
@instead_of(scoria.Scoria.get_run_detail)
def a_run_is_kept_though_its_detail_was_handed_out(right, self, run_id):
    stored = self._runs.stored(checked_run_id(run_id))
    run = self._runs.replayed(stored)
    self._runs.cache.put_back(run)
    return run.detail(self._runs.now(), stored.row.due_at)


@breaks("READ-4", "What a handler was given")
@instead_of(run.Run.step_view)
def a_handler_gets_the_input_that_is_kept(right, self, step_id, now):
    return evolve(right(self, step_id, now), input=self.steps[step_id].input)
