"""Wrong on purpose: what the kit does with handoffs."""

from attrs import evolve

from lab.mutants.kit import catalogue, hold_no_history_impossible, instead_of, replace
from scoria_core import decisions, projection, run, validation
from scoria_core.lifecycles import RunStatus
from scoria_core.outcomes import HandOff
from scoria_core.projection import _spellings, snake_case

breaks = catalogue()


@breaks("HANDOFF-3", "A handoff is recorded")
@instead_of(decisions._queue)
def a_child_does_not_name_its_parent(right, change, step_id, spec, **more):
    more.pop("parent_step_id", None)
    right(change, step_id, spec, **more)


@breaks("HANDOFF-3", "'completed'")
def the_root_step_of_a_handoff_stays_open():
    def complete(right, change, step_id, *came_of_it):
        if all(step_id != handoff.parent_step_id for handoff in change.run.handoffs.values()):
            right(change, step_id, *came_of_it)

    replace(decisions._complete_step, complete)
    hold_no_history_impossible()


@breaks("HANDOFF-4", "Nothing of a handoff is filled in")
@instead_of(validation.handoff_name)
def a_role_that_is_missing_is_filled_in(right, value, name):
    return right("planner" if value is None else value, name)


@breaks("HANDOFF-4", "projected_context")
@instead_of(validation.Validator._handoff_payload)
def a_context_that_is_missing_is_empty(right, self, value, name):
    return right(self, {} if value is None else value, name)


@breaks("HANDOFF-5", "An empty context is a context")
@instead_of(validation.Validator._handoff_payload)
def an_empty_context_is_missing(right, self, value, name):
    return right(self, value or None, name)


@breaks("HANDOFF-6", "projected_context is missing")
@instead_of(validation.checked_context)
def the_other_name_of_the_context_is_not_known(right, projected, scoped):
    right(projected, scoped)
    return projected


@breaks("HANDOFF-6", "but not both")
@instead_of(validation.checked_context)
def both_names_of_the_context_are_taken(right, projected, scoped):
    return scoped if projected is None else projected


@breaks("HANDOFF-7", "running")
@instead_of(decisions._move_step)
def a_handoff_ends_before_its_child(right, change, step_id, trigger, **data):
    right(change, step_id, trigger, **data)
    handoff = change.run.handoff_to(step_id)
    if handoff is not None and trigger == "claim":
        change.move("handoff", handoff.handoff_id, "complete")


@breaks("HANDOFF-8", "critic")
@instead_of(run.Run.summary)
def the_role_that_works_on_a_step_takes_the_run(right, self, now):
    summary = right(self, now)
    roles = (handoff.delegated_role_id for handoff in self.handoffs.values())
    return evolve(summary, root_role_id=next(roles, summary.root_role_id))


@breaks("HANDOFF-9", "A handler may hand off")
@instead_of(validation.Validator.outcome)
def a_handler_cannot_hand_off(right, self, answer):
    return right(self, object() if isinstance(answer, HandOff) else answer)


@breaks("HANDOFF-10", "The child")
@instead_of(decisions._hand_off)
def a_child_gets_the_input_of_its_parent_too(right, change, parent, handoff):
    both = {**parent.input, **handoff.handoff_input}
    right(change, parent, evolve(handoff, handoff_input=both))


@breaks("HANDOFF-10", "The child")
@instead_of(decisions._hand_off)
def a_child_gets_the_metadata_of_the_run(right, change, parent, handoff):
    both = {**change.run.facts.metadata, **handoff.projected_context}
    right(change, parent, evolve(handoff, projected_context=both))


@breaks("HANDOFF-10", "narrow slice")
@instead_of(decisions._hand_off)
def a_child_gets_no_context(right, change, parent, handoff):
    right(change, parent, evolve(handoff, projected_context={}))


@breaks("HANDOFF-11", "15 == 16")
@instead_of(decisions._handoffs_above)
def handoffs_come_to_an_end_one_too_early(right, run, step):
    return right(run, step) + 1


@breaks("HANDOFF-12", "policy")
@instead_of(validation._tags)
def the_tags_of_a_handoff_are_dropped(right, tags):
    return ()


@breaks("HANDOFF-12", "queued")
@instead_of(run.Run.detail)
def a_handoff_shows_the_first_status_of_its_child(right, self, *at):
    return evolve(right(self, *at), delegated_handoffs=tuple(self.handoffs.values()))


@breaks("HANDOFF-13", "task")
@instead_of(projection.ContextPolicy._check_value)
def only_the_outermost_keys_are_looked_at(right, self, value, path):
    pass


@breaks("HANDOFF-13", "Broad runtime state and secrets are not projected")
@instead_of(projection.snake_case)
def another_spelling_of_a_secret_is_projected(right, key):
    return key


@breaks("HANDOFF-14", "ledger")
@instead_of(projection.ContextPolicy.__init__)
def the_names_that_a_host_adds_are_not_used(right, self, more_names=()):
    right(self)


@breaks("HANDOFF-14", "transcript")
@instead_of(projection.ContextPolicy.__init__)
def the_names_that_a_host_adds_are_all_there_are(right, self, more_names=()):
    added = tuple(more_names)
    right(self, added)
    if added:
        self._names, self._endings = _spellings(map(snake_case, added)), ()


@breaks("HANDOFF-15", "A handler's handoff is held to the rules")
@instead_of(validation.Validator.outcome)
def a_handler_may_hand_anything_off(right, self, answer):
    return answer if isinstance(answer, HandOff) else right(self, answer)


@breaks("HANDOFF-2", "A handoff is not moved by a call out of place")
@instead_of(decisions.cancel)
def cancelling_again_is_taken_for_done(right, change, reason):
    if change.run.status not in (RunStatus.COMPLETED, RunStatus.CANCELLED):
        right(change, reason)
