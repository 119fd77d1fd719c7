"""Stores that are wrong about ids, listings and what a run is found by."""

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from lab.first_contact.batch_2.common import (
    HOUR,
    NOON,
    key,
    memory,
    raised,
    raised_kind,
    recs,
    sqlite,
)
from lab.first_contact.runs import AsksForSessions, journal, listed_runs, row_due, run_key
from lab.first_contact.wrong import Wrong
from scoria_core.errors import VersionConflict
from scoria_core.ports import IndexRow, Record, RunKey, StoredRun
from scoria_memory import MemoryStore
from scoria_sqlite import PrunableSQLiteStore

Make = Callable[[Path], Any]


def page(store: Any, **asked: Any) -> list[str]:
    """Return a listing of a store, of all tenants unless told otherwise."""
    return listed_runs(store, **{"limit": 10, **asked})


class Normalising(MemoryStore):
    """Brings tenants to NFC as they come in, so that two that look alike are one."""

    def create(self, key: RunKey, records: Sequence[Record], *, row: IndexRow) -> str:
        """Store the run under the normalised tenant."""
        plain = unicodedata.normalize("NFC", key.tenant_id)
        return super().create(attrs.evolve(key, tenant_id=plain), records, row=row)

    def list_runs(self, *, tenant_id: str | None, **asked: Any) -> Sequence[StoredRun]:
        """List the runs of the normalised tenant."""
        plain = tenant_id and unicodedata.normalize("NFC", tenant_id)
        return super().list_runs(tenant_id=plain, **asked)


def show_normalising(make: Make, directory: Path) -> None:
    """Two tenants differ only in how an accent is written."""
    store = make(directory)
    store.create(key("r1", tenant="caf\u00e9"), recs(), row=row_due(None))
    assert page(store, tenant_id="cafe\u0301") == [], "the decomposed tenant sees the composed one"


class Padded(AsksForSessions):
    """Compares sessions without the spaces at their end, as a CHAR column does."""

    def of_session(self, session_id: str) -> tuple[str, str]:
        """Take the spaces away on both sides."""
        return "rtrim(session_id, ' ') = ?", session_id.rstrip(" ")


def padded(directory: Path) -> Padded:
    """Return the store that pads."""
    return Padded(directory / "runs.sqlite")


def show_padded(make: Make, directory: Path) -> None:
    """Two sessions differ only in a space at the end."""
    store = make(directory)
    store.create(key("r1", session="chat"), recs(), row=row_due(None))
    assert page(store, session_id="chat ") == [], "a space at the end of a session was ignored"


class Like(AsksForSessions):
    """Finds a session by LIKE, so that an underscore in it finds others too."""

    def of_session(self, session_id: str) -> tuple[str, str]:
        """Look for the pattern."""
        return "session_id LIKE ?", session_id


def like(directory: Path) -> Like:
    """Return the store that looks by pattern."""
    return Like(directory / "runs.sqlite")


def show_like(make: Make, directory: Path) -> None:
    """An underscore in a session stands for itself."""
    store = make(directory)
    store.create(key("r1", session="chat-1"), recs(), row=row_due(None))
    store.create(key("r2", session="chat_1"), recs(), row=row_due(None))
    assert page(store, tenant_id="acme", session_id="chat_1") == ["r2"], "a wildcard in a session"


class UuidKeyed(MemoryStore):
    """Keeps run ids as a column of type uuid gives them back: in small letters."""

    def read(self, run_ids: Sequence[str]) -> Sequence[StoredRun]:
        """Read by the ids in small letters, where they are not known."""
        return super().read([each if each in self._runs else each.lower() for each in run_ids])


def show_uuid_keyed(make: Make, directory: Path) -> None:
    """An id in capitals is another id, and unknown."""
    store = make(directory)
    run_id = "0197c1e0-aaaa-7bbb-8ccc-0123456789ab"
    store.create(key(run_id), recs(), row=row_due(None))
    assert list(journal(store, run_id.upper())) == [], "an id in capitals read the run"


class FirstInLast(MemoryStore):
    """Lists runs by when they were stored, newest first, and not by their ids."""

    def list_runs(self, *, limit: int, **asked: Any) -> Sequence[StoredRun]:
        """List in the order of the calls of `create`."""
        found = {run.key.run_id: run for run in super().list_runs(limit=2**62, **asked)}
        with self._lock:
            return [found[run_id] for run_id in reversed(self._runs) if run_id in found][:limit]


