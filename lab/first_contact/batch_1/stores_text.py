"""Stores that confuse ids, keys and texts that are not the same."""

import json
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import attrs

from lab.first_contact.batch_1.helpers import (
    Make,
    created,
    key,
    listed,
    records,
    refused,
    run_id,
    wrong_store,
)
from lab.first_contact.runs import (
    AsksForSessions,
    Tells,
    journal,
    row_due,
    session_of,
    with_bodies,
)
from lab.first_contact.wrong import Wrong
from scoria_core.errors import VersionConflict
from scoria_core.payloads import compact
from scoria_core.ports import Fact, IndexRow, Record, RunKey, StoredRun, Where
from scoria_memory import MemoryStore
from scoria_sqlite import PrunableSQLiteStore


class NormalizedSessions(PrunableSQLiteStore):
    """Brings session ids to their composed form (NFC), so two spellings are one session."""

    def create(self, key: RunKey, records: Sequence[Record], *, row: IndexRow) -> str:
        """Store the run under the composed form of its session."""
        session_id = unicodedata.normalize("NFC", key.session_id)
        return super().create(attrs.evolve(key, session_id=session_id), records, row=row)

    def list_runs(self, *, where: Where | None = None, **asked: Any) -> Sequence[StoredRun]:
        """List the runs of the composed form of the session."""
        if (session_id := session_of(where)) is not None:
            where = Where(Fact.SESSION, unicodedata.normalize("NFC", session_id))
        return super().list_runs(where=where, **asked)


def show_normalized_sessions(make: Make, directory: Path) -> None:
    """A session written with a combining accent is not that with a composed letter."""
    store = make(directory)
    created(store, key(1, session="cafe\u0301"))
    assert listed(store, session_id="caf\u00e9") == []
    assert listed(store, session_id="cafe\u0301") == [run_id(1)]


class _Rekeyed(MemoryStore):
    """Finds runs by another idempotency key than the one that it was given."""

    def _rekeyed(self, key: RunKey) -> RunKey:
        return key

    def create(self, key: RunKey, records: Sequence[Record], *, row: IndexRow) -> str:
        """Store the run under the other key."""
        other = key if key.idempotency_key is None else self._rekeyed(key)
        found = super().create(other, records, row=row)
        if found == key.run_id:
            run = self._runs[found]
            given = attrs.evolve(run.key, idempotency_key=key.idempotency_key)
            self._runs[found] = attrs.evolve(run, key=given)
        return found

    def _remove(self, run: StoredRun) -> None:
        if run.key.idempotency_key is not None:
            run = attrs.evolve(run, key=self._rekeyed(run.key))
        super()._remove(run)


class FoldedKeys(_Rekeyed):
    """Takes idempotency keys that differ in case only for one."""

    def _rekeyed(self, key: RunKey) -> RunKey:
        return attrs.evolve(key, idempotency_key=str(key.idempotency_key).casefold())


def show_folded_keys(make: Make, directory: Path) -> None:
    """Order-A and order-a are two keys, of two runs."""
    store = make(directory)
    created(store, key(1, name="Order-A"))
    assert store.create(key(2, name="order-a"), records(1), row=row_due(None)) == run_id(2)


class KeysOfSessions(_Rekeyed):
    """Lets an idempotency key count within its session only, and not for the tenant."""

    def _rekeyed(self, key: RunKey) -> RunKey:
        return attrs.evolve(key, idempotency_key=f"{key.session_id}\x00{key.idempotency_key}")


def show_keys_of_sessions(make: Make, directory: Path) -> None:
    """The request that is sent again may come in another session."""
    store = make(directory)
    created(store, key(1, session="monday", name="order-1"))
    again = store.create(key(2, session="tuesday", name="order-1"), records(1), row=row_due(None))
    assert again == run_id(1)
    assert not journal(store, run_id(2))


