"""How a store comes under test that is wrong on purpose, and what the wrong ones have in common."""

from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import attrs

from lab.mutants.stores.lasting import LastingStore
from lab.mutants.under_test import subject
from scoria_core.ports import Record, RunKey, RunStore
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

    def version(self, run_id: str) -> int:
        """Return how many records a run has."""
        return len(self.store.read(run_id))


class Rewrites(Around):
    """A store that keeps something else than it was given."""

    def rewritten(self, body: str) -> str:
        """Return what is kept in place of `body`."""
        raise NotImplementedError

    def _each(self, records: Sequence[Record]) -> list[Record]:
        return [attrs.evolve(each, body=self.rewritten(each.body)) for each in records]

    def create(self, key: RunKey, records: Any, **due: Any) -> Any:
        return self.store.create(key, self._each(records), **due)

    def append(self, run_id: str, records: Any, **at: Any) -> None:
        self.store.append(run_id, self._each(records), **at)


class Lists(Around):
    """A store that lists its runs in a way of its own."""

    def every(self, **asked: Any) -> list[str]:
        """Return all ids that a listing has, newest first."""
        return list(self.store.list_runs(**{**asked, "limit": 10_000}))


class Folds(Around):
    """A store to which some ids are the same."""

    folded: tuple[str, ...] = ()

    def fold(self, value: str) -> str:
        """Return what an id is compared by."""
        return value.casefold()

    def _all(self, named: dict[str, Any]) -> dict[str, Any]:
        there = {name: self.fold(each) for name in self.folded if (each := named.get(name))}
        return {**named, **there}

    def create(self, key: RunKey, *records: Any, **due: Any) -> Any:
        return self.store.create(RunKey(**self._all(attrs.asdict(key))), *records, **due)

    def list_runs(self, **asked: Any) -> Any:
        return self.store.list_runs(**self._all(asked))

    def list_due(self, **asked: Any) -> Any:
        return self.store.list_due(**self._all(asked))


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

    def create(self, key: RunKey, records: Any, **due: Any) -> Any:
        owner = self.store.create(key, records, **due)
        if owner == key.run_id:
            self.keys[owner] = key
        return owner


def one_by_one(records: Sequence[Record]) -> list[list[Record]]:
    """Return a batch for each record; without any the run is put off."""
    return [[each] for each in records] or [[]]
