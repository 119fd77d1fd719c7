"""Durable stores that are wrong only where their process dies within a commit, or between two.

None of them waits to be killed: each is as its author would have written it.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from lab.mutants.stores.around import KILLED, installed
from lab.mutants.wrong import Catalogue, edit
from scoria_core.ports import Record
from scoria_sqlite import PrunableSQLiteStore


def _installed(wrong: Any) -> None:
    """Open stores of a class, or right ones whose connections are set otherwise."""
    if isinstance(wrong, type):
        installed(wrong)
        return
    installed(PrunableSQLiteStore)
    edit("scoria_sqlite.store:_connect", wrong)


breaks = Catalogue("store", _installed)

NOT_SYNCHRONOUS = ("PRAGMA synchronous = FULL", "PRAGMA synchronous = OFF")

for name, mode in (("its journal is in memory", "MEMORY"), ("it has no journal", "OFF")):
    set_otherwise = ("PRAGMA journal_mode = WAL", f"PRAGMA journal_mode = {mode}")
    breaks.add(name, "STORE-38", KILLED, [NOT_SYNCHRONOUS, set_otherwise])


@breaks("STORE-37", KILLED)
class APruneIsCommittedInTwoHalves(PrunableSQLiteStore):
    def prune(self, versions: Mapping[str, int]) -> Sequence[str]:
        found = []
        for run_id, version in versions.items():
            head = self.head(run_id)
            if head is not None and head.version == version:
                found.append(run_id)

        def forget(connection: sqlite3.Connection) -> Any:
            connection.executemany("DELETE FROM run WHERE run_id = ?", [(each,) for each in found])
            return ""

        def remove(connection: sqlite3.Connection) -> Any:
            rows = [(each,) for each in found]
            connection.executemany("DELETE FROM record WHERE run_id = ?", rows)
            return ""

        self._writes.store(forget)
        self._writes.store(remove)
        return found


@breaks("STORE-37", KILLED)
class SeveralRunsArePrunedRecordsFirst(PrunableSQLiteStore):
    def prune(self, versions: Mapping[str, int]) -> Sequence[str]:
        found = [each for each, at in versions.items() if len(self.read(each)) == at > 0]

        def remove(connection: sqlite3.Connection) -> Any:
            rows = [(each,) for each in found]
            connection.executemany("DELETE FROM record WHERE run_id = ?", rows)
            return ""

        def forget(connection: sqlite3.Connection) -> Any:
            connection.executemany("DELETE FROM run WHERE run_id = ?", [(each,) for each in found])
            return ""

        self._writes.store(remove)
        self._writes.store(forget)
        return found


@breaks("STORE-4", KILLED)
class ALargeBatchIsCommittedInParts(PrunableSQLiteStore):
    def append(self, run_id: str, records: Sequence[Record], **at: Any) -> None:
        super().append(run_id, records[:3], **at)
        if records[3:]:
            version = at["expected_version"] + 3
            super().append(run_id, records[3:], **{**at, "expected_version": version})
