"""Steps that list requests that wait for people, and list runs by their facts."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import combinations, cycle, product
from typing import Any

import attrs
from pytest_bdd import given, parsers, then, when

from scoria_conformance.cases import Cases
from scoria_conformance.host import PageFactory
from scoria_conformance.markup import seen
from scoria_conformance.page_requests import Request, Site, links_of
from scoria_conformance.steps.recovery import LEASE
from scoria_conformance.steps.runs import UNSERVED, approve, reject, start
from scoria_conformance.stored_runs import index_row, record, run_key
from scoria_conformance.world import (
    ARGUMENTS,
    KIND,
    OTHER_TENANT,
    TENANT,
    Answer,
    World,
    asks,
    completed,
    raises,
)
from scoria_core import (
    Approval,
    ListedApproval,
    NeedsApproval,
    Page,
    RunSummary,
    Scoria,
    Step,
    StepSpec,
)
from scoria_core.errors import StoreCorrupt
from scoria_core.evidence import verified
from scoria_core.lifecycles import RunStatus
from scoria_core.ports import RunKey, RunStore, StoredRun
from scoria_core.repository import RunRepository
from scoria_core.system import Uuid7Source

MANY = 1_000
"""The most runs that are examined for one page, and that are counted exactly."""

MOST_PAGES = 40
"""The most pages of a listing in a scenario; it stops a cursor that does not advance."""

STEP = StepSpec(kind=KIND, role_id="executor")

WHO, TOOLS = ("ada", "adam", "ben"), ("send", "send_refund")
SESSIONS, ACTORS, ROLES = ("session-1", "session-10"), ("user-1", "user-10"), ("plan", "planner")
"""In each of these, one value is the beginning of another."""

ANSWER: Mapping[RunStatus, Answer] = {
    RunStatus.RUNNING: completed,
    RunStatus.WAITING_FOR_APPROVAL: asks(),
    RunStatus.COMPLETED: completed,
    RunStatus.FAILED: raises,
    RunStatus.CANCELLED: asks(),
}
"""The answer of a handler for a run that is to get this status."""


@attrs.define
class Inbox:
    """The runs of a scenario that ask for decisions, in the order in which they were started."""

    world: World
    run_ids: list[str] = attrs.field(factory=list)

    def queue(self, **identity: str) -> str:
        """Start a run whose step is not run yet, and return its id."""
        started = self.world.scoria.start_run(
            self.world.identity(**identity), root_role_id="executor", initial_step=STEP
        )
        self.run_ids.append(started.run_id)
        return started.run_id

    def ask(self, run_id: str, *requests: NeedsApproval) -> None:
        """Have the step of a run make these requests."""
        self.world.answer = lambda *_: [*requests]
        self.world.scoria.run_pending(run_id, handlers=self.world.handlers)

    def begin(self, *requests: NeedsApproval, **identity: str) -> str:
        """Start a run that makes these requests, a second after the one before."""
        self.world.clock.advance(timedelta(seconds=1))
        run_id = self.queue(**identity)
        self.ask(run_id, *requests)
        return run_id

    def runs(self, **asked: Any) -> list[RunSummary]:
        """Return the runs that match, each read by itself, newest first."""
        read = map(self.world.scoria.get_run, sorted(self.run_ids, reverse=True))
        return [run for run in read if _is(run, **asked)]

    def waiting(self, *, assigned_to: str | None = None, **asked: Any) -> list[str]:
        """Return the ids of the matching requests, read from each run, longest waiting first."""
        tool_name = asked.pop("tool_name", None)
        found = [
            (each.requested_at, run.run_id, place, each.approval_id)
            for run in self.runs(**asked)
            for place, each in enumerate(run.pending_approvals)
            if tool_name in (None, each.tool_name)
            and (assigned_to is None or assigned_to in each.assigned_to)
        ]
        return [approval_id for *_, approval_id in sorted(found)]

    def decide(self, *requests: Approval) -> None:
        """Approve these requests."""
        for each in requests:
            self.world.scoria.approve(
                each.run_id, approval_id=each.approval_id, decided_by="reviewer-7"
            )


def _is(run: RunSummary, *, created_after: datetime | None = None, **facts: str) -> bool:
    has = all(getattr(run, name) == value for name, value in facts.items())
    return has and (created_after is None or run.created_at > created_after)


def _request(tool_name: str = "send_refund", *assigned_to: str, **more: Any) -> NeedsApproval:
    return NeedsApproval(
        tool_name=tool_name, arguments=ARGUMENTS, reason="Why", assigned_to=assigned_to, **more
    )


def _ids(page: Sequence[Approval]) -> list[str]:
    return [each.approval_id for each in page]


def _run_ids(page: Sequence[Any]) -> list[str]:
    return [each.run_id for each in page]


def _combined(values: Mapping[str, Sequence[Any]], most: int) -> Iterator[dict[str, Any]]:
    """Yield each filter by at most `most` of these names, with every combination of values."""
    for count in range(most + 1):
        for names in combinations(values, count):
            for each in product(*(values[name] for name in names)):
                yield dict(zip(names, each, strict=True))


def _pages(listed: Callable[[str | None], Page[Any]]) -> list[Page[Any]]:
    """Return the pages of a listing, each begun at the `next` of the page before."""
    pages = [listed(None)]
    while (cursor := pages[-1].next) is not None and len(pages) < MOST_PAGES:
        pages.append(listed(cursor))
    return pages


def _inbox_pages(scoria: Scoria, size: int, **asked: Any) -> list[Page[ListedApproval]]:
    return _pages(lambda after: scoria.list_approvals(limit=size, after=after, **asked))


# Requests that wait, and their order.


@given(
    "runs that asked in another order than they were started, two of them at once",
    target_fixture="inbox",
)
def _runs_that_asked_in_another_order(world: World) -> Inbox:
    inbox = Inbox(world)
    runs = [inbox.queue() for _ in range(5)]
    for number, seconds in ((3, 1), (1, 1), (4, 1), (2, 0), (0, 1)):
        world.clock.advance(timedelta(seconds=seconds))
        inbox.ask(runs[number], *[_request()] * (number % 3 + 1))
    return inbox


@given(
    parsers.parse("{many:d} runs that asked in another order than they were started"),
    target_fixture="inbox",
)
def _many_runs_that_asked_in_another_order(world: World, many: int) -> Inbox:
    inbox = Inbox(world)
    runs = [inbox.queue() for _ in range(many)]
    for run_id in (*runs[1::2], *runs[::2]):
        world.clock.advance(timedelta(seconds=1))
        inbox.ask(run_id, _request())
    return inbox


@when("the one that has waited longest is resumed, and asks again")
def _the_one_that_has_waited_longest_is_resumed(inbox: Inbox) -> None:
    first, world = inbox.run_ids[3], inbox.world
    inbox.decide(*world.scoria.get_run(first).pending_approvals)
    world.clock.advance(timedelta(seconds=1))
    world.answer = lambda *_: [_request()]
    world.scoria.resume_run(first, handlers=world.handlers)


@then("the inbox has all that waits, what has waited longest first")
def _the_inbox_has_all_that_waits(inbox: Inbox) -> None:
    waiting = inbox.waiting()
    assert waiting
    assert _ids(inbox.world.scoria.list_approvals()) == waiting


@then("the first page, and those after it, lead to each of them, the longest waiting first")
def _the_first_page_and_those_after_it(inbox: Inbox, scoria_page: PageFactory) -> None:
    site, scope = Site(scoria_page, inbox.world.scoria), {"tenant_id": TENANT, "actor_id": "user-1"}
    waiting = {f"/workflows/{run_id}": run_id for run_id in inbox.run_ids}
    listed: list[str] = []
    pages = [Request("/")]
    for page in pages:
        found = seen(site.ask(scope, page).text)
        led_to = dict.fromkeys(each.path for each in links_of(page, found.links))
        listed += [waiting[path] for path in led_to if path in waiting]
        after = [each for each in links_of(page, found.next) if each not in pages]
        pages += after[: MOST_PAGES - len(pages)]
    longest_first = [each.run_id for each in inbox.world.scoria.list_approvals(limit=MANY)]
    assert len(longest_first) == len(inbox.run_ids)
    assert listed == longest_first


@then("each request in it is as its run has it, with the summary of that run")
def _each_request_in_it_is_as_its_run_has_it(inbox: Inbox) -> None:
    listed = inbox.world.scoria.list_approvals()
    assert len(listed)
    for each in listed:
        run = inbox.world.scoria.get_run(each.run_id)
        assert each.run == run
        (own,) = (asked for asked in run.pending_approvals if asked.approval_id == each.approval_id)
        assert {**attrs.asdict(own, recurse=False), "run": run} == attrs.asdict(each, recurse=False)


@given("runs of two tenants that wait, alike but for that", target_fixture="inbox")
def _runs_of_two_tenants_that_wait(world: World) -> Inbox:
    inbox = Inbox(world)
    for tenant_id in (TENANT, OTHER_TENANT, OTHER_TENANT):
        inbox.begin(_request("send", "ada"), _request("send_refund", "ada"), tenant_id=tenant_id)
    return inbox


def _views(world: World) -> list[tuple[dict[str, str], Scoria]]:
    views = [{"tenant_id": each} for each in (TENANT, OTHER_TENANT)]
    told = [(view, world.scoria.for_tenant(view["tenant_id"])) for view in views]
    return [({}, world.scoria), *told]


@then("each view lists and counts what waits in it, whatever it is asked for")
def _each_view_lists_and_counts_what_waits(inbox: Inbox) -> None:
    values = {"session_id": SESSIONS[:1], "assigned_to": WHO[:1], "tool_name": TOOLS[:1]}
    with Cases() as cases:
        for view, scoria in _views(inbox.world):
            for asked in _combined(values, 3):
                waiting = inbox.waiting(**view, **asked)
                told = f"{view or 'the host'}, {asked}"
                cases.equal(told, waiting, _ids(scoria.list_approvals(**asked)))
                cases.equal(
                    f"{told}, counted", len(waiting), scoria.count_approvals(**asked).number
                )
            for approval_id in inbox.waiting():
                found = [approval_id] if approval_id in inbox.waiting(**view) else []
                told = f"{view or 'the host'}, one request"
                cases.equal(told, found, _ids(scoria.list_approvals(approval_id=approval_id)))


@then("each view lists and counts the runs in it, whatever it is asked for")
def _each_view_lists_and_counts_the_runs(inbox: Inbox) -> None:
    waits = RunStatus.WAITING_FOR_APPROVAL
    values = {
        "session_id": SESSIONS[:1],
        "actor_id": ("user-1",),
        "root_role_id": ("executor",),
        "status": (waits,),
    }
    with Cases() as cases:
        for view, scoria in _views(inbox.world):
            runs = _run_ids(inbox.runs(**view))
            for asked in _combined(values, 2):
                cases.equal(f"{view}, {asked}", runs, _run_ids(scoria.list_runs(**asked)))
            cases.equal(f"{view}, counted", len(runs), scoria.count_runs()[waits].number)


# Requests that no longer wait.


def _use(world: World) -> None:
    approve(world)
    world.answer = completed
    world.scoria.resume_run(world.run_id, handlers=world.handlers)


def _expire(world: World) -> None:
    world.clock.advance(timedelta(seconds=60))


def _expire_on_record(world: World) -> None:
    _expire(world)
    world.scoria.add_step(world.run_id, UNSERVED)
    told = [entry.type for entry in world.detail.journal]
    assert "approval_expired" in told


ENDS: Mapping[str, Callable[[World], object]] = {
    "is approved": approve,
    "is rejected": reject,
    "is withdrawn": lambda world: world.scoria.cancel_run(world.run_id),
    "is approved and used": _use,
    "has expired": _expire,
    "has expired, and is recorded as such": _expire_on_record,
}
"""How the request that the run of the scenario waits for ends, by the words of the features."""


@given("three runs that wait for approval, the second for 60 seconds", target_fixture="inbox")
def _three_runs_that_wait_for_approval(world: World) -> Inbox:
    inbox = Inbox(world)
    for _ in range(2):
        inbox.begin(_request())
    world.run_id = inbox.begin(_request(expires_in=60))
    inbox.run_ids[1:] = reversed(inbox.run_ids[1:])
    return inbox


@when(parsers.parse("the request of the second {ends}"))
def _the_request_of_the_second_ends(world: World, inbox: Inbox, ends: str) -> None:
    assert len(world.scoria.list_approvals()) == len(inbox.run_ids)
    ENDS[ends](world)


@then("the inbox has, and counts, what the first and the third ask for")
def _the_inbox_has_what_the_first_and_the_third_ask_for(world: World, inbox: Inbox) -> None:
    first, _, third = inbox.run_ids
    assert _run_ids(world.scoria.list_approvals()) == [first, third]
    assert str(world.scoria.count_approvals()) == "2"


@given("a run that asks for three decisions, the second for 60 seconds", target_fixture="inbox")
def _a_run_that_asks_for_three_decisions(world: World) -> Inbox:
    inbox = Inbox(world)
    more: list[dict[str, Any]] = [{}, {"expires_in": 60}, {}]
    world.run_id = inbox.begin(*(_request(on_reject="resume", **each) for each in more))
    return inbox


@when(parsers.parse("the second of its requests {ends}"))
def _the_second_of_its_requests_ends(world: World, ends: str) -> None:
    second = world.scoria.list_approvals()[1]
    if ends in ("is approved", "is rejected"):
        decide = world.scoria.approve if ends == "is approved" else world.scoria.reject
        decide(world.run_id, approval_id=second.approval_id, decided_by="reviewer-7")
    else:
        ENDS[ends](world)


@then("the inbox has, and counts, the first and the third")
def _the_inbox_has_the_first_and_the_third(world: World) -> None:
    first, _, third = _ids(world.detail.approvals)
    listed = world.scoria.list_approvals()
    assert _ids(listed) == [first, third]
    assert [_ids(each.run.pending_approvals) for each in listed] == [[first, third]] * 2
    assert str(world.scoria.count_approvals()) == "2"


# Filters of the inbox.


ASKED_OF: Sequence[Sequence[tuple[str, ...]]] = (
    [("send", "ada")],
    [("send_refund", "adam")],
    [("send", "ben"), ("send_refund", "ada")],
    [("send_refund", "ada", "ben")],
    [("send_refund",)],
    [("send", "adam"), ("send", "ben"), ("send", "ada")],
)
"""The tool of each request of each run, and the people it is assigned to."""


@given("runs that ask different people for different tools in two sessions", target_fixture="inbox")
def _runs_that_ask_different_people(world: World) -> Inbox:
    inbox = Inbox(world)
    for number, requests in enumerate(ASKED_OF):
        asked = [_request(*each) for each in requests]
        inbox.begin(*asked, session_id=SESSIONS[number % 2])
    return inbox


@then("the inbox has, and counts, what fits each filter and each combination, on pages of any size")
def _the_inbox_has_what_fits_each_filter(world: World, inbox: Inbox) -> None:
    values = {
        "session_id": (*SESSIONS, "nowhere"),
        "assigned_to": (*WHO, "nobody"),
        "tool_name": (*TOOLS, "nothing"),
    }
    with Cases() as cases:
        for asked in _combined(values, 3):
            waiting = inbox.waiting(**asked)
            for size in (1, MANY):
                pages = _inbox_pages(world.scoria, size, **asked)
                seen = [each for page in pages for each in _ids(page)]
                cases.equal(f"{asked}, pages of {size}", waiting, seen)
            count = world.scoria.count_approvals(**asked)
            cases.equal(f"{asked}, counted", (len(waiting), True), (count.number, count.is_exact))


# Pages of the inbox.


@given("runs that ask for 9 decisions in all", target_fixture="inbox")
def _runs_that_ask_for_9_decisions_in_all(world: World) -> Inbox:
    inbox = Inbox(world)
    for count in (1, 2, 3, 1, 2):
        inbox.begin(*[_request()] * count)
    return inbox


def _decide_of_the_last_run(inbox: Inbox, page: Page[ListedApproval]) -> None:
    inbox.decide(*inbox.world.scoria.get_run(page[-1].run_id).pending_approvals)


def _cancel_next_in_line(inbox: Inbox, page: Page[ListedApproval]) -> None:
    waiting = [run.run_id for run in inbox.runs() if run.pending_approvals]
    later = sorted(run_id for run_id in waiting if run_id > page[-1].run_id)
    for run_id in later[:1]:
        inbox.world.scoria.cancel_run(run_id)


def _begin_another(inbox: Inbox, _: Page[ListedApproval]) -> None:
    if len(inbox.run_ids) < 8:
        inbox.begin(_request())


MEANWHILE: Mapping[str, Callable[[Inbox, Page[ListedApproval]], object]] = {
    "nothing happens": lambda *_: None,
    "another run comes to wait": _begin_another,
    "all that was listed is decided": lambda inbox, page: inbox.decide(*page),
    "the first that was listed is decided": lambda inbox, page: inbox.decide(page[0]),
    "the last that was listed is decided": lambda inbox, page: inbox.decide(page[-1]),
    "the run of the last one listed is cancelled": lambda inbox, page: (
        inbox.world.scoria.cancel_run(page[-1].run_id)
    ),
    "the run that is next in line is cancelled": _cancel_next_in_line,
    "all that the last run asks for is decided": _decide_of_the_last_run,
}
"""What happens between two pages, by the words of the features."""


@when(
    parsers.parse("the inbox is read in pages of {size:d}, and between them {meanwhile}"),
    target_fixture="pages",
)
def _the_inbox_is_read_in_pages(
    world: World, inbox: Inbox, size: int, meanwhile: str
) -> list[Page[ListedApproval]]:
    world.before = inbox.waiting(), size

    def listed(after: str | None) -> Page[ListedApproval]:
        page = world.scoria.list_approvals(limit=size, after=after)
        if len(page):
            MEANWHILE[meanwhile](inbox, page)
        return page

    return _pages(listed)


@then("each request that waited to the end was on one page, and none on two")
def _each_request_was_on_one_page(
    world: World, inbox: Inbox, pages: list[Page[ListedApproval]]
) -> None:
    seen = [each for page in pages for each in _ids(page)]
    assert [each for each, times in Counter(seen).items() if times > 1] == []
    waiting, (before, size) = inbox.waiting(), world.before
    came_later = [each for each in seen if each not in before]
    assert [each for each in seen if each in waiting] == waiting
    assert seen == [each for each in before if each in seen] + came_later
    assert max(map(len, pages)) <= size
    assert pages[-1].next is None


@then("each page is full but the last")
def _each_page_is_full_but_the_last(world: World, pages: list[Page[ListedApproval]]) -> None:
    before, size = world.before
    full, rest = divmod(len(before), size)
    assert [len(page) for page in pages] == [size] * full + [rest] * bool(rest)


@when(parsers.parse("entry {number:d} of the second of them is changed in the store"))
def _entry_of_the_second_of_them_is_changed(world: World, inbox: Inbox, number: int) -> None:
    world.run_id = inbox.run_ids.pop(1)
    world.before = inbox.waiting()

    def changed(records: list[Any]) -> list[Any]:
        place = number - 1
        body = records[place].body.replace("2026", "2025")
        return [*records[:place], attrs.evolve(records[place], body=body), *records[number:]]

    world.damage(changed)


@then("pages of the inbox have what the others ask for, whatever their size")
def _pages_of_the_inbox_have_what_the_others_ask_for(world: World) -> None:
    with Cases() as cases:
        by_tool: list[dict[str, str]] = [{}, {"tool_name": "send_refund"}]
        for size, asked in product((1, 2, 3, MANY), by_tool):
            pages = _inbox_pages(world.scoria, size, session_id=SESSIONS[0], **asked)
            seen = [each for page in pages for each in _ids(page)]
            cases.equal(f"pages of {size}, {asked}", world.before, seen)


# Arguments that are refused.


def _next_of(world: World) -> str:
    for _ in range(2):
        start(world, asks())
    found = world.scoria.list_approvals(limit=1).next
    assert found is not None
    return found


ASKED: Mapping[str, Callable[[World], dict[str, Any]]] = {
    "what was approved": lambda _: {"status": "approved"},
    "a status of no request": lambda _: {"status": "waiting"},
    "a page after a run": lambda world: {"after": world.run_id},
    "a page after no text": lambda _: {"after": 7},
    "a page after nothing": lambda _: {"after": ""},
    "a page after the next of runs": lambda world: {"after": _next_of_runs(world)},
    "a page after a next that was cut": lambda world: {"after": _next_of(world)[:-4]},
    "a page after a next with more behind it": lambda world: {"after": f"{_next_of(world)}AAAA"},
    "no request": lambda _: {"limit": 0},
    "1001 requests": lambda _: {"limit": MANY + 1},
    "the tool 7": lambda _: {"tool_name": 7},
    "what a list is assigned to": lambda _: {"assigned_to": ["ada"]},
    "the session of a list": lambda _: {"session_id": ["session-1"]},
    'the status "done"': lambda _: {"status": "done"},
    "the status of a step": lambda _: {"status": "queued"},
    "a time without a zone": lambda world: {
        "created_after": world.clock.now().replace(tzinfo=None)
    },
    "a time that is text": lambda world: {"created_after": world.clock.now().isoformat()},
    "a limit of 0": lambda _: {"limit": 0},
    "a limit of 1001": lambda _: {"limit": MANY + 1},
    "the role 7": lambda _: {"root_role_id": 7},
    "an actor that is a list": lambda _: {"actor_id": ["user-1"]},
}
"""Wrong arguments of a listing, by the words of the features."""


def _next_of_runs(world: World) -> str:
    _next_of(world)
    found = world.scoria.list_runs(limit=1).next
    assert found is not None
    return found


@when(parsers.parse("the inbox is asked for {what}"))
def _the_inbox_is_asked_for(world: World, what: str) -> None:
    asked = ASKED[what](world)
    world.attempt(lambda: world.scoria.list_approvals(**asked))
    if {*asked} & {"status", "tool_name", "assigned_to", "session_id"}:
        listed = world.error
        world.attempt(lambda: world.scoria.count_approvals(**asked))
        assert str(world.error) == str(listed)


@when(parsers.parse("runs are asked for with {what}"))
def _runs_are_asked_for_with(world: World, what: str) -> None:
    asked = ASKED[what](world)
    world.attempt(lambda: world.scoria.list_runs(**asked))


# Runs by their facts.


@given("runs of two sessions, roles and actors, in each status", target_fixture="inbox")
def _runs_of_two_sessions_roles_and_actors(world: World) -> Inbox:
    inbox = Inbox(world)
    mix = [*product(SESSIONS, ACTORS, ROLES)] * 2
    for (session_id, actor_id, role), status in zip(mix, cycle(RunStatus), strict=False):
        world.clock.advance(timedelta(seconds=1))
        world.answer = ANSWER[status]
        run = world.scoria.start_run(
            world.identity(session_id=session_id, actor_id=actor_id),
            root_role_id=role,
            initial_step=STEP,
            handlers=None if status == "running" else world.handlers,
        )
        inbox.run_ids.append(run.run_id)
        if status == "cancelled":
            world.scoria.cancel_run(run.run_id)
    return inbox


@then("runs are listed by each fact and each two of them, newest first, on pages of any size")
def _runs_are_listed_by_each_fact(world: World, inbox: Inbox) -> None:
    middle = inbox.runs()[len(inbox.run_ids) // 2].created_at
    values: dict[str, Sequence[Any]] = {
        "session_id": SESSIONS,
        "actor_id": (*ACTORS, "nobody"),
        "root_role_id": ROLES,
        "status": tuple(map(str, RunStatus)),
        "created_after": (middle, middle - timedelta(microseconds=1)),
    }
    with Cases() as cases:
        for asked in _combined(values, 2):
            expected = inbox.runs(**asked)
            for size in (3, MANY):
                pages = _pages(_runs_by(world.scoria, size, asked))
                seen = [each for page in pages for each in page]
                cases.equal(f"{asked}, pages of {size}", _run_ids(expected), _run_ids(seen))
                cases.holds(f"{asked}", "" if seen == expected else "is not what was read")


def _runs_by(
    scoria: Scoria, size: int, asked: Mapping[str, Any]
) -> Callable[[str | None], Page[RunSummary]]:
    return lambda before: scoria.list_runs(limit=size, before=before, **asked)


@then("the count of each status is that of the runs that are listed by it")
def _the_count_of_each_status(world: World, inbox: Inbox) -> None:
    expected = {status: len(inbox.runs(status=status)) for status in RunStatus}
    assert min(expected.values()) > 0
    counts = world.scoria.count_runs()
    assert {status: each.number for status, each in counts.items()} == expected
    assert all(each.is_exact for each in counts.values())
    assert [str(each) for each in counts.values()] == [str(expected[each]) for each in counts]


@when(
    "the runs that wait are read in pages of 2, and the last of each is cancelled",
    target_fixture="run_pages",
)
def _the_runs_that_wait_are_read(world: World) -> list[Page[RunSummary]]:
    def listed(before: str | None) -> Page[RunSummary]:
        waits = "waiting_for_approval"
        page = world.scoria.list_runs(status=waits, limit=2, before=before)
        world.scoria.cancel_run(page[-1].run_id)
        return page

    return _pages(listed)


@then("each run was on one page, newest first")
def _each_run_was_on_one_page(inbox: Inbox, run_pages: list[Page[RunSummary]]) -> None:
    seen = [each for page in run_pages for each in _run_ids(page)]
    assert seen == sorted(inbox.run_ids, reverse=True)


# A thousand runs.


def _one_more(world: World, number: int) -> None:
    """Put a run into the store that is newer than any other, and has waited longer."""
    key = run_key(f"ffffffff-0000-7000-8000-{number:012x}")
    labels = ("session:session-1", f"approval:{number}", "tool:send")
    world.store.create(
        key,
        [record(1)],
        row=index_row(
            status="waiting_for_approval",
            since=world.clock.now() - timedelta(hours=1),
            labels=labels,
        ),
    )


@given(
    "the oldest run of a session, which has waited least, and 999 others that wait in it",
)
def _the_oldest_run_of_a_session(world: World) -> None:
    start(world, asks(), root_role_id="critic")
    for number in range(MANY - 1):
        _one_more(world, number)


@when("one more comes to stand before it")
def _one_more_comes_to_stand_before_it(world: World) -> None:
    _one_more(world, MANY)


def _by_two_facts(world: World) -> list[Callable[[str | None], Page[Any]]]:
    scoria, session_id = world.scoria, SESSIONS[0]
    return [
        lambda before: scoria.list_runs(
            session_id=session_id, root_role_id="critic", before=before
        ),
        lambda after: scoria.list_approvals(
            session_id=session_id, tool_name="send_refund", after=after
        ),
    ]


@then("what it asks for and the run itself are found on the first page by two facts")
def _they_are_found_on_the_first_page(world: World) -> None:
    for listed in _by_two_facts(world):
        assert _run_ids(listed(None)) == [world.run_id]


@then("the first page by two facts is empty, and the next one has it")
def _the_first_page_by_two_facts_is_empty(world: World) -> None:
    for listed in _by_two_facts(world):
        first = listed(None)
        assert (len(first), first.next is None) == (0, False)
        assert _run_ids(listed(first.next)) == [world.run_id]


@then(parsers.parse("{runs} runs wait, and {requests} requests"))
def _runs_wait_and_requests(world: World, runs: str, requests: str) -> None:
    counts = (
        world.scoria.count_runs()[RunStatus.WAITING_FOR_APPROVAL],
        (world.scoria.count_approvals()),
    )
    assert tuple(map(str, counts)) == (runs, requests)
    assert {each.number for each in counts} == {MANY}
    assert {each.is_exact for each in counts} == {not runs.endswith("+")}
    assert str(world.scoria.count_approvals(tool_name="send_refund")) == "1"


# Who runs a step, and until when.


@when(
    parsers.parse('"{worker_id}" is at work on a step for {seconds:d} seconds, with a lease of 30'),
    target_fixture="told",
)
def _is_at_work_on_a_step(world: World, worker_id: str, seconds: int) -> list[Step]:
    told: list[Step] = []

    def handler(_: Step, run: RunSummary) -> None:
        world.run_id = run.run_id
        told.extend(world.detail.steps)
        world.clock.advance(timedelta(seconds=seconds))
        _renew(world)
        told.extend(world.detail.steps)

    host = world.facade(world.store, clock=world.clock, lease=LEASE, worker_id=worker_id)
    identity = world.identity()
    host.start_run(identity, root_role_id="a", initial_step=STEP, handlers={KIND: handler})
    return told


def _renew(world: World) -> None:
    runs = RunRepository(world.store, world.clock, Uuid7Source())
    assert runs.renew(world.run_id, lambda _: True), "the lease was not renewed"


@then(
    parsers.parse('its detail told the end of its lease at {seconds:d} seconds, and "{worker_id}"')
)
def _its_detail_told_the_end_of_its_lease(told: list[Step], seconds: int, worker_id: str) -> None:
    begun = told[0].claimed_at
    assert begun is not None
    assert told[0].lease_expires_at == begun + timedelta(seconds=seconds)
    assert [each.worker_id for each in told] == [worker_id] * 2


@then(parsers.parse("once it was renewed, at {seconds:d} seconds"))
def _once_it_was_renewed_at(told: list[Step], seconds: int) -> None:
    begun = told[1].claimed_at
    assert begun is not None
    assert told[1].lease_expires_at == begun + timedelta(seconds=seconds)


@then("that of a step at which nobody is tells neither")
def _that_of_a_step_at_which_nobody_is(world: World) -> None:
    done = world.detail.steps
    start(world, asks(expires_in=60))
    neither = [(each.lease_expires_at, each.worker_id) for each in (*done, *world.detail.steps)]
    assert neither == [(None, None)] * 2


# Facts in a store that differ from the journal.


@attrs.frozen
class ToldOtherwise:
    """A store whose answers `tell` changes or leaves out; everything else is the store's own."""

    store: RunStore
    tell: Callable[[StoredRun, Mapping[str, Any]], StoredRun | None]

    def read(self, run_ids: Sequence[str]) -> Sequence[StoredRun]:
        """Return the runs as `tell` changes them."""
        return self._told(self.store.read(run_ids), {})

    def list_runs(self, **asked: Any) -> Sequence[StoredRun]:
        """Return the runs as `tell` changes them."""
        return self._told(self.store.list_runs(**asked), asked)

    def list_labelled(self, **asked: Any) -> Sequence[StoredRun]:
        """Return the runs as `tell` changes them."""
        return self._told(self.store.list_labelled(**asked), asked)

    def _told(self, runs: Sequence[StoredRun], asked: Mapping[str, Any]) -> list[StoredRun]:
        told = (self.tell(run, asked) for run in runs)
        return [each for each in told if each is not None]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)


