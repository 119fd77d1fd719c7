"""Pages and counts of runs: each run once and in order, whatever is asked and whatever is damaged.

What waits for people is in `test_inbox.py`.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta, timezone
from itertools import product
from typing import Any

import attrs
import pytest

from scoria_core import Count, DamagedRun, Page, RunStatus, RunSummary, Scoria, StepSpec, listing
from scoria_core.errors import InvalidIdentity, InvalidPayload, StoreCorrupt
from scoria_core.listing import RunFilter
from scoria_core.ports import Record, StoredRun
from scoria_core.testing import CountedIds, SettableClock
from scoria_memory import MemoryStore
from tests.support.scripted import needs

HANDLERS: Any = {"done": lambda *_: None, "ask": lambda *_: needs()}
STATUSES = {"done": "completed", "ask": "waiting_for_approval", "later": "running"}


class Damaged(MemoryStore):
    """A store that counts what it is asked, and whose runs can be damaged.

    It changed the second entry of the `damaged`, lost all entries of the `emptied`, and cannot read
    those of the `unreadable`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.damaged: set[str] = set()
        self.emptied: set[str] = set()
        self.unreadable: set[str] = set()
        self.asked: list[str] = []

    def read(self, run_ids: Sequence[str]) -> Sequence[StoredRun]:
        """Return what is left."""
        self.asked.append("read")
        return list(map(self._left, super().read(run_ids)))

    def list_runs(self, **asked: Any) -> Sequence[StoredRun]:
        """Return what is left."""
        self.asked.append("list_runs")
        return list(map(self._left, super().list_runs(**asked)))

    def list_labelled(self, **asked: Any) -> Sequence[StoredRun]:
        """Return what is left."""
        self.asked.append("list_labelled")
        return list(map(self._left, super().list_labelled(**asked)))

    def _left(self, run: StoredRun) -> StoredRun:
        return attrs.evolve(run, records=self._records(run)) if run.records else run

    def _records(self, run: StoredRun) -> tuple[Record, ...]:
        run_id, records = run.key.run_id, list(run.records)
        if run_id in self.unreadable:
            raise StoreCorrupt(run_id, 3, "cannot be read")
        if run_id in self.damaged:
            records[1] = attrs.evolve(records[1], body="{}")
        return () if run_id in self.emptied else tuple(records)


@pytest.fixture
def store() -> Damaged:
    """Return a store that is whole."""
    return Damaged()


@pytest.fixture
def scoria(store: Damaged, clock: SettableClock, ids: CountedIds) -> Scoria:
    """Return a facade of that store."""
    return Scoria(store, clock=clock, ids=ids)


def start(scoria: Scoria, tenant_id: str = "tenant-1", count: int = 1) -> list[str]:
    """Start runs of a queued step, and return their ids, newest first."""
    begun = [begin(scoria, tenant_id=tenant_id).run_id for _ in range(count)]
    return begun[::-1]


def begin(
    scoria: Scoria,
    session_id: str = "session-1",
    actor_id: str = "user-1",
    role: str = "executor",
    kind: str = "later",
    tenant_id: str = "tenant-1",
) -> RunSummary:
    """Start a run of one step."""
    identity = scoria.identity(actor_id=actor_id, tenant_id=tenant_id, session_id=session_id)
    handlers = HANDLERS if kind in HANDLERS else None
    return scoria.start_run(
        identity, root_role_id=role, initial_step=StepSpec(kind, role), handlers=handlers
    )


def ids_of(rows: Sequence[Any]) -> list[str]:
    """Return the ids of rows."""
    return [row.run_id for row in rows]


def pages_of(listed: Callable[..., Page[Any]], limit: int, **asked: Any) -> Iterator[Page[Any]]:
    """Yield each page of a listing of runs."""
    before = None
    while True:
        page = listed(limit=limit, before=before, **asked)
        assert len(page) <= limit
        yield page
        before = page.next
        if before is None:
            return


# --- filters -------------------------------------------------------------------------------------


