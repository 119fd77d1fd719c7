"""What a checkpointer must hold to, and checkpointers that break it, each in one way."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from copy import copy
from datetime import UTC, datetime
from itertools import islice
from threading import Barrier, local
from types import MappingProxyType
from typing import Any

from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.serde.types import ERROR

from scoria_core.errors import VersionConflict
from scoria_core.ports import RunStore
from scoria_langgraph import ScoriaSaver

Make = Callable[[], ScoriaSaver]


def named(thread_id: object, checkpoint_id: str | None = None, namespace: str = "") -> Any:
    """Return the config that names a thread, or a checkpoint of it."""
    found: dict[str, Any] = {"thread_id": thread_id, "checkpoint_ns": namespace}
    return {"configurable": found | ({"checkpoint_id": checkpoint_id} if checkpoint_id else {})}


def put(saver: ScoriaSaver, config: Any, checkpoint_id: str, **metadata: Any) -> Any:
    """Put a checkpoint with this id, whose one channel has it as its value."""
    checkpoint = {
        **empty_checkpoint(),
        "id": checkpoint_id,
        "channel_values": {"told": checkpoint_id},
        "channel_versions": {"told": 1},
    }
    return saver.put(config, checkpoint, {"source": "loop", **metadata}, {"told": 1})


def ids_of(saver: ScoriaSaver, config: Any = None, **asked: Any) -> list[str]:
    """Return the ids of the checkpoints that are listed."""
    return [each.checkpoint["id"] for each in saver.list(config, **asked)]


def writes_of(saver: ScoriaSaver, config: Any) -> list[Any]:
    """Return what was written at a checkpoint."""
    found = saver.get_tuple(config)
    assert found is not None
    return [tuple(each) for each in found.pending_writes]


def writes_may_come_first(make: Make) -> None:
    """LangGraph stores checkpoints and writes at once, so that either may come first."""
    saver = make()
    saver.put_writes(named("t", "1"), [("a", 1)], "task")
    assert saver.get_tuple(named("t")) is None
    assert ids_of(saver, named("t")) == []
    put(saver, named("t"), "1", run_id="r")
    assert writes_of(saver, named("t")) == [("task", "a", 1)]
    saver.delete_for_runs(["r"])
    assert saver.get_tuple(named("t", "1")) is None


def writes_come_in_the_order_of_their_tasks(make: Make) -> None:
    """Let a reducer that minds the order rebuild what it built."""
    saver = make()
    put(saver, named("t"), "1")
    for task_id, path in (("a", "2"), ("b", "1"), ("c", "1")):
        saver.put_writes(named("t", "1"), [("x", task_id), ("y", task_id)], task_id, path)
    found = [(each[1], each[2]) for each in writes_of(saver, named("t"))]
    assert found == [(channel, task_id) for task_id in "bca" for channel in "xy"]


def the_first_write_stays(make: Make) -> None:
    """Let a task that is run again change nothing but its control writes."""
    saver = make()
    put(saver, named("t"), "1")
    for value in ("first", "second"):
        saver.put_writes(named("t", "1"), [("a", value), (ERROR, value)], "task")
    assert sorted(each[2] for each in writes_of(saver, named("t"))) == ["first", "second"]
    assert {each[1]: each[2] for each in writes_of(saver, named("t"))}["a"] == "first"


class Meeting:
    """A clock at which two threads meet when both have read and neither has written."""

    def __init__(self) -> None:
        self._both = Barrier(2, timeout=60)
        self._of_thread = local()

    def now(self) -> datetime:
        """Return the time, at the second call of a thread after the other's."""
        self._of_thread.calls = calls = getattr(self._of_thread, "calls", 0) + 1
        if calls == 2:
            self._both.wait()
        return datetime.now(UTC)


def no_parallel_write_is_lost(make: Make) -> None:
    """Tasks of a step write at once, from threads of their own."""
    saver = make()
    put(saver, named("t"), "1")
    saver._clock = Meeting()
    with ThreadPoolExecutor(2) as threads:
        list(
            threads.map(
                lambda n: saver.put_writes(named("t", "1"), [("a", n)], f"task-{n}"), range(2)
            )
        )
    assert sorted(each[2] for each in writes_of(saver, named("t"))) == [0, 1]


def the_latest_is_the_greatest_id(make: Make) -> None:
    """Whatever was put last."""
    saver = make()
    for checkpoint_id in ("1-b", "1-c", "1", "1-a"):
        put(saver, named("t"), checkpoint_id)
    latest = saver.get_tuple(named("t"))
    assert latest is not None
    assert latest.checkpoint["id"] == "1-c"
    assert ids_of(saver, named("t")) == ["1-c", "1-b", "1-a", "1"]
    assert ids_of(saver, named("t"), before=named("t", "1-b"), limit=1) == ["1-a"]


