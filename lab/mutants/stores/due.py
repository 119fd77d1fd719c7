"""Stores that are wrong about which runs are due, and whose turn it is."""

from collections import Counter
from datetime import timedelta
from typing import Any

from attrs import evolve

from lab.mutants.stores.around import SAID, Around, Due, installed
from lab.mutants.wrong import Catalogue
from scoria_core.ports import IndexRow, RunKey

breaks = Catalogue("store", installed)


@breaks("STORE-11", SAID)
class DueRunsComeByTheirIds(Due):
    def list_due(self, **asked: Any) -> Any:
        return sorted(self.all_due(**asked))[: asked["limit"]]


@breaks("STORE-11", SAID)
class TheLimitOfDueRunsIsIgnored(Due):
    def list_due(self, **asked: Any) -> Any:
        return self.all_due(**asked)


@breaks("STORE-11", SAID)
class ARunIsDueOnlyAfterItsTime(Due):
    def list_due(self, *, until: Any, **asked: Any) -> Any:
        return self.store.list_due(until=until - timedelta(microseconds=1), **asked)


@breaks("TENANT-2", SAID)
class DueRunsOfAllTenantsAreGiven(Due):
    def list_due(self, *, tenant_id: str | None, **asked: Any) -> Any:  # noqa: ARG002 - it is lost
        return self.store.list_due(tenant_id=None, **asked)


@breaks("STORE-11", SAID)
class DueRunsAreCutBeforeTheyAreFiltered(Due):
    def list_due(self, *, tenant_id: str | None, **asked: Any) -> Any:
        cut = self.store.list_due(tenant_id=None, **asked)
        own = self.store.list_due(tenant_id=tenant_id, **asked)
        return [run_id for run_id in cut if run_id in own]


@breaks("STORE-12", SAID)
class ARunStaysDue(Around):
    def __init__(self, store: Any) -> None:
        super().__init__(store)
        self.due: dict[str, Any] = {}

    def create(self, key: RunKey, records: Any, *, row: IndexRow) -> Any:
        self.due[key.run_id] = row.due_at
        return self.store.create(key, records, row=row)

    def append(self, run_id: str, records: Any, *, row: IndexRow, **at: Any) -> None:
        self.due[run_id] = row.due_at or self.due.get(run_id)
        self.store.append(run_id, records, row=evolve(row, due_at=self.due[run_id]), **at)


@breaks("STORE-12", SAID)
class AnAppendDoesNotChangeWhenARunIsDue(ARunStaysDue):
    def append(self, run_id: str, records: Any, *, row: IndexRow, **at: Any) -> None:
        row = evolve(row, due_at=self.due.get(run_id))
        self.store.append(run_id, records, row=row, **at)


class _Turns(Due):
    """A store in which the tenants take turns in a way of its own."""

    def __init__(self, store: Any) -> None:
        super().__init__(store)
        self.tenants: dict[str, str] = {}

    def create(self, key: RunKey, *records: Any, **at: Any) -> Any:
        self.tenants[key.run_id] = key.tenant_id
        return self.store.create(key, *records, **at)

    def turns(self, limit: int, **asked: Any) -> Any:
        """Return what is listed with the tenants in turns."""
        raise NotImplementedError

    def list_due(self, *, fair: bool = False, **asked: Any) -> Any:
        return self.turns(**asked) if fair else self.store.list_due(**asked)


@breaks("STORE-22", SAID)
class TheTenantsTakeNoTurns(_Turns):
    def turns(self, limit: int, **asked: Any) -> Any:
        return self.store.list_due(limit=limit, **asked)


@breaks("STORE-22", SAID)
class TheTenantsComeOneAfterTheOther(_Turns):
    def turns(self, limit: int, **asked: Any) -> Any:
        return sorted(self.all_due(**asked), key=self.tenants.__getitem__)[:limit]


@breaks("STORE-22", SAID)
class EachTurnIsInTheOrderOfTheTenants(_Turns):
    def turns(self, limit: int, **asked: Any) -> Any:
        taken: Counter[str] = Counter()
        order: dict[str, tuple[int, str]] = {}
        for run_id in self.all_due(**asked):
            tenant_id = self.tenants[run_id]
            taken[tenant_id] += 1
            order[run_id] = taken[tenant_id], tenant_id
        return sorted(order, key=order.__getitem__)[:limit]


@breaks("STORE-22", SAID)
class DueRunsAreCutBeforeTheTenantsTakeTurns(_Turns):
    def turns(self, limit: int, **asked: Any) -> Any:
        cut = self.store.list_due(limit=limit, **asked)
        return [run_id for run_id in self.all_due(**asked, fair=True) if run_id in cut]


@breaks("STORE-22", SAID)
class EachTenantHasOneTurn(_Turns):
    def turns(self, limit: int, **asked: Any) -> Any:
        due = self.all_due(**asked)
        first = {self.tenants[run_id]: run_id for run_id in reversed(due)}
        return [run_id for run_id in due if run_id in first.values()][:limit]
