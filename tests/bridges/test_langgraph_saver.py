"""A checkpointer over each store: LangGraph's own suite, and what that lets through."""

from collections.abc import Callable, Iterator
from operator import add
from pathlib import Path
from typing import Annotated, Any, TypedDict

import attrs
import pytest
from langgraph.channels.delta import DeltaChannel
from langgraph.graph import START, StateGraph

from scoria_core import Scoria, StepSpec
from scoria_core.errors import InvalidPayload, StoreCorrupt
from scoria_core.ports import RunStore
from scoria_core.stores import open_store
from scoria_langgraph import ScoriaSaver
from scoria_memory import MemoryStore
from tests.bridges.savers import (
    PROPERTIES,
    WRONG,
    Make,
    conformance,
    ids_of,
    named,
    passed,
    put,
    writes_of,
)
from tests.support.stores import STORES

pytestmark = pytest.mark.slow


@pytest.fixture(params=[*sorted(STORES), "postgresql"])
def make_any_store(
    request: pytest.FixtureRequest, make_store_of: Callable[[str], RunStore]
) -> Iterator[Callable[[], RunStore]]:
    """Make empty stores of each kind that ships."""
    if request.param != "postgresql":
        yield lambda: make_store_of(request.param)
        return
    store = open_store(request.getfixturevalue("postgres_scratch"))

    def emptied() -> RunStore:
        ScoriaSaver(store)._prune(
            lambda: store.list_runs(tenant_id=None, limit=1000, with_records=False)
        )
        return store

    yield emptied
    store.close()


def test_it_conforms_in_full(make_any_store: Callable[[], RunStore]) -> None:
    """Each of the 8 parts is there and tested, and each of the 81 tests passes."""
    assert passed(conformance(make_any_store, ScoriaSaver)) == ("FULL", 8, 81, [])


@pytest.mark.parametrize("holds", PROPERTIES, ids=lambda each: each.__name__)
def test_it_holds_to_what_the_suite_does_not_ask(
    holds: Callable[[Make], None], make_any_store: Callable[[], RunStore]
) -> None:
    """Each was broken by a checkpointer that the suite calls FULL."""
    holds(lambda: ScoriaSaver(make_any_store()))


@pytest.mark.parametrize("kind", WRONG, ids=lambda each: each.__name__)
def test_a_wrong_saver_that_conforms_is_told_here(kind: type[ScoriaSaver]) -> None:
    """What is asked above can fail, and the suite of LangGraph does not see it."""
    assert passed(conformance(MemoryStore, kind)) == ("FULL", 8, 81, [])
    with pytest.raises((AssertionError, NotImplementedError)):
        WRONG[kind](lambda: kind(MemoryStore()))


@pytest.mark.parametrize("scheme", ["sqlite", "duckdb"])
def test_what_was_put_is_there_when_the_store_is_opened_again(scheme: str, tmp_path: Path) -> None:
    """A saver that keeps all in memory conforms too."""
    for is_new in (True, False):
        store = STORES[scheme](tmp_path / "store")
        saver = ScoriaSaver(store)
        if is_new:
            saver.put_writes(put(saver, named("t"), "1"), [("a", {"b": [1, b"c"]})], "task")
        assert writes_of(saver, named("t")) == [("task", "a", {"b": [1, b"c"]})]
        store.close()


def test_a_checkpoint_that_was_put_again_is_the_later_one() -> None:
    """With the writes that it had."""
    saver = ScoriaSaver(MemoryStore())
    put(saver, named("t"), "1", step=1)
    saver.put_writes(named("t", "1"), [("a", 1)], "task")
    put(saver, named("t"), "1", step=2)
    (found,) = saver.list(named("t"))
    assert (found.metadata["step"], found.pending_writes) == (2, [("task", "a", 1)])


def test_a_changed_record_is_told() -> None:
    """Nothing is made of it."""
    store = MemoryStore()
    saver = ScoriaSaver(store)
    put(saver, named("t"), "1")
    ((run_id, records),) = store._journals.items()
    records[0] = attrs.evolve(records[0], body=records[0].body.replace("namespace", "namespacf"))
    with pytest.raises(StoreCorrupt) as told:
        saver.get_tuple(named("t"))
    assert (told.value.run_id, told.value.sequence) == (run_id, 1)


def test_a_store_of_runs_is_refused() -> None:
    """Checkpoints are no journal: each would find the other damaged."""
    store = MemoryStore()
    scoria = Scoria(store)
    who = scoria.identity(actor_id="a", tenant_id="t", session_id="s")
    scoria.start_run(who, root_role_id="r", initial_step=StepSpec("k", "r"))
    with pytest.raises(InvalidPayload, match="store of its own"):
        ScoriaSaver(store)


@pytest.mark.parametrize("thread_id", ["", " ", "a\nb", "x" * 256, "\ud800"])
def test_a_thread_that_no_store_can_name_is_refused(thread_id: str) -> None:
    """Before anything is written."""
    store = MemoryStore()
    with pytest.raises(InvalidPayload, match="thread_id"):
        put(ScoriaSaver(store), named(thread_id), "1")
    assert store.list_runs(tenant_id=None, limit=1) == []


def test_a_copy_onto_a_thread_that_exists_is_refused() -> None:
    """The two would be mixed."""
    saver = ScoriaSaver(MemoryStore())
    for thread_id in ("t", "u"):
        put(saver, named(thread_id), thread_id)
    with pytest.raises(InvalidPayload, match="has checkpoints already"):
        saver.copy_thread("t", "u")
    assert ids_of(saver, named("u")) == ["u"]


def test_a_store_that_lets_nothing_go_says_so() -> None:
    """Nothing is left half removed."""

    class Kept(MemoryStore):
        capabilities = frozenset()

    saver = ScoriaSaver(Kept())
    put(saver, named("t"), "1")
    with pytest.raises(NotImplementedError, match="prunable"):
        saver.delete_thread("t")
    assert ids_of(saver, named("t")) == ["1"]


def _appended(state: list[Any], writes: list[list[Any]]) -> list[Any]:
    return [*state, *(item for write in writes for item in write)]


class Counted(TypedDict, total=False):
    """A state with a channel that is kept whole, and one that is kept by its changes."""

    whole: Annotated[list[int], add]
    deltas: Annotated[list[int], DeltaChannel(_appended)]


def test_pruning_keeps_what_the_latest_is_rebuilt_from() -> None:
    """A delta channel is in the writes of ancestors; without these it would come back empty."""
    saver = ScoriaSaver(MemoryStore())
    graph = StateGraph(Counted)
    graph.add_node("count", lambda state: {"whole": [1], "deltas": [len(state["deltas"])]})
    graph.add_edge(START, "count")
    counter = graph.compile(checkpointer=saver)
    config: Any = {"configurable": {"thread_id": "t"}}
    for n in range(4):
        counter.invoke({"deltas": [10 * n]}, config)
    before = counter.get_state(config).values
    assert len(before["deltas"]) == 8
    saver.prune(["t"])
    assert counter.get_state(config).values == before
    assert counter.invoke({"deltas": [1]}, config)["deltas"][:8] == before["deltas"]
