"""Listings in which a run is damaged: the others are there, and what is left out is told."""

import logging
from collections.abc import Sequence
from typing import Any

import attrs
import pytest

from scoria_core import DamagedRun, Scoria, StepSpec
from scoria_core.errors import InvalidPayload, StoreCorrupt
from scoria_core.ports import Record
from scoria_memory import MemoryStore


class Damaged(MemoryStore):
    """A store that changed the second entry of some runs, and lost all entries of others."""

    def __init__(self) -> None:
        super().__init__()
        self.damaged: set[str] = set()
        self.emptied: set[str] = set()

    def read(self, run_id: str) -> Sequence[Record]:
        """Return what is left."""
        records = list(super().read(run_id))
        if run_id in self.damaged:
            records[1] = attrs.evolve(records[1], body="{}")
        return [] if run_id in self.emptied else records


@pytest.fixture
def store() -> Damaged:
    """Return a store that is whole."""
    return Damaged()


@pytest.fixture
def scoria(store: Damaged) -> Scoria:
    """Return a facade of that store."""
    return Scoria(store)


def start(scoria: Scoria, tenant_id: str = "tenant-1", count: int = 1) -> list[str]:
    """Start runs of a queued step, and return their ids, newest first."""
    identity = scoria.identity(actor_id="user-1", tenant_id=tenant_id, session_id="session-1")
    spec = StepSpec("work", "executor")
    begun = [
        scoria.start_run(identity, root_role_id="executor", initial_step=spec).run_id
        for _ in range(count)
    ]
    return begun[::-1]


def ids(rows: Sequence[Any]) -> list[str]:
    """Return the ids of rows."""
    return [row.run_id for row in rows]


def test_a_page_is_full_where_runs_of_it_are_damaged(scoria: Scoria, store: Damaged) -> None:
    """A page that is short is the last: whoever stops there has seen all that can be read."""
    runs = start(scoria, count=9)
    store.damaged, store.emptied = {runs[0], runs[3], runs[8]}, {runs[4]}
    whole = [run_id for run_id in runs if run_id not in store.damaged | store.emptied]
    first = scoria.list_runs(limit=3)
    assert ids(first) == whole[:3]
    assert ids(scoria.list_runs(limit=3, before=first[-1].run_id)) == whole[3:]
    assert ids(scoria.list_runs_for_session("session-1")) == whole
    assert scoria.list_runs(before=runs[7]) == []


def test_what_is_left_out_is_logged(
    scoria: Scoria, store: Damaged, caplog: pytest.LogCaptureFixture
) -> None:
    """By its id, with the entry: it is evidence, and must not vanish."""
    damaged, _ = start(scoria, count=2)
    store.damaged = {damaged}
    scoria.list_runs()
    (told,) = caplog.records
    assert told.levelno == logging.ERROR
    assert (
        f"run {damaged} is left out of a list: entry 2 does not match its digest"
        in told.getMessage()
    )


def test_a_damaged_run_stands_in_its_place(scoria: Scoria, store: Damaged) -> None:
    """It counts to the limit, so that pages meet where they do in the store."""
    runs = start(scoria, count=5)
    store.damaged, store.emptied = {runs[1]}, {runs[3]}
    rows = scoria.list_runs_with_damaged(limit=2)
    rows += scoria.list_runs_with_damaged(limit=2, before=rows[-1].run_id)
    rows += scoria.list_runs_with_damaged(session_id="session-1", before=rows[-1].run_id)
    assert ids(rows) == runs
    found = [row for row in rows if isinstance(row, DamagedRun)]
    assert [(row.run_id, row.sequence) for row in found] == [(runs[1], 2), (runs[3], 1)]
    assert found[1].problem == "is missing"


def test_what_is_due_is_listed_whatever_is_damaged(scoria: Scoria, store: Damaged) -> None:
    """Workers go on."""
    runs = start(scoria, count=3)
    store.damaged, store.emptied = {runs[0]}, {runs[1]}
    another = Scoria(store)  # the first has the runs in mind as they were
    assert sorted(another.list_pending()) == sorted(runs)
    (worked,) = another.run_pending(handlers={"work": lambda *_: None})
    assert worked.run_id == runs[2]


def test_a_tenant_is_shown_no_damaged_run_of_another(
    scoria: Scoria,
    store: Damaged,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Where the store lists one by mistake, it is left out, and whoever reads the log is told."""
    (theirs,), (ours,) = start(scoria, "tenant-2"), start(scoria)
    find = store.list_runs
    monkeypatch.setattr(store, "list_runs", lambda **asked: find(**{**asked, "tenant_id": None}))
    view = scoria.for_tenant("tenant-1")
    for store.damaged in (set[str](), {theirs}):
        assert ids(view.list_runs()) == ids(view.list_runs_with_damaged()) == [ours]
    assert f"run {theirs} is listed for a tenant" in caplog.text


def test_a_store_that_is_damaged_as_a_whole_is_told(
    scoria: Scoria, store: Damaged, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list without a single run would say that there are none."""
    start(scoria)

    def damaged(_run_id: str) -> Sequence[Record]:
        raise StoreCorrupt("store memory://", 0, "is no store")

    monkeypatch.setattr(store, "read", damaged)
    for listing in (scoria.list_runs, scoria.list_runs_with_damaged):
        with pytest.raises(StoreCorrupt, match="is no store"):
            listing()


def test_a_store_that_forgets_where_a_page_begins_is_read_to_an_end(
    scoria: Scoria, store: Damaged, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Damaged runs do not make a list go round and round."""
    store.damaged = set(start(scoria, count=3))
    find = store.list_runs
    monkeypatch.setattr(store, "list_runs", lambda **asked: find(**{**asked, "before": None}))
    assert scoria.list_runs(limit=2) == []


@pytest.mark.parametrize("asked", [{"limit": 0}, {"before": " "}])
def test_what_is_asked_is_checked(scoria: Scoria, asked: dict[str, Any]) -> None:
    """As by the other lists."""
    with pytest.raises(InvalidPayload):
        scoria.list_runs_with_damaged(**asked)
