"""When the steps of a run are carried out, and by whom.

With `Dispatch.INLINE`, by the call that made a step due, before it returns. With `THREAD`, by a
thread of this process, after the call has returned. With `QUEUE`, by whoever asks for what is due,
such as a worker.
"""

import sys
import threading
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from difflib import get_close_matches

import attrs

from scoria_core import decisions
from scoria_core.decisions import Change
from scoria_core.dispatch import Dispatch, Threads
from scoria_core.errors import (
    AsyncHandlerRefused,
    RunNotFound,
    ScoriaError,
    StoreCorrupt,
    StoreUnavailable,
    VersionConflict,
)
from scoria_core.event_loop import HandlersLoop, is_in_a_loop
from scoria_core.execution import Execution, Work, carried_out
from scoria_core.handler_call import key_of
from scoria_core.handlers import Handler, Handlers, is_async, resolve
from scoria_core.heartbeat import HEARTBEAT
from scoria_core.leases import Lease
from scoria_core.lifecycles import StepStatus
from scoria_core.logs import about, logger_of
from scoria_core.model import Step
from scoria_core.ports import Capability
from scoria_core.repository import RunRepository
from scoria_core.run import Run, RunFacts
from scoria_core.validation import Validator
from scoria_core.visible import visible_line

logger = logger_of("scoria")

PAUSE = 30.0
"""For how many seconds a thread waits for a store that does not answer."""

_ANY_TIME = datetime.max.replace(tzinfo=UTC)


