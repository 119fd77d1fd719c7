"""Any store beside the reference: no argument is left out, and wrong stores are told."""

import inspect
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC
from pathlib import Path
from random import Random
from typing import Any, Protocol

import attrs
import pytest

from lab.mutants.stores import overlooked
from lab.mutants.stores.opened import opens
from lab.mutants.wrong import Wrong
from scoria_conformance import domains
from scoria_conformance.differential import (
    Answer,
    Difference,
    Driver,
    Here,
    Script,
    Setup,
    another_process,
    answered,
    clauses_of,
    told,
    told_apart,
)
from scoria_conformance.domains import LEFT_OUT, OPEN, THEMES, TIMES, VALUES, given, methods
from scoria_conformance.reference import Reference
from scoria_conformance.setting import SEED
from scoria_conformance.steps import reference
from scoria_conformance.verify import _Child, verify
from scoria_conformance.world import StoreFactory
from scoria_core.errors import StoreUnavailable
from scoria_core.payloads import name_problem
from scoria_core.ports import (
    Capability,
    Fact,
    IndexRow,
    PrunableStore,
    RunKey,
    RunStore,
    Where,
)
from scoria_duckdb import DuckDBStore
from scoria_memory import MemoryStore
from scoria_sqlite import PrunableSQLiteStore
from scoria_sqlite import store as sqlite_store

SEEDS = (SEED, 1, 2)
ROUND = len(THEMES)


def driver(directory: Path, *factories: StoreFactory, **setup: Any) -> Driver:
    """Return what drives these stores, each by a handle."""
    handles = [Here(factory) for factory in factories]
    return Driver(Setup(handles=len(handles), **setup), handles, directory)


# --- nothing is left out --------------------------------------------------------------------------


def test_every_method_of_the_port_is_driven() -> None:
    """Whatever the port declares but the property, and with each of its parameters."""
    declared = {name for port in (RunStore, PrunableStore) for name in vars(port)}
    assert set(methods()) == {
        name for name in declared if not name.startswith("_") and name != "capabilities"
    }
    for method, signature in methods().items():
        assert set(given(method, THEMES[0])) == set(signature.parameters)


def test_the_reference_has_the_port() -> None:
    """With the parameters, their kinds and their defaults as they are declared."""
    for method, declared in methods().items():
        _, *own = inspect.signature(getattr(Reference, method)).parameters.values()
        assert [(each.name, each.kind, each.default) for each in own] == [
            (each.name, each.kind, each.default) for each in declared.parameters.values()
        ]


@pytest.mark.parametrize("method", [name for name in methods() if methods()[name].parameters])
def test_every_argument_of_a_call_varies(method: str) -> None:
    """Scripts give each parameter all of its values in the end, and leave out what may be."""
    setup = Setup(prunes=True, reopens=True)
    drawn: dict[str, set[str]] = {name: set() for name in methods()[method].parameters}
    for number in range(10 * ROUND):
        script = Script.drawn(Random(number), setup, THEMES[number % ROUND])  # noqa: S311
        for event in (*script.events, *script.tail):
            if event.method == method:
                for name, value in event.arguments.items():
                    drawn[name].add(repr(value))
    for name, parameter in methods()[method].parameters.items():
        assert len(drawn[name]) > 1, f"{name} is always the same"
        assert (repr(LEFT_OUT) in drawn[name]) == (parameter.default is not parameter.empty)


def test_no_values_are_of_nothing() -> None:
    """A value that no parameter takes any more is taken away."""
    names = {f"{method}.{name}" for method in methods() for name in methods()[method].parameters}
    names |= {
        f"{kind.__name__}.{name}"
        for kind in (RunKey, IndexRow)
        for name in inspect.signature(kind).parameters
    }
    taken = {full if full in VALUES else full.partition(".")[2] for full in names}
    assert set(VALUES) == taken
    assert set(domains.EVERY) <= names | taken
    assert set(domains.WEIGHTS) <= set(methods())


class _Grown(PrunableStore, Protocol):
    def read(self, run_ids: Sequence[str], *, since: int = 0) -> Sequence[Any]:
        """Return the runs with their records from a number on."""
        ...


def test_a_parameter_that_nobody_thought_of_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """The port grows, and the driver does not: it says so before it drives anything."""
    monkeypatch.setattr(domains, "PrunableStore", _Grown)
    _forget_the_port()
    with pytest.raises(LookupError, match="since of read has no values"):
        given("read", THEMES[0])
    _forget_the_port()


