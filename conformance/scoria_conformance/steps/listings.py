"""Steps that ask a store for runs: by their ids, by facts, labels and times, and page by page."""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from itertools import combinations, product
from random import Random
from time import monotonic
from typing import Any, cast

import attrs
from pytest_bdd import given, parsers, then, when

from scoria_conformance.concurrency import Barrier, processes, threads
from scoria_conformance.stored_runs import (
    NOON,
    StoredRuns,
    after,
    index_row,
    numbered,
    record,
    run_ids,
)
from scoria_conformance.world import OTHER_TENANT, PATIENCE, TENANT
from scoria_core.errors import VersionConflict
from scoria_core.ports import (
    Capability,
    Fact,
    IndexRow,
    PrunableStore,
    RunStore,
    StoredRun,
    Where,
)

TENANTS = (TENANT, OTHER_TENANT)
SESSIONS = ("session-1", "session-2")
FACTS = {
    "session": Fact.SESSION,
    "actor": Fact.ACTOR,
    "role": Fact.ROLE,
    "status": Fact.STATUS,
}


def seconds_in(told: str) -> list[int]:
    """Return the numbers in a text of a feature."""
    return [int(number) for number in re.findall(r"\d+", told)]


@given(parsers.parse("runs of two tenants due at {told} seconds"))
def _runs_of_two_tenants_due_at_seconds(stored: StoredRuns, told: str) -> None:
    for number, seconds in enumerate(seconds_in(told)):
        tenant_id = TENANTS[number % 2]
        run_id = stored.create([record(1)], due_in=seconds, tenant_id=tenant_id)
        stored.due[run_id] = seconds
    stored.create([record(1)])


@then(parsers.parse("at {seconds:d} seconds the due runs are those at {told} seconds"))
def _at_seconds_the_due_runs_are_those_at_seconds(
    stored: StoredRuns, seconds: int, told: str
) -> None:
    assert [stored.due.get(run_id) for run_id in stored.due_at(seconds)] == seconds_in(told)


@given("runs of two tenants, each in two sessions")
def _runs_of_two_tenants_each_in_two_sessions(stored: StoredRuns) -> None:
    _with_two_values(stored, Fact.SESSION)


@given(parsers.parse("runs of two tenants, each with two values of the {fact}"))
def _runs_of_two_tenants_each_with_two_values(stored: StoredRuns, fact: str) -> None:
    _with_two_values(stored, FACTS[fact])


def _with_two_values(stored: StoredRuns, fact: Fact) -> None:
    kinds = list(product(TENANTS, SESSIONS)) * 3
    for place, (tenant_id, value) in enumerate(kinds, start=1):
        # Not created in the order of their ids: newest first is by id, in whichever order they
        # came.
        number = place * 5 % (len(kinds) + 1)
        row = index_row(status=value) if fact == Fact.STATUS else index_row()
        facts: dict[str, Any] = {} if fact == Fact.STATUS else {fact: value}
        stored.create([record(1)], number=number, row=row, tenant_id=tenant_id, **facts)


STANDS = r'stands at "(?P<status>\w+)" since (?P<seconds>\d+) seconds, with "(?P<told>.*)"'


@given(parsers.re(f"a run {STANDS}"))
def _a_run_stands_at_since(stored: StoredRuns, status: str, seconds: str, told: str) -> None:
    row = _stands(status, int(seconds), told)
    stored.create([record(1)], row=row if row.has_ended else attrs.evolve(row, due_at=after(90)))


@when(parsers.re(f"the first {STANDS}"))
def _the_first_stands_at_since(stored: StoredRuns, status: str, seconds: str, told: str) -> None:
    stored.append(numbered(1), 2, row=_stands(status, int(seconds), told))


@when(parsers.parse("the first is put off to {seconds:d} seconds"))
def _the_first_is_put_off(stored: StoredRuns, seconds: int) -> None:
    row = attrs.evolve(stored.rows[numbered(1)], due_at=after(seconds))
    stored.append(numbered(1), 0, row=row)


def _stands(status: str, seconds: int, told: str) -> IndexRow:
    labels = tuple(told.split(", ")) if told else ()
    has_ended = status == "completed"
    return index_row(status=status, since=after(seconds), labels=labels, has_ended=has_ended)


