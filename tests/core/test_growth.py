"""What a call costs does not grow with the run it is made in, counted in lines and not in time."""

import gc
import sys
from collections.abc import Callable
from functools import partial
from types import FrameType
from typing import Any

import pytest

from scoria_core import (
    Identity,
    JournalEntry,
    NeedsApproval,
    RunSummary,
    Scoria,
    ScoriaError,
    Step,
    StepSpec,
)
from scoria_core.handlers import Handlers
from scoria_core.repository import MAX_CACHE_BYTES
from scoria_core.run import Run
from scoria_memory import MemoryStore

NOTE = StepSpec("note", "executor")
SHORT, LONG = 100, 10_000


def lines_of(work: Callable[[], object]) -> int:
    """Return how many lines of Python a piece of work goes through."""
    gone_through = 0

    def count(_: FrameType, event: str, __: object) -> Any:
        nonlocal gone_through
        gone_through += event == "line"
        return count

    before = sys.gettrace()
    gc.disable()  # what the collector calls belongs to whatever came before
    sys.settrace(count)
    try:
        work()
    finally:
        sys.settrace(before)
        gc.enable()
    return gone_through


def ask(_: Step, __: object) -> NeedsApproval:
    """Ask for approval."""
    return NeedsApproval(tool_name="send", arguments={}, reason="it leaves")


def started(scoria: Scoria, handlers: Handlers) -> RunSummary:
    """Start a run of one step."""
    identity = Identity("user-1", "tenant-1", "session-1")
    return scoria.start_run(identity, root_role_id="executor", initial_step=NOTE, handlers=handlers)


def spent(scoria: Scoria, run_id: str, call: Callable[[], object]) -> list[int]:
    """Return what a call costs when a run is short, and when it is long."""
    made = []
    for entries in (SHORT, LONG):
        while scoria.get_run(run_id).version < entries:
            for _ in range(10):
                call()
        made.append(lines_of(call))
    assert 0 < scoria._runs.cache.size < MAX_CACHE_BYTES
    return made


def test_a_step_is_queued_in_a_long_run_as_in_a_short_one() -> None:
    """However many wait before it."""
    scoria = Scoria(MemoryStore())
    run_id = started(scoria, {}).run_id
    short, long = spent(scoria, run_id, lambda: scoria.add_step(run_id, NOTE, handlers={}))
    assert long <= short * 1.02


def test_a_request_is_decided_in_a_long_run_as_in_a_short_one() -> None:
    """To approve, to resume and to ask again, however often that was done before."""
    scoria = Scoria(MemoryStore())
    run = started(scoria, {"note": ask})

    def decide() -> None:
        nonlocal run
        assert run.pending_approval is not None
        approval_id = run.pending_approval.approval_id
        scoria.approve(run.run_id, approval_id=approval_id, decided_by="reviewer-7")
        run = scoria.resume_run(run.run_id, handlers={"note": ask})

    short, long = spent(scoria, run.run_id, decide)
    assert long <= short * 1.02


def test_what_is_refused_costs_in_a_long_run_as_in_a_short_one() -> None:
    """Whoever is refused, and a worker that finds nothing to do, makes nobody replay the run."""
    store = MemoryStore()
    scoria = Scoria(store)
    run_id = started(scoria, {}).run_id
    refused = [
        lambda: scoria.approve(run_id, approval_id="none", decided_by="reviewer-7"),
        lambda: scoria.resume_run(run_id),
        lambda: scoria.for_tenant("tenant-2").cancel_run(run_id),
    ]

    def lines() -> list[int]:
        calls: list[Callable[[], object]]
        calls = [partial(pytest.raises, ScoriaError, call) for call in refused]
        calls.append(lambda: scoria.run_pending(run_id, handlers={"other": ask}))
        # The first may start the thread that renews claims, which ends when it has been idle.
        return [min(lines_of(call) for _ in range(2)) for call in calls]

    made = []
    for entries in (SHORT, LONG):
        while scoria.get_run(run_id).version < entries:
            scoria.add_step(run_id, NOTE, handlers={})
        made.append(lines())
    for short, long in zip(*made, strict=True):
        assert long <= short * 1.02


def test_a_run_that_was_left_half_changed_is_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal may come within an entry: what is in memory then is of no use to the next call."""
    scoria = Scoria(MemoryStore())
    run_id = started(scoria, {"note": ask}).run_id
    index = Run._index

    def interrupted(_: Run, __: JournalEntry) -> None:
        monkeypatch.setattr(Run, "_index", index)
        raise KeyboardInterrupt

    monkeypatch.setattr(Run, "_index", interrupted)
    with pytest.raises(KeyboardInterrupt):
        scoria.cancel_run(run_id)
    assert scoria.get_run(run_id).pending_approval is not None
    assert scoria.get_run_detail(run_id) == Scoria(scoria._runs.store).get_run_detail(run_id)
    assert scoria.cancel_run(run_id).status == "cancelled"


def test_a_store_in_memory_forgets_what_no_run_is_found_by() -> None:
    """A label is there while a request is pending; of those that were, nothing is left."""
    store = MemoryStore()
    scoria = Scoria(store)
    needs = NeedsApproval(tool_name="pay", arguments={}, reason="money")
    for number in range(20):
        run = scoria.start_run(
            Identity("user-1", "acme", "session-1"),
            root_role_id="executor",
            initial_step=StepSpec("pay", "executor"),
            handlers={"pay": lambda *_: needs},
        )
        if number == 0:
            lists = len(store._labelled)
        scoria.cancel_run(run.run_id)
    assert lists > 0
    assert (store._labelled, store._queues) == ({}, {})
