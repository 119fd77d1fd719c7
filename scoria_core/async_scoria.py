"""The facade for hosts with an event loop: that of `Scoria`, awaited."""

import copy
from collections.abc import Callable, Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack
from uuid import UUID

from scoria_core.delivering import Listeners
from scoria_core.event_loop import CANCEL_GRACE
from scoria_core.handlers import Handlers
from scoria_core.host_loop import HostLoop, handed_over, in_a_thread
from scoria_core.identity import Identity
from scoria_core.lifecycles import RunStatus
from scoria_core.listing import Count, Page
from scoria_core.model import DamagedRun, ListedApproval, RunDetail, RunSummary
from scoria_core.outcomes import StepSpec
from scoria_core.ports import RunStore
from scoria_core.scoria import Scoria, ScoriaOptions, check_options
from scoria_core.stores import open_store
from scoria_core.validation import MAX_PAGE

T = TypeVar("T")


class AsyncScoria:
    """Durable runs over one store, for a host with an event loop.

    It has the methods, options, results and errors of `Scoria`; methods that use the store are
    awaited, and do not block the loop. An `async def` handler runs on the loop that awaits the
    call, as a task; a plain one in one of `threads` threads. An `async def` listener runs on that
    loop as well.

    A call that is cancelled first finishes what is being stored and releases the step whose handler
    it cancels; then the cancellation goes on. A plain handler cannot be cancelled: the call waits
    for it.
    """

    def __init__(self, store: RunStore, **options: Unpack[ScoriaOptions]) -> None:
        check_options(options)
        self._loop = HostLoop()
        self.sync = Scoria(store, **options, _loop=self._loop)
        """The sync facade of the same runs, for what runs in threads: the pages, a worker.

        It runs async handlers and listeners on the loop of the host.
        """
        self._scoria = self.sync._by(handed_over)

    @classmethod
    async def open(cls, url: str, **options: Unpack[ScoriaOptions]) -> Self:
        """Open the store at `url`, and a facade over it; `options` are those of the class.

        A URL is `memory://`, `duckdb:///PATH` (relative; a fourth slash makes it absolute), or has
        the scheme of another installed store. Steps that a dead process left running are queued
        again, as by `recover`. With `dispatch="thread"`, threads carry out the queued steps of the
        kinds in `handlers`. Raises `StoreUnavailable`, `StoreCorrupt` or `SchemaTooNew`; and
        `TypeError` for an option that the class does not have, before anything is opened.
        """
        check_options(options)
        opened: list[RunStore] = []
        try:
            await in_a_thread(lambda: opened.append(open_store(url)))
            scoria = cls(opened[0], **options)
            await scoria._done(scoria.sync._take_up)
        except BaseException:
            for store in opened:
                await in_a_thread(store.close)
            raise
        return scoria

    async def close(self, timeout: float | None = None) -> None:
        """Close the store, after the threads of this facade have finished.

        After `timeout` seconds the store is closed anyway: steps that have not begun stay queued,
        and a step that is still running is logged and recovered when its lease expires. A view made
        by `for_tenant` closes nothing. Raises `CloseRefused` if a handler calls it: the answer of
        that handler is not stored yet.
        """
        # A server that stops cancels its requests, and ends its lifespan in the same moment.
        await self._loop.cancelled_ended(CANCEL_GRACE if timeout is None else timeout)
        await in_a_thread(lambda: self.sync.close(timeout))

    def stop(self) -> None:
        """Claim no more steps: running ones end, queued ones stay queued for another process."""
        self._scoria.stop()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def for_tenant(self, tenant_id: object) -> Self:
        """Return the same facade with only one tenant's runs visible.

        A run of another tenant is `RunNotFound`, exactly as if it did not exist.
        """
        view = copy.copy(self)
        view.sync = self.sync.for_tenant(tenant_id)
        view._scoria = self._scoria.for_tenant(tenant_id)
        return view

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
        return self._scoria.identity(
            actor_id=actor_id, tenant_id=tenant_id, session_id=session_id, metadata=metadata
        )

    async def start_run(
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
        return await self._done(
            lambda: self._scoria.start_run(
                identity,
                root_role_id=root_role_id,
                initial_step=initial_step,
                metadata=metadata,
                handlers=handlers,
                idempotency_key=idempotency_key,
            )
        )

    async def start_handoff_run(
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
        return await self._done(
            lambda: self._scoria.start_handoff_run(
                identity,
                delegated_role_id,
                root_role_id=root_role_id,
                delegated_kind=delegated_kind,
                handoff_input=handoff_input,
                projected_context=projected_context,
                scoped_context=scoped_context,
                capability_tags=capability_tags,
                metadata=metadata,
                handlers=handlers,
                idempotency_key=idempotency_key,
            )
        )

    async def get_run(self, run_id: str | UUID) -> RunSummary:
        """Return a summary of the run. Raises `RunNotFound` if no run with this id is visible."""
        return await self._done(lambda: self._scoria.get_run(run_id))

    async def get_run_detail(self, run_id: str | UUID) -> RunDetail:
        """Return everything about a run: steps, approvals, handoffs and the journal."""
        return await self._done(lambda: self._scoria.get_run_detail(run_id))

    async def inspect_run(self, run_id: str | UUID) -> RunDetail:
        """Return what `get_run_detail` does, for a page or a tool that only shows it.

        If the journal is damaged, the part before the damage is returned, and `damage` says what is
        wrong; raises `StoreCorrupt` if there is no such part. The payloads are those of the cached
        run, not copies: do not change them.
        """
        return await self._done(lambda: self._scoria.inspect_run(run_id))

    def now(self) -> datetime:
        """Return the present time in UTC, by the clock of this facade."""
        return self._scoria.now()

    async def list_runs(
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
        return await self._done(
            lambda: self._scoria.list_runs(
                session_id=session_id,
                status=status,
                root_role_id=root_role_id,
                actor_id=actor_id,
                created_after=created_after,
                limit=limit,
                before=before,
            )
        )

    async def list_runs_for_session(
        self, session_id: object, *, limit: int = 50, before: str | UUID | None = None
    ) -> Page[RunSummary]:
        """Return the runs of a session, newest first, paged as in `list_runs`."""
        return await self._done(
            lambda: self._scoria.list_runs_for_session(session_id, limit=limit, before=before)
        )

    async def list_runs_with_damaged(
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
        return await self._done(
            lambda: self._scoria.list_runs_with_damaged(
                session_id=session_id,
                status=status,
                root_role_id=root_role_id,
                actor_id=actor_id,
                created_after=created_after,
                limit=limit,
                before=before,
            )
        )

    async def count_runs(self) -> dict[RunStatus, Count]:
        """Return how many visible runs have each status, exactly up to 1,000."""
        return await self._done(lambda: self._scoria.count_runs())

    async def list_approvals(
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
        return await self._done(
            lambda: self._scoria.list_approvals(
                status=status,
                session_id=session_id,
                assigned_to=assigned_to,
                tool_name=tool_name,
                approval_id=approval_id,
                limit=limit,
                after=after,
            )
        )

    async def count_approvals(
        self,
        *,
        status: str = "pending",
        session_id: object = None,
        assigned_to: object = None,
        tool_name: str | None = None,
        approval_id: str | None = None,
    ) -> Count:
        """Return how many requests a person can decide now, exactly up to 1,000."""
        return await self._done(
            lambda: self._scoria.count_approvals(
                status=status,
                session_id=session_id,
                assigned_to=assigned_to,
                tool_name=tool_name,
                approval_id=approval_id,
            )
        )

    async def approve(
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
        return await self._done(
            lambda: self._scoria.approve(
                run_id,
                approval_id=approval_id,
                decided_by=decided_by,
                note=note,
                arguments=arguments,
                answer=answer,
                arguments_digest=arguments_digest,
                resume=resume,
            )
        )

    async def reject(
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
        return await self._done(
            lambda: self._scoria.reject(
                run_id,
                approval_id=approval_id,
                decided_by=decided_by,
                note=note,
                arguments_digest=arguments_digest,
                resume=resume,
            )
        )

    async def resume_run(
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
        return await self._done(
            lambda: self._scoria.resume_run(run_id, handlers=handlers, actor_id=actor_id)
        )

    async def retry_run(
        self,
        run_id: str | UUID,
        *,
        handlers: Handlers | None = None,
        actor_id: object = None,
    ) -> RunSummary:
        """Run the failed step of a failed run again. Raises `TransitionRefused` for other runs."""
        return await self._done(
            lambda: self._scoria.retry_run(run_id, handlers=handlers, actor_id=actor_id)
        )

    async def add_step(
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
        return await self._done(
            lambda: self._scoria.add_step(run_id, step, handlers=handlers, actor_id=actor_id)
        )

    async def complete_run(self, run_id: str | UUID, *, actor_id: object = None) -> RunSummary:
        """Complete a run that has no step left. Raises `TransitionRefused` for any other run."""
        return await self._done(lambda: self._scoria.complete_run(run_id, actor_id=actor_id))

    async def cancel_run(
        self, run_id: str | UUID, *, reason: str | None = None, actor_id: object = None
    ) -> RunSummary:
        """Cancel a run that has not ended. If a handler is running, its answer is not recorded."""
        return await self._done(
            lambda: self._scoria.cancel_run(run_id, reason=reason, actor_id=actor_id)
        )

    async def run_pending(
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
        return await self._done(
            lambda: self._scoria.run_pending(run_id, handlers=handlers, limit=limit)
        )

    async def list_pending(self, *, limit: int = MAX_PAGE) -> list[str]:
        """Return the ids of at most `limit` runs in which something is due.

        Tenants take turns: first the longest due run of each tenant, then the second of each, and
        so on.
        """
        return await self._done(lambda: self._scoria.list_pending(limit=limit))

    @property
    def listeners(self) -> Listeners:
        """The listeners of this facade, by name."""
        return self._scoria.listeners

    async def deliver_events(self, listener: str | None = None, *, limit: int = MAX_PAGE) -> int:
        """Deliver events to one listener, or to each in turn, and return how many were delivered.

        Each listener receives the events of at most `limit` runs. If a listener raises, its error
        is logged, and the event is delivered again later. Several processes may call this at once.
        """
        return await self._loop.done_alone(
            lambda: self._scoria.deliver_events(listener, limit=limit)
        )

    async def recover(self) -> int:
        """Recover the steps that a dead process left running, and return their number.

        They are queued again, or fail after `max_attempts`. `open` calls this; it is for a store
        that one process owns. If several processes share the store, this does nothing:
        `run_pending` and workers recover each step when its lease has expired.
        """
        return await self._done(lambda: self._scoria.recover())

    async def _done(self, call: Callable[[], T]) -> T:
        return await self._loop.done(call, self.sync._scheduler.threads)
