"""The key and the index row of a run: what a store finds it by.

The journal is the only truth. The row repeats the present state of the run in words and times that
a store can compare, so that no journal has to be read to find a run.
"""

from collections.abc import Iterable
from datetime import datetime

from scoria_core.lifecycles import RunStatus, is_terminal
from scoria_core.model import Approval
from scoria_core.ports import IndexRow, RunKey
from scoria_core.run import Run


def key_of(run: Run) -> RunKey:
    """Return the facts of a run that never change."""
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
    """Return the index row of a run at `at`, the time of its last write.

    It has labels while a request is pending: `session:…`, and for each pending request
    `approval:…`, `tool:…`, and `assigned:…` for each assignee. Its `since` is then the time of the
    request.
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
    """Return the label of this kind and value."""
    return f"{kind}:{value}"
