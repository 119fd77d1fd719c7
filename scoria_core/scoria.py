"""The facade a host app calls: identity, start, inspect, resume."""

import copy
import difflib
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, Literal, Protocol, Self, TypedDict, TypeVar, Unpack
from uuid import UUID

import attrs

from scoria_core import decisions
from scoria_core.conversion import converter
from scoria_core.decisions import Change, Decision
from scoria_core.delivering import GRACE, Deliverer, Listeners, checked_listeners, checked_outbox
from scoria_core.dispatch import Dispatch, Threads, checked_dispatch, checked_threads
from scoria_core.errors import (
    CloseRefused,
    DecisionRefused,
    IdempotencyConflict,
    InvalidIdentity,
    InvalidPayload,
    safe_repr,
)
from scoria_core.event_loop import CANCEL_GRACE, HandlersLoop, ProcessLoop
from scoria_core.execution import Work, carried_out
from scoria_core.handler_call import entered_handler
from scoria_core.handlers import Handlers, resolve
from scoria_core.heartbeat import HEARTBEAT
from scoria_core.identity import Identity, checked_id
from scoria_core.leases import checked_lease
from scoria_core.lifecycles import RunStatus
from scoria_core.listing import (
    Count,
    Page,
    approval_filter,
    approval_page,
    count_approvals,
    count_runs,
    readable,
    run_filter,
    run_page,
)
from scoria_core.logs import logger_of
from scoria_core.model import Approval, DamagedRun, ListedApproval, RunDetail, RunSummary
from scoria_core.outcomes import StepSpec
from scoria_core.payloads import MAX_BYTES, checked_name, digest
from scoria_core.ports import Clock, IdSource, RunStore, Schemas, checked_port
from scoria_core.projection import ContextPolicy
from scoria_core.repository import RunRepository
from scoria_core.run import Run, RunFacts, handed_out
from scoria_core.scheduling import Scheduler
from scoria_core.schemas import InstalledSchemas
from scoria_core.stores import open_store
from scoria_core.system import PROCESS_CLOCK, SteadyClock, Uuid7Source
from scoria_core.validation import (
    MAX_PAGE,
    Validator,
    checked_actor,
    checked_context,
    checked_limit,
    checked_positive,
    checked_run_id,
    checked_seconds,
    handoff_name,
)

logger = logger_of("scoria")

T = TypeVar("T")


MayDecide = Callable[[Approval, RunSummary, str, str], bool]
"""Tells whether a decision is allowed: given the request as it would be decided, its run, the id of
the approver, and "approve" or "reject"."""


class CarryOut(Protocol):
    """Does the last part of a call, which may call handlers."""

    def __call__(self, work: Work[T]) -> T:
        """Do the work, and return its result."""
        ...


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
    may_decide: MayDecide | None
    schemas: Schemas | None
    listeners: Listeners | None


