"""Stores that are wrong when runs are listed."""

from typing import Any

from lab.mutants.stores.around import SAID, Lists, installed
from lab.mutants.wrong import Catalogue
from scoria_core.ports import Fact, Where

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
    def list_runs(self, *, before: str | None = None, **asked: Any) -> Any:
        return self.store.list_runs(before=before and f"{before}~", **asked)


@breaks("STORE-9", "begins before a run")
class BeforeIsLostInAFilteredListing(Lists):
    def list_runs(self, *, before: str | None = None, **asked: Any) -> Any:
        return self.store.list_runs(before=None if asked.get("where") else before, **asked)


@breaks("STORE-9", "A listing has at most its limit")
class ThePageIsCutBeforeItIsFiltered(Lists):
    def list_runs(self, *, where: Where | None = None, limit: int, **asked: Any) -> Any:
        page = self.store.list_runs(limit=limit, **asked)
        fitting = self.every(where=where, **asked)
        return [run for run in page if run in fitting]


@breaks("TENANT-2", SAID)
class ASessionIsListedWithoutItsTenant(Lists):
    def list_runs(self, *, tenant_id: str | None, where: Where | None = None, **asked: Any) -> Any:
        if where is not None and where.fact == Fact.SESSION:
            tenant_id = None
        return self.store.list_runs(tenant_id=tenant_id, where=where, **asked)
