"""Stores that list or remove the wrong runs, or answer with the wrong error."""

import os
import threading
from bisect import insort
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from lab.first_contact.batch_1.helpers import (
    NOW,
    Make,
    answered,
    created,
    due,
    key,
    listed,
    records,
    refused,
    run_id,
    wrong_store,
)
from lab.first_contact.runs import journal, row_due, run_key, run_of, session_of
from lab.first_contact.wrong import Wrong
from scoria_core.errors import RunNotFound, StoreUnavailable, VersionConflict
from scoria_core.files import StoreFile
from scoria_core.group_commit import GroupCommit
from scoria_core.ports import Fact, IndexRow, Record, RunKey, StoredRun, Where
from scoria_duckdb import DuckDBStore
from scoria_memory import MemoryStore
from scoria_memory.store import _fact
from scoria_sqlite import PrunableSQLiteStore
from scoria_sqlite.store import BESIDE, WRITE, _number


class BeforeByPlace(MemoryStore):
    """Looks for the place of `before` in the list, and begins anew where it has none."""

    def list_runs(
        self,
        *,
        tenant_id: str | None,
        where: Where | None = None,
        limit: int,
        before: str | None = None,
        with_records: bool = True,
    ) -> Sequence[StoredRun]:
        """List what comes after the place of `before`."""
        with self._lock:
            self._check_open()
            newest = self._listings.get((tenant_id, *_fact(where)), [])[::-1]
            start = newest.index(before) + 1 if before in newest else 0
            return self._answer(iter(newest[start : start + limit]), with_records)


def show_before_by_place(make: Make, directory: Path) -> None:
    """After a run that is not in the list only smaller ids come, too."""
    store = make(directory)
    created(store, key(1), key(3), key(2, session="other"))
    assert listed(store, session_id="chat", before=run_id(2)) == [run_id(1)]


class AsTheyCame(MemoryStore):
    """Lists the run that was stored last first, whatever its id."""

    def list_runs(self, *, limit: int, **asked: Any) -> Sequence[StoredRun]:
        """List the last ones first."""
        found = {run.key.run_id: run for run in super().list_runs(limit=2**62, **asked)}
        with self._lock:
            newest = reversed(self._runs)
            return [found[run_id] for run_id in newest if run_id in found][:limit]


def show_as_they_came(make: Make, directory: Path) -> None:
    """The order is that of the ids, though two processes stored their runs the other way round."""
    store = make(directory)
    created(store, key(2), key(1))
    assert listed(store) == [run_id(2), run_id(1)]


class CutThenFiltered(PrunableSQLiteStore):
    """Cuts a session to the limit before it leaves out the runs of other tenants."""

    def list_runs(
        self, *, tenant_id: str | None, where: Where | None = None, **asked: Any
    ) -> Sequence[StoredRun]:
        """List what is left of the page."""
        if tenant_id is None or session_of(where) is None:
            return super().list_runs(tenant_id=tenant_id, where=where, **asked)
        found = super().list_runs(tenant_id=None, where=where, **asked)
        return [run for run in found if run.key.tenant_id == tenant_id]


def show_cut_then_filtered(make: Make, directory: Path) -> None:
    """A page is full as long as the session has runs of the tenant."""
    store = make(directory)
    created(store, key(1), key(2), *(key(number, "other") for number in (3, 4, 5)))
    page = listed(store, tenant_id="acme", session_id="chat", limit=2)
    assert page == [run_id(2), run_id(1)], "a short page says that it is the last"


class SessionOfATenant(MemoryStore):
    """Looks at the session only where a tenant is given as well."""

    def list_runs(self, *, tenant_id: str | None, where: Where | None = None, **asked: Any) -> Any:
        """List the session of a tenant, or all runs."""
        if tenant_id is None and session_of(where) is not None:
            where = None
        return super().list_runs(tenant_id=tenant_id, where=where, **asked)


def show_session_of_a_tenant(make: Make, directory: Path) -> None:
    """The session counts for who sees all tenants, too."""
    store = make(directory)
    created(store, key(1, session="a"), key(2, session="b"))
    assert listed(store, session_id="a") == [run_id(1)]


class SmallPages(MemoryStore):
    """Gives no page of more than 100 runs, whatever it is asked for."""

    def list_runs(self, *, limit: int, **asked: Any) -> Sequence[StoredRun]:
        """List a page that is not too large."""
        return super().list_runs(limit=min(limit, 100), **asked)


def show_small_pages(make: Make, directory: Path) -> None:
    """Pages of 120 runs list each of 130 runs: one that is short is the last."""
    store = make(directory)
    created(store, *map(key, range(1, 131)))
    seen, before = list[str](), None
    while True:
        page = listed(store, limit=120, before=before)
        seen += page
        if len(page) < 120:
            break
        before = page[-1]
    assert seen == [run_id(number) for number in range(130, 0, -1)]


