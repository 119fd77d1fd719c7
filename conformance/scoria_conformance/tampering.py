"""Changes of a journal by somebody who can write to the database, made from the journal itself.

`changed_records` leaves the digests as they were, so each change must be noticed at its entry. The
others seal the journal again after a change: histories that cannot have happened, or that no kit
would write, must be refused. Changes of facts that only the writer knew cannot be noticed; they are
published beside the examples.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import attrs

from scoria_conformance.stored_runs import index_row, run_key
from scoria_core.lifecycles import ENTRY_TYPES, transitions
from scoria_core.ports import Record, RunStore, StoredRun

Path = tuple[str | int, ...]
Entry = dict[str, Any]

PAYLOADS = frozenset(
    {
        *("arguments", "input", "metadata", "result", "details", "handoff_input"),
        *("projected_context", "kept", "answer", "answer_schema", "may_edit"),
    }
)
"""The fields whose value is any JSON object, from a host or a model."""

_ABSENT = object()


@attrs.frozen
class Forgery:
    """A journal that was changed and then sealed again, with the name of the change."""

    name: str
    records: Sequence[Record]


@attrs.define
class StoreWithJournal:
    """A store in which one run has these records; the rest is the store's own."""

    store: RunStore
    run_id: str
    records: Sequence[Record] = ()

    def read(self, run_ids: Sequence[str]) -> Sequence[StoredRun]:
        """Return the runs, with these records for the one run."""
        records = tuple(self.records)
        told = StoredRun(run_key(self.run_id), index_row(), len(records), records)
        others = {run.key.run_id: run for run in self.store.read(run_ids)}
        found = {**others, self.run_id: told}
        return [found[run_id] for run_id in run_ids if run_id in found]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)


def changed_records(
    records: Sequence[Record], others: Sequence[Record]
) -> Iterator[tuple[str, int, Sequence[Record]]]:
    """Yield the change, the entry where it must be noticed, and the records.

    `others` are the records of another run.
    """
    for place, record in enumerate(records):
        number, before, after = place + 1, records[:place], records[place + 1 :]
        body = record.body.replace("2026-01-05T09", "2026-01-05T08")
        yield f"entry {number} changed", number, [*before, attrs.evolve(record, body=body), *after]
        spaced = attrs.evolve(record, body=f"{record.body} ")
        yield f"entry {number} with a blank more", number, [*before, spaced, *after]
        digest = attrs.evolve(record, digest=record.digest[::-1])
        yield f"the digest of entry {number} changed", number, [*before, digest, *after]
        yield f"entry {number} twice", number + 1, [*before, record, record, *after]
        if place < len(others):
            yield f"entry {number} of another run", number, [*before, others[place], *after]
        if after:
            yield f"entry {number} lost", number, [*before, *after]
            one = attrs.evolve(record, sequence=number + 1)
            other = attrs.evolve(after[0], sequence=number)
            yield f"entry {number} after the next", number, [*before, other, one, *after[1:]]


def forgeries(run_id: str, records: Sequence[Record]) -> Iterator[Forgery]:
    """Yield the journal with entries left out, repeated, swapped or cut off, and sealed again."""
    entries = [json.loads(record.body) for record in records]
    for place, entry in enumerate(entries):
        number, before, after = place + 1, entries[:place], entries[place + 1 :]
        changes = {f"entry {number} twice": [*before, entry, entry, *after]}
        if after:
            changes[f"without entry {number}"] = [*before, *after]
            changes[f"nothing after entry {number}"] = [*before, entry]
            changes[f"entry {number} after the next"] = [*before, after[0], entry, *after[1:]]
        for name, changed in changes.items():
            yield Forgery(name, sealed(run_id, changed, kept=records[:place]))


def forged_moves(
    run_id: str, records: Sequence[Record], data_of: Mapping[str, Entry]
) -> Iterator[Forgery]:
    """Yield the journal with each move replaced by another that its subject could make there.

    `data_of` has, by type, the data that an entry may hold.
    """
    entries = [json.loads(record.body) for record in records]
    for place, entry in enumerate(entries):
        for (state, trigger), reached in transitions(entry["subject"]).items():
            if state != entry["from_state"] or trigger == entry["trigger"]:
                continue
            move = {"type": ENTRY_TYPES[entry["subject"], trigger], "trigger": trigger}
            forged = {**entry, **move, "to_state": reached, "data": data_of[move["type"]]}
            changed = [*entries[:place], forged, *entries[place + 1 :]]
            name = f"entry {place + 1} as {move['type']}"
            yield Forgery(name, sealed(run_id, changed, kept=records[:place]))