def _otherwise(fact: str) -> Callable[[StoredRun, Mapping[str, Any]], StoredRun]:
    """Return a function that gives a run another value of this fact."""

    def tell(run: StoredRun, _: Mapping[str, Any]) -> StoredRun:
        if fact == "last one":
            return attrs.evolve(run, version=run.version + 1)
        part = "key" if fact in attrs.fields_dict(RunKey) else "row"
        name = {"due": "due_at"}.get(fact, fact)
        owner: Any = getattr(run, part)
        changed = attrs.evolve(owner, **{name: _another(getattr(owner, name))})
        return attrs.evolve(run, **{part: changed})

    return tell


def _another(value: Any) -> Any:
    match value:
        case bool():
            return not value
        case datetime():
            return value - timedelta(seconds=1)
        case tuple():
            return (*value, "tool:other")
    return "another"


def _verify(world: World, tell: Callable[[StoredRun, Mapping[str, Any]], StoredRun | None]) -> str:
    """Return the problem that is found with the run of the scenario, or ""."""
    try:
        verified(ToldOtherwise(world.store, tell), world.run_id)
    except StoreCorrupt as error:
        return str(error) if error.run_id == world.run_id else f"another run: {error.run_id}"
    return ""


def _as_it_is(run: StoredRun, _: Mapping[str, Any]) -> StoredRun:
    return run


