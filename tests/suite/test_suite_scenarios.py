"""The suite's scenarios for stores that last or are shared: right ones pass, wrong ones fail."""

from pathlib import Path

import pytest

from scoria_conformance import Status, verify

pytestmark = pytest.mark.slow

STORE = '''
"""A store of one SQLite file that processes share, and stores that get it wrong."""

import os
import sqlite3
import threading
import time
from datetime import UTC, datetime

from scoria_core.errors import StoreUnavailable, VersionConflict
from scoria_core.ports import Capability, Record, RunHead, RunKey

SCHEMA = """
CREATE TABLE IF NOT EXISTS runs (
    run_id TEXT PRIMARY KEY, tenant TEXT, session TEXT, key TEXT, due TEXT, UNIQUE (tenant, key));
CREATE TABLE IF NOT EXISTS records (
    run_id TEXT, sequence INTEGER, digest TEXT, body TEXT, PRIMARY KEY (run_id, sequence));
"""


class Shared:
    capabilities = frozenset(Capability)
    begin = "BEGIN IMMEDIATE"

    def __init__(self, path):
        self.path, self.closed = path, False
        with self.connect() as file:
            file.executescript(SCHEMA)

    def connect(self):
        if self.closed:
            raise StoreUnavailable(str(self.path), "is closed")
        return Connection(self.path)

    def create(self, key, records, *, due_at):
        with self.connect() as file:
            file.execute(self.begin)
            if key.idempotency_key is not None:
                found = file.execute(
                    "SELECT run_id FROM runs WHERE tenant = ? AND key = ?",
                    (key.tenant_id, key.idempotency_key),
                ).fetchone()
                if found:
                    return found[0]
            if self.version(file, key.run_id):
                raise VersionConflict(key.run_id, 0, self.version(file, key.run_id))
            named = (key.run_id, key.tenant_id, key.session_id, key.idempotency_key)
            file.execute("INSERT INTO runs VALUES (?, ?, ?, ?, ?)", (*named, text(due_at)))
            self.insert(file, key.run_id, records)
            return key.run_id

    def append(self, run_id, records, *, expected_version, due_at, due_by=None):
        with self.connect() as file:
            file.execute(self.begin)
            version = self.version(file, run_id)
            due = file.execute("SELECT due FROM runs WHERE run_id = ?", (run_id,)).fetchone()
            is_due = due_by is None or (due and due[0] and due[0] <= text(due_by))
            if not version or version != expected_version or not is_due:
                raise VersionConflict(run_id, expected_version, version)
            file.execute("UPDATE runs SET due = ? WHERE run_id = ?", (text(due_at), run_id))
            self.insert(file, run_id, records)

    def insert(self, file, run_id, records):
        rows = [(run_id, each.sequence, each.digest, each.body) for each in records]
        file.executemany("INSERT INTO records VALUES (?, ?, ?, ?)", rows)

    def version(self, file, run_id):
        count = "SELECT count(*) FROM records WHERE run_id = ?"
        return file.execute(count, (run_id,)).fetchone()[0]

    def read(self, run_id):
        with self.connect() as file:
            found = file.execute(
                "SELECT sequence, digest, body FROM records WHERE run_id = ? ORDER BY sequence",
                (run_id,),
            )
            return [Record(*row) for row in found]

    def head(self, run_id):
        with self.connect() as file:
            file.execute("BEGIN")
            columns = "run_id, tenant, session, key, due"
            for *key, due in file.execute(
                f"SELECT {columns} FROM runs WHERE run_id = ?", (run_id,)
            ):
                due_at = due and datetime.fromisoformat(due)
                return RunHead(RunKey(*key), self.version(file, run_id), due_at)
        return None

    def list_runs(self, *, tenant_id, session_id, limit, before):
        with self.connect() as file:
            found = file.execute(
                "SELECT run_id FROM runs WHERE (?1 IS NULL OR tenant = ?1) AND "
                "(?2 IS NULL OR session = ?2) AND (?3 IS NULL OR run_id < ?3) "
                "ORDER BY run_id DESC LIMIT ?4",
                (tenant_id, session_id, before, limit),
            )
            return [row[0] for row in found]

    def list_due(self, *, tenant_id, until, limit, fair=False):
        turn = "row_number() OVER (PARTITION BY tenant ORDER BY due, run_id), " if fair else ""
        with self.connect() as file:
            found = file.execute(
                "SELECT run_id FROM runs WHERE (?1 IS NULL OR tenant = ?1) AND due <= ?2 "
                f"ORDER BY {turn}due, run_id LIMIT ?3",
                (tenant_id, text(until), limit),
            )
            return [row[0] for row in found]

    def prune(self, versions):
        with self.connect() as file:
            file.execute(self.begin)
            found = [each for each, at in versions.items() if self.version(file, each) == at > 0]
            for run_id in found:
                file.execute("DELETE FROM runs WHERE run_id = ?", (run_id,))
                file.execute("DELETE FROM records WHERE run_id = ?", (run_id,))
            return found

    def close(self):
        self.closed = True


class Connection:
    """One connection per call, for any thread and process; commits, or rolls back."""

    def __init__(self, path):
        self.file = sqlite3.connect(path, timeout=30, isolation_level=None)
        self.file.execute("PRAGMA synchronous = OFF")

    def __enter__(self):
        return self.file

    def __exit__(self, kind, *_):
        if self.file.in_transaction:
            self.file.execute("ROLLBACK" if kind else "COMMIT")
        self.file.close()


def text(at):
    return None if at is None else at.astimezone(UTC).isoformat(timespec="microseconds")


class KeepsBack(Shared):
    """Writes what was appended only with the next call: the last is lost with its process."""

    late = ()

    def append(self, run_id, records, *, expected_version, due_at, due_by=None):
        self.settle()
        with self.connect() as file:
            version = self.version(file, run_id)
        if not version or version != expected_version:
            raise VersionConflict(run_id, expected_version, version)
        self.late = (run_id, records, expected_version, due_at)

    def settle(self):
        late, self.late = self.late, ()
        if late:
            run_id, records, version, due_at = late
            super().append(run_id, records, expected_version=version, due_at=due_at)

    def read(self, run_id):
        found = super().read(run_id)
        return [*found, *self.late[1]] if self.late[:1] == (run_id,) else found

    def close(self):
        if not self.closed:
            self.settle()
        super().close()


class OneByOne(Shared):
    """Stores the records of an append each for itself."""

    def append(self, run_id, records, *, expected_version, **at):
        for each in records:
            super().append(run_id, [each], expected_version=each.sequence - 1, **at)


class Remembers(Shared):
    """Trusts what it remembers of a version over what other processes wrote."""

    def __init__(self, path):
        super().__init__(path)
        self.versions = {}

    def version(self, file, run_id):
        if run_id not in self.versions:
            self.versions[run_id] = super().version(file, run_id)
        return self.versions[run_id]

    def insert(self, file, run_id, records):
        shift = super().version(file, run_id) - self.version(file, run_id)
        self.versions[run_id] = self.version(file, run_id) + len(records)
        shifted = [Record(each.sequence + shift, each.digest, each.body) for each in records]
        super().insert(file, run_id, shifted)


class OwnKeys(Shared):
    """Knows only the idempotency keys that its own process has used."""

    def __init__(self, path):
        super().__init__(path)
        self.keys = {}

    def create(self, key, records, *, due_at):
        named = (key.tenant_id, key.idempotency_key)
        if key.idempotency_key is not None and named in self.keys:
            return self.keys[named]
        self.keys[named] = key.run_id
        plain = type(key)(key.run_id, key.tenant_id, key.session_id)
        return super().create(plain, records, due_at=due_at)


class ReadsOnce(Shared):
    """Answers a read as it answered the first time, until this process writes."""

    def __init__(self, path):
        super().__init__(path)
        self.known = {}

    def read(self, run_id):
        if run_id not in self.known:
            self.known[run_id] = super().read(run_id)
        return list(self.known[run_id])

    def append(self, run_id, records, **named):
        super().append(run_id, records, **named)
        self.known.clear()

    def create(self, key, records, **named):
        self.known.clear()
        return super().create(key, records, **named)


class InMemory(Shared):
    """Declares that it lasts, and starts empty each time."""

    def __init__(self, path):
        path.unlink(missing_ok=True)
        super().__init__(path)


class DropsMarks(Shared):
    """Takes byte order marks out of what it stores."""

    def insert(self, file, run_id, records):
        clean = [Record(each.sequence, each.digest, self.clean(each.body)) for each in records]
        super().insert(file, run_id, clean)

    def clean(self, body):
        return body.replace(chr(0xFEFF), "")


class DropsMarksOfObjects(DropsMarks):
    """Takes them out of what it takes for an object alone."""

    def clean(self, body):
        return super().clean(body) if body.startswith('{"') else body


class RemembersRight(DropsMarks):
    """Stores something else than what it answers as long as it is open."""

    def __init__(self, path):
        super().__init__(path)
        self.known = {}

    def insert(self, file, run_id, records):
        self.known.setdefault(run_id, []).extend(records)
        super().insert(file, run_id, records)

    def read(self, run_id):
        found = super().read(run_id)
        known = self.known.get(run_id, [])
        return known[:] if len(known) == len(found) else found


class LimitsFirst(Shared):
    """Cuts what is due to the limit before it looks whose it is."""

    def list_due(self, *, tenant_id, until, limit):
        due = super().list_due(tenant_id=None, until=until, limit=limit)
        own = super().list_due(tenant_id=tenant_id, until=until, limit=limit)
        return [run_id for run_id in due if run_id in own]


class LikesSessions(Shared):
    """Takes the ids of a tenant and a session for patterns, where both are asked for."""

    def list_runs(self, *, tenant_id, session_id, limit, before):
        if tenant_id is None or session_id is None:
            return super().list_runs(
                tenant_id=tenant_id, session_id=session_id, limit=limit, before=before
            )
        with self.connect() as file:
            found = file.execute(
                "SELECT run_id FROM runs WHERE tenant = ?1 AND session GLOB ?2 "
                "AND (?3 IS NULL OR run_id < ?3) ORDER BY run_id DESC LIMIT ?4",
                (tenant_id, session_id, before, limit),
            )
            return [row[0] for row in found]


class AnswersWhileBusy(Shared):
    """Answers who reads while another writes with what it read last."""

    def __init__(self, path):
        super().__init__(path)
        self.known = {}

    def append(self, run_id, records, **named):
        busy = self.path.with_suffix(f".{os.getpid()}-{threading.get_ident()}.busy")
        busy.touch()
        time.sleep(0.003)
        try:
            super().append(run_id, records, **named)
        finally:
            busy.unlink(missing_ok=True)

    def read(self, run_id):
        if run_id not in self.known or not any(self.path.parent.glob("*.busy")):
            self.known[run_id] = super().read(run_id)
        return list(self.known[run_id])


class LocksByFile(Shared):
    """Has a file for a lock, which stays when its process is killed, until the store is opened."""

    def __init__(self, path):
        self.lock = path.with_suffix(".lock")
        super().__init__(path)
        self.lock.unlink(missing_ok=True)

    def append(self, run_id, records, **named):
        deadline = time.monotonic() + 2
        while True:
            try:
                self.lock.touch(exist_ok=False)
                break
            except FileExistsError:
                if time.monotonic() > deadline:
                    raise StoreUnavailable(str(self.path), "is locked") from None
                time.sleep(0.001)
        try:
            super().append(run_id, records, **named)
        finally:
            self.lock.unlink(missing_ok=True)


class ReadsThemAll(Shared):
    """Reads all runs to find those that are due."""

    def list_due(self, *, tenant_id, until, limit):
        with self.connect() as file:
            rows = file.execute("SELECT * FROM runs, records USING (run_id)").fetchall()
        due = {(row[4], row[0]) for row in rows if tenant_id in (None, row[1]) and row[4]}
        return [run_id for at, run_id in sorted(due) if at <= text(until)][:limit]


def opens(kind):
    return lambda directory: kind(directory / "store.sqlite")


shared, keeps_back, one_by_one, remembers, own_keys, reads_once, in_memory = map(
    opens, (Shared, KeepsBack, OneByOne, Remembers, OwnKeys, ReadsOnce, InMemory)
)
drops_marks, drops_marks_of_objects, remembers_right, limits_first, likes_sessions = map(
    opens, (DropsMarks, DropsMarksOfObjects, RemembersRight, LimitsFirst, LikesSessions)
)
answers_while_busy, locks_by_file, reads_them_all = map(
    opens, (AnswersWhileBusy, LocksByFile, ReadsThemAll)
)
'''


