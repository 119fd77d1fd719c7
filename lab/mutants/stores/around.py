"""How a store comes under test that is wrong on purpose, and what the wrong ones have in common."""

from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import attrs

from lab.mutants.stores.lasting import LastingStore
from lab.mutants.under_test import subject
from scoria_core.ports import Record, RunKey, RunStore, StoredRun, Where
from scoria_memory import MemoryStore

SAID = "answered as the reference answers"
"""What a scenario says that puts a store beside the reference."""
STOPPED = "Wherever a caller is stopped"
KILLED = "A process that is killed while its threads write and prune"


def last(store: Callable[[RunStore, Path], RunStore] = LastingStore) -> None:
    """Have every store that is opened outlive its process, over one under test that is empty."""
    right = subject.open

    def open_store(directory: Path) -> RunStore:
        return store(right(Path(mkdtemp(dir=directory))), directory / "log")

    subject.open = open_store


def installed(wrong: Any) -> None:
    """Have every store that is opened be wrong: around the one under test, or instead of it."""
    right = subject.open
    if issubclass(wrong, LastingStore):
        last(wrong)
    elif issubclass(wrong, Around):
        subject.open = lambda directory: wrong(right(directory))
    elif issubclass(wrong, MemoryStore):
        subject.open = lambda _: wrong()
    else:
        subject.open = lambda directory: wrong(directory / "runs.db")


class Around:
    """The store under test, but for what a mutant does in its stead."""

    def __init__(self, store: Any) -> None:
        self.store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    def found(self, run_id: str) -> StoredRun | None:
        """Return a run as the store under test has it."""
        return next(iter(self.store.read([run_id])), None)

    def version(self, run_id: str) -> int:
        """Return which version a run is at."""
        run = self.found(run_id)
        return 0 if run is None else run.version


class Tells(Around):
    """A store that tells something else of its runs than it has."""

    def told(self, run: StoredRun) -> StoredRun:
        """Return what is told in place of `run`."""
        raise NotImplementedError

    def read(self, run_ids: Sequence[str]) -> Any:
        return list(map(self.told, self.store.read(run_ids)))

    def list_runs(self, **asked: Any) -> Any:
        return list(map(self.told, self.store.list_runs(**asked)))

    def list_labelled(self, **asked: Any) -> Any:
        return list(map(self.told, self.store.list_labelled(**asked)))


class Rewrites(Around):
    """A store that keeps something else than it was given."""

    def rewritten(self, body: str) -> str:
        """Return what is kept in place of `body`."""
        raise NotImplementedError

    def _each(self, records: Sequence[Record]) -> list[Record]:
        return [attrs.evolve(each, body=self.rewritten(each.body)) for each in records]

    def create(self, key: RunKey, records: Any, **at: Any) -> Any:
        return self.store.create(key, self._each(records), **at)

    def append(self, run_id: str, records: Any, **at: Any) -> None:
        self.store.append(run_id, self._each(records), **at)


class Lists(Around):
    """A store that lists its runs in a way of its own."""

    def every(self, **asked: Any) -> list[StoredRun]:
        """Return all runs that a listing has, newest first."""
        return list(self.store.list_runs(**{**asked, "limit": 10_000}))


class Due(Around):
    """A store that tells what is due in a way of its own."""

    def all_due(self, **asked: Any) -> list[str]:
        """Return all ids that are due, longest due first."""
        return list(self.store.list_due(**{**asked, "limit": 10_000}))


class Knows(Around):
    """A store that remembers who owns each run, in the order in which they came."""

    def __init__(self, store: Any) -> None:
        super().__init__(store)
        self.keys: dict[str, RunKey] = {}

    def kept(self, key: RunKey) -> RunKey:
        """Return what is kept in place of `key`."""
        return key

    def create(self, key: RunKey, records: Any, **at: Any) -> Any:
        owner = self.store.create(self.kept(key), records, **at)
        if owner == key.run_id:
            self.keys[owner] = key
        return owner


class Folds(Knows, Tells):
    """A store to which some ids are the same; it gives them back as they were."""

    folded: tuple[str, ...] = ()

    def fold(self, value: str) -> str:
        """Return what an id is compared by."""
        return value.casefold()

    def _all(self, named: dict[str, Any]) -> dict[str, Any]:
        there = {name: self.fold(each) for name in self.folded if (each := named.get(name))}
        return {**named, **there}

    def kept(self, key: RunKey) -> RunKey:
        return RunKey(**self._all(attrs.asdict(key)))

    def told(self, run: StoredRun) -> StoredRun:
        key = self.keys.get(run.key.run_id, run.key)
        was = {name: getattr(key, name) for name in self.folded}
        return attrs.evolve(run, key=attrs.evolve(run.key, **was))

    def list_runs(self, **asked: Any) -> Any:
        where = asked.get("where")
        if where is not None and where.fact in self.folded:
            asked["where"] = Where(where.fact, self.fold(where.value))
        return super().list_runs(**self._all(asked))

    def list_labelled(self, **asked: Any) -> Any:
        return super().list_labelled(**self._all(asked))

    def list_due(self, **asked: Any) -> Any:
        return self.store.list_due(**self._all(asked))

    def count_runs(self, **asked: Any) -> Any:
        return self.store.count_runs(**self._all(asked))


def one_by_one(records: Sequence[Record]) -> list[list[Record]]:
    """Return a batch for each record; without any the run is put off."""
    return [[each] for each in records] or [[]]