@given("a run with an idempotency key that asks for two decisions")
def _a_run_with_an_idempotency_key(world: World) -> None:
    requests = [_request("send", "ada", "ben", expires_in=60), _request("send_refund", "adam")]
    start(world, lambda *_: requests, idempotency_key="order-7")


@then("it is verified, and so is one whose lease was renewed")
def _it_is_verified(world: World) -> None:
    assert _verify(world, _as_it_is) == ""
    found: list[str] = []

    def handler(_: Step, run: RunSummary) -> None:
        world.run_id = run.run_id
        world.clock.advance(timedelta(seconds=20))
        _renew(world)
        found.append(_verify(world, _as_it_is))

    start(world, handlers={KIND: handler})
    assert [*found, _verify(world, _as_it_is)] == ["", ""]


@when(parsers.parse("the store has another {fact} of it"), target_fixture="found")
def _the_store_has_another_fact_of_it(world: World, fact: str) -> str:
    return _verify(world, _otherwise(fact))


@then(parsers.parse('verifying it names "{fact}"'))
def _verifying_it_names(found: str, fact: str) -> None:
    assert fact in found


@then('verifying it names "labels", whichever of them the store has lost')
def _verifying_it_names_labels(world: World) -> None:
    (run,) = world.store.read([world.run_id])
    assert len(run.row.labels) > 4
    with Cases() as cases:
        for lost in run.row.labels:
            left = tuple(each for each in run.row.labels if each != lost)
            row = attrs.evolve(run.row, labels=left)
            found = _verify(world, lambda run, _: attrs.evolve(run, row=row))  # noqa: B023
            cases.holds(lost, "" if "labels" in found else f"found {found!r}")


