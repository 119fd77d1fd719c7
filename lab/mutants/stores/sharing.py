"""Stores that are wrong where several processes have them open."""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import get_ident
from typing import Any

from lab.mutants.stores.around import SAID, Around, installed
from lab.mutants.stores.lasting import LastingStore, Written, lined
from lab.mutants.wrong import Catalogue
from scoria_core.errors import StoreUnavailable, VersionConflict
from scoria_core.ports import Capability, Record, RunStore, StoredRun

breaks = Catalogue("store", installed)


@breaks("STORE-20", SAID)
class ARunIsPutOffForOneProcessOnly(LastingStore):
    def write(self, written: Written) -> None:
        if written.records:
            super().write(written)


@breaks("STORE-15", "What one process stored, every other sees")
class MemoryDeclaredShared(Around):
    capabilities = frozenset({Capability.MULTI_PROCESS})


class _Alone(LastingStore):
    """A store that takes no other process into account while it works."""

    @contextmanager
    def turn(self) -> Iterator[None]:
        with self._lock:
            if self.log.closed:
                raise StoreUnavailable("the log", "is closed", "open it again")
            self.meet_others()
            yield

    def meet_others(self) -> None:
        """Take in what others wrote, when the store is opened."""
        if not self.end:
            self.catch_up()

    def write(self, written: Written) -> None:
        self.end += self.log.write(lined(written))


@breaks("STORE-15", "What one process stored, every other sees")
class AProcessReadsTheLogOnlyOnce(_Alone):
    pass


@breaks("STORE-15", "Of several processes that append at one version, one succeeds")
class ProcessesDoNotLockEachOtherOut(_Alone):
    def meet_others(self) -> None:
        self.catch_up()

    def replay(self, written: Written) -> None:
        try:
            super().replay(written)
        except VersionConflict:
            return

    def write(self, written: Written) -> None:
        time.sleep(0.002)
        super().write(written)


@breaks("STORE-15", "Of processes that are killed at their writes none takes the others with it")
class ALockOutlivesItsProcess(LastingStore):
    """A file that is there stands for it, until the store is opened."""

    def __init__(self, store: RunStore, path: Path) -> None:
        self.taken = path.with_suffix(".lock")
        super().__init__(store, path)
        self.taken.unlink(missing_ok=True)

    def append(self, run_id: str, records: Sequence[Record], **at: Any) -> None:
        self.take(until=time.monotonic() + 2)
        try:
            super().append(run_id, records, **at)
        finally:
            self.taken.unlink(missing_ok=True)

    def take(self, until: float) -> None:
        while time.monotonic() < until:
            with suppress(FileExistsError):
                return self.taken.touch(exist_ok=False)
            time.sleep(0.001)
        raise StoreUnavailable("the log", "is locked", "try it again")


@breaks("STORE-19", "What processes are told by a store at once fits one order of their calls")
class WhoReadsWhileAnotherWritesIsToldWhatWasReadBefore(LastingStore):
    def __init__(self, store: RunStore, path: Path) -> None:
        self.known: dict[Sequence[str], Sequence[StoredRun]] = {}
        self.place = path.parent
        super().__init__(store, path)

    def append(self, run_id: str, records: Sequence[Record], **at: Any) -> None:
        busy = self.place / f"{os.getpid()}-{get_ident()}.busy"
        busy.touch()
        time.sleep(0.003)
        try:
            super().append(run_id, records, **at)
        finally:
            busy.unlink(missing_ok=True)

    def read(self, run_ids: Sequence[str]) -> Sequence[StoredRun]:
        asked = tuple(run_ids)
        if asked not in self.known or not any(self.place.glob("*.busy")):
            self.known[asked] = super().read(asked)
        return list(self.known[asked])
