"""Compares what a store finds a run by with what the journal of the run says.

The digests of a journal cover only its entries. A store also keeps the columns that it lists,
queues and finds runs by. If one of these is changed, a run is hidden, or started twice under one
key.
"""

from collections.abc import Iterator
from itertools import product

from scoria_core.errors import RunNotFound, StoreCorrupt, safe_repr
from scoria_core.lifecycles import StepStatus
from scoria_core.payloads import name_problem
from scoria_core.ports import RunHead, RunStore
from scoria_core.run import Run


def verified(store: RunStore, run_id: str) -> Run:
    """Return the replayed run, after checking it against everything else the store says of it.

    Raises `RunNotFound`, and `StoreCorrupt` naming the first entry that is changed, missing or
    impossible, or that contradicts what the store finds the run by.
    """
    if name_problem(run_id) is not None:
        raise RunNotFound(run_id)
    while True:
        head, records = store.head(run_id), store.read(run_id)
        if head == store.head(run_id):
            break  # nobody has written in between
    if head is None and not records:
        raise RunNotFound(run_id)
    if not records:
        raise StoreCorrupt(run_id, 1, "is missing, and so are all that follow")
    run = Run.replay(run_id, records)
    for sequence, problem in _contradictions(run, head):
        raise StoreCorrupt(run_id, sequence, problem)
    for where in _unlisted(store, run):
        raise StoreCorrupt(run_id, 1, f"is not listed under its {where}")
    return run


def _contradictions(run: Run, head: RunHead | None) -> Iterator[tuple[int, str]]:
    """Yield each contradiction between the journal and the store's columns, with its entry."""
    if head is None:
        yield 1, "is of a run that the store cannot find by anything but its run_id"
        return
    facts = run.facts
    told = {
        "run_id": run.run_id,
        "tenant_id": facts.identity.tenant_id,
        "session_id": facts.identity.session_id,
        "idempotency_key": facts.idempotency_key,
    }
    for name, value in told.items():
        found = getattr(head.key, name)
        if found != value:
            yield 1, f"says {name} {safe_repr(value)}, and the store finds it by {safe_repr(found)}"
    if head.version != run.version:
        yield run.version, f"is the last one, and the store says that entry {head.version} is"
    due_at, found_at = run.due_at(run.journal[-1].at), head.due_at
    if found_at != due_at and not (_is_at_work(run) and due_at and found_at and found_at > due_at):
        said = f"leaves the run due {due_at or 'never'}"
        yield run.version, f"{said}, and the store has it due {found_at or 'never'}"


def _is_at_work(run: Run) -> bool:
    """Tell whether a step is running: its lease may have been renewed, which is not journalled."""
    step = run.active_step()
    return step is not None and step.status == StepStatus.RUNNING


def _unlisted(store: RunStore, run: Run) -> Iterator[str]:
    """Yield the filters under which a listing should return the run, and does not."""
    identity = run.facts.identity
    for tenant_id, session_id in product((None, identity.tenant_id), (None, identity.session_id)):
        # Nothing that stands between a run_id and the same with a tilde is the id of another run.
        listed = store.list_runs(
            tenant_id=tenant_id, session_id=session_id, limit=1, before=f"{run.run_id}~"
        )
        if list(listed) != [run.run_id]:
            names = [
                name
                for name, value in (("tenant", tenant_id), ("session", session_id))
                if value is not None
            ]
            yield " and ".join(names) or "run_id"
