"""Changes of the kit itself that each break one promise."""

import copy
import hashlib
import sys
import threading
import unicodedata
from collections.abc import Callable, Mapping
from datetime import timedelta
from itertools import islice
from typing import Any

import attrs

from lab.first_contact.batch_3.page_tools import SetClock
from lab.first_contact.runs import listed_runs
from lab.first_contact.wrong import Wrong
from scoria_core import (
    Completed,
    HandOff,
    Identity,
    NeedsApproval,
    Retry,
    RunSummary,
    Scoria,
    Step,
    StepSpec,
    decisions,
    payloads,
    run,
    scoria,
)
from scoria_core.conversion import converter
from scoria_core.decisions import Change
from scoria_core.errors import (
    InvalidIdentity,
    RunNotFound,
    ScoriaError,
    StoreCorrupt,
    UnsafeProjectedContext,
)
from scoria_core.identity import _id_at_edge, checked_id
from scoria_core.lifecycles import StepStatus
from scoria_core.projection import ContextPolicy
from scoria_core.repository import RunRepository
from scoria_core.run import Run
from scoria_memory import MemoryStore

WHO = Identity("alice", "acme", "s-1")
"""Who starts the runs of the scripts."""


def right() -> None:
    """Change nothing."""


def replace(old: Callable[..., Any], new: Callable[..., Any]) -> None:
    """Put a function in the place of another in every module of the kit that holds it."""
    for name, module in list(sys.modules.items()):
        if name.startswith("scoria_"):
            for attribute, value in list(vars(module).items()):
                if value is old:
                    setattr(module, attribute, new)


def waits(_: Step, __: RunSummary) -> NeedsApproval:
    """Ask for approval within ten minutes."""
    within = timedelta(minutes=10)
    return NeedsApproval(tool_name="send", arguments={}, reason="It leaves", expires_in=within)


def start(kit: Scoria, handler: Any = None, **more: Any) -> RunSummary:
    """Start a run of one step, of kind work."""
    spec = StepSpec("work", "executor", **more.pop("step", {}))
    handlers = {} if handler is None else {"work": handler}
    more = {"root_role_id": "executor", "initial_step": spec, "handlers": handlers, **more}
    return kit.start_run(more.pop("who", WHO), **more)


def lists_in_lists() -> None:
    """Look for names that a context may not carry in objects of a list, but not in lists of it."""

    def check_value(self: ContextPolicy, value: object, path: str) -> None:
        if isinstance(value, Mapping):
            self.check(value, path)
        elif isinstance(value, list):
            for index, item in enumerate(value):
                if isinstance(item, Mapping):
                    self.check(item, f"{path}[{index}]")

    ContextPolicy._check_value = check_value  # type: ignore[method-assign]


def show_lists(make: Callable[[], None]) -> None:
    """Assert that a password in a table of a context is refused."""
    make()
    given = {"root_role_id": "planner", "delegated_kind": "review", "handoff_input": {}}
    context = {"rows": [[{"password": "1234"}]]}
    try:
        Scoria(MemoryStore()).start_handoff_run(WHO, "critic", projected_context=context, **given)
    except UnsafeProjectedContext:
        return
    raise AssertionError("the password was handed on")


def expires_by_clock() -> None:
    """Judge whether a request has expired by the clock alone, and not by the last entry."""
    true_as_of = Run.as_of

    def as_of(self: Run, approval: Any, now: Any) -> Any:
        is_over = approval.expires_at is not None and approval.expires_at <= now
        return true_as_of(self, approval, now) if is_over else approval

    Run.as_of = as_of  # type: ignore[method-assign]


def show_expires(make: Callable[[], None]) -> None:
    """Assert that a machine whose clock is behind shows what another has seen expire."""
    make()
    store, clock, ahead = MemoryStore(), SetClock(), SetClock()
    kit, other = Scoria(store, clock=clock), Scoria(store, clock=ahead)
    started = start(kit, waits)
    named = started.pending_approval.approval_id  # type: ignore[union-attr] # it waits
    kit.approve(started.run_id, approval_id=named, decided_by="bob")
    ahead.move(minutes=11)
    other.add_step(started.run_id, StepSpec("more", "executor"))
    assert kit.get_run_detail(started.run_id).approvals[0].status == "expired"