class FreesTheKeyForAll(MemoryStore):
    """Frees the idempotency key of a pruned run for every tenant that has it."""

    def _remove(self, run: StoredRun) -> None:
        name = run.key.idempotency_key
        super()._remove(run)
        if name is not None:
            for named in [each for each in self._idempotent if each[1] == name]:
                del self._idempotent[named]


def show_frees_the_key_for_all(make: Make, directory: Path) -> None:
    """The same key of another tenant still names its run."""
    store: Any = make(directory)
    created(store, key(1, "a", name="order-1"), key(2, "b", name="order-1"))
    assert store.prune({run_id(1): 1}) == [run_id(1)]
    assert store.create(key(3, "b", name="order-1"), records(1), row=row_due(None)) == run_id(2)


class PrunesWhatWentOn(PrunableSQLiteStore):
    """Removes a run that has gone on since it was exported."""

    def prune(self, versions: Mapping[str, int]) -> Sequence[str]:
        """Remove the runs that are at these versions or later ones."""
        now = dict(versions)
        for run in self.read(list(versions)):
            if run.version >= versions[run.key.run_id] > 0:
                now[run.key.run_id] = run.version
        return super().prune(now)


def show_prunes_what_went_on(make: Make, directory: Path) -> None:
    """A run that was appended to is left as it is."""
    store: Any = make(directory)
    created(store, key(1))
    store.append(run_id(1), records(2), expected_version=1, row=row_due(None))
    assert store.prune({run_id(1): 1}) == []
    assert len(journal(store, run_id(1))) == 2


class PrunedAsGiven(DuckDBStore):
    """Returns the ids that it was given to prune, removed or not."""

    def prune(self, versions: Mapping[str, int]) -> Sequence[str]:
        """Remove runs, and return all of the ids."""
        super().prune(versions)
        return list(versions)


def show_pruned_as_given(make: Make, directory: Path) -> None:
    """What was left as it is is not told as removed."""
    store: Any = make(directory)
    created(store, key(1), key(2))
    assert list(store.prune({run_id(1): 1, run_id(2): 7})) == [run_id(1)]


class ListedAfterPruning(MemoryStore):
    """Leaves a pruned run in the list of its session over all tenants."""

    def __init__(self) -> None:
        super().__init__()
        self._pruned: dict[str, StoredRun] = {}

    def _remove(self, run: StoredRun) -> None:
        super()._remove(run)
        self._pruned[run.key.run_id] = run
        of_session = (None, Fact.SESSION, run.key.session_id)
        insort(self._listings.setdefault(of_session, []), run.key.run_id)

    def _answer(self, run_ids: Iterator[str], with_records: bool) -> list[StoredRun]:
        return [
            run
            for each in run_ids
            for run in (
                super()._answer(iter([each]), with_records)
                if each in self._runs
                else [self._pruned[each]]
            )
        ]


def show_listed_after_pruning(make: Make, directory: Path) -> None:
    """No list names a pruned run."""
    store: Any = make(directory)
    created(store, key(1))
    store.prune({run_id(1): 1})
    assert listed(store) == listed(store, tenant_id="acme") == []
    assert listed(store, session_id="chat") == []


class AppendCreates(PrunableSQLiteStore):
    """Makes a run of nobody where an unknown one is appended to at version 0."""

    def append(self, run_id: str, records: Sequence[Record], **moved: Any) -> None:
        """Append, or create."""
        if records and moved["expected_version"] == 0 and run_of(self, run_id) is None:
            self.create(run_key(run_id, "", ""), records, row=moved["row"])
        else:
            super().append(run_id, records, **moved)


def show_append_creates(make: Make, directory: Path) -> None:
    """A run that was pruned does not come back by an append."""
    store = make(directory)
    with refused(VersionConflict):
        store.append(run_id(1), records(1), expected_version=0, row=row_due(None))
    assert not journal(store, run_id(1))


class UnknownIsNotFound(MemoryStore):
    """Tells of an append to an unknown run with an error of the facade."""

    def append(self, run_id: str, records: Sequence[Record], **moved: Any) -> None:
        """Append to a run that is known."""
        if not self.read([run_id]):
            raise RunNotFound(run_id)
        super().append(run_id, records, **moved)


def show_unknown_is_not_found(make: Make, directory: Path) -> None:
    """An unknown run is at version 0, and that is another version."""
    store = make(directory)
    with refused(VersionConflict):
        store.append(run_id(1), records(4), expected_version=3, row=row_due(None))


class NothingDueWhenClosed(MemoryStore):
    """Has nothing due once it is closed, so that workers end quietly."""

    def list_due(self, **asked: Any) -> Sequence[str]:
        """List what is due, or nothing."""
        return [] if self._closed else super().list_due(**asked)


def show_nothing_due_when_closed(make: Make, directory: Path) -> None:
    """A closed store is unavailable for its queue, too."""
    store = make(directory)
    store.close()
    with refused(StoreUnavailable):
        due(store)


