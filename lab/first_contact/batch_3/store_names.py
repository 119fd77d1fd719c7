"""Stores that are wrong about ids, keys and texts."""

import json
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs

from lab.first_contact.batch_3.tools import (
    AT,
    begin,
    due_at,
    key,
    listed,
    records,
    refusal,
    wrong_store,
)
from lab.first_contact.runs import AsksForSessions, Tells, journal, row_due, run_of
from scoria_core.errors import VersionConflict
from scoria_core.payloads import compact
from scoria_core.ports import Record, RunKey, StoredRun
from scoria_memory import MemoryStore
from scoria_sqlite import PrunableSQLiteStore
from scoria_sqlite.store import _number, _run_ids


class ComposedKeys(MemoryStore):
    """Composes the letters of an idempotency key before it looks it up."""

    def create(self, key: RunKey, records: Sequence[Record], **more: Any) -> str:
        """Normalize the key, as a web form would."""
        named = key.idempotency_key
        same = named and unicodedata.normalize("NFC", named)
        return super().create(attrs.evolve(key, idempotency_key=same), records, **more)


def show_composed(make: Any, directory: Path) -> None:
    """Assert that two keys of other characters are of two runs."""
    store = make(directory)
    begin(store, "run-1", named="caf\u00e9")
    assert begin(store, "run-2", named="cafe\u0301") == "run-2"


class TrailingBlanks(AsksForSessions):
    """Lists the runs of a session without a look at the blanks at the end of its id."""

    def of_session(self, session_id: str) -> tuple[str, str]:
        """Compare as a CHAR column does."""
        return "rtrim(session_id) = ?", session_id.rstrip(" ")


def show_blanks(make: Any, directory: Path) -> None:
    """Assert that a blank at the end of a session id counts."""
    store = make(directory)
    begin(store, "run-1", session="chat")
    begin(store, "run-2", session="chat ")
    assert listed(store, session_id="chat") == ["run-1"]


class DueWithoutCase(PrunableSQLiteStore):
    """Lists what is due for tenants that are alike but for their case."""

    def list_due(
        self, *, tenant_id: str | None, until: Any, limit: int, fair: bool = False
    ) -> Sequence[str]:
        """Compare with a collation that knows no case."""
        if fair:
            return super().list_due(tenant_id=tenant_id, until=until, limit=limit, fair=True)
        asked = {"tenant_id = ? COLLATE NOCASE": tenant_id, "due_at <= ?": _number(until)}
        found = self._rows(*_run_ids("run", asked, "due_at, run_id", limit))
        return [run_id for (run_id,) in found]


def show_case(make: Any, directory: Path) -> None:
    """Assert that Acme and acme are two tenants to the queue."""
    store = make(directory)
    begin(store, "run-1", "Acme", due=AT)
    begin(store, "run-2", "acme", due=AT)
    assert due_at(store, tenant_id="acme") == ["run-2"]


class SessionsCut(AsksForSessions):
    """Compares no more than 191 characters of a session id, as far as an index once reached."""

    def of_session(self, session_id: str) -> tuple[str, str]:
        """Compare what the index has."""
        return "substr(session_id, 1, 191) = ?", session_id[:191]


def show_cut(make: Any, directory: Path) -> None:
    """Assert that two long session ids that differ at their end are two sessions."""
    store = make(directory)
    begin(store, "run-1", session="s" * 250 + "1")
    begin(store, "run-2", session="s" * 250 + "2")
    assert listed(store, session_id="s" * 250 + "1") == ["run-1"]


class KeyOfSession(MemoryStore):
    """Lets an idempotency key count within one session of the tenant only."""

    def create(self, key: RunKey, records: Sequence[Record], **more: Any) -> str:
        """Forget the key where another session has used it."""
        named = (key.tenant_id, key.idempotency_key)
        with self._lock:
            owner = self._idempotent.get(named)
            if owner is not None and self._runs[owner].key.session_id != key.session_id:
                del self._idempotent[named]
        return super().create(key, records, **more)


