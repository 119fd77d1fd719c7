"""Journals that earlier kits wrote: they say what they said, and their runs go on."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from golden.write import asks, meaning
from scoria_core import Scoria
from scoria_core.journal import JournalEntry, unseal
from scoria_core.ports import Record, RunKey, RunStore

GOLDEN = Path(__file__).parent / "golden"
JOURNALS = sorted(GOLDEN.glob("*/*.json"))


def stored(store: RunStore, golden: dict[str, Any]) -> list[JournalEntry]:
    """Put a journal into a store, due since its last entry if its run is running."""
    records = [Record(**record) for record in golden["records"]]
    entries = unseal(golden["run_id"], records)
    key = RunKey(golden["run_id"], "tenant-1", "session-1", entries[0].data["idempotency_key"])
    is_running = golden["meaning"]["run"] == "running"
    store.create(key, records, due_at=entries[-1].at if is_running else None)
    return entries


def test_there_are_journals_of_every_version() -> None:
    """Each version has the same runs, and none is left out."""
    names = {folder: {path.name for path in folder.iterdir()} for folder in GOLDEN.glob("0*")}
    assert len(names) == 2
    assert all(len(each) == 11 for each in names.values())
    assert len({frozenset(each) for each in names.values()}) == 1


@pytest.mark.parametrize("path", JOURNALS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_journal_says_what_it_said(path: Path, store: RunStore) -> None:
    """Whatever wrote it, it is whole, and means the same."""
    golden = json.loads(path.read_text(encoding="utf-8"))
    entries = stored(store, golden)
    detail = Scoria(store).get_run_detail(golden["run_id"])
    assert list(detail.journal) == entries
    assert json.loads(json.dumps(meaning(detail))) == golden["meaning"]


ONWARD: dict[str, Callable[[Scoria, str], object]] = {
    "queued": lambda scoria, _: scoria.run_pending(),
    "released": lambda scoria, _: scoria.run_pending(),
    "running-when-its-process-died": lambda scoria, _: scoria.run_pending(),
    "failed": lambda scoria, run_id: scoria.retry_run(run_id),
    "waiting": lambda *_: None,
    "expired-and-asked-anew": lambda *_: None,
}
"""How a run that has not ended is brought to ask for approval."""


@pytest.mark.parametrize("name", ONWARD)
@pytest.mark.parametrize("version", sorted({path.parent.name for path in JOURNALS}))
def test_its_run_goes_on(version: str, name: str, store: RunStore) -> None:
    """A run that had not ended is carried on, approved and completed by the kit of today."""
    golden = json.loads((GOLDEN / version / f"{name}.json").read_text(encoding="utf-8"))
    stored(store, golden)
    scoria = Scoria(store, handlers={"work": asks()})
    ONWARD[name](scoria, golden["run_id"])
    pending = scoria.get_run(golden["run_id"]).pending_approval
    assert pending is not None
    scoria.approve(golden["run_id"], approval_id=pending.approval_id, decided_by="reviewer-7")
    assert scoria.resume_run(golden["run_id"]).status == "completed"
