"""Steps that compare the kit with the example runs that are published with the features."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any, cast

import attrs
from pytest_bdd import given, then, when

from scoria_conformance.example_runs import ExampleRuns, as_json
from scoria_conformance.tampering import (
    StoreWithJournal,
    changed_records,
    forged_detours,
    forged_moves,
    forged_values,
    forgeries,
)
from scoria_conformance.world import World
from scoria_core import RunDetail, Scoria
from scoria_core.errors import StoreCorrupt
from scoria_core.ports import Record, RunStore
from scoria_core.testing import SettableClock

Examples = Mapping[str, dict[str, Any]]

UNNOTICED = "unnoticed.json"
"""The file of changes that a reader cannot notice after a journal was sealed again."""


@cache
def published() -> Examples:
    """Return the example runs as they are published, by name."""
    found = [each.name for each in _folder().iterdir() if each.name != UNNOTICED]
    names = sorted(name.removesuffix(".json") for name in found)
    return {name: _read(f"{name}.json") for name in names}


def _folder() -> Any:
    return files("scoria_features") / "examples"


def _read(name: str) -> Any:
    return json.loads((_folder() / name).read_text("utf-8"))


def records_of(example: Mapping[str, Any]) -> list[Record]:
    """Return the records of an example's journal."""
    return [Record(**each) for each in example["records"]]


@attrs.define
class Reader:
    """A host that reads the journals of an example over a store, at the time of its detail."""

    store: RunStore
    example: Mapping[str, Any]
    _journal: StoreWithJournal = attrs.field(init=False)
    _scoria: Scoria = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._journal = StoreWithJournal(self.store, self.example["run_id"])
        clock = SettableClock(datetime.fromisoformat(self.example["read_at"]))
        self._scoria = Scoria(cast("RunStore", self._journal), clock=clock)

    def detail(self, records: Sequence[Record]) -> RunDetail:
        """Return the run that these records describe. Raises `StoreCorrupt` if they do not fit."""
        self._journal.records = records
        return self._scoria.get_run_detail(self.example["run_id"])

    def accepts(self, records: Sequence[Record]) -> bool:
        """Tell whether the journal is read; only `StoreCorrupt` counts as a refusal."""
        try:
            self.detail(records)
        except StoreCorrupt:
            return False
        except Exception:  # noqa: BLE001 - whatever else it raises, it did not refuse
            return True
        return True


def unnoticed(examples: Examples, store: RunStore) -> dict[str, list[str]]:
    """Return the changes of each journal that are not noticed after it was sealed again."""
    found: dict[str, list[str]] = {}
    data_of = {
        entry["type"]: entry["data"]
        for example in examples.values()
        for entry in (json.loads(record.body) for record in records_of(example))
    }
    kinds: set[str] = set()
    for name, example in examples.items():
        run_id, records = example["run_id"], records_of(example)
        first = [number for number, kind in _kinds(records) if kind not in kinds]
        kinds.update(kind for _, kind in _kinds(records))
        tried = [
            *forgeries(run_id, records),
            *forged_moves(run_id, records, data_of),
            *forged_detours(run_id, records, data_of),
            *forged_values(run_id, records, first),
        ]
        reader = Reader(store, example)
        found[name] = [each.name for each in tried if reader.accepts(each.records)]
    return found


def _kinds(records: Sequence[Record]) -> Iterator[tuple[int, str]]:
    """Yield the number of each entry, and its type with the keys of its data."""
    for record in records:
        entry = json.loads(record.body)
        yield record.sequence, f"{entry['type']} {sorted(entry['data'])}"


@given("the example runs as they are published", target_fixture="examples")
def examples_as_published() -> Examples:
    """Return the published examples."""
    return published()


@when("the example runs are made anew", target_fixture="made")
def make_examples(world: World) -> Examples:
    """Make the example runs in the store under test."""
    return ExampleRuns(world.store).made()


@then("each has the journal, the handler calls and the detail that are published")
def same_as_published(examples: Examples, made: Examples) -> None:
    """Compare them, and name the first difference of each."""
    assert sorted(made) == list(examples)
    told = {name: _difference(examples[name], made[name]) for name in examples}
    assert {name: each for name, each in told.items() if each} == {}


@then("each of their journals reads as the run that is published")
def reads_as_published(world: World, examples: Examples) -> None:
    """Read each run from its records alone, and compare it with the published detail."""
    told = {}
    for name, example in examples.items():
        read = Reader(world.store, example).detail(records_of(example))
        told[name] = _difference(example["detail"], as_json(read))
    assert {name: each for name, each in told.items() if each} == {}


@then("each entry that is changed, lost, moved, repeated or from another run is named")
def changes_are_named(world: World, examples: Examples) -> None:
    """Change the records but not the digests, and check which entry is named."""
    wrong = []
    for name, example in examples.items():
        reader, others = Reader(world.store, example), records_of(_another(examples, name))
        for change, number, changed in changed_records(records_of(example), others):
            try:
                reader.detail(changed)
                wrong.append(f"{name}, {change}: not noticed")
            except StoreCorrupt as error:
                if error.sequence != number:
                    wrong.append(f"{name}, {change}: entry {error.sequence} is named")
    assert wrong == []


def _another(examples: Examples, name: str) -> Mapping[str, Any]:
    names = list(examples)
    return examples[names[names.index(name) - 1]]


@then("each that is sealed anew after a change is refused, but for those that are published")
def forgeries_are_refused(world: World, examples: Examples) -> None:
    """Compare the changes that are not noticed with those that are published as unnoticeable."""
    found, known = unnoticed(examples, world.store), _read(UNNOTICED)
    accepted = {n: [each for each in found[n] if each not in known[n]] for n in found}
    refused = {n: [each for each in known[n] if each not in found[n]] for n in found}
    assert {n: each for n, each in accepted.items() if each} == {}, "these were not noticed"
    assert {n: each for n, each in refused.items() if each} == {}, "these were refused"


def _difference(expected: Any, seen: Any, path: str = "") -> str:
    """Return where two JSON values first differ, and how, or "" if they are equal."""
    if type(expected) is not type(seen):
        return f"{path}: expected {expected!r}, seen {seen!r}"
    if isinstance(expected, dict):
        if list(expected) != list(seen):
            return f"{path}: expected the keys {list(expected)}, seen {list(seen)}"
        pairs = [(f"{path}.{key}", expected[key], seen[key]) for key in expected]
    elif isinstance(expected, list):
        if len(expected) != len(seen):
            return f"{path}: expected {len(expected)} of them, seen {len(seen)}"
        pairs = [(f"{path}[{n}]", one, seen[n]) for n, one in enumerate(expected)]
    else:
        return "" if expected == seen else f"{path}: expected {expected!r}, seen {seen!r}"
    return next(filter(None, (_difference(one, other, where) for where, one, other in pairs)), "")


def to_publish(store: RunStore) -> dict[str, Any]:
    """Make the example runs in an empty store; return the value of each file by its name."""
    made = dict(sorted(ExampleRuns(store).made().items()))
    files_of = {f"{name}.json": example for name, example in made.items()}
    return {**files_of, UNNOTICED: unnoticed(made, store)}
