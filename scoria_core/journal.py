"""The journal: the entries of a run in order, chained by digests so that changes are detected.

Each entry is stored as text, with a digest of that text and of the digest before it; the first
builds on the `run_id`. A changed, missing, moved or foreign entry breaks the chain at its place. A
journal that was cut short is valid up to its end: to detect that, keep the digest of its last entry
elsewhere.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any

import attrs

from scoria_core.conversion import converter
from scoria_core.entries import has_its_data, is_moment, is_name
from scoria_core.errors import StoreCorrupt, safe_repr
from scoria_core.payloads import compact
from scoria_core.ports import Record


@attrs.frozen
class JournalEntry:
    """One change of one subject: a run, step, approval or handoff.

    `trigger` and `from_state` are None where the entry creates its subject. `actor_id` is who
    made the change, or None where it was the host itself. `data` holds the facts that came
    with it. `digest` is the SHA-256 chained over the journal up to here, in hex.
    """

    sequence: int
    at: datetime
    type: str
    subject: str
    subject_id: str
    trigger: str | None
    from_state: str | None
    to_state: str
    actor_id: str | None
    data: Mapping[str, Any]
    digest: str = ""


def genesis(run_id: str) -> str:
    """Return the digest that the first entry of a run builds on."""
    return _sha256("scoria journal 1", run_id)


def seal(entry: JournalEntry, previous_digest: str) -> tuple[JournalEntry, Record]:
    """Return `entry` with its digest, and the record to store for it."""
    body = _body(entry)
    digest = _sha256(previous_digest, body)
    return JournalEntry(*(*_facts(entry), digest)), Record(entry.sequence, digest, body)


def _body(entry: JournalEntry) -> str:
    fields = dict(zip(_FIELDS, _facts(entry), strict=True))
    fields["at"] = entry.at.isoformat()
    return compact(fields)


def unseal(
    run_id: str,
    records: Iterable[Record],
    version: int = 0,
    previous_digest: str | None = None,
) -> Iterator[JournalEntry]:
    """Yield the entries that `records` hold, in order.

    They follow the entry of that `version` and digest, or begin the journal. Raises `StoreCorrupt`
    at the first entry that is missing, changed or unreadable.
    """
    previous = genesis(run_id) if previous_digest is None else previous_digest
    for number, record in enumerate(records, start=version + 1):
        if type(record.sequence) is not int or record.sequence != number:
            found = safe_repr(record.sequence)
            raise StoreCorrupt(run_id, number, f"is missing (found entry {found} there)")
        if not (isinstance(record.digest, str) and isinstance(record.body, str)):
            raise StoreCorrupt(run_id, number, "is no text")
        if record.digest != _sha256(previous, record.body):
            raise StoreCorrupt(run_id, number, "does not match its digest: it was changed")
        yield _read(run_id, record)
        previous = record.digest


def tenant_of(records: Sequence[Record]) -> str | None:
    """Return the tenant that the first record names, or None if it cannot be read."""
    try:
        tenant_id = json.loads(records[0].body)["data"]["identity"]["tenant_id"]
    except (IndexError, KeyError, TypeError, ValueError, RecursionError):
        return None
    return tenant_id if isinstance(tenant_id, str) else None


def _read(run_id: str, record: Record) -> JournalEntry:
    try:
        fields = json.loads(record.body)
        fields["digest"] = record.digest
        entry: JournalEntry = _structure(fields, JournalEntry)
        is_as_written = _body(entry) == record.body
    except Exception as error:  # whatever it makes of a reader, it is none of ours
        raise StoreCorrupt(run_id, record.sequence, "is no journal entry") from error
    if entry.sequence != record.sequence:
        raise StoreCorrupt(run_id, record.sequence, f"says it is entry {entry.sequence}")
    if not is_as_written or not _is_sound(entry):
        problem = f"is no {safe_repr(entry.type)} as the kit writes it"
        raise StoreCorrupt(run_id, record.sequence, problem)
    return entry


def _is_sound(entry: JournalEntry) -> bool:
    """Tell whether an entry still has the properties that were checked when it was written."""
    names = (entry.subject_id,) if entry.actor_id is None else (entry.subject_id, entry.actor_id)
    return all(map(is_name, names)) and is_moment(entry.at) and has_its_data(entry.type, entry.data)


_FIELDS = [field.name for field in attrs.fields(JournalEntry) if field.name != "digest"]
_facts = attrgetter(*_FIELDS)
_structure = converter.get_structure_hook(JournalEntry)


def _sha256(*parts: str) -> str:
    # A store may hand back any str: one that is no Unicode text gets a digest that never matches.
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