def forged_detours(
    run_id: str, records: Sequence[Record], data_of: Mapping[str, Entry]
) -> Iterator[Forgery]:
    """Yield the journal with two more moves: a subject leaves its state and returns to it."""
    entries = [json.loads(record.body) for record in records]
    left: dict[str, Entry] = {}
    for place, entry in enumerate(entries, start=1):
        left[entry["subject_id"]] = entry
        for subject_id, last in left.items():
            for there, back in _detours(last["subject"], last["to_state"]):
                moves = [
                    {
                        **entry,
                        "subject": last["subject"],
                        "subject_id": subject_id,
                        "type": ENTRY_TYPES[last["subject"], trigger],
                        "trigger": trigger,
                        "from_state": from_state,
                        "to_state": to_state,
                        "data": data_of[ENTRY_TYPES[last["subject"], trigger]],
                    }
                    for from_state, trigger, to_state in (there, back)
                ]
                name = f"{moves[0]['type']} and {moves[1]['type']} after entry {place}"
                changed = [*entries[:place], *moves, *entries[place:]]
                yield Forgery(name, sealed(run_id, changed, kept=records[:place]))


def _detours(subject: str, state: str) -> Iterator[tuple[tuple[str, str, str], ...]]:
    moves = [(*where, reached) for where, reached in transitions(subject).items()]
    for there in moves:
        for back in moves:
            if (there[0], there[2], back[2]) == (state, back[0], state):
                yield there, back


def forged_values(
    run_id: str, records: Sequence[Record], numbers: Iterable[int]
) -> Iterator[Forgery]:
    """Yield the journal with each value of these entries replaced, and sealed again."""
    entries = [json.loads(record.body) for record in records]
    known = _values_by_key(entries)
    for number in numbers:
        before, entry, after = entries[: number - 1], entries[number - 1], entries[number:]
        kept = records[: number - 1]
        for path in paths(entry):
            for new in _instead(_at(entry, path), known[str(path[-1])]):
                changed = with_value(entry, path, new)
                where = ".".join(map(str, path))
                what = "nothing" if new is _ABSENT else json.dumps(new, ensure_ascii=False)
                forged, renumber = [*before, changed, *after], path != ("sequence",)
                yield Forgery(
                    f"entry {number}, {where}: {what}",
                    sealed(run_id, forged, kept=kept, renumber=renumber),
                )
        added = {**entry, "data": {**entry["data"], "more": 1}}
        forged = [*before, added, *after]
        yield Forgery(f"entry {number}, data.more: 1", sealed(run_id, forged, kept=kept))


def sealed(
    run_id: str,
    entries: Sequence[Entry],
    *,
    kept: Sequence[Record] = (),
    renumber: bool = True,
) -> list[Record]:
    """Return the records of these entries, chained as spec/forms.md says.

    `kept` are the unchanged records at the beginning.
    """
    digest = kept[-1].digest if kept else _sha256("scoria journal 1", run_id)
    records = list(kept)
    for number, entry in enumerate(entries[len(kept) :], start=len(kept) + 1):
        fields = {**entry, "sequence": number} if renumber else entry
        body = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
        digest = _sha256(digest, body)
        records.append(Record(number, digest, body))
    return records


def _sha256(*parts: str) -> str:
    # Not the kit's own function: then a kit that seals wrongly would agree with itself.
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def paths(value: Any, path: Path = ()) -> Iterator[Path]:
    """Yield the path of each value, without those inside of a payload."""
    if path:
        yield path
    if path and path[-1] in PAYLOADS:
        return
    if isinstance(value, dict):
        for key, each in value.items():
            yield from paths(each, (*path, key))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from paths(each, (*path, index))


def _values_by_key(entries: Sequence[Entry]) -> Mapping[str, list[Any]]:
    """Return the values that the journal has under each key: likely forgeries of each other."""
    found: dict[str, list[Any]] = {}
    for entry in entries:
        for path in paths(entry):
            values = found.setdefault(str(path[-1]), [])
            value = _at(entry, path)
            if value not in values:
                values.append(value)
    return found


def _instead(value: Any, known: Sequence[Any]) -> Iterator[Any]:
    """Yield replacements of a value: none, another type, a value close by, or a known one."""
    near: list[Any] = [_ABSENT, None, "", "other", 7, {}, [], *known]
    if isinstance(value, int | float) and not isinstance(value, bool):
        near += [value + 1, -value, float(value) if isinstance(value, int) else int(value)]
    elif isinstance(value, str):
        near += [f"{value}~", *_other_times(value)]
    tried: list[str] = [_kind(value)]
    for each in near:
        if each is _ABSENT or _kind(each) not in tried:
            tried.append(_kind(each))
            yield each


def _kind(value: Any) -> str:
    return "absent" if value is _ABSENT else f"{type(value).__name__} {value!r}"


def _other_times(value: str) -> list[str]:
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return []
    day, zone = timedelta(days=1), value.replace("+00:00", "+01:00")
    return [(at - day).isoformat(), (at + day).isoformat(), zone, value.replace("+00:00", "")]


def _at(entry: Any, path: Path) -> Any:
    for key in path:
        entry = entry[key]
    return entry


def with_value(entry: Entry, path: Path, new: Any) -> Entry:
    """Return a copy of an entry with another value at a path."""
    copy: Entry = json.loads(json.dumps(entry))
    inner = _at(copy, path[:-1])
    if new is _ABSENT:
        del inner[path[-1]]
    else:
        inner[path[-1]] = new
    return copy
