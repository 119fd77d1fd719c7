"""Compares the columns that a store finds a run by with the journal of the run.

The digests of a journal cover only its entries. A store also keeps the columns that it lists,
queues and finds runs by. If one of these is changed, a run is hidden, or started twice under one
key.
"""

from collections.abc import Iterator
from datetime import datetime
from itertools import product

import attrs

from scoria_core.errors import RunNotFound, StoreCorrupt, safe_repr
from scoria_core.lifecycles import StepStatus
from scoria_core.payloads import name_problem
from scoria_core.ports import Fact, IndexRow, RunKey, RunStore, StoredRun, Where
from scoria_core.run import Run
from scoria_core.run_index import key_of, row_of


def verified(store: RunStore, run_id: str) -> Run:
    """Return the replayed run, after checking it against everything else the store says of it.

    Raises `RunNotFound`, and `StoreCorrupt` naming the first entry that is changed, missing or
    impossible, or that contradicts what the store finds the run by.
    """
    if name_problem(run_id) is not None:
        raise RunNotFound(run_id)
    while True:
        found = store.read([run_id])
        if not found:
            raise RunNotFound(run_id)
        run = _checked(found[0])
        where = next(_unlisted(store, run), None)
        if where is None:
            return run
        if store.read([run_id]) == found:  # nobody has written in between
            problem = f"leaves a run that is not listed under {where}"
            raise StoreCorrupt(run_id, run.version, problem)


def _checked(stored: StoredRun) -> Run:
    run_id = stored.key.run_id
    if not stored.records:
        raise StoreCorrupt(run_id, 1, "is missing, and so are all that follow")
    run = Run.replay(run_id, stored.records)
    for sequence, problem in _contradictions(run, stored):
        raise StoreCorrupt(run_id, sequence, problem)
    return run


def _contradictions(run: Run, stored: StoredRun) -> Iterator[tuple[int, str]]:
    """Yield each contradiction between the journal and the store's columns, with its entry."""
    for name, value, found in _differing(key_of(run), stored.key):
        yield 1, f"says {name} {value}, and the store finds it by {found}"
    if stored.version != run.version:
        yield run.version, f"is the last one, and the store says that entry {stored.version} is"
    row = row_of(run, run.journal[-1].at)
    for name, value, found in _differing(row, stored.row):
        if name != "due_at":
            yield run.version, f"leaves the run with {name} {value}, and the store has {found}"
    due_at, found_at = row.due_at, stored.row.due_at
    if found_at != due_at and not (_is_at_work(run) and due_at and found_at and found_at > due_at):
        said = f"leaves the run due {due_at or 'never'}"
        yield run.version, f"{said}, and the store has it due {found_at or 'never'}"


def _differing(told: RunKey | IndexRow, found: RunKey | IndexRow) -> Iterator[tuple[str, str, str]]:
    for name, value in attrs.asdict(told, recurse=False).items():
        if getattr(found, name) != value:
            yield name, _shown(value), _shown(getattr(found, name))


def _shown(value: object) -> str:
    return str(value) if isinstance(value, datetime) else safe_repr(value)


def _is_at_work(run: Run) -> bool:
    """Tell whether a step is running: its lease may have been renewed, which is not journalled."""
    step = run.active_step()
    return step is not None and step.status == StepStatus.RUNNING


def _unlisted(store: RunStore, run: Run) -> Iterator[str]:
    """Yield each filter that should list the run, and does not."""
    key, row = key_of(run), row_of(run, run.journal[-1].at)
    values = {**attrs.asdict(key), **attrs.asdict(row)}
    filters = [None, *(Where(fact, values[fact]) for fact in Fact)]
    for tenant_id, where in product((None, key.tenant_id), filters):
        # No other run id sorts between a run_id and the same with a tilde at its end.
        listed = store.list_runs(
            tenant_id=tenant_id, where=where, limit=1, before=f"{run.run_id}~", with_records=False
        )
        if [each.key.run_id for each in listed] != [run.run_id]:
            names = [] if tenant_id is None else ["tenant_id"]
            yield " and ".join([*names, *([] if where is None else [where.fact])]) or "its run_id"
    labels: tuple[str | None, ...] = (None, *row.labels) if row.labels else ()
    for tenant_id, label in product((None, key.tenant_id), labels):
        for end, is_there in (("", True), ("~", False)):  # from its place, and from just after it
            labelled = store.list_labelled(
                tenant_id=tenant_id,
                label=label,
                limit=1,
                start=(row.since, f"{run.run_id}{end}"),
                with_records=False,
            )
            if ([each.key.run_id for each in labelled] == [run.run_id]) != is_there:
                yield "its labels" if label is None else f"the label {safe_repr(label)}"