class Scoria:
    """Durable runs over one store.

    `handlers` serve every call; those passed to a call come first. `max_payload_bytes` limits each
    payload, as compact UTF-8 (an identity's metadata never has more than the default).
    `unsafe_context_names` adds to the names that a projected context may not contain.

    `dispatch` says who carries out steps: with "inline" the caller, before its call returns; with
    "thread" threads of this process, afterwards; with "queue" a worker, or any other caller of
    `run_pending`. `threads` is the number of threads for "thread". `lease` is how many seconds a
    claim lasts unless its process renews it. If its process dies, a step is tried `max_attempts`
    times in all, and then fails. `worker_id` is the name of this process in the journal.

    `may_decide` is called before each decision on a request, with the arguments that would be
    approved, maybe more than once; an exception that it raises passes through. `schemas` checks
    what a person edits or answers; by default the extra `schema` does.

    `listeners` maps names to functions that receive events: at least once, and in order within each
    run. A listener receives what is stored from the first time on that a facade has its name, so
    keep the name. Events are delivered by a worker, by `deliver_events`, or with "thread" by a
    thread for each listener. An `async def` listener runs where async handlers do. If a listener
    raises, the event is delivered again, after a longer wait each time.

    Every method raises a `ScoriaError` for input it refuses, before anything is written, and
    `StoreUnavailable` or `StoreCorrupt` if the store cannot answer. Results are frozen; changing a
    payload in one changes nothing that is stored.
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
        may_decide: MayDecide | None = None,
        schemas: Schemas | None = None,
        listeners: Listeners | None = None,
        _loop: HandlersLoop | None = None,  # for `AsyncScoria`
    ) -> None:
        self._carry_out: CarryOut = carried_out
        self._loop = ProcessLoop() if _loop is None else _loop
        resolved, named = resolve(handlers), checked_listeners(listeners)
        max_bytes = checked_positive(max_payload_bytes, "max_payload_bytes")
        self._validator = Validator(
            ContextPolicy(unsafe_context_names),
            max_bytes,
            InstalledSchemas() if schemas is None else checked_port(schemas, Schemas, "schemas"),
        )
        if may_decide is not None and not callable(may_decide):
            problem = f"is {type(may_decide).__name__}; pass a callable that returns True or False"
            raise InvalidPayload("may_decide", problem)
        self._may_decide = may_decide
        steady = PROCESS_CLOCK
        if clock is not None:
            steady = SteadyClock(checked_port(clock, Clock, "clock"))
            steady.now()  # a clock that cannot be used is refused now, not by a later call
        self._runs = RunRepository(
            checked_port(store, RunStore, "store"),
            steady,
            checked_port(Uuid7Source() if ids is None else ids, IdSource, "ids"),
        )
        self._scheduler = Scheduler(
            self._runs,
            self._validator,
            resolved,
            checked_lease(lease, worker_id),
            checked_positive(max_attempts, "max_attempts"),
            checked_dispatch(dispatch),
            Threads(checked_threads(threads)),
            self._loop,
        )
        if named:
            checked_outbox(store)
        self._deliverer = Deliverer(
            self._runs,
            named,
            Threads(max(len(named), 1)),
            self._scheduler.stopping,
            self._loop,
        )
        self._deliverer.add_all()
        if self._scheduler.dispatch == Dispatch.THREAD:
            for name in named:
                self._deliverer.keep_on(name)

    @classmethod
    def open(cls, url: str, **options: Unpack[ScoriaOptions]) -> Self:
        """Open the store at `url`, and a facade over it; `options` are those of the class.

        A URL is `memory://`, `duckdb:///PATH` (relative; a fourth slash makes it absolute), or has
        the scheme of another installed store. Steps that a dead process left running are queued
        again, as by `recover`. With `dispatch="thread"`, threads carry out the queued steps of the
        kinds in `handlers`. Raises `StoreUnavailable`, `StoreCorrupt` or `SchemaTooNew`; and
        `TypeError` for an option that the class does not have, before anything is opened.
        """
        check_options(options)
        store = open_store(url)
        try:
            scoria = cls(store, **options)
            scoria._take_up()
        except BaseException:
            store.close()
            raise
        return scoria

    def close(self, timeout: float | None = None) -> None:
        """Close the store, after the threads of this facade have finished.

        After `timeout` seconds the store is closed anyway: steps that have not begun stay queued,
        and a step that is still running is logged and recovered when its lease expires. A view made
        by `for_tenant` closes nothing. Raises `CloseRefused` if a handler calls it: the answer of
        that handler is not stored yet.
        """
        if self._runs.tenant_id is not None:
            return
        patience = None if timeout is None else checked_seconds(timeout, "timeout")
        if (entered := entered_handler(self._runs.store)) is not None:
            raise CloseRefused(*entered[:2])
        self._deliverer.threads.shutdown(GRACE, drain=False)
        left = self._scheduler.threads.shutdown(patience)
        if left:
            logger.warning("closed with %s steps at work: each is left to its lease", left)
        else:
            HEARTBEAT.stop_if_idle()
        self._loop.close(CANCEL_GRACE if patience is None else patience)
        self._runs.store.close()

    def stop(self) -> None:
        """Claim no more steps: running ones end, queued ones stay queued for another process."""
        self._scheduler.stopping.set()

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
        """Return the same facade with only one tenant's runs visible.

        A run of another tenant is `RunNotFound`, exactly as if it did not exist.
        """
        narrowed = checked_id(tenant_id, "tenant_id")
        if self._runs.tenant_id not in (None, narrowed):
            next_move = "make the view from the facade that sees all tenants"
            raise InvalidIdentity("tenant_id", "is not the tenant of this view", next_move)
        view = copy.copy(self)
        view._runs = attrs.evolve(self._runs, tenant_id=narrowed)
        view._scheduler = attrs.evolve(self._scheduler, runs=view._runs)
        return view

    def _by(self, carry_out: CarryOut) -> Self:
        """Return the same facade with another way to carry out work. For `AsyncScoria`."""
        other = copy.copy(self)
        other._carry_out = carry_out
        return other

    def identity(
        self,
        *,
        actor_id: object,
        tenant_id: object,
        session_id: object,
        metadata: Mapping[str, Any] | None = None,
    ) -> Identity:
        """Return the identity that a run is started with: who acts, which tenant, which session.

        Raises `InvalidIdentity` naming the id that is missing, blank or of a wrong type.
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
        """Start a run, carry out its first step if it has a handler, and return the run.

        A run with an `initial_step` completes when its last step has completed. One without is
        driven by its host: it waits for `add_step`, and ends only by `complete_run`, `cancel_run`
        or a failed step. If the tenant used the `idempotency_key` before, that run is returned and
        nothing is started; with other arguments this raises `IdempotencyConflict`.
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

        Both roles, `delegated_kind`, `handoff_input` and `projected_context` (or its alias
        `scoped_context`) are required. Raises `InvalidHandoff` naming the one that is missing, and
        `UnsafeProjectedContext` naming the path of a key with runtime state or a secret.
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
        """Return a summary of the run. Raises `RunNotFound` if no run with this id is visible."""
        return self._summary(self._runs.load(checked_run_id(run_id)))

    def get_run_detail(self, run_id: str | UUID) -> RunDetail:
        """Return everything about a run: steps, approvals, handoffs and the journal."""
        stored = self._runs.stored(checked_run_id(run_id))
        return self._runs.replayed(stored).detail(self._runs.now(), stored.row.due_at)

    def inspect_run(self, run_id: str | UUID) -> RunDetail:
        """Return what `get_run_detail` does, for a page or a tool that only shows it.

        If the journal is damaged, the part before the damage is returned, and `damage` says what is
        wrong; raises `StoreCorrupt` if there is no such part. The payloads are those of the cached
        run, not copies: do not change them.
        """
        return self._runs.inspect(checked_run_id(run_id))

    def now(self) -> datetime:
        """Return the present time in UTC, by the clock of this facade."""
        return self._runs.now()

    def list_runs(
        self,
        *,
        session_id: object = None,
        status: str | None = None,
        root_role_id: str | None = None,
        actor_id: object = None,
        created_after: datetime | None = None,
        limit: int = 50,
        before: str | UUID | None = None,
    ) -> Page[RunSummary]:
        """Return a page of the visible runs that match, newest first: at most `limit` (1 to 1,000).

        For the next page, pass the `next` of this one as `before`; on the last page it is None.
        With more than one filter, or with `created_after`, a page examines at most 1,000 runs, so
        it may have fewer than `limit`, or none. A damaged run is logged and left out.
        """
        asked = run_filter(session_id, status, root_role_id, actor_id, created_after)
        return readable(run_page(self._runs, asked, checked_limit(limit), _checked_before(before)))

    def list_runs_for_session(
        self, session_id: object, *, limit: int = 50, before: str | UUID | None = None
    ) -> Page[RunSummary]:
        """Return the runs of a session, newest first, paged as in `list_runs`."""
        return self.list_runs(
            session_id=checked_id(session_id, "session_id"), limit=limit, before=before
        )

    def list_runs_with_damaged(
        self,
        *,
        session_id: object = None,
        status: str | None = None,
        root_role_id: str | None = None,
        actor_id: object = None,
        created_after: datetime | None = None,
        limit: int = 50,
        before: str | UUID | None = None,
    ) -> Page[RunSummary | DamagedRun]:
        """Return what `list_runs` does, with damaged runs in their places: for operators."""
        asked = run_filter(session_id, status, root_role_id, actor_id, created_after)
        return run_page(self._runs, asked, checked_limit(limit), _checked_before(before))

    def count_runs(self) -> dict[RunStatus, Count]:
        """Return how many visible runs have each status, exactly up to 1,000."""
        return count_runs(self._runs)

    def list_approvals(
        self,
        *,
        status: str = "pending",
        session_id: object = None,
        assigned_to: object = None,
        tool_name: str | None = None,
        approval_id: str | None = None,
        limit: int = 50,
        after: str | None = None,
    ) -> Page[ListedApproval]:
        """Return the requests that a person can decide now, longest waiting first.

        At most `limit` (1 to 1,000), each with the summary of its run. Ties are ordered by
        `run_id`, then as the step made the requests. For the next page, pass the `next` of this one
        as `after`; on the last page it is None. Expired and decided requests are not listed:
        `status` can only be "pending"; past decisions are in the journals and their export. With
        more than one filter a page examines at most 1,000 runs, so it may have fewer than `limit`,
        or none. A run with a damaged journal is logged and left out.
        """
        asked = approval_filter(status, session_id, assigned_to, tool_name, approval_id)
        return approval_page(self._runs, asked, checked_limit(limit), after)

    def count_approvals(
        self,
        *,
        status: str = "pending",
        session_id: object = None,
        assigned_to: object = None,
        tool_name: str | None = None,
        approval_id: str | None = None,
    ) -> Count:
        """Return how many requests a person can decide now, exactly up to 1,000."""
        asked = approval_filter(status, session_id, assigned_to, tool_name, approval_id)
        return count_approvals(self._runs, asked)

    def approve(
        self,
        run_id: str | UUID,
        *,
        approval_id: str,
        decided_by: object,
        note: str | None = None,
        arguments: Mapping[str, Any] | None = None,
        answer: Mapping[str, Any] | None = None,
        arguments_digest: str | None = None,
        resume: bool = False,
    ) -> RunSummary:
        """Approve a request that a run waits for; `decided_by` is the id of the approver.

        `arguments` replace the proposed ones, if the request `may_edit`. `answer` is required if it
        has an `answer_schema`. `arguments_digest` is the digest of the proposal that the approver
        saw; if the request has another, the decision is refused. A request that needs several
        approvers is approved with the last yes.

        Then `resume_run` continues the run. With `resume`, the decision that leaves no request
        pending queues the step itself, for a worker, a thread or `run_pending`. Raises
        `ApprovalNotPending` if the request is unknown, decided or expired, `DecisionRefused` if
        this approver may not decide it, and `InvalidPayload` for an edit or an answer that is not
        allowed.
        """
        decision = self._validator.decision(
            "approve",
            approval_id,
            note,
            arguments=arguments,
            answer=answer,
            arguments_digest=arguments_digest,
            resume=resume,
        )
        return self._decide(run_id, decision, decided_by)

    def reject(
        self,
        run_id: str | UUID,
        *,
        approval_id: str,
        decided_by: object,
        note: str | None = None,
        arguments_digest: str | None = None,
        resume: bool = False,
    ) -> RunSummary:
        """Reject a request that a run waits for; raises as `approve` does.

        This cancels the run, unless the request has `on_reject="resume"`: then the step sees the
        rejection and the note when the run is resumed.
        """
        decision = self._validator.decision(
            "reject", approval_id, note, arguments_digest=arguments_digest, resume=resume
        )
        return self._decide(run_id, decision, decided_by)

    def resume_run(
        self,
        run_id: str | UUID,
        *,
        handlers: Handlers | None = None,
        actor_id: object = None,
    ) -> RunSummary:
        """Run the paused step again, with the decision in `step.approval`.

        Raises `ApprovalPending` while a request is undecided, and `RunNotResumable` if the run does
        not wait. An expired approval authorises nothing: the step sees it as `expired`, and may ask
        again.
        """
        return self._change(run_id, decisions.resume, actor_id, handlers)

    def retry_run(
        self,
        run_id: str | UUID,
        *,
        handlers: Handlers | None = None,
        actor_id: object = None,
    ) -> RunSummary:
        """Run the failed step of a failed run again. Raises `TransitionRefused` for other runs."""
        return self._change(run_id, decisions.retry, actor_id, handlers)

    def add_step(
        self,
        run_id: str | UUID,
        step: StepSpec,
        *,
        handlers: Handlers | None = None,
        actor_id: object = None,
    ) -> RunSummary:
        """Add a step to a run, after those it has, and carry it out if its turn has come.

        Raises `TransitionRefused` if the run has failed or ended.
        """
        spec = self._validator.spec(step, "step")
        return self._change(
            run_id, lambda change: decisions.add_step(change, spec), actor_id, handlers
        )

    def complete_run(self, run_id: str | UUID, *, actor_id: object = None) -> RunSummary:
        """Complete a run that has no step left. Raises `TransitionRefused` for any other run."""
        run, _ = self._runs.change(
            checked_run_id(run_id), decisions.complete_run, checked_actor(actor_id)
        )
        return self._summary(run)

    def cancel_run(
        self, run_id: str | UUID, *, reason: str | None = None, actor_id: object = None
    ) -> RunSummary:
        """Cancel a run that has not ended. If a handler is running, its answer is not recorded."""
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
        """Carry out what is due in one run, or in all visible runs.

        These are due: queued steps; steps whose process died, when the lease has expired; and steps
        whose request has expired, which run again and see it as `expired`. Examines at most `limit`
        runs, and returns those in which a step was carried out or recovered. If it is not named by
        `run_id`, a run with a damaged journal is logged and skipped.
        """
        most = checked_limit(limit)
        named = None if run_id is None else checked_run_id(run_id)
        return self._carry_out(self._pending(named, handlers, most))

    def list_pending(self, *, limit: int = MAX_PAGE) -> list[str]:
        """Return the ids of at most `limit` runs in which something is due.

        Tenants take turns: first the longest due run of each tenant, then the second of each, and
        so on.
        """
        return self._runs.due(checked_limit(limit), fair=True)

    @property
    def listeners(self) -> Listeners:
        """The listeners of this facade, by name."""
        return self._deliverer.listeners

    def deliver_events(self, listener: str | None = None, *, limit: int = MAX_PAGE) -> int:
        """Deliver events to one listener, or to each in turn, and return how many were delivered.

        Each listener receives the events of at most `limit` runs. If a listener raises, its error
        is logged, and the event is delivered again later. Several processes may call this at once.
        """
        most = checked_limit(limit)
        if not (listener is None or (isinstance(listener, str) and listener in self.listeners)):
            problem = f"is {safe_repr(listener)}; pass the name of one of this facade's listeners"
            raise InvalidPayload("listener", problem)
        names = self.listeners if listener is None else (listener,)
        return sum(self._deliverer.deliver(name, most) for name in names)

    def recover(self) -> int:
        """Recover the steps that a dead process left running, and return their number.

        They are queued again, or fail after `max_attempts`. `open` calls this; it is for a store
        that one process owns. If several processes share the store, this does nothing:
        `run_pending` and workers recover each step when its lease has expired.
        """
        return self._scheduler.recover()

    def _take_up(self) -> None:
        """Carry on what earlier processes left in the store."""
        self.recover()
        self._scheduler.carry_on_what_was_left()

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

        def decide(change: Change) -> None:
            decisions.start(change, facts)
            queue(change)

        run_id = self._runs.ids.new_id()
        return self._carry_out(self._started(run_id, facts, decide, handlers))

    def _started(
        self,
        run_id: str,
        facts: RunFacts,
        decide: Callable[[Change], None],
        handlers: Handlers | None,
    ) -> Work[RunSummary]:
        run = yield from self._scheduler.start(run_id, facts, decide, handlers)
        is_new = run.run_id == run_id
        if not is_new and run.facts.arguments_digest != facts.arguments_digest:
            raise IdempotencyConflict(str(facts.idempotency_key), run.run_id)
        return self._summary(run)

    def _pending(
        self, run_id: str | None, handlers: Handlers | None, limit: int
    ) -> Work[list[RunSummary]]:
        if run_id is None:
            found = yield from self._scheduler.work_on_all(limit, handlers)
            return [self._summary(run) for run in found]
        run = yield from self._scheduler.work(run_id, handlers)
        return [] if run is None else [self._summary(run)]

    def _change(
        self,
        run_id: object,
        decide: Callable[[Change], None],
        actor_id: object,
        handlers: Handlers | None,
    ) -> RunSummary:
        named, actor = checked_run_id(run_id), checked_actor(actor_id)
        return self._carry_out(self._changed(named, decide, actor, handlers))

    def _changed(
        self,
        run_id: str,
        decide: Callable[[Change], None],
        actor_id: str | None,
        handlers: Handlers | None,
    ) -> Work[RunSummary]:
        run = yield from self._scheduler.change(run_id, decide, actor_id, handlers)
        return self._summary(run)

    def _decide(self, run_id: str | UUID, decision: Decision, decided_by: object) -> RunSummary:
        actor_id = checked_id(decided_by, "decided_by")
        if entered_handler(self._runs.store) is not None:
            raise DecisionRefused(decision.approval_id, actor_id, "handler")

        is_refused = False

        def decide(change: Change) -> None:
            nonlocal is_refused
            approval = decisions.as_decided(change, decision)
            # A refusal is decided again on the stored run, but not one of the host's policy: a
            # policy that answers otherwise the second time must not turn a no into a yes.
            is_refused = is_refused or not self._host_allows(change, decision, approval)
            if is_refused:
                raise DecisionRefused(approval.approval_id, actor_id, "host")
            self._validator.fits(approval)
            decisions.decide(change, decision, approval)

        run, _ = self._runs.change(checked_run_id(run_id), decide, actor_id)
        if decision.resume:
            self._scheduler.queued(run)
        return self._summary(run)

    def _host_allows(self, change: Change, decision: Decision, approval: Approval) -> bool:
        if self._may_decide is None:
            return True
        run, who = change.run.summary(change.at), str(change.actor_id)
        allows: object = self._may_decide(handed_out(approval), run, who, decision.trigger)
        if not isinstance(allows, bool):  # a coroutine would count as a yes
            problem = f"returned {type(allows).__name__}; return True or False"
            raise InvalidPayload("may_decide", problem)
        return allows

    def _summary(self, run: Run) -> RunSummary:
        return self._runs.summary(run, self._runs.now())

    def _identity(self, identity: object) -> Identity:
        if not isinstance(identity, Identity):
            problem = f"is {type(identity).__name__}"
            raise InvalidIdentity("identity", problem, "pass what scoria.identity(...) returned")
        if self._runs.tenant_id not in (None, identity.tenant_id):
            next_move = "start it on the facade of its own tenant"
            raise InvalidIdentity("tenant_id", "is not the tenant of this view", next_move)
        # A copy: the host may change what it holds. The limit is the one of this facade.
        return identity.with_metadata(
            self._validator.payload(identity.metadata, "identity.metadata")
        )


def _checked_before(before: object) -> str | None:
    cursor = str(before) if isinstance(before, UUID) else before
    return None if cursor is None else checked_name(cursor, "before")


def check_options(options: Mapping[str, object]) -> None:
    """Raise `TypeError` for an option that `Scoria` does not have."""
    known = sorted(ScoriaOptions.__annotations__)
    for name in options:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            say = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
            raise TypeError(f"there is no option {name!r}; {say}")


def _with_digest(facts: RunFacts, arguments: Mapping[str, Any]) -> RunFacts:
    """Add the digest by which a repeated start is recognised; only needed with a key."""
    if facts.idempotency_key is None:
        return facts
    arguments = converter.unstructure({**arguments, "facts": facts})
    return attrs.evolve(facts, arguments_digest=digest(arguments))