def show_first_in_last(make: Make, directory: Path) -> None:
    """A process whose ids are a little older stores its run a little later."""
    store = make(directory)
    for run_id in ("r2", "r3", "r1"):
        store.create(key(run_id), recs(), row=row_due(None))
    assert page(store) == ["r3", "r2", "r1"], "the order is not that of the ids"


class Cursor(MemoryStore):
    """Looks the run `before` up to go on from it, and finds nothing after one that was pruned."""

    def list_runs(self, *, before: str | None = None, **asked: Any) -> Sequence[StoredRun]:
        """List from the place of `before`, where it has one."""
        if before is not None and before not in self._runs:
            return []
        return super().list_runs(before=before, **asked)


def show_cursor(make: Make, directory: Path) -> None:
    """The run that ended a page is pruned before the next page is asked for."""
    store = make(directory)
    for run_id in ("r1", "r2", "r3"):
        store.create(key(run_id), recs(), row=row_due(None))
    assert page(store, limit=2) == ["r3", "r2"]
    store.prune({"r2": 1})
    assert page(store, limit=2, before="r2") == ["r1"], "the rest of the listing was lost"


class NoLimit(MemoryStore):
    """Takes a limit of 0 for none, as `if limit:` does."""

    def list_due(self, *, limit: int, **asked: Any) -> Sequence[str]:
        """List at most `limit`, or all where it is 0."""
        return super().list_due(limit=limit or 2**62, **asked)


def show_no_limit(make: Make, directory: Path) -> None:
    """Nothing is asked for, and nothing is given."""
    store = make(directory)
    store.create(key("r1"), recs(), row=row_due(NOON))
    assert list(store.list_due(tenant_id=None, until=NOON, limit=0)) == [], "0 gave a run"


class OneMore(PrunableSQLiteStore):
    """Asks for one run more than the limit to see whether there are more, and overflows."""

    def list_runs(self, *, limit: int, **asked: Any) -> Sequence[StoredRun]:
        """List one more, and cut it off."""
        return super().list_runs(limit=limit + 1, **asked)[:limit]

    def list_due(self, *, limit: int, **asked: Any) -> Sequence[str]:
        """List one more, and cut it off."""
        return super().list_due(limit=limit + 1, **asked)[:limit]


def one_more(directory: Path) -> OneMore:
    """Return the store that asks for one more."""
    return OneMore(directory / "runs.sqlite")


def show_one_more(make: Make, directory: Path) -> None:
    """The largest limit of 63 bits is a limit."""
    store = make(directory)
    store.create(key("r1"), recs(), row=row_due(None))
    found: list[str] = []
    failed = raised(lambda: found.extend(page(store, limit=2**63 - 1)))
    assert failed is None and found == ["r1"], f"a large limit: {failed!r}"


class Short191(AsksForSessions):
    """Looks sessions up by their first 191 characters, all that its index could hold."""

    def of_session(self, session_id: str) -> tuple[str, str]:
        """Compare what the index has."""
        return "substr(session_id, 1, 191) = ?", session_id[:191]


def short191(directory: Path) -> Short191:
    """Return the store that cuts."""
    return Short191(directory / "runs.sqlite")


def show_short191(make: Make, directory: Path) -> None:
    """Two sessions of 200 characters differ in the last one."""
    store = make(directory)
    one, two = "s" * 199 + "1", "s" * 199 + "2"
    store.create(key("r1", session=one), recs(), row=row_due(None))
    store.create(key("r2", session=two), recs(), row=row_due(None))
    assert page(store, session_id=one) == ["r1"], "long ids were cut where they are compared"


class KeyPerSession(MemoryStore):
    """Makes an idempotency key unique within its session, and not within its tenant."""

    def create(self, key: RunKey, records: Sequence[Record], *, row: IndexRow) -> str:
        """Look for the key among the runs of the session."""
        with self._lock:
            owner = self._idempotent.get((key.tenant_id, key.idempotency_key))
            if owner is not None and self._runs[owner].key.session_id != key.session_id:
                del self._idempotent[key.tenant_id, key.idempotency_key]
        return super().create(key, records, row=row)


def show_key_per_session(make: Make, directory: Path) -> None:
    """A request is sent again from a new session of the same user."""
    store = make(directory)
    store.create(key("r1", session="a", idem="order-1"), recs(), row=row_due(None))
    again = store.create(key("r2", session="b", idem="order-1"), recs(), row=row_due(None))
    assert again == "r1", "the key of the tenant was used twice"
    assert list(journal(store, "r2")) == []


