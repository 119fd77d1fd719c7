"""Stores that take one id for another."""

import re
from fnmatch import fnmatchcase
from typing import Any

from lab.mutants.stores.around import SAID, Around, Folds, Lists, installed
from lab.mutants.wrong import Catalogue
from scoria_core.ports import Fact, RunKey, Where

breaks = Catalogue("store", installed)


@breaks("STORE-10", SAID)
class TheCaseOfSessionsIsFolded(Folds):
    folded = ("session_id",)


@breaks("STORE-10", SAID)
class TheCaseOfTenantsIsFolded(Folds):
    folded = ("tenant_id",)


@breaks("STORE-10", SAID)
class TheCaseOfIdempotencyKeysIsFolded(Folds):
    folded = ("idempotency_key",)


@breaks("STORE-10", SAID)
class SessionsAreComparedAsACollationDoes(Folds):
    folded = ("session_id",)

    def fold(self, value: str) -> str:
        return value.replace("ß", "ss")


@breaks("STORE-10", SAID)
class SpacesAtTheEndOfASessionDoNotCount(Folds):
    folded = ("session_id",)

    def fold(self, value: str) -> str:
        return value.rstrip(" ")


@breaks("STORE-10", SAID)
class IdsThatAreNumbersAreComparedAsNumbers(Folds):
    folded = ("tenant_id", "session_id")

    def fold(self, value: str) -> str:
        return value.lstrip("0") or value


@breaks("STORE-10", SAID)
class TenantsAreTakenForPatterns(Around):
    def __init__(self, store: Any) -> None:
        super().__init__(store)
        self.tenants: set[str] = set()

    def create(self, key: RunKey, *records: Any, **at: Any) -> Any:
        self.tenants.add(key.tenant_id)
        return self.store.create(key, *records, **at)

    def list_due(self, *, tenant_id: str | None, **asked: Any) -> Any:
        like = re.escape(tenant_id or "%").replace("%", ".*").replace("_", ".")
        return [
            run_id
            for each in sorted(self.tenants)
            if re.fullmatch(like, each)
            for run_id in self.store.list_due(tenant_id=each, **asked)
        ]


@breaks("STORE-10", SAID)
class SessionsAreTakenForPatterns(Lists):
    def list_runs(self, *, where: Where | None = None, **asked: Any) -> Any:
        if asked["tenant_id"] is None or where is None or where.fact != Fact.SESSION:
            return self.store.list_runs(where=where, **asked)
        found = self.every(**asked)
        like = [run for run in found if fnmatchcase(run.key.session_id, where.value)]
        return like[: asked["limit"]]
