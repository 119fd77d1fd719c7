"""The facade a host app calls: identity, start, inspect, resume."""

import copy
import difflib
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from difflib import get_close_matches
from itertools import islice
from types import TracebackType
from typing import Any, Literal, Self, TypedDict, Unpack
from uuid import UUID

import attrs

from scoria_core import decisions
from scoria_core.conversion import converter
from scoria_core.decisions import Change
from scoria_core.dispatch import Dispatch, Threads, checked_dispatch, checked_threads
from scoria_core.errors import (
    CloseRefused,
    IdempotencyConflict,
    InvalidIdentity,
    RunNotFound,
    ScoriaError,
    StoreCorrupt,
    StoreUnavailable,
    VersionConflict,
)
from scoria_core.execution import Execution, entered_handler, key_of
from scoria_core.handlers import Handler, Handlers, resolve
from scoria_core.heartbeat import HEARTBEAT
from scoria_core.identity import Identity, checked_id
from scoria_core.leases import checked_lease
from scoria_core.lifecycles import StepStatus
from scoria_core.logs import logger_of
from scoria_core.model import DamagedRun, RunDetail, RunSummary, Step
from scoria_core.outcomes import StepSpec
from scoria_core.payloads import MAX_BYTES, checked_name, digest
from scoria_core.ports import Capability, Clock, IdSource, RunStore, checked_port
from scoria_core.projection import ContextPolicy
from scoria_core.repository import RunRepository
from scoria_core.run import Run, RunFacts
from scoria_core.stores import open_store
from scoria_core.system import PROCESS_CLOCK, SteadyClock, Uuid7Source
from scoria_core.validation import (
    MAX_PAGE,
    Validator,
    checked_actor,
    checked_approval_id,
    checked_context,
    checked_limit,
    checked_positive,
    checked_run_id,
    checked_seconds,
    handoff_name,
)
from scoria_core.visible import visible_line

logger = logger_of("scoria")

PAUSE = 30.0
"""For how many seconds a thread waits for a store that does not answer."""


class ScoriaOptions(TypedDict, total=False):
    """The keyword arguments of `Scoria`, for `open` to take."""

    handlers: Handlers | None
    clock: Clock | None
    ids: IdSource | None
    max_payload_bytes: int
    unsafe_context_names: Iterable[str]
    dispatch: str
    threads: int
    lease: float
    max_attempts: int
    worker_id: str | None


