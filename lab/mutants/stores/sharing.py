"""Stores that are wrong where several processes have them open."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from lab.mutants.stores.around import SAID, installed
from lab.mutants.stores.lasting import LastingStore, Written, lined
from lab.mutants.wrong import Catalogue
from scoria_core.errors import StoreUnavailable, VersionConflict

breaks = Catalogue("store", installed)


@breaks("STORE-20", SAID)
class ARunIsPutOffForOneProcessOnly(LastingStore):
    def write(self, written: Written) -> None:
        if written.records:
            super().write(written)


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
