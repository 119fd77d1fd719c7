"""Kits that are wrong: each `make` changes `scoria_core` in the running process."""

import contextlib
import json
import sys
import threading
import unicodedata
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from lab.first_contact.runs import journal, listed_runs
from lab.first_contact.wrong import Wrong
from scoria_core import (
    Completed,
    NeedsApproval,
    Retry,
    Scoria,
    StepSpec,
    decisions,
    errors,
    handlers,
    identity,
    payloads,
    projection,
    repository,
    run,
    scoria,
    stores,
    visible,
)
from scoria_core.errors import (
    IdempotencyConflict,
    InvalidIdentity,
    RunNotFound,
    ScoriaError,
    StoreUnavailable,
    TransitionRefused,
    UnsafeProjectedContext,
)
from scoria_core.lifecycles import ApprovalStatus, StepStatus
from scoria_core.scheduling import Scheduler
from scoria_memory import MemoryStore

Make = Callable[[], object]
START = datetime(2030, 1, 1, tzinfo=UTC)


class Clock:
    """A clock that says what it is told to."""

    def __init__(self, at: datetime = START) -> None:
        self.at = at

    def now(self) -> datetime:
        """Return the time that it is set to."""
        return self.at

    def go(self, **length: float) -> None:
        """Go on for a while."""
        self.at += timedelta(**length)


def right() -> None:
    """Change nothing."""


def _everywhere(old: Any, new: Any) -> None:
    """Put `new` in the place of a function in every module that holds it."""
    for name, module in list(sys.modules.items()):
        if name.startswith("scoria_"):
            for each, value in list(vars(module).items()):
                if value is old:
                    setattr(module, each, new)


def _identity(kit: Scoria, tenant_id: str = "acme", **more: Any) -> Any:
    return kit.identity(actor_id="ann", tenant_id=tenant_id, session_id="chat", **more)


def _started(kit: Scoria, tenant_id: str = "acme", **more: Any) -> Any:
    return kit.start_run(_identity(kit, tenant_id), root_role_id="agent", **more)


def _asking(kit: Scoria, seen: list[Any], **asked: Any) -> Any:
    """Start a run that waits for approval; each call of its handler notes what it saw."""

    def ask(step: Any, _: Any) -> Any:
        seen.append(step.approval and str(step.approval.status))
        if step.approval is not None:
            return Completed()
        return NeedsApproval(tool_name="send", arguments={"to": "all"}, reason="?", **asked)

    return _started(kit, initial_step=StepSpec("ask", "agent"), handlers={"ask": ask}), ask


def _handed(kit: Scoria, context: Mapping[str, Any]) -> Any:
    return kit.start_handoff_run(
        _identity(kit),
        "critic",
        root_role_id="planner",
        delegated_kind="review",
        handoff_input={},
        projected_context=context,
    )


def _raises(error: type[Exception], call: Callable[[], object]) -> Exception:
    try:
        call()
    except error as raised:
        return raised
    except Exception as other:
        raise AssertionError(f"raised {other!r} instead of {error.__name__}") from other
    raise AssertionError(f"did not raise {error.__name__}")


def lists_unchecked() -> None:
    """Checks the keys of objects, and not those of objects in a list."""

    def check_value(self: Any, value: object, path: str) -> None:
        if isinstance(value, Mapping):
            self.check(value, path)

    projection.ContextPolicy._check_value = check_value


def show_lists_unchecked(make: Make) -> None:
    """A password in a list of objects is found."""
    make()
    kit = Scoria(MemoryStore())
    context = {"accounts": [{"name": "a"}, {"password": "x"}]}
    _raises(UnsafeProjectedContext, lambda: _handed(kit, context))


def letters_unfolded() -> None:
    """Folds a key without a look at letters that look alike."""
    plain = projection.snake_case

    def snake_case(key: str) -> str:
        return key.casefold() if not key.isascii() else plain(key)

    _everywhere(plain, snake_case)


