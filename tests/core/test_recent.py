"""What is kept in memory is bounded by its bytes, however many values that are."""

import pytest

import scoria_core.repository
from scoria_core import RunSummary, Scoria, StepSpec
from scoria_core.recent import Recent
from scoria_memory import MemoryStore


def test_values_not_used_for_longest_go() -> None:
    """Reading and keeping count as use; what had to go is told."""
    recent: Recent[str] = Recent(10)
    assert recent.keep("a", "A", 4) == recent.keep("b", "B", 4) == []
    assert recent.get("a") == "A"
    assert recent.keep("c", "C", 4) == ["b"]
    assert (recent.get("b"), "a" in recent, "b" in recent, recent.bytes) == (None, True, False, 8)
    assert recent.keep("a", "AA", 6) == []
    assert recent.keep("d", "D", 10) == ["c", "a"]
    assert (recent.pop("d"), recent.pop("d"), recent.bytes) == ("D", None, 0)


def test_a_value_that_is_too_large_is_not_kept() -> None:
    """Nothing goes for it, and an older one of its key is not left in its place."""
    recent: Recent[str] = Recent(10)
    recent.keep("a", "A", 4)
    recent.keep("b", "B", 4)
    assert recent.keep("a", "AA", 11) == ["a"]
    assert (recent.get("a"), recent.get("b"), recent.bytes) == (None, "B", 4)


@pytest.fixture
def scoria(monkeypatch: pytest.MonkeyPatch) -> Scoria:
    """Return a facade that keeps runs of a megabyte."""
    monkeypatch.setattr(scoria_core.repository, "MAX_CACHE_BYTES", 1_000_000)
    return Scoria(MemoryStore(), handlers={"work": lambda *_: {"text": "x" * 200_000}})


def start(scoria: Scoria, kind: str = "work") -> RunSummary:
    """Start a run of one step."""
    identity = scoria.identity(actor_id="user-1", tenant_id="tenant-1", session_id="session-1")
    return scoria.start_run(identity, root_role_id="r", initial_step=StepSpec(kind, "r"))


def test_large_runs_are_kept_by_their_bytes(scoria: Scoria) -> None:
    """A few of them are as many as thousands of small ones."""
    runs = [start(scoria).run_id for _ in range(10)]
    kept = scoria._runs.cache
    assert 400_000 < kept.size <= 1_000_000
    for run_id in runs:
        scoria.get_run(run_id)
        assert 400_000 < kept.size <= 1_000_000
    assert [run_id for run_id in runs if kept.check_out(run_id) is not None] == runs[-2:]
    assert kept.size == 0


def test_a_run_that_grows_too_large_is_not_kept(scoria: Scoria) -> None:
    """It is read again for each call, and goes on."""
    run_id, small = start(scoria, "waits").run_id, start(scoria, "waits").run_id
    kept = scoria._runs.cache
    before = kept.size
    assert 0 < before < 20_000
    for _ in range(6):
        scoria.add_step(run_id, StepSpec("work", "r", {"text": "x" * 100_000}))
    assert kept.check_out(run_id) is None
    assert 0 < kept.size < before
    assert scoria.get_run_detail(run_id).steps[-1].input == {"text": "x" * 100_000}
    assert kept.check_out(small) is not None


def test_many_small_entries_count_too(scoria: Scoria) -> None:
    """What is made of an entry takes more memory than a short text."""
    run_id = start(scoria, "waits").run_id
    for _ in range(700):
        scoria.add_step(run_id, StepSpec("waits", "r"))
    assert scoria._runs.cache.size <= 1_000_000
    assert scoria._runs.load(run_id).size > 1_000_000
