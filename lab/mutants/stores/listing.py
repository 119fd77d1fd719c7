"""Stores that are wrong when runs are listed."""

from typing import Any

from lab.mutants.stores.around import SAID, Lists, installed
from lab.mutants.wrong import Catalogue

breaks = Catalogue("store", installed)


@breaks("STORE-9", SAID)
class ListsTheOldestFirst(Lists):
    def list_runs(self, **asked: Any) -> Any:
        return self.store.list_runs(**asked)[::-1]


@breaks("STORE-9", "at most its limit")
class TheLimitOfAListingIsIgnored(Lists):
    def list_runs(self, **asked: Any) -> Any:
        return self.every(**asked)


@breaks("STORE-9", "at most its limit")
class TheLimitOfAListingIsOffByOne(Lists):
    def list_runs(self, **asked: Any) -> Any:
        return self.every(**asked)[: asked["limit"] + 1]


@breaks("STORE-9", "begins before a run")
class BeforeIsInclusive(Lists):
    def list_runs(self, *, before: str | None, **asked: Any) -> Any:
        return self.store.list_runs(before=before and f"{before}~", **asked)


@breaks("STORE-9", "begins before a run")
class BeforeIsLostInAFilteredListing(Lists):
    def list_runs(self, *, before: str | None, **asked: Any) -> Any:
        return self.store.list_runs(before=None if asked["session_id"] else before, **asked)


@breaks("STORE-9", "A listing has at most its limit")
class ThePageIsCutBeforeItIsFiltered(Lists):
    def list_runs(self, *, session_id: str | None, limit: int, **asked: Any) -> Any:
        page = self.store.list_runs(session_id=None, limit=limit, **asked)
        of_session = self.every(session_id=session_id, **asked)
        return [run_id for run_id in page if run_id in of_session]


@breaks("TENANT-2", SAID)
class ASessionIsListedWithoutItsTenant(Lists):
    def list_runs(self, *, tenant_id: str | None, **asked: Any) -> Any:
        return self.store.list_runs(tenant_id=None if asked["session_id"] else tenant_id, **asked)
