"""Journals whose digests were computed anew: each value, changed to what is none of ours."""

import json
from typing import Any

import pytest

from scoria_conformance.steps.examples import published
from scoria_conformance.tampering import paths, sealed, with_value
from scoria_core import Identity, Scoria, StepSpec
from scoria_core.errors import StoreCorrupt
from scoria_core.run import Run
from scoria_core.run_index import key_of, row_of
from scoria_memory import MemoryStore
from tests.support.stores import records_of

ODD = [float("nan"), "", " ", "\x1b[2J", 7, -1, True, None, [], {}, [1], {"x": 1}, "zz", 1e400]


@pytest.mark.parametrize("name", published())
def test_a_value_that_is_none_of_ours_is_refused_or_shown(name: str) -> None:
    """Reading raises StoreCorrupt, or gives a run that everything can be asked of."""
    example = published()[name]
    run_id = example["run_id"]
    entries = [json.loads(record["body"]) for record in example["records"]]
    tried = refused = 0
    for number, entry in enumerate(entries):
        for place in paths(entry):
            for odd in ODD:
                forged = [*entries[:number], with_value(entry, place, odd), *entries[number + 1 :]]
                tried += 1
                try:
                    run = Run.replay(run_id, sealed(run_id, forged, renumber=False))
                except StoreCorrupt:
                    refused += 1
                    continue
                last = run.journal[-1].at
                detail = run.detail(last, run.due_at(last))
                row_of(run, last)
                key_of(run)
                assert str(detail)
                json.dumps([entry.data for entry in run.journal], allow_nan=False)
    assert refused > tried / 2


def test_one_forged_run_hides_no_other() -> None:
    """Whatever its first entry says, the others are listed and carried out."""
    store = MemoryStore()
    scoria = Scoria(store)
    identity = Identity("user-1", "acme", "session-1")
    spec = StepSpec("work", "executor")
    forged, whole = (
        scoria.start_run(identity, root_role_id="executor", initial_step=spec) for _ in range(2)
    )
    entries = [json.loads(record.body) for record in records_of(store, forged.run_id)]
    values: list[Any] = ["zz", None, 7, [], {}]
    for value in values:
        entries[0]["data"]["driven_by"] = value
        store._journals[forged.run_id] = sealed(forged.run_id, entries)
        again = Scoria(store)
        assert [run.run_id for run in again.list_runs()] == [whole.run_id]
    done = Scoria(store).run_pending(handlers={"work": lambda *_: None})
    assert [run.run_id for run in done] == [whole.run_id]