def times_of_own_clock() -> None:
    """Give an entry the time of the clock, also where the entry before it is later."""

    def change(self: RunRepository, of: Run, actor_id: str | None) -> Change:
        return Change(of, self.now(), self.ids.new_id, actor_id)

    RunRepository._change = change  # type: ignore[method-assign]


def show_times(make: Callable[[], None]) -> None:
    """Assert that a decision made by a clock that is behind is not earlier than its request."""
    make()
    store, ahead = MemoryStore(), SetClock()
    ahead.move(minutes=5)
    started = start(Scoria(store, clock=ahead), waits)
    named = started.pending_approval.approval_id  # type: ignore[union-attr] # it waits
    behind = Scoria(store, clock=SetClock())
    behind.approve(started.run_id, approval_id=named, decided_by="bob")
    try:
        times = [entry.at for entry in behind.get_run_detail(started.run_id).journal]
    except StoreCorrupt as error:
        raise AssertionError(str(error)) from error
    assert times == sorted(times)


def short_pages() -> None:
    """Count a damaged run to the limit of a page that leaves it out."""

    def listed(self: Scoria, session_id: Any, limit: int, before: Any) -> list[RunSummary]:
        rows = islice(self._rows(session_id, limit, before), limit)
        return [row for row in rows if isinstance(row, RunSummary)]

    Scoria._list = listed  # type: ignore[method-assign]


def show_short(make: Callable[[], None]) -> None:
    """Assert that a page is as long as its limit though the newest run is damaged."""
    make()
    store = MemoryStore()
    kit = Scoria(store)
    runs = [start(kit) for _ in range(3)]
    journal = store._journals[runs[2].run_id]
    journal[1] = attrs.evolve(journal[1], body=journal[1].body + " ")
    found = [each.run_id for each in kit.list_runs_for_session("s-1", limit=2)]
    assert found == [runs[1].run_id, runs[0].run_id], found


def key_of_attempt() -> None:
    """Give each attempt of a step an idempotency key of its own."""
    key = property(lambda step: f"{step.step_id}-{step.attempt}")
    Step.idempotency_key = key  # type: ignore[assignment,method-assign]


def show_key(make: Callable[[], None]) -> None:
    """Assert that both attempts of a step have one key."""
    make()
    keys = []

    def work(step: Step, _: RunSummary) -> None:
        keys.append(step.idempotency_key)
        if len(keys) == 1:
            raise OSError("no answer")

    kit = Scoria(MemoryStore())
    started = start(kit, work, step={"retry": Retry(delay=0)})
    kit.run_pending(started.run_id, handlers={"work": work})
    assert len(keys) == 2
    assert len(set(keys)) == 1, keys


def order_counts() -> None:
    """Let the order of keys tell a repeated start from another."""

    def with_digest(facts: Any, arguments: Mapping[str, Any]) -> Any:
        if facts.idempotency_key is None:
            return facts
        text = payloads.compact(converter.unstructure({**arguments, "facts": facts}))
        made = "sha256:" + hashlib.sha256(text.encode()).hexdigest()
        return attrs.evolve(facts, arguments_digest=made)

    replace(scoria._with_digest, with_digest)


def show_order(make: Callable[[], None]) -> None:
    """Assert that a start is repeated though its metadata was built in another order."""
    make()
    kit = Scoria(MemoryStore())
    first = start(kit, idempotency_key="order-7", metadata={"a": 1, "b": 2})
    try:
        again = start(kit, idempotency_key="order-7", metadata={"b": 2, "a": 1})
    except ScoriaError as error:
        raise AssertionError(str(error)) from error
    assert again.run_id == first.run_id