def _forget_the_port() -> None:
    given.cache_clear()
    methods.cache_clear()


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
def test_what_is_asked_is_legal(theme: domains.Theme) -> None:
    """Every id is a name as the kit checks it, and all of a theme are different."""
    for ids in (theme.tenants, theme.sessions, theme.keys, theme.run_ids, theme.words):
        assert [each for each in ids if name_problem(each)] == []
        assert len(set(ids)) == len(ids)
    assert len(set(theme.labels)) == len(theme.labels)
    assert all(at.utcoffset() is not None for at in TIMES)


def test_every_method_has_clauses_to_name() -> None:
    """A failure says which promises it is about."""
    assert [method for method in (*methods(), OPEN) if not clauses_of(method)] == []


# --- right stores -------------------------------------------------------------------------------


@pytest.mark.slow
def test_stores_that_share_a_file_in_one_process_are_one_store(tmp_path: Path) -> None:
    """DuckDB opens a file once in a process; the suite asks for it of no other store."""

    def factory(directory: Path) -> RunStore:
        return DuckDBStore(directory / "runs.duckdb")

    two = driver(tmp_path, factory, factory, reopens=True, prunes=True)
    assert two.search(SEED, 4) is None


def test_a_store_that_one_process_owns_may_forget_what_was_put_off(tmp_path: Path) -> None:
    """And only that: what was written with a record stands."""

    class Forgets(PrunableSQLiteStore):
        capabilities = frozenset({Capability.DURABLE, Capability.PRUNABLE})

        def append(self, run_id: str, records: Any, **at: Any) -> None:
            kept = self.read([run_id])
            super().append(run_id, records, **at)
            if not records and kept:
                self.put_off = {**getattr(self, "put_off", {}), run_id: kept[0].row}

        def close(self) -> None:
            for run_id, row in vars(self).pop("put_off", {}).items():
                for run in self.read([run_id]):
                    super().append(run_id, (), expected_version=run.version, row=row)
            super().close()

    def factory(directory: Path) -> RunStore:
        return Forgets(directory / "runs.db")

    found = driver(tmp_path, factory, reopens=True, forgets=False).search(SEED, ROUND)
    assert found is not None
    assert found.seen != found.expected


# --- wrong stores -------------------------------------------------------------------------------


def differences(factory: StoreFactory, directory: Path, seed: int) -> list[Difference]:
    """Return what the suite's scenarios find, each at its default number of scripts."""
    place = directory / "declared"
    place.mkdir(exist_ok=True)
    store = factory(place)
    declared = store.capabilities
    store.close()
    found = []
    for way in reference.WAYS.values():
        if way.needs <= declared:
            with way.driver(factory, directory, declared) as each:
                found.append(each.search(seed, way.scripts))
    return [each for each in found if each is not None]


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("mutant", overlooked.breaks.mutants, ids=str)
def test_what_was_overlooked_is_found(mutant: Wrong, seed: int, tmp_path: Path) -> None:
    """Whatever the scripts are drawn from."""
    assert differences(opens(mutant), tmp_path, seed)


SQL: dict[str, tuple[str, str, str]] = {
    f"the case of {column} does not count": (
        "schema",
        f"{column} TEXT",
        f"{column} TEXT COLLATE NOCASE",
    )
    for column in (
        *("run_id", "tenant_id", "session_id", "actor_id", "root_role_id"),
        *("idempotency_key", "status", "label"),
    )
} | {
    "blanks at the end of a tenant do not count": (
        *("schema", "tenant_id TEXT NOT NULL"),
        "tenant_id TEXT NOT NULL COLLATE RTRIM",
    ),
    "a key is of every tenant": ("OWNER", "= :tenant_id", "<> 'x' || :tenant_id"),
    "turns are of all tenants as one": ("TURN", "PARTITION BY tenant_id ", ""),
    "within a turn runs come by their ids": ("TURN", "due_at, run_id", "run_id"),
    "a due time is cut to a second": (
        *("MOVE", "due_at = :due_at"),
        "due_at = :due_at / 1000000 * 1000000",
    ),
    "a run has been where it stands since it began": ("MOVE", "since = :since, ", ""),
    "a run has the status that it began with": ("MOVE", "status = :status, ", ""),
    "a run never ends": ("MOVE", "has_ended = :has_ended, ", ""),
    "a count knows no limit": ("COUNT", " LIMIT :limit", ""),
    "labels that were taken away are kept": ("MOVE", "EXISTS (SELECT", "NOT EXISTS (SELECT"),
    "a run that is due just then is not": ("MOVE", "due_at <= :due_by", "due_at < :due_by"),
}
"""What is wrong in the SQL of a store: where it stands, a part of it, and what stands there."""