class _Joined(dict[Any, str]):
    """A mapping that joins the parts of its keys with a colon."""

    def __contains__(self, named: Any) -> bool:
        return named[1] is not None and super().__contains__(":".join(named))

    def __getitem__(self, named: Any) -> str:
        return super().__getitem__(":".join(named))

    def __setitem__(self, named: Any, found: str) -> None:
        super().__setitem__(":".join(named), found)

    def pop(self, named: Any, *default: Any) -> Any:
        """Take out what is there under the joined key."""
        return None if named[1] is None else super().pop(":".join(named), *default)


class JoinedKeys(MemoryStore):
    """Joins tenant and idempotency key with a colon, which both may contain."""

    def __init__(self) -> None:
        super().__init__()
        self._idempotent = _Joined()


def show_joined_keys(make: Make, directory: Path) -> None:
    """The key b:c of tenant a is not the key c of tenant a:b."""
    store = make(directory)
    created(store, key(1, tenant="a", name="b:c"))
    assert store.create(key(2, tenant="a:b", name="c"), records(1), row=row_due(None)) == run_id(2)


class LikeSessions(AsksForSessions):
    """Finds a session with LIKE, so an underscore stands for any character."""

    def of_session(self, session_id: str) -> tuple[str, str]:
        """List the runs whose session is like the given one."""
        return "session_id LIKE ?", session_id


def show_like_sessions(make: Make, directory: Path) -> None:
    """The session chat_7 is not the session chat-7."""
    store = make(directory)
    created(store, key(1, session="chat-7"), key(2, session="chat_7"))
    assert listed(store, session_id="chat_7") == [run_id(2)]


class _Short(dict[Any, list[str]]):
    """A mapping that looks at the first characters of a session only."""

    def get(self, named: Any, *default: Any) -> Any:
        """Return what is there under the first characters."""
        return super().get(_shortened(*named), *default)

    def setdefault(self, named: Any, *default: Any) -> Any:
        """Put there what is not there under them."""
        return super().setdefault(_shortened(*named), *default)


def _shortened(tenant_id: str | None, fact: Fact | None, value: str | None) -> Any:
    return tenant_id, fact, value[:64] if value is not None and fact == Fact.SESSION else value


class ShortSessions(MemoryStore):
    """Indexes the first 64 characters of a session only, so long ones run together."""

    def __init__(self) -> None:
        super().__init__()
        self._listings = _Short()


def show_short_sessions(make: Make, directory: Path) -> None:
    """Two sessions of 255 characters that differ in the last one are two."""
    store = make(directory)
    created(store, key(1, session="x" * 254 + "1"), key(2, session="x" * 254 + "2"))
    assert listed(store, tenant_id="acme", session_id="x" * 254 + "1") == [run_id(1)]


class OneLineBreak(Tells, PrunableSQLiteStore):
    """Reads bodies as text files are read: each kind of line break becomes a line feed."""

    def told(self, run: StoredRun) -> StoredRun:
        """Return the records with plain line feeds."""
        return with_bodies(run, [each.body.replace("\r\n", "\n") for each in run.records])


def show_one_line_break(make: Make, directory: Path) -> None:
    """A body with a carriage return comes back with it."""
    store = make(directory)
    store.create(key(1), records(1, body='{"a":\r\n1}'), row=row_due(None))
    assert journal(store, run_id(1))[0].body == '{"a":\r\n1}'


class LowerDigests(MemoryStore):
    """Brings digests to lower case, since they look like hex."""

    def create(self, key: RunKey, records: Sequence[Record], *, row: IndexRow) -> str:
        """Store the records with digests in lower case."""
        lower = [attrs.evolve(each, digest=each.digest.lower()) for each in records]
        return super().create(key, lower, row=row)

    def append(self, run_id: str, records: Sequence[Record], **moved: Any) -> None:
        """Append the records with digests in lower case."""
        lower = [attrs.evolve(each, digest=each.digest.lower()) for each in records]
        super().append(run_id, lower, **moved)


