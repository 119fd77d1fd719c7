"""The index row of a run: what a store finds it by, beside what never changes.

The journal stays the only truth. The row says again, in words and times that can be compared, where
the journal leaves the run, so that no journal has to be read to find it.
"""

from collections.abc import Iterable
from datetime import datetime

from scoria_core.lifecycles import is_terminal
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
    return IndexRow(
        status=str(run.status),
        since=run.since,
        due_at=run.due_at(at),
        labels=tuple(dict.fromkeys(_labels(run))),
        has_ended=is_terminal("run", run.status),
    )


def _labels(run: Run) -> Iterable[str]:
    for each in run.open_requests():
        yield label("session", run.facts.identity.session_id)
        yield label("approval", each.approval_id)
        yield label("tool", each.tool_name)
        for who in each.assigned_to:
            yield label("assigned", who)


def label(kind: str, value: str) -> str:
    """Return the label that says so."""
    return f"{kind}:{value}"
