"""Stores that lose what was written when they are closed, or their process is killed."""

import time
from pathlib import Path

import attrs

from lab.mutants.stores.around import KILLED, Around, installed
from lab.mutants.stores.lasting import LastingStore, Written
from lab.mutants.wrong import Catalogue
from scoria_core.ports import Capability, RunStore

breaks = Catalogue("store", installed)


class _Forgets(Around):
    capabilities = frozenset({Capability.DURABLE})


@breaks("STORE-14", "outlives")
class MemoryDeclaredDurable(_Forgets):
    pass


class _Delays(LastingStore):
    """A store that writes only once it has a few writes to write."""

    most = 3

    def __init__(self, store: RunStore, path: Path) -> None:
        self.delayed: list[Written] = []
        super().__init__(store, path)

    def write(self, written: Written) -> None:
        self.delayed.append(written)
        if len(self.delayed) >= self.most:
            self.flush()

    def flush(self) -> None:
        """Write what was put off."""
        while self.delayed:
            super().write(self.delayed.pop(0))


@breaks("STORE-14", KILLED)
class AcknowledgesBeforeItIsDurable(_Delays):
    most = 10_000  # a process that is killed never comes to it, whenever that is

    def close(self) -> None:
        if not self.log.closed:
            self.flush()
        super().close()


@breaks("STORE-14", "What was written outlives a store that is closed")
class LosesWhatIsBufferedWhenItIsClosed(_Delays):
    most = 4


@breaks("STORE-14", "What was written outlives a store that is closed")
class LosesTheLastEntryOnReopen(LastingStore):
    def __init__(self, store: RunStore, path: Path) -> None:
        if path.exists():
            lines = path.read_bytes().splitlines(keepends=True)
            path.write_bytes(b"".join(lines[:-1]))
        super().__init__(store, path)


@breaks("STORE-14", "outlives")
class WhatIsDueIsForgottenOnReopen(LastingStore):
    def replay(self, written: Written) -> None:
        super().replay(written.with_row(due_at=None))


@breaks("STORE-14", KILLED)
class IdempotencyKeysAreForgottenOnReopen(LastingStore):
    def replay(self, written: Written) -> None:
        key = written.key and attrs.evolve(written.key, idempotency_key=None)
        super().replay(attrs.evolve(written, key=key))


@breaks("STORE-8", "from a store that is opened anew")
class LineEndingsAreMadeOneKindOnReopen(LastingStore):
    def replay(self, written: Written) -> None:
        records = (
            attrs.evolve(each, body=each.body.replace("\r", "\n")) for each in written.records
        )
        super().replay(attrs.evolve(written, records=tuple(records)))


@breaks("STORE-4", KILLED)
class HalfABatchIsThereAfterAKill(LastingStore):
    def write(self, written: Written) -> None:
        for number, each in enumerate(written.records):
            version, key = written.version + number, None if number else written.key
            super().write(attrs.evolve(written, records=(each,), version=version, key=key))
            time.sleep(0.003)