def no_name_reaches_into_another(make: Make) -> None:
    """Neither as its beginning, nor where a thread and a namespace read alike together."""
    saver = make()
    places = [("t", ""), ("t1", ""), ("t", "1"), ("t:1", ""), ("t%", ""), (7, "")]
    for place in places:
        put(saver, named(place[0], namespace=place[1]), f"at {place}")
    saver.put_writes(named("t1", "at ('t1', '')"), [("a", 1)], "task")
    for thread_id, namespace in places:
        found = ids_of(saver, named(thread_id, namespace=namespace))
        assert found == [f"at {(thread_id, namespace)}"]
    saver.delete_thread("t")
    assert len(ids_of(saver)) == len(places) - 2
    assert writes_of(saver, named("t1")) == [("task", "a", 1)]


def what_is_removed_is_gone(make: Make) -> None:
    """Of more checkpoints than are read at once, and with what was written at them."""
    saver = make()
    for n in range(45):
        put(saver, named("t"), f"{n:02}", run_id="r")
        saver.put_writes(named("t", f"{n:02}"), [("a", n)], "task")
    saver.put_writes(named("t", "99"), [("a", 1)], "task")  # its checkpoint never came
    put(saver, named("u"), "1", run_id="r")
    saver.delete_thread("t")
    put(saver, named("t"), "07")
    assert writes_of(saver, named("t", "07")) == []
    assert ids_of(saver) == ["1", "07"]
    saver.delete_thread("t")
    saver.delete_for_runs(["r"])
    assert not saver._store.list_runs(tenant_id=None, limit=1)


def a_copy_stands_alone(make: Make) -> None:
    """Each checkpoint has its writes and a parent in the copy, and outlives the source."""
    saver = make()
    config = named("t")
    for n in range(25):
        config = put(saver, config, f"{n:02}")
        saver.put_writes(config, [("a", n)], "task")
    saver.copy_thread("t", "u")
    saver.delete_thread("t")
    found = list(saver.list(named("u")))
    assert [each.checkpoint["id"] for each in reversed(found)] == [f"{n:02}" for n in range(25)]
    assert [each.pending_writes for each in reversed(found)] == [
        [("task", "a", n)] for n in range(25)
    ]
    assert [each.parent_config for each in found] == [each.config for each in found[1:]] + [None]


def async_and_sync_are_the_same(make: Make) -> None:
    """Let the one read what the other stored."""
    saver = make()

    async def main() -> list[str]:
        await saver.aput_writes(named("t", "1"), [("a", 1)], "task")
        return [each.checkpoint["id"] async for each in saver.alist(named("t"))]

    put(saver, named("t"), "1")
    assert asyncio.run(main()) == ["1"]
    assert writes_of(saver, named("t")) == [("task", "a", 1)]


def what_was_returned_is_not_what_is_stored(make: Make) -> None:
    """Neither is what was given; a graph changes both."""
    saver = make()
    given = {**empty_checkpoint(), "id": "1", "channel_values": {"a": [1]}}
    saver.put(named("t"), given, {"source": "loop"}, {"a": 1})
    given["channel_values"]["a"].append(2)
    for _ in range(2):
        found = saver.get_tuple(named("t"))
        assert found is not None
        assert found.checkpoint["channel_values"] == {"a": [1]}
        found.checkpoint["channel_values"]["a"].append(3)


def metadata_is_kept_in_depth(make: Make) -> None:
    """With all that is nested in it, empty or not."""
    saver = make()
    nested = {"a": {"b": [1, {"c": None}], "d": {}}, "e": [], "f": "ü", "g": 1.5, "h": False}
    put(saver, named("t"), "1", **nested)
    found = saver.get_tuple(named("t"))
    assert found is not None
    assert {name: found.metadata[name] for name in nested} == nested
    assert ids_of(saver, named("t"), filter={"a": nested["a"]}) == ["1"]
    assert ids_of(saver, named("t"), filter={"a": {"b": [1]}}) == []


def a_limit_counts_what_the_filter_lets_through(make: Make) -> None:
    """However many that are later are filtered out; a fact that is not told is no None."""
    saver = make()
    for n in range(45):
        put(saver, named("t"), f"{n:02}", step=n % 20)
    put(saver, named("t"), "99", other=None)
    assert ids_of(saver, named("t"), filter={"step": 3}, limit=2) == ["43", "23"]
    assert ids_of(saver, named("t"), filter={"step": 3}, limit=2, before=named("t", "43")) == [
        "23",
        "03",
    ]
    assert ids_of(saver, filter={"step": 3, "source": "loop"}, limit=1) == ["43"]
    assert ids_of(saver, named("t"), filter={"other": None}) == ["99"]