def show_key_of_session(make: Any, directory: Path) -> None:
    """Assert that a key of the tenant names one run, also from another session."""
    store = make(directory)
    begin(store, "run-1", session="s-1", named="order-7")
    assert begin(store, "run-2", session="s-2", named="order-7") == "run-1"


class KeyUntilDone(MemoryStore):
    """Forgets the idempotency key of a run once it has no work left to do."""

    def append(self, run_id: str, records: Sequence[Record], **more: Any) -> None:
        """Free the key with the last write."""
        super().append(run_id, records, **more)
        if more["row"].due_at is None:
            with self._lock:
                key = self._runs[run_id].key
                self._idempotent.pop((key.tenant_id, key.idempotency_key), None)


def show_key_until_done(make: Any, directory: Path) -> None:
    """Assert that a repeated key gives the run that it made, also once that is done."""
    store = make(directory)
    begin(store, "run-1", named="order-7", due=AT)
    store.append("run-1", records(2, 2), expected_version=1, row=row_due(None))
    assert begin(store, "run-2", named="order-7", due=AT) == "run-1"


class KeysOfAllFreed(MemoryStore):
    """Frees the key of a run that was pruned for every tenant that has used the same."""

    def _remove(self, run: StoredRun) -> None:
        """Remove the run, and the key wherever it was used."""
        named = run.key.idempotency_key
        super()._remove(run)
        for each in [each for each in self._idempotent if each[1] == named]:
            del self._idempotent[each]


def show_keys_freed(make: Any, directory: Path) -> None:
    """Assert that pruning a run of one tenant leaves the key of another."""
    store = make(directory)
    begin(store, "run-1", "acme", named="order-7")
    begin(store, "run-2", "other", named="order-7")
    store.prune({"run-1": 1})
    assert begin(store, "run-3", "other", named="order-7") == "run-2"


class RunIdOfTenant(MemoryStore):
    """Takes a run id for new where only another tenant has it, whose run it replaces."""

    def create(self, key: RunKey, records: Sequence[Record], **more: Any) -> str:
        """Replace the run of the other tenant."""
        with self._lock:
            known = self._runs.get(key.run_id)
            if known is not None and known.key.tenant_id != key.tenant_id:
                self._remove(known)
        return super().create(key, records, **more)


def show_run_id_of_tenant(make: Any, directory: Path) -> None:
    """Assert that a run id is of one run, whoever asks."""
    store = make(directory)
    begin(store, "run-1", "acme", upto=2)
    refusal(VersionConflict, lambda: begin(store, "run-1", "other"))
    assert len(journal(store, "run-1")) == 2


class LinesOfText(Tells, MemoryStore):
    """Keeps a line for each record, and splits them where Unicode sees the end of a line."""

    def told(self, run: StoredRun) -> StoredRun:
        """Read the lines again, and pass over what is none."""
        rows = run.records
        text = "".join(f"{each.sequence}\t{each.digest}\t{each.body}\n" for each in rows)
        lines = (line.split("\t", 2) for line in text.splitlines())
        read = [Record(int(line[0]), line[1], line[2]) for line in lines if len(line) == 3]
        return attrs.evolve(run, records=tuple(read))


def show_lines(make: Any, directory: Path) -> None:
    """Assert that a text with a line separator in it comes back as it was."""
    store, body = make(directory), '{"text":"one\u2028two\x85three"}'
    store.create(key(), records(1, 1, body), row=row_due(None))
    assert [each.body for each in journal(store, "run-1")] == [body]


class NumbersAsDoubles(MemoryStore):
    """Parses a text that is JSON, with its large whole numbers as doubles, and writes it anew."""

    def create(self, key: RunKey, records: Sequence[Record], **more: Any) -> str:
        """Store the texts anew."""
        return super().create(key, [self._anew(each) for each in records], **more)

    def append(self, run_id: str, records: Sequence[Record], **more: Any) -> None:
        """Append the texts anew."""
        super().append(run_id, [self._anew(each) for each in records], **more)

    def _anew(self, record: Record) -> Record:
        """Return the record with its text parsed and written again."""

        def number(digits: str) -> int:
            return int(digits) if abs(int(digits)) < 2**53 else int(float(digits))

        try:
            body = compact(json.loads(record.body, parse_int=number))
        except (ValueError, RecursionError, OverflowError):
            return record
        return attrs.evolve(record, body=body)


