"""Kits that are wrong about attempts, claims and what a delegated step is given."""

from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from typing import Any

from lab.first_contact.batch_6.replacing import WHO, Hooked, down, interrupted, kit, replace
from scoria_core import HandOff, RunSummary, Scoria, Step, StepSpec, StepStatus, decisions
from scoria_core.conversion import evolve
from scoria_core.decisions import Change
from scoria_core.errors import StoreUnavailable
from scoria_core.execution import Execution
from scoria_core.handler_call import key_of
from scoria_core.heartbeat import HEARTBEAT
from scoria_core.payloads import copied
from scoria_core.run import Run
from scoria_core.scheduling import Scheduler
from scoria_memory import MemoryStore


def make_endless_recovery() -> None:
    """Who owns the store queues what was left again, however often that has killed a process."""

    def recover(self: Any, run_id: str) -> bool:
        def decide(change: Change) -> bool:
            step = change.run.active_step()
            if step is None or step.status != StepStatus.RUNNING:
                return False
            return not HEARTBEAT.is_renewing(key_of(step)) and decisions.release(change, step)

        released: bool = self.runs.change(run_id, decide)[1]
        return released

    replace(Scheduler, "_recover", recover)


def show_endless_recovery(make: Callable[[], None]) -> None:
    """A step that kills each process that owns the store fails after three."""
    make()
    store, entered = Hooked(), list[int]()

    def kills(step: Step, run: RunSummary) -> None:
        entered.append(step.attempt)
        store.first = [down] * 2  # the kit asks again at once

    scoria = Scoria(store, handlers={"mail": kills}, max_attempts=3)
    with suppress(StoreUnavailable):
        scoria.start_run(WHO, root_role_id="agent", initial_step=StepSpec("mail", "agent"))
    for _ in range(5):
        scoria.recover()
        with suppress(StoreUnavailable):
            scoria.run_pending()
    assert entered == [1, 2, 3]
    assert scoria.list_runs()[0].status == "failed"


def make_claim_of_another() -> None:
    """A call that is interrupted gives back the step that is at work, whoever has claimed it."""

    def release(self: Any, change: Change) -> bool:
        step = change.run.active_step()
        return step is not None and decisions.release(change, step)

    replace(Execution, "_release", release)


def show_claim_of_another(make: Callable[[], None]) -> None:
    """A step whose handler is at work is not run again as another call on its run is broken off."""
    make()
    store, entered = Hooked(), list[int]()
    other = Scoria(store, handlers={"mail": lambda step, run: None})

    def work(step: Step, run: RunSummary) -> None:
        entered.append(step.attempt)
        if step.attempt == 1:
            store.first = [interrupted]
            with suppress(KeyboardInterrupt):
                other.add_step(run.run_id, StepSpec("mail", "agent"))

    scoria = Scoria(store, handlers={"work": work})
    scoria.start_run(WHO, root_role_id="agent", initial_step=StepSpec("work", "agent"))
    scoria.run_pending()
    assert entered == [1]


def make_key_of_the_parent() -> None:
    """A delegated step has the idempotency key of the step that delegated it."""
    replace(Step, "idempotency_key", property(lambda step: step.parent_step_id or step.step_id))


def show_key_of_the_parent(make: Callable[[], None]) -> None:
    """The handlers of two steps hand two keys to what they call."""
    make()
    keys: list[str] = []

    def delegate(step: Step, run: RunSummary) -> HandOff:
        keys.append(step.idempotency_key)
        return HandOff(
            delegated_role_id="reviewer",
            delegated_kind="review",
            handoff_input={},
            projected_context={},
        )

    def review(step: Step, run: RunSummary) -> None:
        keys.append(step.idempotency_key)

    scoria = Scoria(MemoryStore(), handlers={"work": delegate, "review": review})
    scoria.start_run(WHO, root_role_id="agent", initial_step=StepSpec("work", "agent"))
    assert len(set(keys)) == 2


def make_inherited_context() -> None:
    """A delegated step also gets what was projected to the step that delegated it."""
    view_of = Run.step_view

    def step_view(self: Any, step_id: str, now: datetime) -> Step:
        step = view_of(self, step_id, now)
        parent = self.steps.get(step.parent_step_id)
        if step.projected_context is None or parent is None or not parent.projected_context:
            return step
        context = {**copied(parent.projected_context), **step.projected_context}
        return evolve(step, projected_context=context)

    replace(Run, "step_view", step_view)


def show_inherited_context(make: Callable[[], None]) -> None:
    """What a step passes on to the next role is all that this role gets."""
    make()
    seen: list[Any] = []

    def pass_on(step: Step, run: RunSummary) -> HandOff:
        return HandOff(
            delegated_role_id="clerk",
            delegated_kind="file",
            handoff_input={},
            projected_context={"order": "A-17"},
        )

    handlers = {"review": pass_on, "file": lambda step, run: seen.append(step.projected_context)}
    Scoria(MemoryStore(), handlers=handlers).start_handoff_run(
        WHO,
        "reviewer",
        root_role_id="agent",
        delegated_kind="review",
        handoff_input={},
        projected_context={"salary": 5100},
    )
    assert seen == [{"order": "A-17"}]


WRONG = (
    kit("no-end-of-recovery", "STEP-20", make_endless_recovery, show_endless_recovery),
    kit("gives-back-the-claim-of-another", "STEP-19", make_claim_of_another, show_claim_of_another),
    kit("key-of-the-parent", "STEP-22", make_key_of_the_parent, show_key_of_the_parent),
    kit("inherited-context", "HANDOFF-10", make_inherited_context, show_inherited_context),
)