@pytest.mark.slow
@pytest.mark.parametrize("wrong", SQL)
def test_wrong_sql_is_found(wrong: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a real database, by the first scripts or those of a round."""
    where, part, instead = SQL[wrong]
    if where == "schema":
        read = Path.read_text
        monkeypatch.setattr(Path, "read_text", lambda path: read(path).replace(part, instead))
    else:
        assert part in vars(sqlite_store)[where]
        statement = vars(sqlite_store)[where].replace(part, instead)
        monkeypatch.setattr(sqlite_store, where, statement)

    def factory(directory: Path) -> RunStore:
        return PrunableSQLiteStore(directory / "runs.db")

    found = driver(tmp_path, factory, reopens=True, prunes=True, forgets=False).search(SEED, 26)
    assert found is not None


class _RowsOfTheFirstWrite(MemoryStore):
    """Lists a run where it stood when it was created."""

    def append(self, run_id: str, records: Any, *, row: IndexRow, **at: Any) -> None:
        for run in super().read([run_id]):
            row = attrs.evolve(run.row, due_at=row.due_at)
        super().append(run_id, records, row=row, **at)


class _LabelsThatStay(MemoryStore):
    """Keeps a label that was taken away."""

    def append(self, run_id: str, records: Any, **at: Any) -> None:
        for run in self.read([run_id]):
            for label in run.row.labels:
                vars(self).setdefault("had", set()).add((label, run_id))
        super().append(run_id, records, **at)

    def list_labelled(self, *, label: Any, **asked: Any) -> Any:
        found = list(super().list_labelled(label=label, **asked))
        had = {each for name, each in vars(self).get("had", ()) if name == label}
        return [*found, *self.read(sorted(had - {run.key.run_id for run in found}))]


class _LabelsAreOfEveryTenant(MemoryStore):
    """Looks at the label alone."""

    def list_labelled(self, *, tenant_id: Any, label: Any, **asked: Any) -> Any:
        owner = tenant_id if label is None else None
        return super().list_labelled(tenant_id=owner, label=label, **asked)


class _StatusesAreOfEveryTenant(MemoryStore):
    """Looks at the fact alone."""

    def list_runs(self, *, tenant_id: Any, where: Where | None = None, **asked: Any) -> Any:
        owner = None if where is not None and where.fact == Fact.STATUS else tenant_id
        return super().list_runs(tenant_id=owner, where=where, **asked)


class _CountsAreOfEveryTenant(MemoryStore):
    """Counts the status alone."""

    def count_runs(self, **asked: Any) -> Any:
        return super().count_runs(**{**asked, "tenant_id": None})


class _PagesSkipTies(MemoryStore):
    """Begins a page after the moment at which the one before ended."""

    def list_labelled(self, *, limit: int, start: Any = None, **asked: Any) -> Any:
        found = super().list_labelled(limit=1_000, start=start, **asked)
        if start is not None:
            found = [each for each in found if (each.row.since, each.key.run_id) != start]
        return found[:limit]


class _TiesComeAsTheyWereStored(MemoryStore):
    """Orders by the moment alone."""

    def list_labelled(self, *, limit: int, **asked: Any) -> Any:
        found = list(super().list_labelled(limit=1_000, **asked))
        order = list(self._runs)
        found.sort(key=lambda run: (run.row.since, order.index(run.key.run_id)))
        return found[:limit]


class _RowsLoseTheirMicroseconds(MemoryStore):
    """Keeps whole seconds of when a run came to where it stands."""

    def create(self, key: RunKey, records: Any, *, row: IndexRow) -> str:
        since = row.since.replace(microsecond=0)
        return super().create(key, records, row=attrs.evolve(row, since=since))


class _RunsAreBornInLocalTime(MemoryStore):
    """Takes the clock's time for the time in UTC."""

    def create(self, key: RunKey, records: Any, *, row: IndexRow) -> str:
        at = key.created_at.replace(tzinfo=UTC)
        return super().create(attrs.evolve(key, created_at=at), records, row=row)


class _RunsAreReadOnce(MemoryStore):
    """Answers for an id that is asked for twice once."""

    def read(self, run_ids: Sequence[str]) -> Any:
        return super().read(list(dict.fromkeys(run_ids)))


class _RunsAreReadByTheirIds(MemoryStore):
    """Answers in the order of its own."""

    def read(self, run_ids: Sequence[str]) -> Any:
        return super().read(sorted(run_ids))


class _RolesAreActors(MemoryStore):
    """Looks for a role among the actors."""

    def list_runs(self, *, where: Where | None = None, **asked: Any) -> Any:
        if where is not None and where.fact == Fact.ROLE:
            where = Where(Fact.ACTOR, where.value)
        return super().list_runs(where=where, **asked)


class _PrunedRunsAreCounted(MemoryStore):
    """Counts what was pruned as well."""

    def prune(self, versions: Mapping[str, int]) -> Any:
        for run in self.read(list(versions)):
            if versions[run.key.run_id] == run.version:
                gone = vars(self).setdefault("gone", Counter())
                gone[run.row.status] += 1
        return super().prune(versions)

    def count_runs(self, *, limit: int, **asked: Any) -> Any:
        found = super().count_runs(limit=limit, **asked)
        gone = vars(self).get("gone", Counter())
        return {each: min(limit, count + gone[each]) for each, count in found.items()}


class _CountsGoOneTooFar(MemoryStore):
    """Counts one beyond the limit."""

    def count_runs(self, *, limit: int, **asked: Any) -> Any:
        return super().count_runs(limit=limit + 1, **asked)


class _EndedRunsHaveNoStatus(MemoryStore):
    """Forgets that a run has ended."""

    def create(self, key: RunKey, records: Any, *, row: IndexRow) -> str:
        return super().create(key, records, row=attrs.evolve(row, has_ended=False))


class _RecordsComeUnasked(MemoryStore):
    """Reads the records all the same."""

    def list_labelled(self, **asked: Any) -> Any:
        return super().list_labelled(**{**asked, "with_records": True})


WRONG_ROWS: dict[type[MemoryStore], str] = {
    _RowsOfTheFirstWrite: "append",
    _LabelsThatStay: "append",
    _LabelsAreOfEveryTenant: "list_labelled",
    _StatusesAreOfEveryTenant: "list_runs",
    _CountsAreOfEveryTenant: "count_runs",
    _PagesSkipTies: "list_labelled",
    _TiesComeAsTheyWereStored: "list_labelled",
    _RowsLoseTheirMicroseconds: "",
    _RunsAreBornInLocalTime: "",
    _RunsAreReadOnce: "read",
    _RunsAreReadByTheirIds: "read",
    _RolesAreActors: "list_runs",
    _PrunedRunsAreCounted: "count_runs",
    _CountsGoOneTooFar: "count_runs",
    _EndedRunsHaveNoStatus: "",
    _RecordsComeUnasked: "list_labelled",
}
"""Stores of which the index is wrong, and the method that is then answered otherwise, if it is one.

Where a write was wrong, it is whichever method asks first."""


@pytest.mark.parametrize("wrong", WRONG_ROWS, ids=lambda wrong: wrong.__name__[1:])
def test_a_wrong_index_is_found(wrong: type[MemoryStore], tmp_path: Path) -> None:
    """By the first scripts or those of a round, whatever a store does to its rows."""
    found = driver(tmp_path, lambda _: wrong(), prunes=True).search(SEED, 3 * ROUND)
    assert found is not None
    if (method := WRONG_ROWS[wrong]) not in ("", "append"):
        assert found.calls[-1].method == method


def test_the_row_of_before_is_looked_for_at_once(tmp_path: Path) -> None:
    """The script that tells of a label that stays is a run, a write and a listing."""
    found = driver(tmp_path, lambda _: _LabelsThatStay()).search(SEED, 3 * ROUND)
    assert found is not None
    assert [each.method for each in found.calls] == [OPEN, "create", "append", "list_labelled"]
    assert found.expected.returned == []


def test_nothing_follows_where_a_run_has_ended(tmp_path: Path) -> None:
    """A store may rely on that, and no script has it otherwise."""

    class Relies(MemoryStore):
        def append(self, run_id: str, *records: Any, expected_version: int, **at: Any) -> None:
            for run in self.read([run_id]):
                assert not run.row.has_ended or run.version != expected_version
            super().append(run_id, *records, expected_version=expected_version, **at)

    assert driver(tmp_path, lambda _: Relies(), prunes=True).search(SEED, 2 * ROUND) is None


def test_the_shortest_script_is_told(tmp_path: Path) -> None:
    """The calls as they are written in Python, what was expected and what was seen."""

    class Cuts(MemoryStore):
        def list_runs(self, *, limit: int, **asked: Any) -> Any:
            return super().list_runs(limit=min(limit, 2), **asked)

    found = driver(tmp_path, lambda _: Cuts()).search(SEED, ROUND)
    assert found is not None
    first, *calls, last = str(found).split("\n  ")[1:]
    assert first == "store = open()"
    assert [each.partition("(")[0] for each in calls] == ["store.create"] * 3
    assert last.startswith("store.list_runs(tenant_id=None")
    assert "\nexpected: " in last
    assert "\nseen:     " in last
    assert "STORE-9, " in str(found)


def test_one_seed_finds_one_thing(tmp_path: Path) -> None:
    """The same script, word for word."""

    class Forgets(MemoryStore):
        def read(self, run_ids: Sequence[str]) -> Any:
            return super().read([each for each in run_ids if not each.endswith("3")])

    said = {str(driver(tmp_path, lambda _: Forgets()).search(SEED, ROUND)) for _ in range(2)}
    assert len(said) == 1


def test_a_process_that_ends_is_an_answer(tmp_path: Path) -> None:
    """It is told at the call that it did not survive."""

    class Exits(MemoryStore):
        def read(self, run_ids: Sequence[str]) -> Any:
            os._exit(len(run_ids))

    with another_process(lambda _: Exits()) as there:
        assert there.open(tmp_path) == Answer()
        answer = there.ask("read", {"run_ids": ["r"]})
        assert str(answer) == "raises nothing: its process has ended"


def test_a_process_that_ended_is_told_by_the_script_that_ended_it(tmp_path: Path) -> None:
    """What cannot be tried again is not taken for shorter."""

    class Exits(MemoryStore):
        def read(self, run_ids: Sequence[str]) -> Any:
            if found := super().read(run_ids):
                os._exit(1)
            return found

    with another_process(lambda _: Exits()) as there:
        found = Driver(Setup(), [there], tmp_path).search(SEED, ROUND)
    assert found is not None
    assert found.calls[-1].method == "read"
    assert "create" in {each.method for each in found.calls}


@pytest.mark.parametrize("deep", [False, True])
def test_a_deep_search_is_asked_of_the_suite(deep: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """And only where somebody asks for it: it takes many minutes."""
    commands: list[Sequence[str]] = []

    class Stopped(Exception): ...

    def note(*arguments: Any) -> None:
        commands.append(arguments[2])
        raise Stopped

    monkeypatch.setattr(_Child, "begun", note)
    with pytest.raises(Stopped):
        verify("memory://", suite="store", deep=deep)
    assert ["--scoria-deep" in command for command in commands] == [deep]


def test_what_a_store_raises_is_an_answer() -> None:
    """With its facts where the port promises them, and in one line that can be seen."""

    def fails() -> None:
        raise ValueError("two\nlines\u202e")

    def closed() -> None:
        raise StoreUnavailable("here", "is closed")

    assert str(answered("read", fails)) == r"raises ValueError: ValueError('two\nlines\u202e')"
    assert answered("read", closed) == answered("read", lambda: Reference(is_closed=True).read([]))
    assert answered("list_runs", lambda: None) != answered("list_runs", list)


def test_long_texts_are_told_short() -> None:
    """By how they begin and how long they are; characters that repeat are counted."""
    assert told("a" * 200) == "'{a * 200}'"
    assert told("ab" * 1_000) == f"'{'ab' * 30}'... (2000 characters)"
    assert len(told([*range(10_000)])) < 2_000


def test_long_answers_are_told_from_where_they_differ() -> None:
    """Each with a little of what they share."""
    expected, seen = told_apart(Answer("x" * 5_000 + "right"), Answer("x" * 5_000 + "wrong"))
    assert expected.endswith("right'")
    assert seen.endswith("wrong'")
    assert max(len(expected), len(seen)) < 500
    assert told_apart(Answer(1), Answer(2)) == ("1", "2")