def test_runs_are_listed_by_whatever_is_asked_for(scoria: Scoria, clock: SettableClock) -> None:
    """By none of the facts, by each, and by any of them together, in pages of any size."""
    runs: list[RunSummary] = []
    for number, facts in enumerate(product(("s", "t"), ("a", "b"), ("q", "r"), STATUSES)):
        if number == 11:
            middle = clock.now()
        clock.advance(seconds=1)
        runs.append(begin(scoria, *facts))
    everything = scoria.list_runs(limit=1_000)
    assert list(everything) == runs[::-1]
    answers = set()
    options: dict[str, tuple[Any, ...]] = {
        "session_id": (None, "s", "nobody"),
        "actor_id": (None, "b"),
        "root_role_id": (None, "q"),
        "status": (None, *STATUSES.values(), "failed"),
        "created_after": (None, middle, runs[4].created_at),
    }
    for values in product(*options.values()):
        asked = dict(zip(options, values, strict=True))
        after = asked.pop("created_after")
        expected = [
            run.run_id
            for run in everything
            if all(value in (None, getattr(run, name)) for name, value in asked.items())
            and (after is None or run.created_at > after)
        ]
        answers.add(tuple(expected))
        for limit in (1, 4, 24):
            pages = list(pages_of(scoria.list_runs, limit, created_after=after, **asked))
            assert [each for page in pages for each in ids_of(page)] == expected
            assert all(len(page) == limit for page in pages[:-1])
            assert len(pages) == max(1, -(-len(expected) // limit))
    assert len(answers) > 50


def test_created_after_may_be_any_time_that_utc_has(
    scoria: Scoria, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first of all asks for every run, page by page; one before it is refused by its name."""
    monkeypatch.setattr(listing, "MAX_LOOKED_AT", 1)
    run = scoria.start_run(
        scoria.identity(actor_id="a", tenant_id="t", session_id="s"), root_role_id="executor"
    )
    first = datetime.min.replace(tzinfo=UTC)
    page = scoria.list_runs(created_after=first)
    assert (list(page), page.next) == ([run], run.run_id)
    with pytest.raises(InvalidPayload, match=r"^created_after .* no time in UTC"):
        scoria.list_runs(created_after=first.replace(tzinfo=timezone(timedelta(hours=5))))


def test_created_after_is_an_instant(scoria: Scoria, clock: SettableClock) -> None:
    """In whatever zone, and the run of that very moment is not after it."""
    first = begin(scoria)
    clock.advance(timedelta(microseconds=1))
    second = begin(scoria)
    east = first.created_at.astimezone(timezone(timedelta(hours=9)))
    assert list(scoria.list_runs(created_after=east)) == [second]
    assert not scoria.list_runs(created_after=second.created_at)


def test_a_run_is_listed_by_the_status_that_it_has_now(scoria: Scoria) -> None:
    """And by no other that it had."""
    run = begin(scoria, kind="ask")
    assert list(scoria.list_runs(status="waiting_for_approval")) == [run]
    scoria.cancel_run(run.run_id)
    assert not scoria.list_runs(status="waiting_for_approval")
    assert ids_of(scoria.list_runs(status="cancelled")) == [run.run_id]


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"limit": 0}, "limit"),
        ({"before": " "}, "before"),
        ({"status": "pending"}, "status"),
        ({"status": ""}, "status"),
        ({"root_role_id": ""}, "root_role_id"),
        ({"actor_id": " "}, "actor_id"),
        ({"session_id": []}, "session_id"),
        ({"created_after": datetime(2026, 1, 1)}, "created_after"),
        ({"created_after": "2026-01-01T00:00:00+00:00"}, "created_after"),
    ],
)
def test_what_is_asked_is_checked(scoria: Scoria, asked: dict[str, Any], field: str) -> None:
    """What no run can have is refused: an empty page would say that there is none."""
    for listed in (scoria.list_runs, scoria.list_runs_with_damaged):
        with pytest.raises((InvalidPayload, InvalidIdentity)) as refused:
            listed(**asked)
        assert refused.value.field == field


# --- pages ---------------------------------------------------------------------------------------


def test_a_page_is_a_sequence(scoria: Scoria) -> None:
    """Its items can be counted, looped over, taken by number, and cut."""
    runs = start(scoria, count=3)
    page = scoria.list_runs(limit=2)
    assert (len(page), ids_of(page), page[0].run_id) == (2, runs[:2], runs[0])
    assert page[-1:] == page.items[1:]
    assert page[1] in page
    assert page == scoria.list_runs(limit=2)


@pytest.mark.parametrize("asked", [{}, {"session_id": "session-1", "actor_id": "user-1"}])
def test_the_last_page_has_no_next(scoria: Scoria, asked: dict[str, Any]) -> None:
    """Also where it is full; nobody has to ask for an empty one."""
    runs = start(scoria, count=4)
    for limit, ends in ((3, False), (4, True), (5, True)):
        assert (scoria.list_runs(limit=limit, **asked).next is None) == ends
    assert scoria.list_runs(limit=3, **asked).next == runs[2]
    last = scoria.list_runs(limit=3, before=runs[2], **asked)
    assert (ids_of(last), last.next) == (runs[3:], None)
    assert scoria.list_runs(before=runs[3], **asked) == Page(())


def test_pages_meet_while_runs_come_and_go(scoria: Scoria, store: Damaged) -> None:
    """What is new stands before the first page; what is gone leaves no gap."""
    runs = start(scoria, count=6)
    first = scoria.list_runs(limit=2)
    begin(scoria)
    store.prune({runs[1]: 2, runs[3]: 2})
    assert first.next == runs[1]
    assert ids_of(scoria.list_runs(before=first.next)) == [runs[2], runs[4], runs[5]]


def test_a_scan_says_where_it_stopped(scoria: Scoria, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that is short, or empty, has a next; who follows it finds everything."""
    monkeypatch.setattr(listing, "MAX_LOOKED_AT", 5)
    wanted = []
    for number in range(23):
        run = begin(scoria, actor_id="other" if number in (2, 3, 13, 14) else "user-1")
        wanted += [run.run_id] if run.actor_id == "other" else []
    asked: dict[str, Any] = {"session_id": "session-1", "actor_id": "other"}
    pages = list(pages_of(scoria.list_runs, 3, **asked))
    assert [ids_of(page) for page in pages] == [[], wanted[:1:-1], [], wanted[1:2], wanted[:1]]
    # One fact alone is what the store lists by: nothing is looked at in vain.
    assert ids_of(scoria.list_runs(actor_id="other")) == wanted[::-1]


def test_a_scan_ends_where_all_that_follow_are_too_old(
    scoria: Scoria, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By more than the clocks of hosts may be apart, as ids ascend with the time of each."""
    monkeypatch.setattr(listing, "MAX_LOOKED_AT", 3)
    start(scoria, count=9)
    clock.advance(minutes=59)
    edge = clock.now()
    near = list(pages_of(scoria.list_runs, 2, created_after=edge))
    assert [len(page) for page in near] == [0, 0, 0, 0]
    clock.advance(minutes=2)
    (new,) = start(scoria)
    pages = list(pages_of(scoria.list_runs, 2, created_after=clock.now() - timedelta(seconds=1)))
    assert [ids_of(page) for page in pages] == [[new]]


def test_what_fewest_runs_have_is_what_the_store_lists_by() -> None:
    """A session has few runs, and few have not ended; a role has very many."""
    waits, done = RunStatus.WAITING_FOR_APPROVAL, RunStatus.COMPLETED

    def leads(**asked: Any) -> str | None:
        where = RunFilter(**asked).where
        return None if where is None else where.fact

    assert leads(session_id="s", status=waits, actor_id="a", root_role_id="r") == "session_id"
    assert leads(status=waits, actor_id="a", root_role_id="r") == "status"
    assert leads(status=done, actor_id="a", root_role_id="r") == "actor_id"
    assert leads(status=done, root_role_id="r") == "root_role_id"
    assert leads(status=done) == "status"
    assert leads() is None


def test_a_scan_looks_at_a_thousand(scoria: Scoria) -> None:
    """As is said."""
    oldest = begin(scoria, actor_id="other")
    start(scoria, count=1_000)
    asked: dict[str, Any] = {"session_id": "session-1", "actor_id": "other"}
    page = scoria.list_runs(**asked)
    assert (len(page), page.next is None) == (0, False)
    assert scoria.list_runs(before=page.next, **asked) == Page((oldest,))


@pytest.mark.parametrize("count", [1, 40])
def test_a_page_costs_one_call_of_the_store(scoria: Scoria, store: Damaged, count: int) -> None:
    """Two where it has to look, whatever the length."""
    start(scoria, count=count)
    another = Scoria(store)  # the first has the runs in mind
    singles: list[dict[str, Any]]
    singles = [{}, {"session_id": "session-1"}, {"status": "running"}, {"actor_id": "user-1"}]
    for asked in singles:
        store.asked = []
        assert len(another.list_runs(limit=1_000, **asked)) == count
        assert store.asked == ["list_runs"]
    store.asked = []
    assert len(another.list_runs(session_id="session-1", status="running")) == count
    assert store.asked == ["list_runs", "read"]
    store.asked = []
    assert not another.list_runs(session_id="session-1", status="failed")
    assert store.asked == ["list_runs"]


# --- damaged runs --------------------------------------------------------------------------------


@pytest.mark.parametrize("asked", [{}, {"session_id": "session-1", "actor_id": "user-1"}])
def test_a_page_is_shorter_by_the_runs_of_it_that_are_damaged(
    scoria: Scoria, store: Damaged, asked: dict[str, Any]
) -> None:
    """It goes on after them, and the others are all there."""
    runs = start(scoria, count=9)
    store.damaged, store.emptied = {runs[0], runs[3], runs[8]}, {runs[4]}
    pages = list(pages_of(scoria.list_runs, 3, **asked))
    assert [ids_of(page) for page in pages] == [runs[1:3], runs[5:6], runs[6:8]]
    assert scoria.list_runs(before=runs[7]) == Page(())


@pytest.mark.parametrize("asked", [{}, {"session_id": "session-1", "actor_id": "user-1"}])
def test_a_run_that_the_store_cannot_read_hides_no_other(
    scoria: Scoria, store: Damaged, asked: dict[str, Any]
) -> None:
    """The page is read run by run, and the one stands in its place."""
    runs = start(scoria, count=5)
    store.unreadable = {runs[1], runs[3]}
    rows = scoria.list_runs_with_damaged(limit=4, **asked)
    assert (ids_of(rows), rows.next) == (runs[:4], runs[3])
    assert rows[1] == DamagedRun(runs[1], 3, "cannot be read")
    assert ids_of(scoria.list_runs(limit=4, **asked)) == [runs[0], runs[2]]


def test_what_is_left_out_is_logged(
    scoria: Scoria, store: Damaged, caplog: pytest.LogCaptureFixture
) -> None:
    """By its id, with the entry: it is evidence, and must not vanish."""
    damaged, _ = start(scoria, count=2)
    store.damaged = {damaged}
    scoria.list_runs()
    (told,) = caplog.records
    assert told.levelno == logging.ERROR
    assert (
        f"run {damaged} is left out of a list: entry 2 does not match its digest"
        in told.getMessage()
    )


def test_a_damaged_run_stands_in_its_place(scoria: Scoria, store: Damaged) -> None:
    """It counts to the limit, so that pages meet where they do in the store."""
    runs = start(scoria, count=5)
    store.damaged, store.emptied = {runs[1]}, {runs[3]}
    pages = list(pages_of(scoria.list_runs_with_damaged, 2, session_id="session-1"))
    rows = [row for page in pages for row in page]
    assert ids_of(rows) == runs
    found = [row for row in rows if isinstance(row, DamagedRun)]
    assert [(row.run_id, row.sequence) for row in found] == [(runs[1], 2), (runs[3], 1)]
    assert found[1].problem == "is missing"


def test_what_is_due_is_listed_whatever_is_damaged(
    scoria: Scoria, store: Damaged, clock: SettableClock
) -> None:
    """Workers go on."""
    runs = start(scoria, count=3)
    store.damaged, store.emptied = {runs[0]}, {runs[1]}
    another = Scoria(store, clock=clock)  # the first has the runs in mind as they were
    assert sorted(another.list_pending()) == sorted(runs)
    (worked,) = another.run_pending(handlers={"later": lambda *_: None})
    assert worked.run_id == runs[2]


def test_a_tenant_is_shown_no_damaged_run_of_another(
    scoria: Scoria,
    store: Damaged,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Where the store lists one by mistake, it is left out, and whoever reads the log is told."""
    (theirs,), (ours,) = start(scoria, "tenant-2"), start(scoria)
    find = store.list_runs
    monkeypatch.setattr(store, "list_runs", lambda **asked: find(**{**asked, "tenant_id": None}))
    view = scoria.for_tenant("tenant-1")
    for store.damaged in (set[str](), {theirs}):
        assert ids_of(view.list_runs()) == ids_of(view.list_runs_with_damaged()) == [ours]
    assert f"run {theirs} is listed for a tenant" in caplog.text


def test_a_store_that_is_damaged_as_a_whole_is_told(
    scoria: Scoria, store: Damaged, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list without a single run would say that there are none."""
    start(scoria)

    def damaged(**_: Any) -> Sequence[StoredRun]:
        raise StoreCorrupt("store memory://", 0, "is no store")

    monkeypatch.setattr(store, "list_runs", damaged)
    for listed in (scoria.list_runs, scoria.list_runs_with_damaged):
        with pytest.raises(StoreCorrupt, match="is no store"):
            listed()


# --- counts --------------------------------------------------------------------------------------


def test_runs_are_counted_by_status(scoria: Scoria) -> None:
    """Each status is there, also where no run has it; one call tells them all."""
    for kind in ("done", "ask", "ask", "later"):
        begin(scoria, kind=kind)
    begin(scoria, kind="done", tenant_id="tenant-2")
    none = dict.fromkeys(("cancelled", "failed"), Count(0))
    one, two = Count(1), Count(2)
    told = {"running": one, "waiting_for_approval": two, "completed": two, **none}
    assert scoria.count_runs() == told
    assert scoria.for_tenant("tenant-1").count_runs() == {**told, "completed": one}


def test_counts_are_exact_up_to_a_thousand(scoria: Scoria, monkeypatch: pytest.MonkeyPatch) -> None:
    """And say so where there are more."""
    monkeypatch.setattr(listing, "MAX_LOOKED_AT", 3)
    for said in ("1", "2", "3", "3+", "3+"):
        begin(scoria)
        assert str(scoria.count_runs()["running"]) == said  # type: ignore[index]
    assert str(Count(1_000, is_exact=False)) == "1,000+"