TOLD_CALLERS = "What callers are told by a store at once fits one order of their calls"
TOLD_PROCESSES = "What processes are told by a store at once fits one order of their calls"
TOLD_DECIDERS = "What callers who decide, resume and claim are told fits one order of their calls"
STOPPED = "Wherever a caller is stopped, another finds the store right"
KILLED_AT_WORK = "A process that is killed while its threads write and prune leaves every run whole"
KILLED = "Whoever is killed at a write loses nothing that was acknowledged"


@pytest.fixture
def stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the module of the stores where the suite runs."""
    (tmp_path / "stores.py").write_text(STORE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("stores")
def test_a_store_that_lasts_and_is_shared_passes_every_scenario() -> None:
    """Nothing is left out where a store declares all that one can."""
    verdict = verify("stores:shared", suite="store")
    assert verdict.exit_code == 0, [check for check in verdict.checks if check.reason]
    assert {check.status for check in verdict.checks} == {Status.PASSED}


WRONG = {
    "keeps_back": {
        f"{KILLED_AT_WORK} (a line of its code)",
        f"{KILLED} (after)",
    },
    "one_by_one": {
        f"{STOPPED} (appends to a run)",
        f"{KILLED} (within)",
    },
    "in_memory": {"What was written outlives a store that is closed"},
    "remembers": {"Of several processes that append at one version, one succeeds"},
    "own_keys": {"Of several processes that create under one key, one gives all of them its run"},
    "reads_once": {"What one process stored, every other sees"},
    "drops_marks": {"Whatever is stored comes back as it was"},
    "remembers_right": {
        "Whatever is stored comes back as it was, from a store that is opened anew"
    },
    "drops_marks_of_objects": {"Whatever a host hands over comes back equal and in its order"},
    "limits_first": {"Any sequence of calls is answered as the reference answers"},
    "likes_sessions": {"Any sequence of calls is answered as the reference answers"},
    "answers_while_busy": {
        f"{TOLD_CALLERS} (one run)",
        f"{TOLD_CALLERS} (16 runs)",
        f"{TOLD_PROCESSES} (one run)",
        f"{TOLD_PROCESSES} (3 runs)",
        f"{TOLD_DECIDERS} (one run)",
        f"{TOLD_DECIDERS} (16 runs)",
    },
    "locks_by_file": {"Of processes that are killed at their writes none takes the others with it"},
    "reads_them_all": {"The thousandth run costs what the first did"},
}
"""The stores that do not keep what they declare, and the scenarios that say what they break."""


@pytest.mark.usefixtures("stores")
@pytest.mark.parametrize("store", WRONG)
def test_a_store_that_does_not_keep_what_it_declares_fails_for_that(store: str) -> None:
    """Each is caught by the scenarios that say what it breaks."""
    verdict = verify(f"stores:{store}", suite="store")
    failed = {check.name for check in verdict.checks if check.status == Status.FAILED}
    assert failed >= WRONG[store], sorted(failed)
    assert verdict.exit_code == 1
