"""A checkpointer of LangGraph over any `RunStore`.

A checkpoint is a run of the store. Its run id begins with the id of the checkpoint, its tenant is
the thread, its session is a digest of the namespace, and a label names the run of LangGraph that
made it. So each query of LangGraph is one look-up in an index that the store has.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Any

from langgraph.checkpoint.base import (
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    RunnableConfig,
    SerializerProtocol,
    get_checkpoint_id,
    get_checkpoint_metadata,
)

from scoria_core.errors import InvalidPayload, VersionConflict
from scoria_core.payloads import checked_name
from scoria_core.ports import Capability, Clock, Fact, IndexRow, RunKey, RunStore, StoredRun, Where
from scoria_core.system import SystemClock
from scoria_langgraph.checkpoints import (
    Saved,
    Stored,
    Write,
    copied,
    place_of,
    record,
    stored,
)

CHECKPOINT = "checkpoint"
"""The role of every run in the store; a run with another role is no checkpoint."""

PAGE = 20
"""How many checkpoints are read at once."""

MAX_CONFLICTS = 100
"""How often a write is tried; each conflict means that another caller's write succeeded."""


class ScoriaSaver(BaseCheckpointSaver[int]):
    """Keeps the checkpoints of LangGraph in `store`, which must hold nothing else.

    When a call returns, it is as durable as the store promises. `put` and `put_writes` may be
    called in any order, and from any number of threads and processes; if a task repeats a write,
    the first one is kept. A checkpoint whose records were changed is `StoreCorrupt`.

    A store that has runs is refused with `InvalidPayload`.

    `thread_id` is a name of at most 255 characters, an int or a UUID; another is `InvalidPayload`.
    Methods that remove checkpoints need a store that is `prunable`; on any other they raise
    `NotImplementedError`. The `async` methods call the store in a thread. The caller closes the
    store.
    """

    def __init__(
        self,
        store: RunStore,
        *,
        serde: SerializerProtocol | None = None,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(serde=serde)
        for run in store.list_runs(tenant_id=None, limit=1, with_records=False):
            if run.key.root_role_id != CHECKPOINT:
                raise InvalidPayload("store", "has runs; open a store of its own for checkpoints")
        self._store = store
        self._clock = SystemClock() if clock is None else clock

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Return the checkpoint that `config` names, or the latest of its namespace, or None."""
        return next(self.list(_in_a_namespace(config), limit=1), None)

    def list(
        self,
        config: RunnableConfig | None,
        *,
        filter: Mapping[str, Any] | None = None,  # noqa: A002 - the name is LangGraph's
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        """Yield checkpoints, latest first; of any thread or namespace that `config` does not name.

        `filter` has values that the metadata must have. `before` names a checkpoint: only earlier
        ones are yielded.
        """
        left = -1 if limit is None else max(limit, 0)
        if left == 0:
            return
        for run, found in self._found(config, before, left if left > 0 and not filter else PAGE):
            made = self._tuple(run, found)
            if made is None or not _has(made.metadata, filter or {}):
                continue
            yield made
            left -= 1
            if left == 0:
                return

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,  # noqa: ARG002 - every channel's value is kept with it
    ) -> RunnableConfig:
        """Store a checkpoint and return the config that names it; a repeated one replaces it."""
        thread_id, namespace = _thread(config), _namespace(config) or ""
        told = get_checkpoint_metadata(config, metadata)
        saved = Saved(
            namespace,
            checkpoint["id"],
            get_checkpoint_id(config),
            self.serde.dumps_typed(checkpoint),
            self.serde.dumps_typed(told),
        )
        labels = (_run_label(told["run_id"]),) if told.get("run_id") else ()
        key = self._key(thread_id, namespace, saved.checkpoint_id)
        self._write(key, lambda _: saved, labels)
        return _config(thread_id, namespace, saved.checkpoint_id)

    def put_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """Store what a task wrote, all of it or nothing; the checkpoint may be stored later."""
        made = [
            Write(task_id, task_path, place_of(channel, i), channel, self.serde.dumps_typed(value))
            for i, (channel, value) in enumerate(writes)
        ]
        key = self._key(
            _thread(config), _namespace(config) or "", str(config["configurable"]["checkpoint_id"])
        )
        self._write(key, lambda found: found.new(made))

    def delete_thread(self, thread_id: str) -> None:
        """Remove the checkpoints of a thread, and their writes."""
        self._prune(lambda: self._thread_page(_named(thread_id), None, with_records=False))

    def delete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Remove the checkpoints that these runs of LangGraph made, and their writes.

        Their copies in other threads are removed as well.
        """
        for run_id in run_ids:
            label = _run_label(run_id)
            self._prune(
                lambda label=label: self._store.list_labelled(  # type: ignore[misc]  # it binds
                    tenant_id=None, label=label, limit=PAGE, with_records=False
                )
            )

    def copy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Copy every checkpoint of a thread with its writes, oldest first.

        Raises `InvalidPayload` if the target has checkpoints already.
        """
        source, target = _named(source_thread_id), _named(target_thread_id)
        if self._thread_page(target, None, with_records=False):
            problem = "has checkpoints already; remove them with delete_thread, or name another"
            raise InvalidPayload("target_thread_id", problem)
        newest_first = list(self._runs_of(source, with_records=False))
        for each in reversed(newest_first):
            for run in self._store.read([each.key.run_id]):
                saved = stored(run).saved
                if saved is None:
                    continue
                key = self._key(target, saved.namespace, saved.checkpoint_id)
                self._store.create(key, copied(key.run_id, run.records), row=run.row)

    def prune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Remove all but the latest checkpoint of each namespace, or with "delete" all.

        The ancestors of the latest from which its delta channels are rebuilt are kept too.
        """
        if strategy not in ("keep_latest", "delete"):
            problem = f"is {strategy!r}; pass 'keep_latest' or 'delete'"
            raise InvalidPayload("strategy", problem)
        for thread_id in map(_named, thread_ids):
            if strategy == "delete":
                self.delete_thread(thread_id)
            else:
                self._keep_latest(thread_id)

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """Do as `get_tuple`."""
        return await asyncio.to_thread(self.get_tuple, config)

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: Mapping[str, Any] | None = None,  # noqa: A002 - the name is LangGraph's
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """Do as `list`."""
        found = self.list(config, filter=filter, before=before, limit=limit)
        while (each := await asyncio.to_thread(next, found, None)) is not None:
            yield each

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """Do as `put`."""
        return await asyncio.to_thread(self.put, config, checkpoint, metadata, new_versions)

    async def aput_writes(
        self,
        config: RunnableConfig,
        writes: Sequence[tuple[str, Any]],
        task_id: str,
        task_path: str = "",
    ) -> None:
        """Do as `put_writes`."""
        await asyncio.to_thread(self.put_writes, config, writes, task_id, task_path)

    async def adelete_thread(self, thread_id: str) -> None:
        """Do as `delete_thread`."""
        await asyncio.to_thread(self.delete_thread, thread_id)

    async def adelete_for_runs(self, run_ids: Sequence[str]) -> None:
        """Do as `delete_for_runs`."""
        await asyncio.to_thread(self.delete_for_runs, run_ids)

    async def acopy_thread(self, source_thread_id: str, target_thread_id: str) -> None:
        """Do as `copy_thread`."""
        await asyncio.to_thread(self.copy_thread, source_thread_id, target_thread_id)

    async def aprune(self, thread_ids: Sequence[str], *, strategy: str = "keep_latest") -> None:
        """Do as `prune`."""
        await asyncio.to_thread(lambda: self.prune(thread_ids, strategy=strategy))

    def _key(self, thread_id: str, namespace: str, checkpoint_id: str) -> RunKey:
        return RunKey(
            run_id=_run_id(thread_id, namespace, checkpoint_id),
            tenant_id=thread_id,
            session_id=_sha256(namespace),
            actor_id="langgraph",
            root_role_id=CHECKPOINT,
            created_at=self._clock.now(),
        )

    def _write(
        self,
        key: RunKey,
        decide: Callable[[Stored], Saved | Sequence[Write]],
        labels: tuple[str, ...] = (),
    ) -> None:
        """Append the facts that `decide` returns for the stored checkpoint, if there are any."""
        for attempt in range(MAX_CONFLICTS):
            found = self._store.read([key.run_id])
            facts = decide(stored(found[0]) if found else Stored())
            if not facts:
                return
            given = labels or (found[0].row.labels if found else ())
            row = IndexRow(CHECKPOINT, self._clock.now(), labels=given)
            try:
                if found:
                    self._store.append(
                        key.run_id,
                        [record(found[0], facts)],
                        expected_version=found[0].version,
                        row=row,
                    )
                else:
                    self._store.create(key, [record(key.run_id, facts)], row=row)
            except VersionConflict:
                # Another write came first: read again, and decide again.
                if attempt == MAX_CONFLICTS - 1:
                    raise
            else:
                return

    def _found(
        self, config: RunnableConfig | None, before: RunnableConfig | None, page: int
    ) -> Iterator[tuple[StoredRun, Stored]]:
        """Yield the checkpoints that may match, latest first, also those with writes only."""
        thread_id = None if config is None else _thread(config)
        namespace = None if config is None else _namespace(config)
        named = None if config is None else get_checkpoint_id(config)
        end = None if before is None else get_checkpoint_id(before)
        if named is not None and thread_id is not None and namespace is not None:
            if end is None or str(named) < str(end):
                runs = self._store.read([_run_id(thread_id, namespace, str(named))])
                yield from ((run, stored(run)) for run in runs)
            return
        for run in self._runs_of(thread_id, namespace=namespace, before=end, page=page):
            found = stored(run)
            if named is None or (found.saved and found.saved.checkpoint_id == named):
                yield run, found

    def _runs_of(
        self,
        thread_id: str | None,
        *,
        namespace: str | None = None,
        before: str | None = None,
        page: int = PAGE,
        with_records: bool = True,
    ) -> Iterator[StoredRun]:
        # A run id begins with its checkpoint's id and is longer, so it sorts after that id: the
        # checkpoint that `before` names is not yielded.
        where = None if namespace is None else Where(Fact.SESSION, _sha256(namespace))
        while runs := self._store.list_runs(
            tenant_id=thread_id,
            where=where,
            limit=min(page, PAGE),
            before=before,
            with_records=with_records,
        ):
            yield from runs
            before = runs[-1].key.run_id

    def _thread_page(
        self, thread_id: str, before: str | None, *, with_records: bool
    ) -> Sequence[StoredRun]:
        return self._store.list_runs(
            tenant_id=thread_id, limit=PAGE, before=before, with_records=with_records
        )

    def _tuple(self, run: StoredRun, found: Stored) -> CheckpointTuple | None:
        saved, thread_id = found.saved, run.key.tenant_id
        if saved is None:
            return None
        load = self.serde.loads_typed
        return CheckpointTuple(
            config=_config(thread_id, saved.namespace, saved.checkpoint_id),
            checkpoint=load(saved.checkpoint),
            metadata=load(saved.metadata),
            parent_config=(
                None
                if saved.parent_id is None
                else _config(thread_id, saved.namespace, saved.parent_id)
            ),
            pending_writes=[
                (each.task_id, each.channel, load(each.value)) for each in found.ordered
            ],
        )

    def _keep_latest(self, thread_id: str) -> None:
        kept: set[str] = set()
        seen: set[str] = set()
        for run in self._runs_of(thread_id):
            saved = stored(run).saved
            if saved is None or saved.namespace in seen:
                continue
            seen.add(saved.namespace)
            kept |= self._needed(thread_id, saved)
        old = {
            run.key.run_id: run.version
            for run in self._runs_of(thread_id, with_records=False)
            if run.key.run_id not in kept
        }
        if old:
            _prunable(self._store).prune(old)

    def _needed(self, thread_id: str, saved: Saved) -> set[str]:
        """Return the run ids of a checkpoint, and of the ancestors it is rebuilt from.

        If a delta channel has no value in the checkpoint, it is rebuilt from the nearest ancestor
        that has its value, and from those in between.
        """
        needed = {_run_id(thread_id, saved.namespace, saved.checkpoint_id)}
        counted = self.serde.loads_typed(saved.metadata).get("counters_since_delta_snapshot") or {}
        left = set(counted) - set(self.serde.loads_typed(saved.checkpoint)["channel_values"])
        while left and saved.parent_id is not None:
            run_id = _run_id(thread_id, saved.namespace, saved.parent_id)
            parents = [stored(run).saved for run in self._store.read([run_id])]
            if not parents or parents[0] is None:
                break
            saved = parents[0]
            needed.add(run_id)
            left -= set(self.serde.loads_typed(saved.checkpoint)["channel_values"])
        return needed

    def _prune(self, page: Callable[[], Sequence[StoredRun]]) -> None:
        store = _prunable(self._store)
        while runs := page():
            store.prune({run.key.run_id: run.version for run in runs})


def _prunable(store: RunStore) -> Any:
    if Capability.PRUNABLE not in store.capabilities:
        problem = f"{type(store).__name__} does not declare the capability 'prunable'"
        raise NotImplementedError(f"{problem}, and nothing can be removed from it")
    return store


def _thread(config: RunnableConfig) -> str:
    return _named(config["configurable"]["thread_id"])


def _named(thread_id: object) -> str:
    return checked_name(str(thread_id), "thread_id")


def _namespace(config: RunnableConfig) -> str | None:
    namespace: str | None = config["configurable"].get("checkpoint_ns")
    return namespace


def _in_a_namespace(config: RunnableConfig) -> RunnableConfig:
    asked = config["configurable"]
    return {"configurable": {**asked, "checkpoint_ns": asked.get("checkpoint_ns") or ""}}


def _config(thread_id: str, namespace: str, checkpoint_id: str) -> RunnableConfig:
    return {
        "configurable": {
            "thread_id": thread_id,
            "checkpoint_ns": namespace,
            "checkpoint_id": checkpoint_id,
        }
    }


def _has(metadata: CheckpointMetadata, facts: Mapping[str, Any]) -> bool:
    return bool({**metadata, **facts} == metadata)


def _run_id(thread_id: str, namespace: str, checkpoint_id: str) -> str:
    # A space sorts before every character of an id, so runs sort by the ids of their checkpoints.
    return f"{checkpoint_id} {_sha256(thread_id, namespace)}"


def _run_label(run_id: object) -> str:
    return f"run:{_sha256(str(run_id))}"


def _sha256(*parts: str) -> str:
    # With its length before each part, different parts never make the same text.
    text = "".join(f"{len(each)}:{each}" for each in parts)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