def show_letters_unfolded(make: Make) -> None:
    """A password in full-width letters is found."""
    make()
    kit = Scoria(MemoryStore())
    wide = "".join(chr(ord(letter) + 0xFEE0) for letter in "password")
    assert unicodedata.normalize("NFKC", wide) == "password"
    _raises(UnsafeProjectedContext, lambda: _handed(kit, {wide: "x"}))


def valid_at_its_end() -> None:
    """Lets a request be decided at the very moment at which it expires."""
    plain = run.Run.as_of

    def as_of(self: Any, approval: Any, now: datetime) -> Any:
        at = max(now, self.journal[-1].at)
        if approval.expires_at is not None and approval.expires_at == at:
            return approval
        return plain(self, approval, now)

    run.Run.as_of = as_of


def show_valid_at_its_end(make: Make) -> None:
    """At its `expires_at` a request has expired."""
    make()
    clock = Clock()
    kit = Scoria(MemoryStore(), clock=clock)
    started, _ = _asking(kit, [], expires_in=60)
    clock.go(seconds=60)
    assert kit.get_run(started.run_id).pending_approval is None
    assert kit.get_run_detail(started.run_id).approvals[0].status == "expired"


def yes_for_ever() -> None:
    """Lets an approval that was given in time be used at any time after that."""

    def as_of(self: Any, approval: Any, now: datetime) -> Any:
        is_over = approval.expires_at is not None and approval.expires_at <= max(
            now, self.journal[-1].at
        )
        if is_over and approval.status == ApprovalStatus.PENDING:
            return run.replaced(approval, status=ApprovalStatus.EXPIRED)
        return approval

    run.Run.as_of = as_of


def show_yes_for_ever(make: Make) -> None:
    """A yes that nobody used in time is expired to the step."""
    make()
    clock, seen = Clock(), list[Any]()
    kit = Scoria(MemoryStore(), clock=clock)
    started, ask = _asking(kit, seen, expires_in=60)
    pending = started.pending_approval
    kit.approve(started.run_id, approval_id=pending.approval_id, decided_by="ann")
    clock.go(days=300)
    kit.resume_run(started.run_id, handlers={"ask": ask})
    assert seen == [None, "expired"]


def metadata_not_compared() -> None:
    """Compares two starts with one key without their metadata."""
    plain = scoria._with_digest

    def with_digest(facts: Any, arguments: Mapping[str, Any]) -> Any:
        bare = scoria.attrs.evolve(facts, metadata={})
        told = plain(bare, arguments).arguments_digest
        return scoria.attrs.evolve(facts, arguments_digest=told)

    _everywhere(plain, with_digest)


def show_metadata_not_compared(make: Make) -> None:
    """A repeated key with other metadata is refused."""
    make()
    kit = Scoria(MemoryStore())
    _started(kit, idempotency_key="order-1", metadata={"amount": 1})
    _raises(
        IdempotencyConflict,
        lambda: _started(kit, idempotency_key="order-1", metadata={"amount": 1000}),
    )


def any_attempt_counts() -> None:
    """Takes an answer for a step that runs, in whatever attempt."""

    def is_still_claimed(of: Any, claimed: Any) -> bool:
        return bool(of.steps[claimed.step_id].status == StepStatus.RUNNING)

    _everywhere(decisions.is_still_claimed, is_still_claimed)


def show_any_attempt_counts(make: Make) -> None:
    """What the first attempt answers late is not recorded while the second is at work."""
    make()
    store, late = MemoryStore(), Clock(START + timedelta(hours=1))
    kit, other = Scoria(store, clock=Clock()), Scoria(store, clock=late)
    entered, may_end, ids, threads = threading.Event(), threading.Event(), list[str](), []

    def second(step: Any, _: Any) -> Any:
        entered.set()
        may_end.wait(20)
        return {"from": "second"}

    def first(step: Any, _: Any) -> Any:
        ids.append(step.run_id)
        work = lambda: other.run_pending(step.run_id, handlers={"work": second})  # noqa: E731
        thread = threading.Thread(target=work)
        threads.append(thread)
        thread.start()
        entered.wait(20)
        return {"from": "first"}

    try:
        _started(kit, initial_step=StepSpec("work", "agent"), handlers={"work": first})
    finally:
        may_end.set()
        for thread in threads:
            thread.join(20)
    assert entered.is_set()
    assert other.get_run_detail(ids[0]).steps[0].result == {"from": "second"}