class Scoria:
    """Durable runs over one store.

    `handlers` serve every call; those given to a call come before them. `max_payload_bytes`
    limits each payload, as compact UTF-8 (an identity's metadata never has more than the default).
    `unsafe_context_names` adds to the names that a projected context may not carry.

    `dispatch` says who carries out steps: "inline" the caller, before its call returns; "thread"
    threads of this process, after it; "queue" whoever calls `run_pending`, such as a worker.
    `lease` is how many seconds a claim lasts unless its process renews it. A step whose process
    died is tried `max_attempts` times in all, and then fails. `worker_id` names this process in
    the journal. `threads` is how many threads "thread" has.

    Every method raises a `ScoriaError` for input it refuses, before anything is written, and
    `StoreUnavailable` or `StoreCorrupt` for a store that cannot answer. What is returned is
    frozen, and changing what it contains changes nothing that is stored.
    """

    def __init__(
        self,
        store: RunStore,
        *,
        handlers: Handlers | None = None,
        clock: Clock | None = None,
        ids: IdSource | None = None,
        max_payload_bytes: int = MAX_BYTES,
        unsafe_context_names: Iterable[str] = (),
        dispatch: str = Dispatch.INLINE,
        lease: float = 60.0,
        max_attempts: int = 3,
        worker_id: str | None = None,
        threads: int = 8,
    ) -> None:
        self._handlers = resolve(handlers)
        max_bytes = checked_positive(max_payload_bytes, "max_payload_bytes")
        self._validator = Validator(ContextPolicy(unsafe_context_names), max_bytes)
        steady = PROCESS_CLOCK
        if clock is not None:
            steady = SteadyClock(checked_port(clock, Clock, "clock"))
            steady.now()  # a clock that cannot be used is refused now, not by a later call
        self._runs = RunRepository(
            checked_port(store, RunStore, "store"),
            steady,
            checked_port(Uuid7Source() if ids is None else ids, IdSource, "ids"),
        )
        self._lease = checked_lease(lease, worker_id)
        self._max_attempts = checked_positive(max_attempts, "max_attempts")
        self._dispatch = checked_dispatch(dispatch)
        self._threads = Threads(checked_threads(threads))
        self._stopping = threading.Event()

    @classmethod
    def open(cls, url: str, **options: Unpack[ScoriaOptions]) -> Self:
        """Open the store that `url` names; `options` are those of the class.

        `memory://`, `duckdb:///PATH` (relative; a fourth slash makes it absolute), or the scheme
        of any installed store. Steps that a dead process left running are queued again, as
        `recover` does. With `dispatch="thread"` its threads carry on what is queued, and what a
        dead process leaves, for the kinds that have one of its `handlers`. Raises
        `StoreUnavailable`, `StoreCorrupt` or `SchemaTooNew`; `TypeError` for an option that the
        class does not have, before anything is opened.
        """
        _check_options(options)
        store = open_store(url)
        try:
            scoria = cls(store, **options)
            scoria.recover()
            scoria._carry_on_what_was_left()
        except BaseException:
            store.close()
            raise
        return scoria

    def close(self, timeout: float | None = None) -> None:
        """Close the store, once the threads of this facade have done what they were given.

        After `timeout` seconds it is closed all the same: what has not begun stays queued, and a
        step still at work is logged and left to its lease. A view made by `for_tenant` leaves
        closing to the facade it came from. `CloseRefused` where a handler calls it, whose own
        answer is yet to be stored.
        """
        if self._runs.tenant_id is not None:
            return
        patience = None if timeout is None else checked_seconds(timeout, "timeout")
        if (entered := entered_handler(self._runs.store)) is not None:
            raise CloseRefused(*entered[:2])
        left = self._threads.shutdown(patience)
        if left:
            logger.warning("closed with %s steps at work: each is left to its lease", left)
        else:
            HEARTBEAT.stop_if_idle()
        self._runs.store.close()

    def stop(self) -> None:
        """Claim nothing more: steps at work end, and what is queued stays queued for another."""
        self._stopping.set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def for_tenant(self, tenant_id: object) -> Self:
        """Return the same facade with only one tenant's runs in view.

        Another tenant's run is `RunNotFound`, exactly as if it did not exist.
        """
        narrowed = checked_id(tenant_id, "tenant_id")
        if self._runs.tenant_id not in (None, narrowed):
            next_move = "make the view from the facade that sees all tenants"
            raise InvalidIdentity("tenant_id", "is not the tenant of this view", next_move)
        view = copy.copy(self)
        view._runs = attrs.evolve(self._runs, tenant_id=narrowed)
        return view

    def identity(
        self,
        *,
        actor_id: object,
        tenant_id: object,
        session_id: object,
        metadata: Mapping[str, Any] | None = None,
    ) -> Identity:
        """Normalize who acts, for which tenant, in which session.

        Raises `InvalidIdentity` naming the id that is missing, blank or of another type.
        """
        return Identity(actor_id, tenant_id, session_id, metadata)

    def start_run(
        self,
        identity: Identity,
        *,
        root_role_id: str,
        initial_step: StepSpec | None = None,
        metadata: Mapping[str, Any] | None = None,
        handlers: Handlers | None = None,
        idempotency_key: str | None = None,
    ) -> RunSummary:
        """Start a run, carry out its first step where there is a handler, and return the run.

        A run with an `initial_step` completes when its last step has. One without is driven by its
        host: it waits for `add_step`, and ends only with `complete_run`, `cancel_run` or a step
        that fails. A repeated `idempotency_key` of the tenant returns the run it started; with
        other arguments it is `IdempotencyConflict`.
        """
        steps = [] if initial_step is None else [self._validator.spec(initial_step, "initial_step")]

        def queue(change: Change) -> None:
            for spec in steps:
                decisions.add_step(change, spec)

        return self._start(
            identity,
            driven_by="steps" if steps else "host",
            root_role_id=checked_name(root_role_id, "root_role_id"),
            metadata=metadata,
            handlers=handlers,
            idempotency_key=idempotency_key,
            arguments={"steps": steps},
            queue=queue,
        )

    def start_handoff_run(
        self,
        identity: Identity,
        delegated_role_id: str | None = None,
        *,
        root_role_id: str | None = None,
        delegated_kind: str | None = None,
        handoff_input: Mapping[str, Any] | None = None,
        projected_context: Mapping[str, Any] | None = None,
        scoped_context: Mapping[str, Any] | None = None,
        capability_tags: tuple[str, ...] = (),
        metadata: Mapping[str, Any] | None = None,
        handlers: Handlers | None = None,
        idempotency_key: str | None = None,
    ) -> RunSummary:
        """Start a run in which the root role hands a narrow slice of work to another role.

        All of the roles, `delegated_kind`, `handoff_input` and `projected_context` (or its alias
        `scoped_context`) are required: `InvalidHandoff` names the one that is missing.
        `UnsafeProjectedContext` names the path of a key that carries runtime state or a secret.
        """
        role = handoff_name(root_role_id, "root_role_id")
        handoff = self._validator.handoff(
            delegated_role_id=delegated_role_id,
            delegated_kind=delegated_kind,
            handoff_input=handoff_input,
            projected_context=checked_context(projected_context, scoped_context),
            capability_tags=capability_tags,
        )

        def queue(change: Change) -> None:
            decisions.start_handoff(change, role, handoff)

        return self._start(
            identity,
            driven_by="steps",
            root_role_id=role,
            metadata=metadata,
            handlers=handlers,
            idempotency_key=idempotency_key,
            arguments={"handoff": handoff},
            queue=queue,
        )

    def get_run(self, run_id: str | UUID) -> RunSummary:
        """Return where a run stands now; `RunNotFound` where none of this id is in view."""
        return self._summary(self._runs.load(checked_run_id(run_id)))

    def get_run_detail(self, run_id: str | UUID) -> RunDetail:
        """Return everything about a run: steps, approvals, handoffs and the journal."""
        return self._runs.load(checked_run_id(run_id)).detail(self._runs.now())

    def list_runs_for_session(
        self, session_id: object, *, limit: int = 50, before: str | UUID | None = None
    ) -> list[RunSummary]:
        """Return the runs of a session, newest first, at most `limit` (1 to 1,000).

        `before` is the run_id of the last run of the page before. A run whose journal does not
        check out is logged and left out, and the page goes on to its limit without it.
        """
        return self._list(checked_id(session_id, "session_id"), limit, before)

    def list_runs(self, *, limit: int = 50, before: str | UUID | None = None) -> list[RunSummary]:
        """Return the runs in view, newest first, paged as `list_runs_for_session`."""
        return self._list(None, limit, before)

    def list_runs_with_damaged(
        self, *, session_id: object = None, limit: int = 50, before: str | UUID | None = None
    ) -> list[RunSummary | DamagedRun]:
        """Return the runs in view, of one session or all, with the damaged ones in their places.

        This is for those who look after a store. A damaged run counts to the limit.
        """
        session = None if session_id is None else checked_id(session_id, "session_id")
        return list(islice(self._rows(session, limit, before), limit))

    def approve(
        self, run_id: str | UUID, *, approval_id: str, decided_by: object, note: str | None = None
    ) -> RunSummary:
        """Approve what a run waits for; `decided_by` is who made the decision.

        The run goes on with `resume_run`. `ApprovalNotPending` where the approval is unknown,
        decided or expired.
        """
        return self._decide(decisions.approve, run_id, approval_id, decided_by, note)

    def reject(
        self, run_id: str | UUID, *, approval_id: str, decided_by: object, note: str | None = None
    ) -> RunSummary:
        """Reject what a run waits for, which cancels the run; errors as `approve`."""
        return self._decide(decisions.reject, run_id, approval_id, decided_by, note)

    def resume_run(
        self,
        run_id: str | UUID,
        *,
        handlers: Handlers | None = None,
        actor_id: object = None,
    ) -> RunSummary:
        """Run the paused step again, with the decision in `step.approval`.

        `ApprovalPending` while nobody has decided; `RunNotResumable` where the run does not wait.
        An approval that expired authorises nothing: the step sees it `expired` and may ask anew.
        """
        return self._carry_on(run_id, decisions.resume, handlers, actor_id)

    def retry_run(
        self,
        run_id: str | UUID,
        *,
        handlers: Handlers | None = None,
        actor_id: object = None,
    ) -> RunSummary:
        """Run the failed step of a failed run again; `TransitionRefused` for any other run."""
        return self._carry_on(run_id, decisions.retry, handlers, actor_id)

    def add_step(
        self,
        run_id: str | UUID,
        step: StepSpec,
        *,
        handlers: Handlers | None = None,
        actor_id: object = None,
    ) -> RunSummary:
        """Queue a step after those the run has, and carry it out if its turn has come.

        `TransitionRefused` where the run has failed or ended.
        """
        spec = self._validator.spec(step, "step")
        return self._carry_on(
            run_id, lambda change: decisions.add_step(change, spec), handlers, actor_id
        )

    def complete_run(self, run_id: str | UUID, *, actor_id: object = None) -> RunSummary:
        """Complete a run that has no step left to run; `TransitionRefused` otherwise."""
        run, _ = self._runs.change(
            checked_run_id(run_id), decisions.complete_run, checked_actor(actor_id)
        )
        return self._summary(run)

    def cancel_run(
        self, run_id: str | UUID, *, reason: str | None = None, actor_id: object = None
    ) -> RunSummary:
        """End a run that has not ended; what a handler still answers is not recorded."""
        text = self._validator.optional_text(reason, "reason")
        run, _ = self._runs.change(
            checked_run_id(run_id),
            lambda change: decisions.cancel(change, text),
            checked_actor(actor_id),
        )
        return self._summary(run)

    def run_pending(
        self,
        run_id: str | UUID | None = None,
        *,
        handlers: Handlers | None = None,
        limit: int = MAX_PAGE,
    ) -> list[RunSummary]:
        """Carry out what is due in one run, or in the runs in view in which anything is.

        Due are steps that are queued, those whose process died so that their lease ended, and
        those whose request for approval has expired: these run again and see it `expired`.
        Looks at no more than `limit` runs, and returns those in which a step was carried out or
        recovered. Of several runs, one whose journal does not check out is logged and passed over.
        """
        resolved, most = self._handlers_for(handlers), checked_limit(limit)
        if run_id is not None:
            run = self._work(checked_run_id(run_id), resolved)
            if run is None:
                if handlers:
                    self._warn_of_other_kinds(
                        self._runs.load(checked_run_id(run_id)), handlers, resolved
                    )
                return []
            self._warn_of_other_kinds(run, handlers, resolved)
            return [self._summary(run)]
        worked = (self._work_if_whole(each, resolved) for each in self._runs.due(most))
        return [self._summary(run) for run in worked if run is not None]

    def list_pending(self, *, limit: int = MAX_PAGE) -> list[str]:
        """Return the ids of at most `limit` runs in which something is due.

        The tenants take turns: the run longest due of each, then the second of each, and so on.
        """
        return self._runs.due(checked_limit(limit), fair=True)

    def recover(self) -> int:
        """Take the steps that a dead process left running, and return how many these were.

        They are queued again, or fail after `max_attempts`. This is for a store that one process
        owns, and `open` does it. Where several processes share a store, `run_pending` and the
        workers do it for each step when its lease has ended, and this does nothing.
        """
        if Capability.MULTI_PROCESS in self._runs.store.capabilities:
            return 0
        every = self._runs.due(sys.maxsize, until=datetime.max.replace(tzinfo=UTC))
        return sum(map(self._recover, every))

    def _recover(self, run_id: str) -> bool:
        def decide(change: Change) -> bool:
            step = change.run.active_step()
            # This process may have opened the store twice.
            at_work = step is not None and HEARTBEAT.is_renewing(key_of(step))
            return not at_work and decisions.recover(change, self._max_attempts)

        try:
            return self._runs.change(run_id, decide)[1]
        except (RunNotFound, StoreCorrupt):
            logger.exception("run %s was passed over", run_id)
            return False

    def _work_if_whole(self, run_id: str, handlers: Mapping[str, Handler]) -> Run | None:
        try:
            return self._work(run_id, handlers)
        except (RunNotFound, StoreCorrupt):
            # One that is damaged, or was pruned meanwhile, must not keep the others waiting.
            logger.exception("run %s was passed over", run_id)
            return None

    def _work(
        self, run_id: str, handlers: Mapping[str, Handler], *, ends_at_exit: bool = False
    ) -> Run | None:
        execution = self._execution(handlers, ends_at_exit=ends_at_exit)

        def decide(change: Change) -> tuple[bool, Step | None]:
            change.only_if_due = decisions.recover_overdue(change, self._max_attempts)
            decisions.resume_expired(change, handlers)
            return change.only_if_due, execution.claim(change)

        with execution.begun(run_id):
            try:
                run, (recovered, step) = self._runs.change(run_id, decide)
            except VersionConflict:
                # Its handler is alive: the lease was renewed.
                return None
            if step is None and not recovered:
                return None
            return execution.carry_out(run, step)

    def _carry_on_what_was_left(self) -> None:
        if self._dispatch != Dispatch.THREAD or not self._handlers:
            return
        for run_id in self._runs.due(sys.maxsize, until=datetime.max.replace(tzinfo=UTC)):
            self._submit(run_id, self._handlers)

    def _submit(self, run_id: str, handlers: Mapping[str, Handler], wait: float = 0.0) -> None:
        self._threads.submit(lambda: self._work_on_thread(run_id, handlers), wait)

    def _work_on_thread(self, run_id: str, handlers: Mapping[str, Handler]) -> None:
        if self._stopping.is_set():
            return
        try:
            worked = self._work(run_id, handlers, ends_at_exit=True)
            wait = self._until_next_look(worked or self._runs.load(run_id), handlers)
        except StoreUnavailable:
            logger.warning("run %s waits %.0f s for its store", run_id, PAUSE, exc_info=True)
            wait = PAUSE
        except ScoriaError:
            logger.exception("run %s was not carried on", run_id)
            return
        else:
            if wait is not None and worked is None:
                wait = max(wait, 1.0)  # it was due, and could not be claimed
        if wait is not None:
            self._submit(run_id, handlers, wait)

    def _until_next_look(self, run: Run, handlers: Mapping[str, Handler]) -> float | None:
        """Return after how many seconds a thread can do something for the run; None for never."""
        active = run.active_step()
        step = next(run.queued_steps(), None) if active is None else active
        due_at = run.due_at(run.journal[-1].at)
        if due_at is None or step is None or step.kind not in handlers:
            return None
        wait = max((due_at - self._runs.now()).total_seconds(), 0.0)
        if active is None:
            return wait
        # Another process may be at work on it, and renew its lease until it dies.
        return max(wait, self._lease.seconds) if active.status == StepStatus.RUNNING else None

    def _start(
        self,
        identity: Identity,
        *,
        driven_by: Literal["steps", "host"],
        root_role_id: str,
        metadata: Mapping[str, Any] | None,
        handlers: Handlers | None,
        idempotency_key: str | None,
        arguments: Mapping[str, Any],
        queue: Callable[[Change], None],
    ) -> RunSummary:
        run_id, resolved = self._runs.ids.new_id(), self._handlers_for(handlers)
        execution = self._execution(self._claimable(resolved))
        if idempotency_key is not None:
            idempotency_key = checked_name(idempotency_key, "idempotency_key")
        facts = _with_digest(
            RunFacts(
                identity=self._identity(identity),
                root_role_id=root_role_id,
                metadata=self._validator.payload({} if metadata is None else metadata, "metadata"),
                driven_by=driven_by,
                idempotency_key=idempotency_key,
            ),
            arguments,
        )

        def decide(change: Change) -> Step | None:
            decisions.start(change, facts)
            queue(change)
            return execution.claim(change)

        with execution.begun(run_id):
            run, step = self._runs.create(run_id, facts, decide)
            if run.run_id == run_id:
                run = self._carried_out(execution, run, step, resolved)
        if run.run_id == run_id:
            self._warn_of_other_kinds(run, handlers, resolved)
        elif run.facts.arguments_digest != facts.arguments_digest:
            raise IdempotencyConflict(str(idempotency_key), run.run_id)
        return self._summary(run)

    def _decide(
        self,
        decision: Callable[[Change, str, str | None], None],
        run_id: str | UUID,
        approval_id: object,
        decided_by: object,
        note: str | None,
    ) -> RunSummary:
        actor_id = checked_id(decided_by, "decided_by")
        text = self._validator.optional_text(note, "note")
        named = checked_approval_id(approval_id)
        run, _ = self._runs.change(
            checked_run_id(run_id), lambda change: decision(change, named, text), actor_id
        )
        return self._summary(run)

    def _carry_on(
        self,
        run_id: str | UUID,
        decision: Callable[[Change], None],
        handlers: Handlers | None,
        actor_id: object,
    ) -> RunSummary:
        resolved = self._handlers_for(handlers)
        execution = self._execution(self._claimable(resolved))

        def decide(change: Change) -> Step | None:
            decision(change)
            return execution.claim(change)

        named, actor = checked_run_id(run_id), checked_actor(actor_id)
        with execution.begun(named):
            run, step = self._runs.change(named, decide, actor)
            run = self._carried_out(execution, run, step, resolved)
        self._warn_of_other_kinds(run, handlers, resolved)
        return self._summary(run)

    def _execution(
        self, handlers: Mapping[str, Handler], *, ends_at_exit: bool = False
    ) -> Execution:
        return Execution(
            self._runs,
            self._validator,
            handlers,
            attrs.evolve(self._lease, holder=self._runs.ids.new_id()),
            self._stopping.is_set,
            ends_at_exit,
        )

    def _claimable(self, handlers: Mapping[str, Handler]) -> Mapping[str, Handler]:
        return handlers if self._dispatch == Dispatch.INLINE else {}

    def _carried_out(
        self, execution: Execution, run: Run, step: Step | None, handlers: Mapping[str, Handler]
    ) -> Run:
        if self._dispatch == Dispatch.THREAD:
            self._submit(run.run_id, handlers)
        return execution.carry_out(run, step)

    def _warn_of_other_kinds(
        self, run: Run, given: Handlers | None, resolved: Mapping[str, Handler]
    ) -> None:
        """Log where handlers were given to a call, and the step that is next has none.

        That is no error: the step waits, and another may have its handler. It may be a typo.
        """
        step = next(run.queued_steps(), None)
        if not given or step is None or step.kind in resolved or run.active_step() is not None:
            return
        close = get_close_matches(step.kind, resolved, n=1)
        logger.warning(
            "step %s of run %s stays queued: no handler for its kind %s; handlers were given for "
            "%s%s",
            step.step_id,
            run.run_id,
            visible_line(repr(step.kind)),
            visible_line(", ".join(map(repr, sorted(given))), 400),
            visible_line(f"; is {close[0]!r} a typo?") if close else "",
        )

    def _list(
        self, session_id: str | None, limit: int, before: str | UUID | None
    ) -> list[RunSummary]:
        found: list[RunSummary] = []
        for row in self._rows(session_id, limit, before):
            if isinstance(row, RunSummary):
                found.append(row)
            else:
                told = "run %s is left out of a list: entry %d %s"
                logger.error(told, visible_line(row.run_id), row.sequence, row.problem)
            if len(found) == limit:
                break
        return found

    def _rows(
        self, session_id: str | None, limit: int, before: str | UUID | None
    ) -> Iterator[RunSummary | DamagedRun]:
        cursor = str(before) if isinstance(before, UUID) else before
        if cursor is not None:
            cursor = checked_name(cursor, "before")
        found = self._runs.listed(session_id, checked_limit(limit), cursor)
        return (row if isinstance(row, DamagedRun) else self._summary(row) for row in found)

    def _summary(self, run: Run) -> RunSummary:
        """Return where the run stands, and give it back."""
        summary = run.summary(self._runs.now())
        self._runs.cache.put_back(run)
        return summary

    def _handlers_for(self, handlers: Handlers | None) -> Mapping[str, Handler]:
        return {**self._handlers, **resolve(handlers)}

    def _identity(self, identity: object) -> Identity:
        if not isinstance(identity, Identity):
            problem = f"is {type(identity).__name__}"
            raise InvalidIdentity("identity", problem, "pass what scoria.identity(...) returned")
        if self._runs.tenant_id not in (None, identity.tenant_id):
            next_move = "start it on the facade of its own tenant"
            raise InvalidIdentity("tenant_id", "is not the tenant of this view", next_move)
        return attrs.evolve(
            identity, metadata=self._validator.payload(identity.metadata, "identity.metadata")
        )


def _check_options(options: Mapping[str, object]) -> None:
    known = sorted(ScoriaOptions.__annotations__)
    for name in options:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            say = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(known)}"
            raise TypeError(f"Scoria.open has no option {name!r}; {say}")


def _with_digest(facts: RunFacts, arguments: Mapping[str, Any]) -> RunFacts:
    """Add what tells a repeated start from another; only a start with a key is ever compared."""
    if facts.idempotency_key is None:
        return facts
    arguments = converter.unstructure({**arguments, "facts": facts})
    return attrs.evolve(facts, arguments_digest=digest(arguments))