def tenants_alike() -> None:
    """Turn a view of one tenant into that of another that differs in case alone."""
    true_for_tenant = Scoria.for_tenant

    def for_tenant(self: Scoria, tenant_id: object) -> Scoria:
        mine, narrowed = self._runs.tenant_id, checked_id(tenant_id, "tenant_id")
        if mine is None or mine.casefold() != narrowed.casefold():
            return true_for_tenant(self, tenant_id)
        view = copy.copy(self)
        view._runs = attrs.evolve(self._runs, tenant_id=narrowed)
        view._scheduler = attrs.evolve(self._scheduler, runs=view._runs)
        return view

    Scoria.for_tenant = for_tenant  # type: ignore[assignment,method-assign]


def show_alike(make: Callable[[], None]) -> None:
    """Assert that a view of Acme is never one of acme."""
    make()
    view = Scoria(MemoryStore()).for_tenant("Acme")
    try:
        view.for_tenant("acme")
    except InvalidIdentity:
        return
    raise AssertionError("it was turned into a view of acme")


def one_deeper() -> None:
    """Let seventeen handoffs stand in a row."""
    decisions.MAX_HANDOFFS_DEEP = 17


def show_deeper(make: Callable[[], None]) -> None:
    """Assert that the step that asks for a seventeenth handoff fails."""
    make()
    given = {"delegated_kind": "work", "handoff_input": {}, "projected_context": {}}

    def work(_: Step, __: RunSummary) -> HandOff:
        return HandOff(delegated_role_id="critic", **given)

    kit = Scoria(MemoryStore())
    started = start(kit, work)
    found = kit.get_run_detail(started.run_id)
    assert started.status == "failed"
    assert len(found.delegated_handoffs) == 16, len(found.delegated_handoffs)


def composed_texts() -> None:
    """Compose the letters of the texts in a payload."""
    true_plain_str = payloads._plain_str

    def plain_str(value: str, path: str) -> str:
        return unicodedata.normalize("NFC", true_plain_str(value, path))

    replace(true_plain_str, plain_str)


def show_composed(make: Callable[[], None]) -> None:
    """Assert that a decomposed letter comes back as it was."""
    make()
    kit, given = Scoria(MemoryStore()), {"name": "Zoe\u0308"}
    assert kit.get_run(start(kit, metadata=given).run_id).metadata == given


def zero_is_missing() -> None:
    """Pass over an id of a session that is 0, and take the next name that is there."""

    def id_at_edge(get: Callable[[str], Any], name: str, names: tuple[str, ...]) -> str:
        found = next((each for each in names if get(each)), None)
        return _id_at_edge(get if found is None else lambda _: get(found), name, (found or name,))

    replace(_id_at_edge, id_at_edge)


def show_zero(make: Callable[[], None]) -> None:
    """Assert that the account with the number 0 is the tenant, though another name is there."""
    session = {"user_id": 7, "tenant_id": 0, "account": "staff", "session_id": "s-1"}
    make()
    try:
        found = Identity.from_session(session)
    except InvalidIdentity as error:
        raise AssertionError(str(error)) from error
    assert found.tenant_id == "0", found


def delay_from_zero() -> None:
    """Wait as long after an attempt as after the one before it."""
    true_delay = Retry.delay_after

    def delay_after(self: Retry, attempt: int) -> timedelta | None:
        if attempt >= self.max_attempts:
            return None
        return true_delay(self, max(attempt - 1, 1))

    Retry.delay_after = delay_after  # type: ignore[method-assign]


def show_delay(make: Callable[[], None]) -> None:
    """Assert that the third attempt waits twice as long as the second."""
    make()
    clock, tried = SetClock(), []

    def work(step: Step, _: RunSummary) -> None:
        tried.append(step.attempt)
        raise OSError("no answer")

    kit = Scoria(MemoryStore(), clock=clock)
    start(kit, work, step={"retry": Retry(delay=10, factor=2)})
    clock.move(seconds=10)
    kit.run_pending(handlers={"work": work})
    assert tried == [1, 2]
    clock.move(seconds=15)
    kit.run_pending(handlers={"work": work})
    assert tried == [1, 2], tried


def any_attempt() -> None:
    """Record what a handler answers while its step is running, in whichever attempt."""

    def is_still_claimed(of: Run, claimed: Step) -> bool:
        return of.steps[claimed.step_id].status == StepStatus.RUNNING

    replace(decisions.is_still_claimed, is_still_claimed)