@attrs.frozen
class Scheduler:
    """Carries out the steps of the runs of one facade.

    `handlers` serve every call. A claim lasts for `lease`; a step whose process died is tried
    `max_attempts` times. Once `stopping` is set, nothing more is claimed.
    """

    runs: RunRepository
    validator: Validator
    handlers: Mapping[str, Handler]
    lease: Lease
    max_attempts: int
    dispatch: Dispatch
    threads: Threads
    loop: HandlersLoop
    stopping: threading.Event = attrs.field(factory=threading.Event)

    def start(
        self,
        run_id: str,
        facts: RunFacts,
        decide: Callable[[Change], None],
        given: Handlers | None,
    ) -> Work[Run]:
        """Store a new run, carry out what is due at once, and return the run.

        If a run with this idempotency key exists, return that run instead, and do nothing.
        """
        handlers = self._with(given)
        execution = self._execution(self._claimable(handlers))

        def start_and_claim(change: Change) -> Step | None:
            decide(change)
            return execution.claim(change)

        with execution.begun(run_id):
            run, step = self.runs.create(run_id, facts, start_and_claim)
            if run.run_id != run_id:
                return run
            run = yield from self._carry_out(execution, run, step, handlers)
        _warn_of_other_kinds(run, given, handlers)
        return run

    def change(
        self,
        run_id: str,
        decide: Callable[[Change], None],
        actor_id: str | None,
        given: Handlers | None,
    ) -> Work[Run]:
        """Change a run, carry out what is due at once, and return the run."""
        handlers = self._with(given)
        execution = self._execution(self._claimable(handlers))

        def change_and_claim(change: Change) -> Step | None:
            decide(change)
            return execution.claim(change)

        with execution.begun(run_id):
            run, step = self.runs.change(run_id, change_and_claim, actor_id)
            run = yield from self._carry_out(execution, run, step, handlers)
        _warn_of_other_kinds(run, given, handlers)
        return run

    def work(self, run_id: str, given: Handlers | None) -> Work[Run | None]:
        """Carry out what is due in a run; return None if no step was carried out or recovered.

        It also records the requests that have expired, and due reminders.
        """
        handlers = self._with(given)
        run = yield from self._work(run_id, handlers)
        if given:
            left = run or self.runs.load(run_id)
            _warn_of_other_kinds(left, given, handlers)
            if run is None:
                self.runs.cache.put_back(left)
        return run

    def work_on_all(self, limit: int, given: Handlers | None) -> Work[list[Run]]:
        """Carry out what is due in at most `limit` runs, and return those in which anything was."""
        handlers = self._with(given)
        worked: list[Run] = []
        for run_id in self.runs.due(limit):
            try:
                run = yield from self._work(run_id, handlers)
            except (RunNotFound, StoreCorrupt):
                # One that is damaged, or was pruned meanwhile, must not keep the others waiting.
                logger.exception("run %s was passed over", run_id, extra=about(run_id=run_id))
                continue
            if run is not None:
                worked.append(run)
        return worked

    def queued(self, run: Run) -> None:
        """Submit a run to the threads, with dispatch "thread"."""
        if self.dispatch == Dispatch.THREAD:
            self._submit(run.run_id, self.handlers)

    def recover(self) -> int:
        """Recover the steps that a dead process left running, if one process owns the store."""
        if Capability.MULTI_PROCESS in self.runs.store.capabilities:
            return 0
        return sum(map(self._recover, self.runs.due(sys.maxsize, until=_ANY_TIME)))

    def carry_on_what_was_left(self) -> None:
        """Submit to the threads what is queued, and what a dead process left running."""
        if self.dispatch != Dispatch.THREAD or not self.handlers:
            return
        for run_id in self.runs.due(sys.maxsize, until=_ANY_TIME):
            self._submit(run_id, self.handlers)

    def _with(self, given: Handlers | None) -> Mapping[str, Handler]:
        return {**self.handlers, **resolve(given)}

    def _claimable(self, handlers: Mapping[str, Handler]) -> Mapping[str, Handler]:
        return handlers if self.dispatch == Dispatch.INLINE else {}

    def _execution(
        self, handlers: Mapping[str, Handler], *, ends_at_exit: bool = False
    ) -> Execution:
        if is_in_a_loop():
            for kind in filter(lambda kind: is_async(handlers[kind]), handlers):
                raise AsyncHandlerRefused(kind)
        return Execution(
            self.runs,
            self.validator,
            handlers,
            attrs.evolve(self.lease, holder=self.runs.ids.new_id()),
            self.loop,
            self.stopping.is_set,
            ends_at_exit,
        )

    def _carry_out(
        self, execution: Execution, run: Run, step: Step | None, handlers: Mapping[str, Handler]
    ) -> Work[Run]:
        if self.dispatch == Dispatch.THREAD:
            self._submit(run.run_id, handlers)
        return execution.carry_out(run, step)

    def _work(
        self, run_id: str, handlers: Mapping[str, Handler], *, ends_at_exit: bool = False
    ) -> Work[Run | None]:
        execution = self._execution(handlers, ends_at_exit=ends_at_exit)

        def decide(change: Change) -> tuple[bool, Step | None]:
            # Only if due: a lease that was renewed meanwhile means that its process is alive.
            recovered = change.only_if_due = decisions.recover_overdue(change, self.max_attempts)
            decisions.settle_overdue(change)
            decisions.resume_expired(change, handlers)
            return recovered, execution.claim(change)

        with execution.begun(run_id):
            try:
                run, (recovered, step) = self.runs.change(run_id, decide)
            except VersionConflict:
                # Its handler is alive: the lease was renewed.
                return None
            if step is None and not recovered:
                self.runs.cache.put_back(run)
                return None
            return (yield from execution.carry_out(run, step))

    def _recover(self, run_id: str) -> bool:
        def decide(change: Change) -> bool:
            step = change.run.active_step()
            # This process may have opened the store twice.
            at_work = step is not None and HEARTBEAT.is_renewing(key_of(step))
            return not at_work and decisions.recover(change, self.max_attempts)

        try:
            return self.runs.change(run_id, decide)[1]
        except (RunNotFound, StoreCorrupt):
            logger.exception("run %s was passed over", run_id, extra=about(run_id=run_id))
            return False

    def _submit(self, run_id: str, handlers: Mapping[str, Handler], wait: float = 0.0) -> None:
        self.threads.submit(lambda: self._work_on_thread(run_id, handlers), wait)

    def _work_on_thread(self, run_id: str, handlers: Mapping[str, Handler]) -> None:
        if self.stopping.is_set():
            return
        try:
            worked = carried_out(self._work(run_id, handlers, ends_at_exit=True))
            run = worked or self.runs.load(run_id)
            wait = self._until_next_look(run, handlers)
            self.runs.cache.put_back(run)
        except StoreUnavailable:
            told = "run %s waits %.0f s for its store"
            logger.warning(told, run_id, PAUSE, exc_info=True, extra=about(run_id=run_id))
            wait = PAUSE
        except ScoriaError:
            logger.exception("run %s was not carried on", run_id, extra=about(run_id=run_id))
            return
        else:
            if wait is not None and worked is None:
                wait = max(wait, 1.0)  # it was due, and could not be claimed
        if wait is not None:
            self._submit(run_id, handlers, wait)

    def _until_next_look(self, run: Run, handlers: Mapping[str, Handler]) -> float | None:
        """Return after how many seconds a thread should look at the run again; None for never."""
        active = run.active_step()
        step = run.first_queued_step() if active is None else active
        due_at = run.due_at(run.journal[-1].at)
        if due_at is None or step is None or step.kind not in handlers:
            return None
        wait = max((due_at - self.runs.now()).total_seconds(), 0.0)
        if active is None:
            return wait
        # Another process may be at work on it, and renew its lease until it dies.
        return max(wait, self.lease.seconds) if active.status == StepStatus.RUNNING else None


def _warn_of_other_kinds(run: Run, given: Handlers | None, handlers: Mapping[str, Handler]) -> None:
    """Log a warning if none of the handlers passed to a call is for the next step.

    If none was passed, only where a handler of the facade has nearly the same kind. It is no error:
    the step waits, and another process may have its handler. But it may be a typo.
    """
    step = run.first_queued_step()
    if step is None or step.kind in handlers or run.active_step() is not None:
        return
    close = get_close_matches(step.kind, handlers, n=1)
    if not given and not close:
        return
    logger.warning(
        "step %s of run %s stays queued: no handler for its kind %s; handlers were given for %s%s",
        step.step_id,
        run.run_id,
        visible_line(repr(step.kind)),
        visible_line(", ".join(map(repr, sorted(given or handlers))), 400),
        visible_line(f"; is {close[0]!r} a typo?") if close else "",
        extra=about(run_id=run.run_id, step_id=step.step_id, kind=step.kind),
    )
