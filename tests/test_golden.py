"""Journals in files: a change of their format is noticed, and what they say is read back."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from golden.write import JOURNALS, asks, journals, meaning
from scoria_core import Scoria
from scoria_core.journal import JournalEntry, unseal
from scoria_core.ports import Record, RunKey, RunStore

FILES = sorted(JOURNALS.glob("*.json"))


def stored(store: RunStore, golden: dict[str, Any]) -> list[JournalEntry]:
    """Put a journal into a store, due since its last entry if its run is running."""
    records = [Record(**record) for record in golden["records"]]
    entries = unseal(golden["run_id"], records)
    key = RunKey(golden["run_id"], "tenant-1", "session-1", entries[0].data["idempotency_key"])
    is_running = golden["meaning"]["run"] == "running"
    store.create(key, records, due_at=entries[-1].at if is_running else None)
    return entries


def test_the_format_is_what_it_was() -> None:
    """The same runs make the same bytes; a change that is meant: python tests/golden/write.py."""
    assert journals() == {path.stem: path.read_text(encoding="utf-8") for path in FILES}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_journal_says_what_it_said(path: Path, store: RunStore) -> None:
    """It is whole, and means the same."""
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
def test_its_run_goes_on(name: str, store: RunStore) -> None:
    """A run that had not ended is carried on, approved and completed."""
    golden = json.loads((JOURNALS / f"{name}.json").read_text(encoding="utf-8"))
    stored(store, golden)
    scoria = Scoria(store, handlers={"work": asks()})
    ONWARD[name](scoria, golden["run_id"])
    pending = scoria.get_run(golden["run_id"]).pending_approval
    assert pending is not None
    scoria.approve(golden["run_id"], approval_id=pending.approval_id, decided_by="reviewer-7")
    assert scoria.resume_run(golden["run_id"]).status == "completed"
