"""What waits for people: each request once, longest waiting first, whatever happens meanwhile."""

import base64
import json
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from itertools import product
from typing import Any

import attrs
import pytest

from scoria_core import (
    ListedApproval,
    NeedsApproval,
    Page,
    RunSummary,
    Scoria,
    StepSpec,
    listing,
)
from scoria_core.errors import InvalidIdentity, InvalidPayload
from scoria_core.ports import Record, StoredRun
from scoria_core.testing import CountedIds, SettableClock
from tests.core.test_listings import Damaged
from tests.support.scripted import needs, scripted


@pytest.fixture
def store() -> Damaged:
    """Return a store that is whole."""
    return Damaged()


@pytest.fixture
def scoria(store: Damaged, clock: SettableClock, ids: CountedIds) -> Scoria:
    """Return a facade of that store."""
    return Scoria(store, clock=clock, ids=ids)


def ask(
    scoria: Scoria,
    *requests: NeedsApproval,
    session_id: str = "session-1",
    tenant_id: str = "tenant-1",
) -> RunSummary:
    """Start a run that makes these requests, by default one."""
    identity = scoria.identity(actor_id="user-1", tenant_id=tenant_id, session_id=session_id)
    return scoria.start_run(
        identity,
        root_role_id="executor",
        initial_step=StepSpec("work", "executor"),
        handlers={"work": scripted(list(requests or [needs()]))},
    )


def asked_of(*runs: RunSummary) -> list[str]:
    """Return the ids of what these runs asked for, in order."""
    return [each.approval_id for run in runs for each in run.pending_approvals]


def ids_of(approvals: Sequence[ListedApproval]) -> list[str]:
    """Return the ids of requests."""
    return [each.approval_id for each in approvals]


def pages_of(scoria: Scoria, limit: int, **asked: Any) -> Iterator[Page[ListedApproval]]:
    """Yield each page of what waits."""
    after = None
    while True:
        page = scoria.list_approvals(limit=limit, after=after, **asked)
        assert len(page) <= limit
        yield page
        after = page.next
        if after is None:
            return


def listed(scoria: Scoria, limit: int, **asked: Any) -> list[str]:
    """Return the ids of all that waits, read in pages."""
    return [each for page in pages_of(scoria, limit, **asked) for each in ids_of(page)]


def decide(scoria: Scoria, approval: ListedApproval, decision: str = "approve") -> RunSummary:
    """Have a person decide a request."""
    call = getattr(scoria, decision)
    decided: RunSummary = call(
        approval.run_id, approval_id=approval.approval_id, decided_by="reviewer-7"
    )
    return decided


# --- order and pages -----------------------------------------------------------------------------