def views_of_views() -> None:
    """Makes a view of one tenant from a view of another."""

    def for_tenant(self: Any, tenant_id: object) -> Any:
        view = scoria.copy.copy(self)
        narrowed = identity.checked_id(tenant_id, "tenant_id")
        view._runs = scoria.attrs.evolve(self._runs, tenant_id=narrowed)
        view._scheduler = scoria.attrs.evolve(self._scheduler, runs=view._runs)
        return view

    Scoria.for_tenant = for_tenant


def show_views_of_views(make: Make) -> None:
    """A view of one tenant gives none of another."""
    make()
    view = Scoria(MemoryStore()).for_tenant("acme")
    _raises(InvalidIdentity, lambda: view.for_tenant("other"))


def sessions_of_all() -> None:
    """Looks in all tenants whether a run_id is a session_id."""

    def is_session(self: Any, value: str) -> bool:
        if payloads.name_problem(value) is not None:
            return False
        return bool(listed_runs(self.store, session_id=value, limit=1))

    repository.RunRepository._is_session = is_session


def show_sessions_of_all(make: Make) -> None:
    """To another tenant a session_id is as unknown as any other word."""
    make()
    kit = Scoria(MemoryStore())
    _started(kit, "other")
    view = kit.for_tenant("acme")
    error = _raises(RunNotFound, lambda: view.get_run("chat"))
    assert "list_runs_for_session" not in str(error)


def not_copied() -> None:
    """Hands out the payloads that it keeps."""
    _everywhere(payloads.copied, lambda value: value)


def show_not_copied(make: Make) -> None:
    """What a caller does to metadata that it got is not seen by the next."""
    make()
    kit = Scoria(MemoryStore())
    run_id = _started(kit, metadata={"order": {"amount": 1}}).run_id
    kit.get_run(run_id).metadata["order"]["amount"] = 1000
    assert kit.get_run(run_id).metadata == {"order": {"amount": 1}}


def own_clock() -> None:
    """Writes what its clock says, though the entry before was later."""

    def change(self: Any, of: Any, actor_id: str | None) -> Any:
        return decisions.Change(of, self.now(), self.ids.new_id, actor_id)

    repository.RunRepository._change = change


def show_own_clock(make: Make) -> None:
    """An entry of a machine that is behind has the time of the one before it."""
    make()
    store = MemoryStore()
    ahead = Scoria(store, clock=Clock(START + timedelta(minutes=5)))
    behind = Scoria(store, clock=Clock(START))
    run_id = _started(ahead).run_id
    with contextlib.suppress(ScoriaError):
        behind.cancel_run(run_id)
    times = [json.loads(each.body)["at"] for each in journal(store, run_id)]
    assert times == sorted(times)
    assert len(times) == 2


def true_is_an_id() -> None:
    """Takes True and False for ids, as they are whole numbers to Python."""
    plain = identity.checked_id

    def checked_id(value: object, name: str) -> str:
        return plain(int(value) if isinstance(value, bool) else value, name)

    _everywhere(plain, checked_id)


def show_true_is_an_id(make: Make) -> None:
    """True is of another type than an id."""
    make()
    kit = Scoria(MemoryStore())
    error: Any = _raises(
        InvalidIdentity, lambda: kit.identity(actor_id=True, tenant_id="t", session_id="s")
    )
    assert error.field == "actor_id"


def options_told() -> None:
    """Leaves out user and password of a URL in a message, and not its options."""

    def store_name(url: object) -> str:
        text = url if isinstance(url, str) else "..."
        scheme, _, rest = text.partition("://")
        return visible.visible_line(f"{scheme}://{rest.rpartition('@')[2]}", 200)

    _everywhere(stores.store_name, store_name)


def show_options_told(make: Make) -> None:
    """A password among the options is in no message."""
    make()
    url = "nosuchstore://ann@db.example/runs?password=hunter2"
    error = _raises(StoreUnavailable, lambda: Scoria.open(url))
    assert "hunter2" not in str(error)