@then('verifying it names "due" where its lease ends a second too early')
def _verifying_it_names_due(world: World) -> None:
    assert _verify(world, _as_it_is) == ""
    assert "due" in _verify(world, _otherwise("due"))


@then("verifying it names each listing that it is missing in")
def _verifying_it_names_each_listing(world: World) -> None:
    (run,) = world.store.read([world.run_id])
    facts = ("session_id", "actor_id", "root_role_id", "status")
    with Cases() as cases:
        for tenant_id in (None, run.key.tenant_id):
            for named in ("run_id", *facts, "its labels", *run.row.labels):
                name = "tenant_id" if (tenant_id, named) == (run.key.tenant_id, "run_id") else named
                found = _verify(world, _missing(tenant_id, named))
                cases.holds(f"{tenant_id}, {named}", "" if name in found else f"found {found!r}")


def _missing(
    tenant_id: str | None, named: str
) -> Callable[[StoredRun, Mapping[str, Any]], StoredRun | None]:
    """Return a function that leaves a run out of one listing of a tenant."""

    def tell(run: StoredRun, asked: Mapping[str, Any]) -> StoredRun | None:
        if not asked or asked["tenant_id"] != tenant_id:
            return run
        if "label" in asked:
            return None if (asked["label"] or "its labels") == named else run
        by = "run_id" if asked["where"] is None else str(asked["where"].fact)
        return None if by == named else run

    return tell