class RunFirst(MemoryStore):
    """Checks the run id before the idempotency key, as a primary key does."""

    def create(self, key: RunKey, records: Sequence[Record], *, row: IndexRow) -> str:
        """Refuse a known run id first."""
        with self._lock:
            if (found := self._runs.get(key.run_id)) is not None:
                raise VersionConflict(key.run_id, 0, found.version)
        return super().create(key, records, row=row)


def show_run_first(make: Make, directory: Path) -> None:
    """The very same call is made twice, after its answer was lost."""
    store = make(directory)
    given = key("r1", idem="order-1")
    store.create(given, recs(), row=row_due(None))
    found: list[str] = []
    kind = raised_kind(lambda: found.append(store.create(given, recs(), row=row_due(None))))
    assert found == ["r1"], f"the repeat was refused: {kind}"


class ReplayedCreate(PrunableSQLiteStore):
    """Takes a `create` with a known id and the same records for a repeat that has succeeded."""

    def create(self, key: RunKey, records: Sequence[Record], *, row: IndexRow) -> str:
        """Store the run, or find that it is stored already."""
        try:
            return super().create(key, records, row=row)
        except VersionConflict:
            if journal(self, key.run_id) == list(records):
                return key.run_id
            raise


def replayed_create(directory: Path) -> ReplayedCreate:
    """Return the store that forgives."""
    return ReplayedCreate(directory / "runs.sqlite")


def show_replayed_create(make: Make, directory: Path) -> None:
    """A run id is used again for another tenant, with records that look the same."""
    store = make(directory)
    store.create(key("r1", tenant="a"), recs(), row=row_due(None))
    kind = raised_kind(lambda: store.create(key("r1", tenant="b"), recs(), row=row_due(None)))
    assert kind == "version_conflict", f"the second writer was told {kind}"


class OtherKeys(MemoryStore):
    """Frees with a pruned run every key of that name, those of other tenants too."""

    def prune(self, versions: Mapping[str, int]) -> Sequence[str]:
        """Remove the runs, and their keys by name."""
        names = {r: self._runs[r].key.idempotency_key for r in versions if r in self._runs}
        removed = super().prune(versions)
        with self._lock:
            gone = {names[run_id] for run_id in removed}
            for named in [n for n in self._idempotent if n[1] in gone]:
                del self._idempotent[named]
        return removed


def show_other_keys(make: Make, directory: Path) -> None:
    """Two tenants count their orders alike, and a run of one is pruned."""
    store = make(directory)
    store.create(key("r1", tenant="a", idem="1"), recs(), row=row_due(None))
    store.create(key("r2", tenant="b", idem="1"), recs(), row=row_due(None))
    store.prune({"r1": 1})
    assert store.create(key("r3", tenant="b", idem="1"), recs(), row=row_due(None)) == "r2", (
        "lost a key"
    )


class Tombstones(MemoryStore):
    """Remembers at which version a run was pruned, and tells it to who appends to it later."""

    def __init__(self) -> None:
        super().__init__()
        self._graves: dict[str, int] = {}

    def prune(self, versions: Mapping[str, int]) -> Sequence[str]:
        """Remove the runs, and bury their versions."""
        removed = super().prune(versions)
        self._graves.update({run_id: versions[run_id] for run_id in removed})
        return removed

    def append(self, run_id: str, records: Sequence[Record], **asked: Any) -> None:
        """Append, or tell the version of the grave."""
        try:
            super().append(run_id, records, **asked)
        except VersionConflict as error:
            actual = error.actual or self._graves.get(run_id, 0)
            raise VersionConflict(run_id, error.expected, actual) from error


def show_tombstones(make: Make, directory: Path) -> None:
    """Somebody appends to a run that was pruned meanwhile."""
    store = make(directory)
    store.create(key("r1"), recs(1, 3), row=row_due(None))
    store.prune({"r1": 3})
    error = raised(lambda: store.append("r1", recs(4), expected_version=3, row=row_due(None)))
    assert isinstance(error, VersionConflict)
    assert (error.expected, error.actual) == (3, 0), f"a run that is gone is at {error.actual}"


class AtLeast(PrunableSQLiteStore):
    """Prunes a run that is at the given version or at a later one."""

    def prune(self, versions: Mapping[str, int]) -> Sequence[str]:
        """Raise each version to where the run is by now, then prune."""
        runs = {run.key.run_id: run for run in self.read(list(versions))}
        return super().prune({r: max(versions[r], run.version) for r, run in runs.items()})