def one_id_in_two_places_is_two_checkpoints(make: Make) -> None:
    """Let neither be taken for the other: a copy of a thread has ids that are there already."""
    saver = make()
    places = [("t", ""), ("t", "inner"), ("u", "")]
    for thread_id, namespace in places:
        put(saver, named(thread_id, namespace=namespace), "1", place=[thread_id, namespace])
        saver.put_writes(named(thread_id, "1", namespace), [("a", namespace)], thread_id)
    for thread_id, namespace in places:
        found = saver.get_tuple(named(thread_id, "1", namespace))
        assert found is not None
        assert found.metadata["place"] == [thread_id, namespace]
        assert [*map(tuple, found.pending_writes)] == [(thread_id, "a", namespace)]
        assert len(ids_of(saver, named(thread_id, "1", namespace))) == 1
    assert saver.get_tuple(named("u", "1", "inner")) is None


PROPERTIES = (
    writes_may_come_first,
    writes_come_in_the_order_of_their_tasks,
    the_first_write_stays,
    no_parallel_write_is_lost,
    the_latest_is_the_greatest_id,
    no_name_reaches_into_another,
    what_is_removed_is_gone,
    a_copy_stands_alone,
    async_and_sync_are_the_same,
    what_was_returned_is_not_what_is_stored,
    metadata_is_kept_in_depth,
    a_limit_counts_what_the_filter_lets_through,
    one_id_in_two_places_is_two_checkpoints,
)


class OnlyAsync(ScoriaSaver):
    """Has no sync half: nothing of it is called by the suite."""

    def put_writes(self, *_: Any, **__: Any) -> None:  # noqa: D102
        raise NotImplementedError

    async def aput_writes(self, *given: Any, **named: Any) -> None:  # noqa: D102
        ScoriaSaver.put_writes(self, *given, **named)


class DropsEarlyWrites(ScoriaSaver):
    """Has a foreign key from writes to checkpoints, and ignores what breaks it."""

    def put_writes(self, config: Any, *given: Any, **named: Any) -> None:  # noqa: D102
        if self.get_tuple(config) is not None:
            super().put_writes(config, *given, **named)


class OrdersByTaskId(ScoriaSaver):
    """Forgets the path of a task."""

    def put_writes(  # noqa: D102
        self,
        config: Any,
        writes: Any,
        task_id: str,
        task_path: str = "",  # noqa: ARG002
    ) -> None:
        super().put_writes(config, writes, task_id)


class LastWriteWins(ScoriaSaver):
    """Replaces what a task wrote."""

    def _write(self, key: Any, decide: Any, labels: Any = ()) -> None:
        class All:
            """Takes every write for a new one."""

            def new(self, writes: Any) -> Any:
                return writes

        super()._write(key, lambda _: decide(All()), labels)


class LosesRaces(ScoriaSaver):
    """Takes a conflict for the same write, made by somebody else."""

    def _write(self, *given: Any, **named: Any) -> None:
        class Once:
            """The store, with an append that does nothing after a conflict."""

            def append(self, *given: Any, **named: Any) -> None:
                with suppress(VersionConflict):
                    store.append(*given, **named)

            def __getattr__(self, name: str) -> Any:
                return getattr(store, name)

        store = self._store
        alike = copy(self)
        alike._store = Once()
        ScoriaSaver._write(alike, *given, **named)