@given(parsers.parse("runs with the labels {told}"))
def _runs_with_the_labels(stored: StoredRuns, told: str) -> None:
    for label in re.findall(r'"(.*?)"', told):
        stored.create([record(1)], row=index_row(status=label, labels=(label,)))


@given(parsers.parse("a run with {count:d} labels"))
def _a_run_with_labels(stored: StoredRuns, count: int) -> None:
    labels = tuple(f"tool:{number}" for number in range(count))
    stored.create([record(1)], row=index_row(labels=labels))


@given(parsers.parse("{runs:d} runs with {count:d} labels each"))
def _runs_with_labels_each(stored: StoredRuns, runs: int, count: int) -> None:
    for _ in range(runs):
        _a_run_with_labels(stored, count)


@given("runs of which each has changed something else of where it stands")
def _runs_of_which_each_has_changed_something_else(stored: StoredRuns) -> None:
    before = index_row(
        after(10), status="waiting", since=after(10), labels=("tool:send", "assigned:ana")
    )
    changes: dict[str, Any] = {
        "status": "running",
        "since": after(30),
        "due_at": after(30),
        "labels": ("tool:send", "assigned:ben"),
    }
    for names in (names for count in range(5) for names in combinations(changes, count)):
        run_id = stored.create([record(1)], row=before)
        now = attrs.evolve(before, **{name: changes[name] for name in names})
        stored.append(run_id, 1, row=now)


@given("runs that wait since, and are due at, moments on both sides of 1970 and of 2038")
def _runs_that_wait_since_moments_on_both_sides(stored: StoredRuns) -> None:
    whole = [
        datetime(*day, tzinfo=UTC)
        for day in ((1930, 1, 1), (1970, 1, 1), (2001, 9, 9), (2038, 1, 19), (2038, 1, 20))
    ]
    parts = [timedelta(microseconds=each) for each in (-1_000_000, -1, 0, 1, 500_000, 999_999)]
    moments = [moment + part for part in parts for moment in whole]
    for moment in moments:
        row = index_row(moment, status="waiting", since=moment, labels=("tool:send",))
        stored.create([record(1)], row=row)


