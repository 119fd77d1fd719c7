"""The example runs of the specification: what is published is what is made, and goes on."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lab.spec_gate.examples import examples, write_examples
from scoria_conformance.steps.examples import published, records_of
from scoria_core import Completed, NeedsApproval, Scoria, Step
from scoria_core.ports import RunStore
from scoria_core.run import Run
from scoria_core.run_index import key_of, row_of
from tests.support import ROOT

FOLDER = ROOT / "features" / "scoria_features" / "examples"


def test_the_files_are_what_the_kit_makes() -> None:
    """Byte for byte; where a change is meant, `make spec` writes them again."""
    assert examples() == {path.name: path.read_text("utf-8") for path in FOLDER.iterdir()}


def test_what_is_no_example_any_more_is_removed(tmp_path: Path) -> None:
    """A file of an example that went would be read for ever."""
    (tmp_path / "old.json").write_text("{}", "utf-8")
    write_examples(tmp_path)
    assert "old.json" not in [path.name for path in tmp_path.iterdir()]


def asks(step: Step, _: object) -> Completed | NeedsApproval:
    """Ask for approval, and be done when it was given."""
    if step.approval is not None and step.approval.status == "approved":
        return Completed()
    return NeedsApproval(tool_name="send_refund", arguments={"amount": 1250}, reason="over")


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
def test_a_run_goes_on_from_what_is_published(name: str, store: RunStore) -> None:
    """A run that had not ended is carried on, approved and completed."""
    example: dict[str, Any] = published()[name]
    run_id = example["run_id"]
    records = records_of(example)
    run = Run.replay(run_id, records)
    store.create(key_of(run), records, row=row_of(run, run.journal[-1].at))
    scoria = Scoria(store, handlers={"work": asks})
    ONWARD[name](scoria, run_id)
    pending = scoria.get_run(run_id).pending_approval
    assert pending is not None
    scoria.approve(run_id, approval_id=pending.approval_id, decided_by="reviewer-7")
    assert scoria.resume_run(run_id).status == "completed"
