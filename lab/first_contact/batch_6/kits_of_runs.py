"""Kits that are wrong about starts, identities, actors and what is kept of a run in memory."""

from collections.abc import Callable
from typing import Any

from lab.first_contact.batch_6.replacing import WHO, Hooked, kit, queueing, replace
from scoria_core import Identity, Scoria, StepSpec, identity
from scoria_core.decisions import Change
from scoria_core.delivering import Deliverer
from scoria_core.errors import (
    IdempotencyConflict,
    InvalidIdentity,
    ScoriaError,
    UnknownHandler,
    VersionConflict,
)
from scoria_core.events import Event, events_after
from scoria_core.identity import checked_id
from scoria_core.repository import RunRepository
from scoria_core.scheduling import Scheduler, _warn_of_other_kinds
from scoria_memory import MemoryStore

_GIVEN_UP = ("failed", "cancelled")


def make_given_up_keys() -> None:
    """A run that failed or was cancelled is returned for its key, whatever is started now."""

    def started(self: Any, run_id: str, facts: Any, decide: Any, handlers: Any) -> Any:
        run = yield from self._scheduler.start(run_id, facts, decide, handlers)
        is_other = run.facts.arguments_digest != facts.arguments_digest
        if run.run_id != run_id and is_other and run.status not in _GIVEN_UP:
            raise IdempotencyConflict(str(facts.idempotency_key), run.run_id)
        return self._summary(run)

    replace(Scoria, "_started", started)


def show_given_up_keys(make: Callable[[], None]) -> None:
    """Other arguments under the key of a cancelled run are a conflict."""
    make()
    scoria = Scoria(MemoryStore())
    first = scoria.start_run(WHO, root_role_id="agent", idempotency_key="order-1")
    scoria.cancel_run(first.run_id)
    try:
        again = scoria.start_run(WHO, root_role_id="auditor", idempotency_key="order-1")
    except IdempotencyConflict:
        return
    raise AssertionError(f"the other start was answered with run {again.run_id}")


def make_falsy_ids() -> None:
    """An id at the edge that is falsy, such as the number 0, counts as one that is not there."""

    def id_at_edge(get: Callable[[str], Any], name: str, names: tuple[str, ...]) -> str:
        value = next((found for found in map(get, names) if found), None)
        if value is None:
            raise InvalidIdentity(name, "is missing", f"keep it as one of {', '.join(names)}")
        return checked_id(value, name)

    replace(identity, "_id_at_edge", id_at_edge)


def show_falsy_ids(make: Callable[[], None]) -> None:
    """The tenant 0 of a session is the tenant 0."""
    make()
    session = {"user_id": 4, "tenant_id": 0, "account_id": 7, "session_id": "chat-1"}
    assert Identity.from_session(session) == Identity(4, 0, "chat-1")


def make_nobody_after_a_race() -> None:
    """A change that loses a race is decided again without who makes it."""
    change_of = RunRepository.change

    def change(
        self: Any, run_id: str, decide: Callable[[Change], Any], actor_id: str | None = None
    ) -> Any:
        if (changed := self._change_cached(run_id, decide, actor_id)) is not None:
            return changed
        run = self.load(run_id)
        tried, version = self._change(run, actor_id), run.version
        decided = self._decided(tried, decide)
        try:
            self._append(tried, version)
        except VersionConflict as error:
            if tried.only_if_due and error.actual == version:
                raise
            return change_of(self, run_id, decide)
        return run, decided

    replace(RunRepository, "change", change)


def show_nobody_after_a_race(make: Callable[[], None]) -> None:
    """Who cancels a run is in its journal, though others were faster twice."""
    make()
    store = Hooked()
    scoria, other = Scoria(store), queueing(store)
    run_id = scoria.start_run(WHO, root_role_id="agent").run_id
    store.first = [lambda: other.add_step(run_id, StepSpec("mail", "agent"))] * 2
    scoria.cancel_run(run_id, actor_id="reviewer-7")
    assert scoria.get_run_detail(run_id).journal[-1].actor_id == "reviewer-7"