def test_who_waits_longest_comes_first(scoria: Scoria, clock: SettableClock) -> None:
    """Not who was started first: what counts is when the run asked. Ties go by run, then as asked.

    The requests of one run stand together, and a page may end between them.
    """
    identity = scoria.identity(actor_id="a", tenant_id="tenant-1", session_id="s")
    late = scoria.start_run(
        identity, root_role_id="executor", initial_step=StepSpec("work", "executor")
    )
    three = ask(scoria, needs(), needs(tool_name="pay"), needs())
    tied = ask(scoria)
    clock.advance(timedelta(microseconds=1))
    (late,) = scoria.run_pending(late.run_id, handlers={"work": scripted([needs(), needs()])})
    clock.advance(seconds=1)
    last = ask(scoria)
    whole = asked_of(three, tied, late, last)
    assert len(whole) == 7
    for limit in range(1, 9):
        assert listed(scoria, limit) == whole
        pages = list(pages_of(scoria, limit))
        assert all(len(page) == limit for page in pages[:-1])
        assert len(pages) == -(-7 // limit)
    assert scoria.count_approvals().number == 7


def test_what_is_listed_is_the_request_with_its_run(scoria: Scoria) -> None:
    """With the same facts as the run itself tells."""
    run = ask(scoria, needs(assigned_to=["ann", "bob"], expires_in=60))
    (found,) = scoria.list_approvals()
    (asked,) = run.pending_approvals
    assert found.run == run == scoria.get_run(run.run_id)
    told = attrs.asdict(found, recurse=False)
    assert told == {**attrs.asdict(asked, recurse=False), "run": run}


def test_nobody_waits(scoria: Scoria) -> None:
    """Then the page is empty and the last."""
    assert scoria.list_approvals() == Page(())
    assert str(scoria.count_approvals()) == "0"


# --- what can be decided -------------------------------------------------------------------------


def test_what_cannot_be_decided_any_more_is_not_listed(
    scoria: Scoria, clock: SettableClock
) -> None:
    """Decided, withdrawn, or past its time, whether the journal says so yet or not."""
    decided = ask(scoria)
    stays = ask(scoria)
    ask(scoria, needs(expires_in=60))
    two = ask(scoria, needs(expires_in=60), needs())
    withdrawn = ask(scoria)
    refused = ask(scoria)
    scoria.cancel_run(withdrawn.run_id)
    for run, decision in ((decided, "approve"), (refused, "reject")):
        (asked,) = (each for each in scoria.list_approvals() if each.run_id == run.run_id)
        decide(scoria, asked, decision)
    assert scoria.count_approvals().number == 4
    clock.advance(seconds=60)
    left = [*asked_of(stays), two.pending_approvals[1].approval_id]
    for _ in range(2):
        assert listed(scoria, 1) == listed(scoria, 50) == left
        assert str(scoria.count_approvals()) == "2"
        scoria.run_pending(handlers={"work": scripted(None)})  # which writes what has expired


def test_a_page_goes_on_behind_what_has_expired(scoria: Scoria, clock: SettableClock) -> None:
    """A page may be short of those, or empty, and still has a next."""
    ask(scoria, *(needs(expires_in=60) for _ in range(3)))
    for _ in range(9):
        ask(scoria, needs(expires_in=60))
    clock.advance(seconds=60)
    stays = ask(scoria)
    for limit in (1, 2, 5, 50):
        assert listed(scoria, limit) == asked_of(stays)
    assert not scoria.list_approvals(limit=1)
    assert str(scoria.count_approvals()) == "1"


def test_a_decided_part_leaves_the_rest_where_it_was(scoria: Scoria, clock: SettableClock) -> None:
    """A run waits since it asked, also once some of what it asked is decided."""
    first = ask(scoria, needs(), needs())
    clock.advance(seconds=1)
    second = ask(scoria)
    decide(scoria, scoria.list_approvals()[0])
    assert listed(scoria, 1) == asked_of(first, second)[1:]
    assert scoria.count_approvals().number == 2


# --- cursors -------------------------------------------------------------------------------------


def settled(scoria: Scoria, page: Page[ListedApproval]) -> None:
    """Decide all that a page has."""
    for each in page:
        decide(scoria, each)


def settled_last(scoria: Scoria, page: Page[ListedApproval]) -> None:
    """Decide the one that the next page begins after."""
    decide(scoria, page[-1])


def withdrawn(scoria: Scoria, page: Page[ListedApproval]) -> None:
    """Cancel the run that the next page begins in."""
    scoria.cancel_run(page[-1].run_id)


def begun(scoria: Scoria, _: Page[ListedApproval]) -> None:
    """Have another run ask."""
    ask(scoria)


def nothing(_: Scoria, __: Page[ListedApproval]) -> None:
    """Leave everything as it is."""


@pytest.mark.parametrize("meanwhile", [nothing, settled, settled_last, withdrawn, begun])
@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 6])
def test_a_page_goes_on_where_the_one_before_ended(
    scoria: Scoria, meanwhile: Callable[[Scoria, Page[ListedApproval]], None], limit: int
) -> None:
    """Nothing twice, and nothing that still waits is left out, whatever happens in between."""
    for number in (3, 1, 2, 1):
        ask(scoria, *(needs() for _ in range(number)))
    everything = ids_of(scoria.list_approvals())
    page = scoria.list_approvals(limit=limit)
    meanwhile(scoria, page)
    rest = [] if page.next is None else listed_after(scoria, page.next, limit)
    still = ids_of(scoria.list_approvals())
    assert not set(rest) & set(ids_of(page))
    assert rest == [each for each in still if each not in everything[:limit]]


def listed_after(scoria: Scoria, after: str, limit: int) -> list[str]:
    """Return the ids of what comes after a page."""
    found: list[str] = []
    cursor: str | None = after
    while cursor is not None:
        page = scoria.list_approvals(limit=limit, after=cursor)
        found += ids_of(page)
        cursor = page.next
    return found


