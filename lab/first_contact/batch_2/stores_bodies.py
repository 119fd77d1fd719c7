"""Stores that are wrong about the records that they give back."""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import attrs

from lab.first_contact.batch_2.common import key, recs, sqlite
from lab.first_contact.runs import Tells, journal, row_due, with_bodies
from lab.first_contact.wrong import Wrong
from scoria_core.ports import IndexRow, Record, RunKey, StoredRun
from scoria_sqlite import PrunableSQLiteStore

Make = Callable[[Path], Any]


class Jsonb(Tells, PrunableSQLiteStore):
    """Reads bodies back from a column of JSON: the same value, written anew."""

    def told(self, run: StoredRun) -> StoredRun:
        """Return the records with their bodies as this language writes them."""
        return with_bodies(run, [_anew(each.body) for each in run.records])


def _anew(body: str) -> str:
    try:
        return json.dumps(json.loads(body), ensure_ascii=False, separators=(",", ":"))
    except ValueError:
        return body


def jsonb(directory: Path) -> Jsonb:
    """Return the store with a column of JSON."""
    return Jsonb(directory / "runs.sqlite")


def show_jsonb(make: Make, directory: Path) -> None:
    """A body has a number and a key as another language writes them."""
    store = make(directory)
    body = '{"limit":1E2,"a":1,"a":2}'
    store.create(key("r1"), recs(body=body), row=row_due(None))
    assert journal(store, "r1")[0].body == body, "written anew"


class Beside(Tells, PrunableSQLiteStore):
    """Keeps big bodies in text files beside, which are read with universal newlines."""

    def _kept(self, records: Sequence[Record]) -> list[Record]:
        kept = []
        for each in records:
            body = each.body
            if len(body) > 4096:
                name = f"{hashlib.sha256(body.encode()).hexdigest()}.body"
                self._file.path.with_name(name).write_text(body, "utf-8")
                body = f"file:{name}"
            kept.append(attrs.evolve(each, body=body))
        return kept

    def create(self, key: RunKey, records: Sequence[Record], *, row: IndexRow) -> str:
        """Store the run, its big bodies beside."""
        return super().create(key, self._kept(records), row=row)

    def append(self, run_id: str, records: Sequence[Record], **asked: Any) -> None:
        """Append, big bodies beside."""
        super().append(run_id, self._kept(records), **asked)

    def told(self, run: StoredRun) -> StoredRun:
        """Return the records, big bodies from their files."""
        bodies = [
            self._file.path.with_name(each.body[5:]).read_text("utf-8")
            if each.body.startswith("file:")
            else each.body
            for each in run.records
        ]
        return with_bodies(run, bodies)


def beside(directory: Path) -> Beside:
    """Return the store with files beside."""
    return Beside(directory / "runs.sqlite")


def show_beside(make: Make, directory: Path) -> None:
    """A big body has the line ends of another system."""
    store = make(directory)
    body = "line\r\n" * 1000
    store.create(key("r1"), recs(body=body), row=row_due(None))
    assert journal(store, "r1")[0].body == body, "other line ends"


class TextSequence(Tells, PrunableSQLiteStore):
    """Orders records by their numbers as texts, as the keys of a document come."""

    def told(self, run: StoredRun) -> StoredRun:
        """Return the records in the order of their keys."""
        as_text = sorted(run.records, key=lambda each: str(each.sequence))
        return attrs.evolve(run, records=tuple(as_text))


def text_sequence(directory: Path) -> TextSequence:
    """Return the store with keys of text."""
    return TextSequence(directory / "runs.sqlite")


def show_text_sequence(make: Make, directory: Path) -> None:
    """A run has more than nine records."""
    store = make(directory)
    store.create(key("r1"), recs(1, 11), row=row_due(None))
    assert [each.sequence for each in journal(store, "r1")] == list(range(1, 12)), "1, 10, 11, 2"


def _wrong(name: str, clause: str, make: Make, show: Callable[..., None], right: Make) -> Wrong:
    return Wrong(name, clause, "store", make, show, right)


WRONG: list[Wrong] = [
    _wrong("bodies in a column of JSON", "STORE-8", jsonb, show_jsonb, sqlite),
    _wrong("big bodies in text files", "STORE-8", beside, show_beside, sqlite),
    _wrong("records ordered as text", "STORE-7", text_sequence, show_text_sequence, sqlite),
]