def make_nothing_to_do() -> None:
    """That there is nothing to do in a run is believed of what is kept of it in memory."""

    def change_cached(
        self: Any, run_id: str, decide: Callable[[Change], Any], actor_id: str | None
    ) -> Any:
        cached = self.cache.check_out(run_id)
        if cached is None:
            return None
        if self.tenant_id not in (None, cached.tenant_id):
            self.cache.put_back(cached)
            return None
        change, version = self._change(cached, actor_id), cached.version
        try:
            decided = self._decided(change, decide)
            self._append(change, version)
        except VersionConflict as error:
            if change.only_if_due and error.actual == version:
                raise
            return None
        except ScoriaError:
            return None
        return cached, decided

    replace(RunRepository, "_change_cached", change_cached)


def show_nothing_to_do(make: Callable[[], None]) -> None:
    """A step that another process queued is carried out by who runs what is pending."""
    make()
    store = MemoryStore()
    worker = Scoria(store, handlers={"mail": lambda step, run: None})
    run_id = worker.start_run(WHO, root_role_id="agent").run_id
    queueing(store).add_step(run_id, StepSpec("mail", "agent"))
    worker.run_pending()
    assert [step.status for step in worker.get_run_detail(run_id).steps] == ["completed"]


def make_old_events() -> None:
    """Listeners are told of what is kept of a run in memory, where it is kept."""

    def events(self: Any, claimed: Any) -> list[Event]:
        run = self.runs.cache.check_out(claimed.run_id) or self.runs.load(claimed.run_id)
        told = list(events_after(run, claimed.delivered))
        self.runs.cache.put_back(run)
        return told

    replace(Deliverer, "_events", events)


def show_old_events(make: Callable[[], None]) -> None:
    """A listener is told of the step that another process queued."""
    make()
    store, told = MemoryStore(), list[str]()
    scoria = Scoria(store, listeners={"mail": lambda event: told.append(event.type)})
    run_id = scoria.start_run(WHO, root_role_id="agent").run_id
    scoria.deliver_events()
    queueing(store).add_step(run_id, StepSpec("mail", "agent"))
    scoria.deliver_events(limit=10)
    assert told == ["run.started", "step.queued"]


def make_late_handlers() -> None:
    """Where steps are only queued, the handlers of a call are looked up after it is stored."""
    start_of, change_of = Scheduler.start, Scheduler.change

    def start(self: Any, run_id: str, facts: Any, decide: Any, given: Any) -> Any:
        if self.dispatch != "queue":
            return (yield from start_of(self, run_id, facts, decide, given))
        run = yield from start_of(self, run_id, facts, decide, None)
        _warn_of_other_kinds(run, given, self._with(given))
        return run

    def change(self: Any, run_id: str, decide: Any, actor_id: str | None, given: Any) -> Any:
        if self.dispatch != "queue":
            return (yield from change_of(self, run_id, decide, actor_id, given))
        run = yield from change_of(self, run_id, decide, actor_id, None)
        _warn_of_other_kinds(run, given, self._with(given))
        return run

    replace(Scheduler, "start", start)
    replace(Scheduler, "change", change)


def show_late_handlers(make: Callable[[], None]) -> None:
    """A start with a handler that cannot be found leaves no run."""
    make()
    scoria, handlers = queueing(MemoryStore()), {"mail": "no_such_module:send"}
    try:
        scoria.start_run(WHO, root_role_id="agent", handlers=handlers)
    except UnknownHandler:
        assert not scoria.list_runs()
    else:
        raise AssertionError("the handler was not refused")


WRONG = (
    kit("keys-of-given-up-runs", "RUN-17", make_given_up_keys, show_given_up_keys),
    kit("falsy-ids-at-the-edge", "IDENTITY-3", make_falsy_ids, show_falsy_ids),
    kit(
        "nobody-after-a-lost-race", "JOURNAL-4", make_nobody_after_a_race, show_nobody_after_a_race
    ),
    kit("nothing-to-do-in-memory", "STEP-4", make_nothing_to_do, show_nothing_to_do),
    kit("events-from-memory", "EVENT-1", make_old_events, show_old_events),
    kit("late-look-at-handlers", "STEP-13", make_late_handlers, show_late_handlers),
)