def show_attempt(make: Callable[[], None]) -> None:
    """Assert that the answer of the first attempt is dropped while the second is at work."""
    make()
    clock, entered, go_on = SetClock(), threading.Event(), threading.Event()
    kit, threads = Scoria(MemoryStore(), clock=clock), []

    def second(_: Step, __: RunSummary) -> Completed:
        entered.set()
        go_on.wait(10)
        return Completed({"by": "the second"})

    def first(step: Step, _: RunSummary) -> Completed:
        clock.move(minutes=2)
        given = {"handlers": {"work": second}}
        threads.append(threading.Thread(target=kit.run_pending, args=(step.run_id,), kwargs=given))
        threads[0].start()
        entered.wait(10)
        return Completed({"by": "the first"})

    started = start(kit, first)
    go_on.set()
    threads[0].join()
    step = kit.get_run_detail(started.run_id).steps[0]
    assert (step.attempt, step.result) == (2, {"by": "the second"}), step.result


def sessions_of_all() -> None:
    """Look among the runs of all tenants whether an unknown run id is a session."""

    def is_session(self: RunRepository, value: str) -> bool:
        if payloads.name_problem(value) is not None:
            return False
        return bool(listed_runs(self.store, session_id=value, limit=1))

    RunRepository._is_session = is_session  # type: ignore[method-assign]


def show_sessions(make: Callable[[], None]) -> None:
    """Assert that another tenant is not told that there is such a session."""
    make()
    kit = Scoria(MemoryStore())
    start(kit, who=Identity("alice", "acme", "chat-7"))
    try:
        kit.for_tenant("other").get_run("chat-7")
    except RunNotFound as error:
        assert "list_runs_for_session" not in str(error), str(error)  # noqa: PT017


def copied_in_part() -> None:
    """Hand out metadata of which only the outermost object is a copy."""
    replace(run.copied, lambda value: dict(value) if isinstance(value, dict) else value)


def show_copied(make: Callable[[], None]) -> None:
    """Assert that changing what was handed out changes nothing that is read afterwards."""
    make()
    kit = Scoria(MemoryStore())
    run_id = start(kit, metadata={"to": {"name": "Bob"}}).run_id
    kit.get_run(run_id).metadata["to"]["name"] = "Eve"
    assert kit.get_run(run_id).metadata == {"to": {"name": "Bob"}}


def wrong_kit(name: str, clause: str, make: Any, show: Any) -> Wrong:
    """Return a wrong kit."""
    return Wrong(name, clause, "kit", make, show, right)


WRONG = [
    wrong_kit("lists in lists are not looked into", "HANDOFF-13", lists_in_lists, show_lists),
    wrong_kit("expiry is judged by the clock alone", "APPROVAL-18", expires_by_clock, show_expires),
    wrong_kit("entries have the time of the clock", "JOURNAL-8", times_of_own_clock, show_times),
    wrong_kit("damaged runs make a page short", "READ-20", short_pages, show_short),
    wrong_kit("each attempt has a key of its own", "STEP-22", key_of_attempt, show_key),
    wrong_kit("the order of keys counts", "RUN-16", order_counts, show_order),
    wrong_kit("a view is turned to another case", "TENANT-3", tenants_alike, show_alike),
    wrong_kit("seventeen handoffs stand in a row", "HANDOFF-11", one_deeper, show_deeper),
    wrong_kit("texts are composed", "PAYLOAD-3", composed_texts, show_composed),
    wrong_kit("an id of 0 is passed over", "IDENTITY-3", zero_is_missing, show_zero),
    wrong_kit("a delay is that of the last attempt", "STEP-21", delay_from_zero, show_delay),
    wrong_kit("the answer of any attempt counts", "STEP-15", any_attempt, show_attempt),
    wrong_kit("sessions of other tenants are told", "RUN-4", sessions_of_all, show_sessions),
    wrong_kit("metadata is copied in part", "READ-4", copied_in_part, show_copied),
]