@given(parsers.parse("runs of {tenants} that wait since {told} seconds"))
def _runs_that_wait_since_seconds(stored: StoredRuns, tenants: str, told: str) -> None:
    of = TENANTS if tenants == "two tenants" else (TENANT,)
    count = len(seconds_in(told))
    for place, seconds in enumerate(seconds_in(told)):
        # Not created in the order of their ids: of runs since the same time, the smaller id comes
        # first.
        number = place * 5 % (count + 1) + 1
        labels = ("tool:send", f"assigned:{number % 3}")
        row = index_row(status="waiting", since=after(seconds), labels=labels)
        tenant_id = of[place // 2 % len(of)]
        stored.create([record(1)], number=number, row=row, tenant_id=tenant_id)


@given("a run with times of another zone, before 1970 and in a hundred years")
def _a_run_with_times_of_another_zone(stored: StoredRuns) -> None:
    east = timezone(timedelta(hours=5, minutes=45))
    row = index_row(
        datetime(2125, 7, 1, 0, 0, 0, 999_999, tzinfo=east),
        since=datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        labels=("tool:send",),
        has_ended=False,
    )
    created_at = datetime(1926, 1, 5, 1, 2, 3, 4, tzinfo=east)
    stored.create(
        [record(1)],
        row=row,
        created_at=created_at,
        actor_id="ana",
        root_role_id="critic",
        idempotency_key="order-7",
    )


@then("every run is found by where it stands now, and by nothing else")
def _every_run_is_found_by_where_it_stands_now(stored: StoredRuns) -> None:
    store, tenants = stored.world.store, (None, *TENANTS)
    told = {run_id: stored.told(run_id) for run_id in stored.journals}
    assert list(store.read(list(told))) == list(told.values())
    for tenant_id, label in product(tenants, (None, *sorted(stored.labels))):
        found = list(store.list_labelled(tenant_id=tenant_id, label=label, limit=100))
        assert found == [told[each] for each in _labelled(stored, tenant_id, label)]
    for tenant_id, where in product(tenants, _wheres(stored)):
        found = list(store.list_runs(tenant_id=tenant_id, where=where, limit=100))
        assert found == [told[each] for each in _matching(stored, tenant_id, where)]
    for tenant_id in tenants:
        statuses = sorted(stored.statuses)
        counts = store.count_runs(tenant_id=tenant_id, statuses=statuses, limit=100)
        assert counts == {each: _count(stored, tenant_id, each) for each in statuses}
        due = list(store.list_due(tenant_id=tenant_id, until=NOON.replace(year=9000), limit=100))
        assert due == _due(stored, tenant_id)


def _wheres(stored: StoredRuns) -> Iterator[Where | None]:
    """Yield every filter by a fact that a run has, or had."""
    yield None
    for fact in (Fact.SESSION, Fact.ACTOR, Fact.ROLE):
        for value in sorted({getattr(key, fact) for key in stored.keys.values()}):
            yield Where(fact, value)
    for status in sorted(stored.statuses):
        yield Where(Fact.STATUS, status)


def _matching(stored: StoredRuns, tenant_id: str | None, where: Where | None) -> list[str]:
    """Return the ids of the runs that a listing should have, in its order."""
    matching = [
        run_id
        for run_id, key in stored.keys.items()
        if tenant_id in (None, key.tenant_id)
        and (where is None or _value(stored, run_id, where.fact) == where.value)
    ]
    return sorted(matching, reverse=True)


def _value(stored: StoredRuns, run_id: str, fact: Fact) -> object:
    owner = stored.rows[run_id] if fact == Fact.STATUS else stored.keys[run_id]
    return getattr(owner, fact)


def _labelled(stored: StoredRuns, tenant_id: str | None, label: str | None) -> list[str]:
    """Return the ids of the runs that a labelled listing should have, in its order."""
    return [run_id for _, run_id in _places(stored, tenant_id, label)]


def _places(
    stored: StoredRuns, tenant_id: str | None, label: str | None
) -> list[tuple[datetime, str]]:
    return sorted(
        (row.since, run_id)
        for run_id, row in stored.rows.items()
        if tenant_id in (None, stored.keys[run_id].tenant_id)
        and (row.labels if label is None else label in row.labels)
    )


def _count(stored: StoredRuns, tenant_id: str | None, status: str) -> int:
    return len(_matching(stored, tenant_id, Where(Fact.STATUS, status)))


def _due(stored: StoredRuns, tenant_id: str | None) -> list[str]:
    due = sorted(
        (row.due_at, run_id)
        for run_id, row in stored.rows.items()
        if row.due_at is not None and tenant_id in (None, stored.keys[run_id].tenant_id)
    )
    return [run_id for _, run_id in due]


Listing = tuple[str | None, str | None, list[str]]
"""A filter by tenant, one by session or label, and the ids that it should list."""


def _by_session(stored: StoredRuns) -> list[Listing]:
    return [
        (tenant_id, session_id, _matching(stored, tenant_id, where))
        for tenant_id in (None, *TENANTS)
        for session_id, where in (
            (None, None),
            *((each, Where(Fact.SESSION, each)) for each in SESSIONS),
        )
    ]


@then("any limit returns the first of each listing")
def _each_listing_may_be_cut_to_any_limit(stored: StoredRuns) -> None:
    for tenant_id, session_id, runs in _by_session(stored):
        for limit in range(1, len(runs) + 2):
            assert stored.listed(tenant_id, session_id, limit) == runs[:limit]


@then("each listing may begin before any run")
def _each_listing_may_begin_before_any_run(stored: StoredRuns) -> None:
    for tenant_id, session_id, runs in _by_session(stored):
        for run_id in stored.journals:
            older = [each for each in runs if each < run_id]
            assert stored.listed(tenant_id, session_id, 2, before=run_id) == older[:2]


@then(parsers.parse("each listing by the {fact} has the runs with its value, newest first"))
def _each_listing_by_the_has_the_runs(stored: StoredRuns, fact: str) -> None:
    for tenant_id, value in product((None, *TENANTS), (*SESSIONS, "another")):
        where = Where(FACTS[fact], value)
        expected = _matching(stored, tenant_id, where)
        assert bool(expected) == (value != "another")
        for limit in (1, 4, 100):
            found = stored.world.store.list_runs(tenant_id=tenant_id, where=where, limit=limit)
            assert run_ids(found) == expected[:limit]


@then(parsers.parse("each listing by the {fact} may begin before any run"))
def _each_listing_by_the_may_begin_before(stored: StoredRuns, fact: str) -> None:
    for tenant_id, value, run_id in product((None, *TENANTS), SESSIONS, stored.journals):
        where = Where(FACTS[fact], value)
        older = [each for each in _matching(stored, tenant_id, where) if each < run_id]
        found = stored.world.store.list_runs(
            tenant_id=tenant_id, where=where, limit=2, before=run_id
        )
        assert run_ids(found) == older[:2]


def _by_label(stored: StoredRuns) -> list[Listing]:
    return [
        (tenant_id, label, _labelled(stored, tenant_id, label))
        for tenant_id, label in product((None, *TENANTS), (None, *sorted(stored.labels)))
    ]


@then("each labelled listing has its runs, longest since first")
def _each_labelled_listing_has_its_runs(stored: StoredRuns) -> None:
    for tenant_id, label, runs in _by_label(stored):
        assert stored.labelled(label, tenant_id) == runs


@then("any limit returns the first of each labelled listing")
def _any_limit_returns_the_first_of_each_labelled(stored: StoredRuns) -> None:
    for tenant_id, label, runs in _by_label(stored):
        for limit in range(1, len(runs) + 2):
            assert stored.labelled(label, tenant_id, limit) == runs[:limit]


@then("each labelled listing may begin at any moment and id")
def _each_labelled_listing_may_begin_anywhere(stored: StoredRuns) -> None:
    moments = sorted({row.since for row in stored.rows.values()})
    near = [at + timedelta(microseconds=away) for at in moments for away in (-1, 0, 1)]
    ids = [numbered(number) for number in range(len(stored.journals) + 3)]
    for tenant_id, label in product((None, TENANT), (None, "tool:send")):
        places = _places(stored, tenant_id, label)
        for start in product(near, ids):
            expected = [run_id for at, run_id in places if (at, run_id) >= start]
            assert stored.labelled(label, tenant_id, 3, start) == expected[:3]


@when(
    parsers.parse("pages of {size:d} are listed, while runs come, go and move in between"),
    target_fixture="pages",
)
def _pages_are_listed_while_runs_come_go_and_move(
    stored: StoredRuns, scoria_seed: int, size: int
) -> list[str]:
    chance = Random(scoria_seed)  # noqa: S311 - it picks runs, and keeps no secret
    last: tuple[datetime, str] | None = None
    listed: list[str] = []
    for _ in range(2 * len(stored.journals)):
        asked = stored.world.store.list_labelled(
            tenant_id=TENANT, label="tool:send", limit=size + 1, start=last, with_records=False
        )
        # The next page starts with the run that ended this one, unless that run has left meanwhile.
        page = [each for each in asked if (each.row.since, each.key.run_id) != last][:size]
        if not page:
            break
        listed += run_ids(page)
        last = (page[-1].row.since, page[-1].key.run_id)
        _change(stored, chance, page)
    return listed


def _change(stored: StoredRuns, chance: Random, page: Sequence[StoredRun]) -> None:
    """Let the last run of the page leave, and of the other runs one leave, one move, one come."""
    going, moving = chance.sample(sorted(stored.rows), 2)
    for run_id in {page[-1].key.run_id, going}:
        stored.append(run_id, 1, row=index_row(status="gone", since=after(99)))
    since = after(chance.choice((5, 20, 35, 70)))
    stored.append(moving, 1, row=index_row(status="moved", since=since, labels=("tool:send",)))
    row = index_row(status="come", since=since, labels=("tool:send",))
    stored.create([record(1)], number=100 + len(stored.journals), row=row)


@then("each run that stayed was on one of the pages, once")
def _each_run_that_stayed_was_on_one_of_the_pages(stored: StoredRuns, pages: list[str]) -> None:
    stayed = [run_id for run_id, row in stored.rows.items() if row.status == "waiting"]
    assert {run_id: pages.count(run_id) for run_id in stayed} == dict.fromkeys(stayed, 1)


@then("runs read together come in the order asked, without those that are unknown")
def _runs_read_together_come_in_the_order_asked(stored: StoredRuns) -> None:
    store, ids = stored.world.store, sorted(stored.journals)
    mixed = [*ids[::2], numbered(99), *ids[1::2][::-1], ids[0], numbered(98), ids[0]]
    for asked in ([], ids, ids[::-1], mixed, [numbered(99)]):
        known = [stored.told(run_id) for run_id in asked if run_id in ids]
        assert list(store.read(asked)) == known


@when(
    parsers.re(
        r"(?P<writing>\d+) (?P<kind>callers|processes) append to it "
        r"while (?P<reading>\d+) others read and list it, until it has (?P<last>\d+) records"
    ),
    target_fixture="moments",
    converters={"writing": int, "reading": int, "last": int},
)
def _append_to_it_while_others_read_and_list_it(
    stored: StoredRuns, writing: int, kind: str, reading: int, last: int
) -> list[list[StoredRun]]:
    """Return all that each reader saw, from before the first append to after the last."""
    (run_id,) = stored.journals
    stored.append(run_id, 1, row=_row_at(2))

    def work(store: RunStore, number: int, barrier: Barrier) -> list[StoredRun]:
        told = [*_told(store, run_id)]
        assert told
        barrier.wait()
        if number < writing:
            _write_on(store, run_id, last)
            return []
        end = monotonic() + PATIENCE
        while told[-1].version < last and monotonic() < end:
            told += [run for run in _told(store, run_id) if run != told[-1]]
        return told

    if kind == "processes":
        stored.need(Capability.MULTI_PROCESS)
    crew = processes if kind == "processes" else threads
    return list(crew(stored.world, writing + reading, work)[writing:])


def _row_at(version: int) -> IndexRow:
    """Return the index row that is written with this version of the run."""
    labels = ("any", f"version {version}")
    return index_row(status=f"version {version}", since=after(version), labels=labels)


def _write_on(store: RunStore, run_id: str, last: int) -> None:
    """Append two records at a time, at the present version of the run, up to the last version."""
    end = monotonic() + PATIENCE
    while (version := store.read([run_id])[0].version) < last and monotonic() < end:
        new = [record(version + number) for number in (1, 2)]
        with suppress(VersionConflict):
            store.append(run_id, new, expected_version=version, row=_row_at(version + 2))


def _told(store: RunStore, run_id: str) -> Iterator[StoredRun]:
    """Read the run in each way there is, twice in one call if possible."""
    yield from store.read([run_id, run_id])
    yield from store.list_runs(tenant_id=TENANT, limit=9)
    yield from store.list_labelled(tenant_id=TENANT, label="any", limit=9)


@then("each time its records, its version and its row belonged together")
def _each_time_its_records_its_version_and_its_row(moments: list[list[StoredRun]]) -> None:
    for told in moments:
        for run in told:
            at = len(run.records)
            assert (run.version, run.row) == (at, _row_at(at))


@then(parsers.parse("each that reads was told of it up to {last:d} records"))
def _each_that_reads_was_told_of_it(moments: list[list[StoredRun]], last: int) -> None:
    assert [told[-1].version for told in moments] == [last] * len(moments)


@then("the runs of each status are counted exactly up to any limit")
def _the_runs_of_each_status_are_counted(stored: StoredRuns) -> None:
    statuses = [*SESSIONS, "another"]
    for tenant_id, limit in product((None, *TENANTS), range(8)):
        expected = {each: min(limit, _count(stored, tenant_id, each)) for each in statuses}
        found = stored.world.store.count_runs(tenant_id=tenant_id, statuses=statuses, limit=limit)
        assert found == expected


@then("each listing without records has the runs of the one with them")
def _each_listing_without_records_has_the_runs(stored: StoredRuns) -> None:
    store = stored.world.store
    told = {run_id: stored.told(run_id, with_records=False) for run_id in stored.journals}
    for tenant_id, label, runs in _by_label(stored):
        asked = {"tenant_id": tenant_id, "limit": 100, "with_records": False}
        assert list(store.list_labelled(**asked, label=label)) == [told[each] for each in runs]
        every = _matching(stored, tenant_id, None)
        assert list(store.list_runs(**asked)) == [told[each] for each in every]


@when("every second run is pruned")
def _every_second_run_is_pruned(stored: StoredRuns) -> None:
    stored.need(Capability.PRUNABLE)
    pruned = sorted(stored.journals)[::2]
    versions = {run_id: len(stored.journals[run_id]) for run_id in pruned}
    removed = cast(PrunableStore, stored.world.store).prune(versions)
    assert sorted(removed) == pruned
    for run_id in pruned:
        stored.forget(run_id)
