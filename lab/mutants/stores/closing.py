"""Stores that are wrong once they are closed."""

from typing import Any

from lab.mutants.stores.around import Around, installed
from lab.mutants.wrong import Catalogue
from scoria_core.errors import StoreUnavailable

breaks = Catalogue("store", installed)


@breaks("STORE-13", "StoreUnavailable")
class CloseDoesNothing(Around):
    def close(self) -> None:
        pass


@breaks("STORE-13", "A closed store says so")
class ClosingAgainIsAnError(Around):
    closed = False

    def close(self) -> None:
        if self.closed:
            raise StoreUnavailable("the store", "is closed", "open it again")
        self.closed = True
        self.store.close()


@breaks("STORE-13", "StoreUnavailable")
class ReadingAClosedStoreFindsNothing(Around):
    def read(self, run_ids: Any) -> Any:
        try:
            return self.store.read(run_ids)
        except StoreUnavailable:
            return ()