def one_more_attempt() -> None:
    """Tries a step again after the last attempt that it declares."""
    plain = Retry.delay_after

    def delay_after(self: Retry, attempt: int) -> timedelta | None:
        if attempt == self.max_attempts:
            return timedelta(seconds=min(self.delay, self.max_delay))
        return plain(self, attempt)

    Retry.delay_after = delay_after


def show_one_more_attempt(make: Make) -> None:
    """A step of two attempts has failed after the second."""
    make()
    clock = Clock()
    kit = Scoria(MemoryStore(), clock=clock)

    def fail(step: Any, _: Any) -> None:
        raise OSError("down")

    spec = StepSpec("call", "agent", retry=Retry(max_attempts=2, delay=1.0))
    started = _started(kit, initial_step=spec, handlers={"call": fail})
    assert started.status == "running"
    clock.go(minutes=10)
    (tried,) = kit.run_pending(started.run_id, handlers={"call": fail})
    assert tried.status == "failed"


def backoff_of_no_attempt() -> None:
    """Waits after each attempt as long as before it: the first delay is not counted."""

    def delay_after(self: Retry, attempt: int) -> timedelta | None:
        if attempt >= self.max_attempts:
            return None
        return timedelta(seconds=self.delay * (attempt - 1))

    Retry.delay_after = delay_after


def show_backoff_of_no_attempt(make: Make) -> None:
    """A step is not claimed again before its first delay has passed."""
    make()
    clock, tries = Clock(), list[int]()
    kit = Scoria(MemoryStore(), clock=clock)

    def fail(step: Any, _: Any) -> None:
        tries.append(step.attempt)
        raise OSError("down")

    spec = StepSpec("call", "agent", retry=Retry(max_attempts=2, delay=60.0))
    started = _started(kit, initial_step=spec, handlers={"call": fail})
    clock.go(seconds=59)
    kit.run_pending(started.run_id, handlers={"call": fail})
    assert tries == [1]


def lines_of_its_own() -> None:
    """Shows a value in a message as it is, and replaces line feeds and no other line break."""

    def shown(value: object, limit: int = 80) -> str:
        return f"'{value}'"[:limit] if isinstance(value, str) else repr(value)[:limit]

    def said(self: ScoriaError) -> str:
        return self.message.replace("\n", " ")

    _everywhere(errors.shown, shown)
    errors.ScoriaError.__str__ = said


def show_lines_of_its_own(make: Make) -> None:
    """A message is one line, also where an id has a break of another kind than a line feed."""
    make()
    kit = Scoria(MemoryStore())
    error = _raises(RunNotFound, lambda: kit.get_run("no\u2028such\x85run"))
    assert len(str(error).splitlines()) == 1


def key_of_an_attempt() -> None:
    """Gives each attempt of a step an idempotency key of its own."""
    from scoria_core.model import Step

    Step.idempotency_key = property(
        lambda self: self.step_id if self.attempt == 1 else f"{self.step_id}:{self.attempt}"
    )


def show_key_of_an_attempt(make: Make) -> None:
    """A handler that is tried again has the key that it had before."""
    make()
    kit, keys = Scoria(MemoryStore()), list[str]()

    def call(step: Any, _: Any) -> Any:
        keys.append(step.idempotency_key)
        if step.attempt == 1:
            raise OSError("down")
        return {}

    started = _started(kit, initial_step=StepSpec("call", "agent"), handlers={"call": call})
    kit.retry_run(started.run_id, handlers={"call": call})
    assert len(keys) == 2
    assert keys[0] == keys[1]


def facade_first() -> None:
    """Takes the handlers of the facade before those of a call."""

    def handlers_for(self: Any, given: Any) -> Mapping[str, Any]:
        return {**handlers.resolve(given), **self.handlers}

    Scheduler._with = handlers_for