def test_a_run_that_asks_anew_meanwhile_is_seen_again(scoria: Scoria, clock: SettableClock) -> None:
    """What it asks now was on no page, also where the clock has not moved."""
    for moves in (0, 1):
        run = ask(scoria, needs(), needs())
        page = scoria.list_approvals(limit=1)
        for each in scoria.list_approvals():
            decide(scoria, each)
        clock.advance(seconds=moves)
        run = scoria.resume_run(run.run_id, handlers={"work": scripted([needs(), needs()])})
        assert page.next is not None
        assert listed_after(scoria, page.next, 1) == asked_of(run)
        scoria.cancel_run(run.run_id)


def test_a_pruned_run_leaves_the_cursor_right(
    scoria: Scoria, store: Damaged, clock: SettableClock
) -> None:
    """The cursor is a place, and names no run that has to be there."""
    runs = []
    for _ in range(4):
        runs.append(ask(scoria))
        clock.advance(seconds=1)
    page = scoria.list_approvals(limit=2)
    store.prune({run.run_id: run.version for run in runs[:3]})
    assert page.next is not None
    assert listed_after(scoria, page.next, 2) == asked_of(runs[3])


def forged(*told: Any) -> str:
    """Return a cursor that says so."""
    said = json.dumps(told, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(said).decode().rstrip("=")


NOON = "2026-01-01T12:00:00+00:00"
HOSTILE = [
    *("", " ", "a", "é", "\ud800", "\0", "=", "====", "x" * 100_000, "null", "W10"),
    *(5, True, b"W10", [], {}, object(), 1.5, ("a", "b")),
    *(forged(), forged(NOON), forged(NOON, "r"), forged(NOON, "r", None, None)),
    *(forged(NOON, 5, None), forged(NOON, None, None), forged(NOON, "", None)),
    *(forged(None, "r", None), forged("", "r", None), forged(5, "r", None)),
    *(forged("2026-01-01T12:00:00", "r", None), forged("2026-01-01T14:00:00+02:00", "r", None)),
    *(forged("9999-12-31T23:59:59-01:00", "r", None), forged("0001-01-01T00:00:00+01:00", "r", 1)),
    *(forged(NOON, "r", 7), forged(NOON, "r", []), forged(NOON, "a\0b", None)),
    *(forged(NOON, "x" * 100_000, None), forged(NOON, [], None), forged(NOON, {"a": 1}, "b")),
    base64.urlsafe_b64encode(b"[" * 50_000).decode(),
]


@pytest.mark.parametrize("cursor", HOSTILE, ids=range(len(HOSTILE)))
def test_a_cursor_that_no_page_returned_is_refused(scoria: Scoria, cursor: Any) -> None:
    """In our own words, and not taken for the beginning."""
    ask(scoria)
    with pytest.raises(InvalidPayload, match="pass the next of the page before") as refused:
        scoria.list_approvals(after=cursor)
    assert refused.value.field == "after"
    assert len(str(refused.value)) < 200


def test_a_cursor_stands_in_a_url_as_it_is(scoria: Scoria) -> None:
    """Whatever the ids are."""
    for _ in range(9):
        ask(scoria)
        page = scoria.list_approvals(limit=1)
        assert page.next is None or page.next.replace("-", "").replace("_", "").isalnum()
    assert page.next is not None


def test_a_cursor_gives_no_sight_of_another_tenant(scoria: Scoria) -> None:
    """It is a place in the order, and what is seen from there is the tenant's own."""
    ask(scoria)
    ask(scoria)
    theirs = scoria.list_approvals(limit=1).next
    assert theirs is not None
    view = scoria.for_tenant("tenant-2")
    assert view.list_approvals(after=theirs) == Page(())
    own = ask(scoria, tenant_id="tenant-2")
    assert ids_of(view.list_approvals(after=theirs)) == asked_of(own)


# --- filters -------------------------------------------------------------------------------------


def test_requests_are_listed_by_whatever_is_asked_for(scoria: Scoria, clock: SettableClock) -> None:
    """By session, tool and whom it is assigned to: by each, and by any of them together.

    What fits is one request, not a run whose requests fit in turn.
    """
    teams: tuple[tuple[str, ...], ...] = ((), ("ann",), ("ann", "bob"))
    made = [needs(tool_name=tool, assigned_to=team) for tool in ("pay", "send") for team in teams]
    for session_id, first, second in product(("s", "t"), made[::2], made):
        ask(scoria, first, second, session_id=session_id)
        clock.advance(seconds=1)
    everything = scoria.list_approvals(limit=1_000)
    assert len(everything) == 36 * 2
    options: dict[str, tuple[Any, ...]] = {
        "session_id": (None, "s", "nobody"),
        "tool_name": (None, "pay", "nothing"),
        "assigned_to": (None, "ann", "bob", "carl"),
    }
    answers = set()
    for values in product(*options.values()):
        asked: dict[str, Any] = dict(zip(options, values, strict=True))
        expected = [
            each.approval_id
            for each in everything
            if asked["session_id"] in (None, each.run.session_id)
            and asked["tool_name"] in (None, each.tool_name)
            and (asked["assigned_to"] is None or asked["assigned_to"] in each.assigned_to)
        ]
        answers.add(tuple(expected))
        for limit in (1, 5, 1_000):
            assert listed(scoria, limit, **asked) == expected
        assert str(scoria.count_approvals(**asked)) == str(len(expected))
    assert len(answers) == 2 * 2 * 3 + 1


def test_a_scan_says_where_it_stopped(scoria: Scoria, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that is short, or empty, has a next; who follows it finds everything."""
    monkeypatch.setattr(listing, "MAX_LOOKED_AT", 5)
    wanted: list[str] = []
    for number in range(23):
        tool_name = "pay" if number in (7, 8, 20) else "send"
        run = ask(scoria, needs(tool_name=tool_name))
        wanted += asked_of(run) if tool_name == "pay" else []
    asked: dict[str, Any] = {"session_id": "session-1", "tool_name": "pay"}
    pages = list(pages_of(scoria, 3, **asked))
    assert not pages[0]
    assert [each for page in pages for each in ids_of(page)] == wanted
    assert 23 / 5 <= len(pages) <= 23 / 4 + 1  # each begins with the run that the last ended with
    assert ids_of(scoria.list_approvals(tool_name="pay", limit=3)) == wanted


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 1_001}, "limit"),
        ({"status": "approved"}, "status"),
        ({"status": None}, "status"),
        ({"tool_name": ""}, "tool_name"),
        ({"assigned_to": " "}, "assigned_to"),
        ({"session_id": ()}, "session_id"),
    ],
)
def test_what_is_asked_is_checked(scoria: Scoria, asked: dict[str, Any], field: str) -> None:
    """What no request can have is refused: an empty page would say that there is none."""
    calls = (
        [scoria.list_approvals] if "limit" in asked else [scoria.list_approvals, counted(scoria)]
    )
    for call in calls:
        with pytest.raises((InvalidPayload, InvalidIdentity)) as refused:
            call(**asked)
        assert refused.value.field == field


def counted(scoria: Scoria) -> Callable[..., Any]:
    """Return what counts."""
    return scoria.count_approvals


def test_past_decisions_are_elsewhere(scoria: Scoria) -> None:
    """And the refusal says where."""
    with pytest.raises(InvalidPayload, match="scoria evidence export"):
        scoria.list_approvals(status="rejected")


def test_a_tenant_sees_its_own(scoria: Scoria) -> None:
    """The host sees all; a tenant neither lists nor counts what is another's."""
    runs = [ask(scoria, tenant_id=f"tenant-{number}") for number in (1, 2, 1)]
    view = scoria.for_tenant("tenant-1")
    assert ids_of(scoria.list_approvals()) == asked_of(*runs)
    assert ids_of(view.list_approvals()) == asked_of(*runs[::2])
    for more in ({}, {"tool_name": "send"}):
        asked: dict[str, Any] = {"session_id": "session-1", **more}
        assert ids_of(view.list_approvals(**asked)) == asked_of(*runs[::2])
        assert view.count_approvals(**asked).number == 2


# --- costs, counts and damage --------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 40])
def test_a_page_costs_one_call_of_the_store(
    scoria: Scoria, store: Damaged, clock: SettableClock, count: int
) -> None:
    """Two where it has to look, whatever the length."""
    for _ in range(count):
        ask(scoria, needs(assigned_to=["ann"]))
    another = Scoria(store, clock=clock)  # the first has the runs in mind
    singles: list[dict[str, Any]]
    singles = [{}, {"session_id": "session-1"}, {"tool_name": "send"}, {"assigned_to": "ann"}]
    for asked in singles:
        store.asked = []
        assert len(another.list_approvals(limit=1_000, **asked)) == count
        assert store.asked == ["list_labelled"]
    store.asked = []
    assert len(another.list_approvals(session_id="session-1", tool_name="send")) == count
    assert store.asked == ["list_labelled", "read"]
    store.asked = []
    assert not another.list_approvals(session_id="session-1", tool_name="pay")
    assert str(another.count_approvals()) == str(count)
    assert store.asked == ["list_labelled", "list_labelled"]


def test_requests_are_counted_exactly_up_to_a_thousand(
    scoria: Scoria, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the count says so where there are more, or where not all was looked at."""
    monkeypatch.setattr(listing, "MAX_LOOKED_AT", 4)
    for said in ("1", "2"):
        ask(scoria, needs(expires_in=60))
        assert str(scoria.count_approvals()) == said
    ask(scoria, needs(), needs())
    assert str(scoria.count_approvals()) == "4"
    ask(scoria)
    assert str(scoria.count_approvals()) == "4+"
    clock.advance(seconds=60)
    assert str(scoria.count_approvals()) == "3"  # overdue ones are not counted
    ask(scoria)
    assert str(scoria.count_approvals()) == "4+"  # of more runs than are looked at


def test_a_damaged_run_hides_no_other(scoria: Scoria, store: Damaged) -> None:
    """What it asked for cannot be told; the others are listed and counted."""
    runs = [ask(scoria, needs(), needs()) for _ in range(5)]
    store.damaged, store.emptied = {runs[0].run_id}, {runs[2].run_id}
    store.unreadable = {runs[3].run_id}
    for asked in ({}, {"session_id": "session-1", "tool_name": "send"}):
        for limit in (1, 2, 50):
            assert listed(scoria, limit, **asked) == asked_of(runs[1], runs[4])
        assert str(scoria.count_approvals(**asked)) == "4"


def test_a_damaged_run_is_logged(
    scoria: Scoria, store: Damaged, caplog: pytest.LogCaptureFixture
) -> None:
    """What waits and cannot be told must not vanish without a word."""
    run = ask(scoria)
    store.damaged = {run.run_id}
    assert not scoria.list_approvals()
    (told,) = caplog.records
    assert f"run {run.run_id} is left out of a list: entry 2 " in told.getMessage()


def test_a_run_that_asks_anew_while_it_is_looked_for_moves_no_cursor(
    scoria: Scoria, store: Damaged, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits at another place by then: a page that ended there would skip those between."""
    first, second = ask(scoria), ask(scoria)
    read = store.read

    def reads(run_ids: Sequence[str]) -> Sequence[StoredRun]:
        monkeypatch.setattr(store, "read", read)
        clock.advance(seconds=5)
        for each in scoria.list_approvals(limit=1):
            decide(scoria, each)
        scoria.resume_run(first.run_id, handlers={"work": scripted(needs())})
        return read(run_ids)

    monkeypatch.setattr(store, "read", reads)
    asked: dict[str, Any] = {"session_id": "session-1", "tool_name": "send"}
    page = scoria.list_approvals(limit=1, **asked)
    assert ids_of(page) == asked_of(second)
    assert page.next is None
    assert [each.run_id for each in scoria.list_approvals(**asked)] == [
        second.run_id,
        first.run_id,
    ]


def test_a_count_is_true_where_there_are_any(scoria: Scoria) -> None:
    """As a number would be."""
    assert not scoria.count_approvals()
    ask(scoria)
    assert scoria.count_approvals()
    assert int(scoria.count_approvals()) == 1


def test_a_label_that_the_store_makes_up_lists_nothing(
    scoria: Scoria, store: Damaged, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal says what is asked; a row only says where to look."""
    ask(scoria, session_id="other")
    scoria.cancel_run(ask(scoria).run_id)
    find = store.list_labelled

    def lists(**asked: Any) -> Sequence[StoredRun]:
        return find(**{**asked, "label": None})

    monkeypatch.setattr(store, "list_labelled", lists)
    assert not scoria.list_approvals(session_id="session-1")
    assert not scoria.list_approvals(tool_name="pay")
    assert not scoria.list_approvals(assigned_to="ann")
    assert isinstance(store.read([scoria.list_runs()[0].run_id])[0].records[0], Record)