def at_least(directory: Path) -> AtLeast:
    """Return the store that prunes what grew."""
    return AtLeast(directory / "runs.sqlite")


def show_at_least(make: Make, directory: Path) -> None:
    """An entry was added after the run was exported."""
    store = make(directory)
    store.create(key("r1"), recs(1, 2), row=row_due(None))
    store.append("r1", recs(3), expected_version=2, row=row_due(None))
    assert list(store.prune({"r1": 2})) == [] and len(journal(store, "r1")) == 3, "pruned what grew"


class Unborn(MemoryStore):
    """Begins a run that it does not know with an append at version 0."""

    def append(self, run_id: str, records: Sequence[Record], **asked: Any) -> None:
        """Append, and make the run where there is none."""
        if asked["expected_version"] == 0 and records and not self.read([run_id]):
            self.create(run_key(run_id, "", ""), records, row=asked["row"])
            return
        super().append(run_id, records, **asked)


def show_unborn(make: Make, directory: Path) -> None:
    """An unknown run is at version 0, and takes nothing all the same."""
    store = make(directory)
    kind = raised_kind(lambda: store.append("r1", recs(), expected_version=0, row=row_due(None)))
    assert kind == "version_conflict" and not journal(store, "r1"), "an append made a run"


class QuietAfterClose(PrunableSQLiteStore):
    """Answers a worker that still polls after `close` with an empty queue."""

    def list_due(self, **asked: Any) -> Sequence[str]:
        """List what is due, and nothing once closed."""
        return [] if self._closed else super().list_due(**asked)


def quiet_after_close(directory: Path) -> QuietAfterClose:
    """Return the store that is quiet after its end."""
    return QuietAfterClose(directory / "runs.sqlite")


def show_quiet_after_close(make: Make, directory: Path) -> None:
    """A worker looks for work in a store that is closed."""
    store = make(directory)
    store.create(key("r1"), recs(), row=row_due(NOON))
    store.close()
    kind = raised_kind(lambda: store.list_due(tenant_id=None, until=NOON + HOUR, limit=5))
    assert kind == "store_unavailable", f"a closed store answered: {kind}"


def _wrong(name: str, clause: str, make: Make, show: Callable[..., None], right: Make) -> Wrong:
    return Wrong(name, clause, "store", make, show, right)


def of(kind: type[MemoryStore]) -> Make:
    """Return what makes a store in memory of that class."""

    def make(_: Path) -> MemoryStore:
        return kind()

    make.__module__ = kind.__module__
    return make


WRONG: list[Wrong] = [
    _wrong("tenants brought to NFC", "STORE-10", of(Normalising), show_normalising, memory),
    _wrong("sessions compared as CHAR columns", "STORE-10", padded, show_padded, sqlite),
    _wrong("sessions found by LIKE", "STORE-9", like, show_like, sqlite),
    _wrong("run ids as a uuid column", "STORE-10", of(UuidKeyed), show_uuid_keyed, memory),
    _wrong("listed by time of storing", "STORE-9", of(FirstInLast), show_first_in_last, memory),
    _wrong("paging from a pruned run ends", "STORE-36", of(Cursor), show_cursor, memory),
    _wrong("a limit of 0 is none", "STORE-36", of(NoLimit), show_no_limit, memory),
    _wrong("one more than the largest limit", "STORE-36", one_more, show_one_more, sqlite),
    _wrong("sessions cut at 191 characters", "STORE-35", short191, show_short191, sqlite),
    _wrong("idempotency per session", "STORE-3", of(KeyPerSession), show_key_per_session, memory),
    _wrong("run id before the key", "STORE-34", of(RunFirst), show_run_first, memory),
    _wrong("create forgives a repeat", "STORE-2", replayed_create, show_replayed_create, sqlite),
    _wrong("prune frees keys by name", "STORE-25", of(OtherKeys), show_other_keys, memory),
    _wrong("conflict tells the grave", "STORE-32", of(Tombstones), show_tombstones, memory),
    _wrong("prune takes what grew", "STORE-24", at_least, show_at_least, sqlite),
    _wrong("append begins a run", "STORE-5", of(Unborn), show_unborn, memory),
    _wrong("closed queue is empty", "STORE-13", quiet_after_close, show_quiet_after_close, sqlite),
]
