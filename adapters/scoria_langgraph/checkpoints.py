"""A checkpoint as a store has it: one sequence of records, of the checkpoint and of its writes.

Each record is a text with a digest, which covers the text and the digest before; the first digest
covers the run id. So a record that was changed or removed, or is from another run, is detected.
"""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import attrs
from langgraph.checkpoint.base import WRITES_IDX_MAP, writes_sort_key

from scoria_core.errors import StoreCorrupt
from scoria_core.ports import Record, StoredRun

Typed = tuple[str, bytes]
"""A value as a serializer of LangGraph returns it: the name of a format, and bytes in it."""


@attrs.frozen
class Write:
    """A value that a task wrote to a channel, and its place among the writes of the task.

    A place below zero is that of a control write; a task has at most one of each kind.
    """

    task_id: str
    task_path: str
    place: int
    channel: str
    value: Typed


@attrs.frozen
class Saved:
    """A checkpoint with its metadata, its namespace and the id of its parent."""

    namespace: str
    checkpoint_id: str
    parent_id: str | None
    checkpoint: Typed
    metadata: Typed


@attrs.frozen
class Stored:
    """One checkpoint in a store; `saved` is None while only its writes are stored."""

    saved: Saved | None = None
    writes: Mapping[tuple[str, int], Write] = attrs.field(factory=dict)

    @property
    def ordered(self) -> list[Write]:
        """Return the writes in the order in which a run applies them."""
        return sorted(
            self.writes.values(),
            key=lambda each: writes_sort_key(each.task_path, each.task_id, each.place),
        )

    def new(self, writes: Sequence[Write]) -> list[Write]:
        """Return the writes to store: all control writes, and others if they are not stored yet."""
        return [
            each
            for each in writes
            if each.place < 0 or (each.task_id, each.place) not in self.writes
        ]


def place_of(channel: str, index: int) -> int:
    """Return the place of a write, from its channel and its index in the call."""
    return int(WRITES_IDX_MAP.get(channel, index))


def record(run: StoredRun | str, facts: Saved | Sequence[Write]) -> Record:
    """Return the record of `facts`: the first one for a run id, or the next one of a stored run.

    A stored run was checked with `stored` before, so that its last digest is right.
    """
    if isinstance(run, str):
        number, previous = 1, _sha256("scoria checkpoint 1", run)
    else:
        number, previous = run.version + 1, run.records[-1].digest
    if isinstance(facts, Saved):
        told: dict[str, Any] = {"saved": _plain(facts)}
    else:
        told = {"writes": [_plain(each) for each in facts]}
    body = json.dumps(told, separators=(",", ":"))
    return Record(number, _sha256(previous, body), body)


def copied(run_id: str, records: Sequence[Record]) -> list[Record]:
    """Return the same records for another run id, with the digests that they have there."""
    made: list[Record] = []
    previous = _sha256("scoria checkpoint 1", run_id)
    for each in records:
        previous = _sha256(previous, each.body)
        made.append(Record(each.sequence, previous, each.body))
    return made


def stored(run: StoredRun) -> Stored:
    """Return the content of these records; raises `StoreCorrupt` naming the first wrong one."""
    run_id, saved = run.key.run_id, None
    writes: dict[tuple[str, int], Write] = {}
    previous = _sha256("scoria checkpoint 1", run_id)
    if len(run.records) != run.version:
        raise StoreCorrupt(run_id, len(run.records) + 1, "is missing")
    for number, each in enumerate(run.records, start=1):
        previous = _sha256(previous, each.body)
        if (each.sequence, each.digest) != (number, previous):
            raise StoreCorrupt(run_id, number, "does not match its digest: it was changed")
        told = json.loads(each.body)
        if "saved" in told:
            saved = Saved(**_typed(told["saved"], "checkpoint", "metadata"))
        for write in told.get("writes", ()):
            made = Write(**_typed(write, "value"))
            writes[made.task_id, made.place] = made
    return Stored(saved, writes)


def _plain(facts: Saved | Write) -> dict[str, Any]:
    return {
        name: [value[0], base64.b64encode(value[1]).decode()] if isinstance(value, tuple) else value
        for name, value in attrs.asdict(facts).items()
    }


def _typed(facts: Mapping[str, Any], *names: str) -> dict[str, Any]:
    values = {name: (facts[name][0], base64.b64decode(facts[name][1])) for name in names}
    return {**facts, **values}


def _sha256(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()