class ClosedOnce(DuckDBStore):
    """Refuses to be closed again."""

    def close(self) -> None:
        """Close the store, which must be open."""
        self._open_file()
        super().close()


def show_closed_once(make: Make, directory: Path) -> None:
    """Closing again does nothing."""
    store = make(directory)
    store.close()
    with answered():
        store.close()


class ClosedUnderACall(MemoryStore):
    """Closes at once, and tells a call under way that it comes too late."""

    def create(self, key: RunKey, records: Sequence[Record], *, row: IndexRow) -> str:
        """Store a run, and look whether the store is open still."""
        found = super().create(key, records, row=row)
        self._check_open()
        return found

    def close(self) -> None:
        """Close without waiting for anybody."""
        self._closed = True


class _Slow(Sequence[Record]):
    """Records that are read when they are told to."""

    def __init__(self) -> None:
        self.entered, self.may_go = threading.Event(), threading.Event()

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: Any) -> Any:
        return records(1)[index]

    def __iter__(self) -> Iterator[Record]:
        self.entered.set()
        self.may_go.wait(20)
        return iter(records(1))


def show_closed_under_a_call(make: Make, directory: Path) -> None:
    """A call that began before the store was closed comes to its end."""
    store, slow, said = make(directory), _Slow(), list[object]()

    def create() -> None:
        try:
            said.append(store.create(key(1), slow, row=row_due(None)))
        except Exception as error:  # noqa: BLE001 - it is what is looked at
            said.append(error)

    creating, closing = threading.Thread(target=create), threading.Thread(target=store.close)
    creating.start()
    slow.entered.wait(20)
    closing.start()
    closing.join(0.5)
    slow.may_go.set()
    creating.join(20)
    closing.join(20)
    assert said == [run_id(1)]


class _AnyPlace(StoreFile):
    """A file that may be anywhere."""

    def check_place(self) -> None:
        """Take the place as it is."""


class SeveralNames(PrunableSQLiteStore):
    """Opens a file that has several hard links."""

    def __init__(self, path: Path) -> None:
        self._file, self._closed = _AnyPlace(path, BESIDE), False
        self._writes = GroupCommit(self._commit)
        self.read(())


def show_several_names(make: Make, directory: Path) -> None:
    """A file with a second name is refused when it is opened."""
    store = make(directory)
    created(store, key(1))
    store.close()
    for file in [each for each in directory.iterdir() if each.is_file()]:
        os.link(file, directory / f"second-{file.name}")
    with refused(StoreUnavailable):
        make(directory)


class ClearsOldWork(PrunableSQLiteStore):
    """Takes work that was due more than a day ago for abandoned when it is opened."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        day_ago = _number(datetime.now(UTC) - timedelta(days=1))
        with self._transaction(WRITE) as connection:
            connection.execute("UPDATE run SET due_at = NULL WHERE due_at < ?", (day_ago,))


def show_clears_old_work(make: Make, directory: Path) -> None:
    """What waits since long is due after the store was opened again."""
    store = make(directory)
    created(store, key(1), due_at=NOW.replace(year=2020))
    store.close()
    assert due(make(directory)) == [run_id(1)]


WRONG: list[Wrong] = [
    wrong_store(*each)
    for each in (
        ("before must be in the list", "STORE-9", BeforeByPlace, show_before_by_place),
        ("runs listed as they were stored", "STORE-9", AsTheyCame, show_as_they_came),
        ("a page cut before it is filtered", "READ-3", CutThenFiltered, show_cut_then_filtered),
        (
            "a session counts with a tenant only",
            "STORE-9",
            SessionOfATenant,
            show_session_of_a_tenant,
        ),
        ("no page of more than 100 runs", "READ-3", SmallPages, show_small_pages),
        (
            "pruning frees the key of other tenants",
            "STORE-25",
            FreesTheKeyForAll,
            show_frees_the_key_for_all,
        ),
        ("a run that went on is pruned", "STORE-24", PrunesWhatWentOn, show_prunes_what_went_on),
        ("all given ids told as pruned", "STORE-23", PrunedAsGiven, show_pruned_as_given),
        (
            "a pruned run is listed by its session",
            "STORE-23",
            ListedAfterPruning,
            show_listed_after_pruning,
        ),
        ("an append at version 0 creates", "STORE-5", AppendCreates, show_append_creates),
        (
            "an append to an unknown run is RunNotFound",
            "STORE-5",
            UnknownIsNotFound,
            show_unknown_is_not_found,
        ),
        (
            "nothing is due in a closed store",
            "STORE-13",
            NothingDueWhenClosed,
            show_nothing_due_when_closed,
        ),
        ("closing again is refused", "STORE-13", ClosedOnce, show_closed_once),
        (
            "closing breaks off a call under way",
            "STORE-26",
            ClosedUnderACall,
            show_closed_under_a_call,
        ),
        ("a file of several names is opened", "STORE-29", SeveralNames, show_several_names),
        ("old work is cleared when opened", "STORE-12", ClearsOldWork, show_clears_old_work),
    )
]