def show_doubles(make: Any, directory: Path) -> None:
    """Assert that a number of more than 53 bits comes back digit for digit."""
    store, body = make(directory), '{"account":9007199254740993}'
    store.create(key(), records(1, 1, body), row=row_due(None))
    assert journal(store, "run-1")[0].body == body


class CallersList(MemoryStore):
    """Keeps the very list of records that a run was created with."""

    def create(self, key: RunKey, records: Sequence[Record], **more: Any) -> str:
        """Keep the list where it is one, which saves a copy."""
        owner = super().create(key, records, **more)
        with self._lock:
            if owner == key.run_id and isinstance(records, list):
                self._journals[owner] = records
        return owner


def show_callers_list(make: Any, directory: Path) -> None:
    """Assert that what a caller does to its list afterwards changes nothing that is stored."""
    store, mine = make(directory), records(1, 1)
    store.create(key(), mine, row=row_due(None))
    mine.extend(records(2, 2))
    assert len(journal(store, "run-1")) == 1


class OneMore(PrunableSQLiteStore):
    """Asks the database for one run more than the limit, which no number of 63 bits allows."""

    def list_runs(self, *, limit: int, **asked: Any) -> Sequence[StoredRun]:
        """Ask for one more, to know whether others follow."""
        return super().list_runs(limit=limit + 1, **asked)[:limit]


def show_one_more(make: Any, directory: Path) -> None:
    """Assert that the greatest number of 63 bits is a limit like any other."""
    store = make(directory)
    begin(store)
    try:
        found = listed(store, limit=2**63 - 1)
    except OverflowError as error:
        raise AssertionError("the limit was refused") from error
    assert found == ["run-1"]


class BeforeMustExist(PrunableSQLiteStore):
    """Lists nothing before a run that it does not find any more."""

    def list_runs(self, *, before: str | None = None, **asked: Any) -> Sequence[StoredRun]:
        """Look the cursor up first."""
        if before is not None and run_of(self, before) is None:
            return []
        return super().list_runs(before=before, **asked)


def show_before(make: Any, directory: Path) -> None:
    """Assert that paging goes on from a run that was pruned meanwhile."""
    store = make(directory)
    for number in (1, 2, 3):
        begin(store, f"run-{number}")
    store.prune({"run-2": 1})
    assert listed(store, before="run-2") == ["run-1"]


WRONG = [
    wrong_store(
        "keys are composed before they are compared", "STORE-10", ComposedKeys, show_composed
    ),
    wrong_store(
        "blanks at the end of a session do not count", "STORE-10", TrailingBlanks, show_blanks
    ),
    wrong_store("the queue knows no case of tenants", "STORE-10", DueWithoutCase, show_case),
    wrong_store("sessions are compared by 191 characters", "STORE-35", SessionsCut, show_cut),
    wrong_store(
        "a key counts within its session only", "STORE-3", KeyOfSession, show_key_of_session
    ),
    wrong_store(
        "a key is forgotten when its run is done", "STORE-3", KeyUntilDone, show_key_until_done
    ),
    wrong_store(
        "pruning frees the key of all tenants", "STORE-25", KeysOfAllFreed, show_keys_freed
    ),
    wrong_store(
        "a run id of another tenant is taken over", "STORE-2", RunIdOfTenant, show_run_id_of_tenant
    ),
    wrong_store("records end at any line separator", "STORE-8", LinesOfText, show_lines),
    wrong_store("large numbers pass through doubles", "STORE-8", NumbersAsDoubles, show_doubles),
    wrong_store("the list of the caller is kept", "READ-4", CallersList, show_callers_list),
    wrong_store("the greatest limit overflows", "STORE-36", OneMore, show_one_more),
    wrong_store("nothing is listed before a pruned run", "STORE-36", BeforeMustExist, show_before),
]
