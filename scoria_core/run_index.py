"""The index row of a run: what a store finds it by, beside what never changes.

The journal stays the only truth. The row says again, in words and times that can be compared, where
the journal leaves the run, so that no journal has to be read to find it.
"""

from collections.abc import Iterable
from datetime import datetime

from scoria_core.lifecycles import RunStatus, is_terminal
from scoria_core.model import Approval
from scoria_core.ports import IndexRow, RunKey
from scoria_core.run import Run


def key_of(run: Run) -> RunKey:
    """Return what never changes of a run that has begun."""
    identity = run.facts.identity
    return RunKey(
        run_id=run.run_id,
        tenant_id=identity.tenant_id,
        session_id=identity.session_id,
        actor_id=identity.actor_id,
        root_role_id=run.facts.root_role_id,
        created_at=run.journal[0].at,
        idempotency_key=run.facts.idempotency_key,
    )


def row_of(run: Run, at: datetime) -> IndexRow:
    """Return where a run stands at `at`, the time of its last write.

    It has labels while a request is pending: `session:…`, and of each pending request
    `approval:…`, `tool:…` and `assigned:…` for each one it is assigned to. Its `since` is then the
    time of the asking.
    """
    pending = run.open_requests() if run.status == RunStatus.WAITING_FOR_APPROVAL else ()
    return IndexRow(
        status=str(run.status),
        since=run.since,
        due_at=run.due_at(at),
        labels=_labels(run.facts.identity.session_id, pending) if pending else (),
        has_ended=is_terminal("run", run.status),
    )


def _labels(session_id: str, pending: Iterable[Approval]) -> tuple[str, ...]:
    labels = [label("session", session_id)]
    for each in pending:
        labels += (label("approval", each.approval_id), label("tool", each.tool_name))
        labels += [label("assigned", who) for who in each.assigned_to]
    return tuple(dict.fromkeys(labels))


def label(kind: str, value: str) -> str:
    """Return the label that says so."""
    return f"{kind}:{value}"