def show_lower_digests(make: Make, directory: Path) -> None:
    """A digest is text that the store does not interpret."""
    store = make(directory)
    store.create(key(1), [Record(1, "ABCdef", "{}")], row=row_due(None))
    assert journal(store, run_id(1))[0].digest == "ABCdef"


class ParsedBodies(Tells, MemoryStore):
    """Keeps bodies as the JSON values that they are, and writes them anew to be read."""

    def told(self, run: StoredRun) -> StoredRun:
        """Return the records with bodies written anew."""
        return with_bodies(run, [_anew(each.body) for each in run.records])


def _anew(body: str) -> str:
    try:
        return compact(json.loads(body))
    except ValueError:
        return body


def show_parsed_bodies(make: Make, directory: Path) -> None:
    """A number with an exponent, a key given twice and an escape come back as they were."""
    store, body = make(directory), '{"a":1e2,"b":"\\u00e9","b":0}'
    store.create(key(1), records(1, body=body), row=row_due(None))
    assert journal(store, run_id(1))[0].body == body


class KeepsTheList(MemoryStore):
    """Keeps the very list of records that it was handed."""

    def create(self, key: RunKey, records: Sequence[Record], *, row: IndexRow) -> str:
        """Store the list itself, and spare a copy."""
        found = super().create(key, records, row=row)
        if found == key.run_id and isinstance(records, list):
            self._journals[found] = records
        return found


def show_keeps_the_list(make: Make, directory: Path) -> None:
    """A list that the caller goes on to use is not the store's."""
    store, given = make(directory), records(1)
    store.create(key(1), given, row=row_due(None))
    given.append(Record(2, "0", "{}"))
    assert len(journal(store, run_id(1))) == 1


class KeyOfARefusedRun(MemoryStore):
    """Lets a create that is refused for its run_id keep the idempotency key it came with."""

    def create(self, key: RunKey, records: Sequence[Record], *, row: IndexRow) -> str:
        """Take the key, whether or not the run is stored."""
        try:
            return super().create(key, records, row=row)
        except VersionConflict:
            if key.idempotency_key is not None:
                self._idempotent[key.tenant_id, key.idempotency_key] = key.run_id
            raise


def show_key_of_a_refused_run(make: Make, directory: Path) -> None:
    """What was refused has not used its key."""
    store = make(directory)
    created(store, key(1))
    with refused(VersionConflict):
        store.create(key(1, name="order-1"), records(1), row=row_due(None))
    assert store.create(key(2, name="order-1"), records(1), row=row_due(None)) == run_id(2)


WRONG: list[Wrong] = [
    wrong_store(*each)
    for each in (
        (
            "sessions brought to their composed form",
            "STORE-10",
            NormalizedSessions,
            show_normalized_sessions,
        ),
        ("idempotency keys compared without case", "STORE-10", FoldedKeys, show_folded_keys),
        (
            "an idempotency key counts in its session only",
            "STORE-3",
            KeysOfSessions,
            show_keys_of_sessions,
        ),
        ("tenant and key joined with a colon", "TENANT-4", JoinedKeys, show_joined_keys),
        ("sessions found with LIKE", "STORE-9", LikeSessions, show_like_sessions),
        ("long sessions told by their beginning", "STORE-10", ShortSessions, show_short_sessions),
        ("line breaks of a body made plain", "STORE-8", OneLineBreak, show_one_line_break),
        ("digests in lower case", "STORE-8", LowerDigests, show_lower_digests),
        ("bodies parsed and written anew", "STORE-8", ParsedBodies, show_parsed_bodies),
        ("the list of records kept as handed in", "READ-4", KeepsTheList, show_keeps_the_list),
        ("a refused create keeps its key", "STORE-2", KeyOfARefusedRun, show_key_of_a_refused_run),
    )
]