def show_facade_first(make: Make) -> None:
    """The handler of the call comes first."""
    make()
    kit = Scoria(MemoryStore(), handlers={"work": lambda step, _: {"by": "facade"}})
    started = _started(
        kit,
        initial_step=StepSpec("work", "agent"),
        handlers={"work": lambda step, _: {"by": "call"}},
    )
    assert kit.get_run_detail(started.run_id).steps[0].result == {"by": "call"}


def scoped_context_wins() -> None:
    """Takes the scoped context where both are given."""
    _everywhere(
        scoria._one_context,
        lambda projected, scoped: projected if scoped is None else scoped,
    )


def show_scoped_context_wins(make: Make) -> None:
    """Two contexts at once are refused."""
    make()
    kit = Scoria(MemoryStore())
    _raises(
        errors.InvalidHandoff,
        lambda: kit.start_handoff_run(
            _identity(kit),
            "critic",
            root_role_id="planner",
            delegated_kind="review",
            handoff_input={},
            projected_context={"task": "a"},
            scoped_context={"task": "a"},
        ),
    )


def failed_takes_steps() -> None:
    """Queues a step for a failed run, to be done once it is retried."""
    plain = decisions.add_step

    def add_step(change: Any, spec: Any) -> None:
        if change.run.status == "failed":
            decisions._queue(change, change.new_id(), spec)
        else:
            plain(change, spec)

    _everywhere(plain, add_step)


def show_failed_takes_steps(make: Make) -> None:
    """A failed run takes no step."""
    make()
    kit = Scoria(MemoryStore())

    def fail(step: Any, _: Any) -> None:
        raise OSError("down")

    started = _started(kit, initial_step=StepSpec("call", "agent"), handlers={"call": fail})
    _raises(TransitionRefused, lambda: kit.add_step(started.run_id, StepSpec("more", "agent")))


def _wrong(name: str, clause: str, make: Make, show: Callable[[Make], None]) -> Wrong:
    return Wrong(name, clause, "kit", make, show, right)


WRONG: list[Wrong] = [
    _wrong(
        "a context's lists are not checked", "HANDOFF-13", lists_unchecked, show_lists_unchecked
    ),
    _wrong(
        "look-alike letters are not folded", "HANDOFF-13", letters_unfolded, show_letters_unfolded
    ),
    _wrong("a request is valid at its end", "APPROVAL-11", valid_at_its_end, show_valid_at_its_end),
    _wrong("a yes is good for ever", "APPROVAL-16", yes_for_ever, show_yes_for_ever),
    _wrong(
        "metadata of two starts not compared",
        "RUN-17",
        metadata_not_compared,
        show_metadata_not_compared,
    ),
    _wrong(
        "the answer of any attempt counts", "STEP-15", any_attempt_counts, show_any_attempt_counts
    ),
    _wrong("a view is made of another's view", "TENANT-3", views_of_views, show_views_of_views),
    _wrong("sessions of others are known", "RUN-4", sessions_of_all, show_sessions_of_all),
    _wrong("payloads handed out as they are kept", "READ-4", not_copied, show_not_copied),
    _wrong("an entry has its own clock's time", "JOURNAL-8", own_clock, show_own_clock),
    _wrong("True is an id", "IDENTITY-1", true_is_an_id, show_true_is_an_id),
    _wrong("the options of a URL are told", "STORE-30", options_told, show_options_told),
    _wrong("a step has one more attempt", "STEP-21", one_more_attempt, show_one_more_attempt),
    _wrong(
        "the first delay is nothing", "STEP-21", backoff_of_no_attempt, show_backoff_of_no_attempt
    ),
    _wrong(
        "other line breaks stay in a message", "ERROR-3", lines_of_its_own, show_lines_of_its_own
    ),
    _wrong(
        "each attempt has a key of its own", "STEP-22", key_of_an_attempt, show_key_of_an_attempt
    ),
    _wrong("the facade's handler comes first", "STEP-12", facade_first, show_facade_first),
    _wrong("the scoped context wins", "HANDOFF-6", scoped_context_wins, show_scoped_context_wins),
    _wrong("a failed run takes steps", "STEP-17", failed_takes_steps, show_failed_takes_steps),
]