class LatestIsLastPut(ScoriaSaver):
    """Takes the checkpoint that was put last for the latest."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._last: dict[Any, str] = {}

    def put(self, config: Any, checkpoint: Any, *given: Any, **named: Any) -> Any:  # noqa: D102
        place = config["configurable"]["thread_id"], config["configurable"]["checkpoint_ns"]
        self._last[place] = checkpoint["id"]
        return super().put(config, checkpoint, *given, **named)

    def get_tuple(self, config: Any) -> Any:  # noqa: D102
        asked = config["configurable"]
        last = self._last.get((asked["thread_id"], asked.get("checkpoint_ns", "")))
        found = super().get_tuple({"configurable": {"checkpoint_id": last, **asked}})
        return found or super().get_tuple(config)


class RemovesByPrefix(ScoriaSaver):
    """Removes each thread whose name begins so."""

    def delete_thread(self, thread_id: str) -> None:  # noqa: D102
        runs = self._store.list_runs(tenant_id=None, limit=1000, with_records=False)
        for each in {run.key.tenant_id for run in runs if run.key.tenant_id.startswith(thread_id)}:
            super().delete_thread(each)


class RemovesOnePage(ScoriaSaver):
    """Removes the twenty latest."""

    def _prune(self, page: Any) -> None:
        runs = page()
        self._store.prune({run.key.run_id: run.version for run in runs})  # type: ignore[attr-defined]


class CopiesLatestPage(ScoriaSaver):
    """Copies the twenty latest."""

    def _runs_of(self, *given: Any, **named: Any) -> Iterator[Any]:
        with_records = named.get("with_records", True)
        found = list(super()._runs_of(*given, **named))
        return iter(found if with_records else found[:20])


class FlattensMetadata(ScoriaSaver):
    """Keeps of metadata what fits into a column, and the rest as text."""

    def put(self, config: Any, checkpoint: Any, metadata: Any, *given: Any) -> Any:  # noqa: D102
        flat = {
            name: str(value) if isinstance(value, dict | list) else value
            for name, value in metadata.items()
            if name not in ("parents", "writes")
        }
        kept = {name: value for name, value in metadata.items() if name in ("parents", "writes")}
        return super().put(config, checkpoint, flat | kept, *given)


class CutsBeforeItFilters(ScoriaSaver):
    """Takes as many as are asked for, and then leaves out those that do not fit."""

    def list(  # noqa: D102
        self,
        config: Any,
        *,
        filter: Any = None,  # noqa: A002 - the name is LangGraph's
        before: Any = None,
        limit: int | None = None,
    ) -> Iterator[Any]:
        found = super().list(config, before=before, limit=limit)
        return (each for each in found if {**each.metadata, **(filter or {})} == each.metadata)


class TakesWhatIsNotToldForNone(ScoriaSaver):
    """Compares what `dict.get` returns."""

    def list(  # noqa: D102
        self,
        config: Any,
        *,
        filter: Any = None,  # noqa: A002 - the name is LangGraph's
        before: Any = None,
        limit: int | None = None,
    ) -> Iterator[Any]:
        found = super().list(config, before=before)
        asked = (filter or {}).items()
        fit = (
            each for each in found if all(each.metadata.get(name) == value for name, value in asked)
        )
        return islice(fit, limit)


class FindsAnIdInAnyNamespace(ScoriaSaver):
    """Asks for the thread and the id alone."""

    def get_tuple(self, config: Any) -> Any:  # noqa: D102
        asked = config["configurable"]
        found = self.list({"configurable": {"thread_id": asked["thread_id"]}})
        named = [each for each in found if each.checkpoint["id"] == asked.get("checkpoint_id")]
        return named[-1] if named else super().get_tuple(config)


WRONG: Mapping[type[ScoriaSaver], Callable[[Make], None]] = MappingProxyType(
    {
        OnlyAsync: writes_come_in_the_order_of_their_tasks,
        DropsEarlyWrites: writes_may_come_first,
        OrdersByTaskId: writes_come_in_the_order_of_their_tasks,
        LastWriteWins: the_first_write_stays,
        LosesRaces: no_parallel_write_is_lost,
        LatestIsLastPut: the_latest_is_the_greatest_id,
        RemovesByPrefix: no_name_reaches_into_another,
        RemovesOnePage: what_is_removed_is_gone,
        CopiesLatestPage: a_copy_stands_alone,
        FlattensMetadata: metadata_is_kept_in_depth,
        CutsBeforeItFilters: a_limit_counts_what_the_filter_lets_through,
        TakesWhatIsNotToldForNone: a_limit_counts_what_the_filter_lets_through,
        FindsAnIdInAnyNamespace: one_id_in_two_places_is_two_checkpoints,
    }
)
"""Checkpointers that pass the suite of LangGraph in full, and what says that they are wrong."""


def conformance(make_store: Callable[[], RunStore], kind: type[ScoriaSaver]) -> Any:
    """Return the report of LangGraph's own suite on a kind of saver."""
    from langgraph.checkpoint.conformance import checkpointer_test, validate

    @checkpointer_test(name=kind.__name__)
    async def made() -> Any:
        yield kind(make_store())

    return asyncio.run(validate(made))


def passed(report: Any) -> tuple[str, int, int, Sequence[str]]:
    """Return the level, how many parts were tested, how many tests passed, and what failed."""
    results = report.results.values()
    failures = [each for result in results for each in result.failures]
    detected = sum(result.detected for result in results)
    return (
        report.conformance_level(),
        detected,
        sum(result.tests_passed for result in results),
        failures,
    )
