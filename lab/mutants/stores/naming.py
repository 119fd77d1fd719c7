"""Stores that take one id for another."""

import re
from fnmatch import fnmatchcase
from typing import Any

from lab.mutants.stores.around import SAID, Around, Folds, Knows, installed
from lab.mutants.wrong import Catalogue
from scoria_core.ports import RunKey

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

    def create(self, key: RunKey, *records: Any, **due: Any) -> Any:
        self.tenants.add(key.tenant_id)
        return self.store.create(key, *records, **due)

    def list_due(self, *, tenant_id: str | None, **asked: Any) -> Any:
        like = re.escape(tenant_id or "%").replace("%", ".*").replace("_", ".")
        return [
            run_id
            for each in sorted(self.tenants)
            if re.fullmatch(like, each)
            for run_id in self.store.list_due(tenant_id=each, **asked)
        ]


@breaks("STORE-10", SAID)
class SessionsAreTakenForPatterns(Knows):
    def list_runs(self, *, tenant_id: Any, session_id: Any, limit: int, before: Any) -> Any:
        asked = {"tenant_id": tenant_id, "before": before}
        if tenant_id is None or session_id is None:
            return self.store.list_runs(**asked, session_id=session_id, limit=limit)
        found = self.store.list_runs(**asked, session_id=None, limit=1_000)
        return [each for each in found if fnmatchcase(self.keys[each].session_id, session_id)][
            :limit
        ]
