"""W by the facade, on any store that a URL names."""

from collections import deque
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from lab.bench.finished import in_parts
from lab.bench.place import Kind, Place
from lab.bench.unit import ARGUMENTS, REASON, REVIEWER, Detail, Paused, Status
from scoria_core import Completed, NeedsApproval, RunSummary, Scoria, Step, StepSpec
from scoria_core.ports import RunStore, StoredRun
from scoria_core.stores import open_store

CALLERS = 64
"""How many fill a store at once: a store may commit for several of them together."""

RUNS_A_PART = 1_000


def send_refund(step: Step, _: RunSummary) -> Completed | NeedsApproval:
    """Ask, and once approved answer what was sent."""
    if step.approval and step.approval.status == "approved":
        return Completed({"sent": step.approval.arguments})
    return NeedsApproval(tool_name="send_refund", arguments=ARGUMENTS, reason=REASON)


class ScoriaRuns:
    """W on a Scoria that the host has open."""

    def __init__(self, scoria: Scoria, session_id: str = "session-1") -> None:
        self.scoria = scoria
        self._handlers = {"refund": send_refund}
        self._identity = scoria.identity(
            actor_id="user-1", tenant_id="tenant-1", session_id=session_id
        )

    def start(self) -> Paused:
        """Start a run whose step asks for approval."""
        run = self.scoria.start_run(
            self._identity,
            root_role_id="executor",
            initial_step=StepSpec(kind="refund", role_id="executor"),
            handlers=self._handlers,
        )
        assert run.pending_approval is not None
        return Paused(run.run_id, run.pending_approval.approval_id)

    def approve(self, paused: Paused) -> None:
        """Approve its request."""
        self.scoria.approve(paused.run_id, approval_id=paused.request_id, decided_by=REVIEWER)

    def resume(self, paused: Paused) -> None:
        """Resume it; its step completes, and the run with it."""
        self.scoria.resume_run(paused.run_id, handlers=self._handlers)

    def read(self, run_id: str) -> Detail:
        """Read its detail."""
        detail = self.scoria.get_run_detail(run_id)
        (step,), (approval,) = detail.steps, detail.approvals
        status = Status(detail.summary.status)
        return Detail(run_id, status, approval.arguments, approval.decided_by, step.result)

    def close(self) -> None:
        """Close the store."""
        self.scoria.close()


class FillableRuns(ScoriaRuns):
    """W on a store that is at hand, so that runs can be put there."""

    def __init__(self, store: RunStore) -> None:
        super().__init__(Scoria(store))
        self.store = store

    def fill(self, runs: Iterable[StoredRun]) -> None:
        """Store runs, each with one `create`."""
        with ThreadPoolExecutor(CALLERS) as callers:
            for some in in_parts(runs, RUNS_A_PART):
                deque(callers.map(self._put, some), maxlen=0)

    def _put(self, run: StoredRun) -> None:
        self.store.create(run.key, run.records, row=run.row)


def open_candidate(place: Place) -> FillableRuns:
    """Open W on the store of the place, found by the scheme of its URL."""
    return FillableRuns(open_store(url_of(place)))


def url_of(place: Place) -> str:
    """Return the URL of the store of a place."""
    if place.kind is Kind.MEMORY:
        return "memory://"
    return place.database or f"{place.kind}:///{place.file}"
