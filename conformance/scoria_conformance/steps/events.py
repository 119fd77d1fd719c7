"""Steps in which the listeners of a host receive the events of its runs."""

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import attrs
import pytest
from pytest_bdd import given, parsers, then, when

from scoria_conformance.attribution import SuiteBroken
from scoria_conformance.world import ARGUMENTS, KIND, PATIENCE, World, asks
from scoria_core import Event, Listener, RunDetail, Scoria, ScoriaError, StepSpec
from scoria_core.ports import Capability, Delivery, OutboxStore, RunStore

NOTE = "a note that is nobody else's"
DECIDER = "reviewer-7"


class Died(BaseException):
    """The death of a process that delivers events."""


@attrs.define
class Ear:
    """One listener: the events it got, and those it took without error; `fails` may raise."""

    world: World
    fails: Callable[[Event], object] = lambda _: None
    told: list[tuple[float, Event]] = attrs.field(factory=list)
    took: list[Event] = attrs.field(factory=list)
    unread: list[str] = attrs.field(factory=list)
    """The ids of events whose entries could not be found."""

    def __call__(self, event: Event) -> None:
        """Receive an event."""
        self.told.append((self.world.clock.now().timestamp(), event))
        self.fails(event)
        self.took.append(event)

    async def later(self, event: Event) -> None:
        """Receive an event, as a coroutine function."""
        self(event)


@attrs.define
class DyingStore:
    """A store in which no delivery can be settled once the process of its deliverer died."""

    store: RunStore
    is_dead: bool = False

    def settle_delivery(self, *given: Delivery) -> bool:
        """Record how many entries of a delivery were received, unless the process is dead."""
        if self.is_dead:
            raise Died
        return cast(OutboxStore, self.store).settle_delivery(*given)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)


@attrs.define
class Hosts:
    """The hosts of a scenario over one store, and their listeners."""

    world: World
    ears: dict[str, Ear] = attrs.field(factory=dict)
    hosts: list[Scoria] = attrs.field(factory=list)
    run_ids: list[str] = attrs.field(factory=list)
    release: threading.Event = attrs.field(factory=threading.Event)

    def come(self, *names: str, store: RunStore | None = None) -> Scoria:
        """Start a host with these listeners; the one called "chat" is a coroutine function."""
        if Capability.OUTBOX not in self.world.store.capabilities:
            raise SuiteBroken("a scenario with listeners is not tagged @outbox")
        listeners: dict[str, Listener] = {}
        for name in names:
            ear = self.ears.setdefault(name, Ear(self.world))
            listeners[name] = ear.later if name == "chat" else ear
        host = Scoria(store or self.world.store, clock=self.world.clock, listeners=listeners)
        self.hosts.append(host)
        return host

    def deliver(self) -> None:
        """Have each host deliver all events that are due."""
        for host in self.hosts:
            try:
                host.deliver_events()
            except LookupError as error:
                raise AssertionError("what a listener raises stops its deliverer") from error

    def ask(self, **more: Any) -> str:
        """Start a run that asks for approval, and return its id."""
        run = self.world.scoria.start_run(
            self.world.identity(metadata={"private": NOTE}),
            root_role_id="executor",
            initial_step=StepSpec(kind=KIND, role_id="executor"),
            metadata={"payload": NOTE},
            handlers={KIND: asks(**more)},
        )
        self.run_ids.append(run.run_id)
        self.world.run_id = run.run_id
        return run.run_id

    def approve(self) -> None:
        """Approve the request of the last run."""
        run = self.world.scoria.get_run(self.world.run_id)
        assert run.pending_approval is not None, "the run waits for approval"
        self.world.scoria.approve(
            run.run_id, approval_id=run.pending_approval.approval_id, decided_by=DECIDER, note=NOTE
        )

    def complete(self) -> None:
        """Let the last run, which was approved, complete."""
        self.world.scoria.resume_run(self.world.run_id, handlers={KIND: asks()})

    def whole(self) -> None:
        """Start a run, approve it and let it complete."""
        self.ask()
        self.approve()
        self.complete()

    def journal_of(self, run_id: str) -> list[tuple[str, str]]:
        """Return the ids and types of the events of a run, made from its journal."""
        detail: RunDetail = self.world.another_host.get_run_detail(run_id)
        return [
            (f"{run_id}/{each.sequence}", f"{each.subject}.{each.type[len(each.subject) + 1 :]}")
            for each in detail.journal
        ]

    def took_all(self, name: str) -> None:
        """Check that a listener received every entry of each journal once and in order."""
        events = self.ears[name].took
        for run_id in self.run_ids:
            took = [(each.event_id, each.type) for each in events if each.run_id == run_id]
            assert took == self.journal_of(run_id), f"{name} takes each entry once, in its order"
        assert {each.run_id for each in events} <= set(self.run_ids)


@pytest.fixture
def hosts(world: World) -> Iterable[Hosts]:
    """Return the hosts of the scenario, none at first; free a listener that hangs at the end."""
    hosts = Hosts(world)
    yield hosts
    hosts.release.set()


@given(parsers.re(r'a host with the listeners? "(?P<first>\w+)"(?: and "(?P<second>\w+)")?$'))
def _a_host_with_listeners(hosts: Hosts, first: str, second: str | None) -> None:
    hosts.come(*filter(None, [first, second]))


@given(parsers.parse('a host with the listener "{name}", who reads what it is told of'))
def _a_host_with_a_reader(hosts: Hosts, world: World, name: str) -> None:
    hosts.come(name)
    ear = hosts.ears[name]

    def read(event: Event) -> None:
        try:
            known = world.another_host.get_run_detail(event.run_id).journal
        except ScoriaError:
            known = ()
        if event.sequence > len(known):
            ear.unread.append(event.event_id)

    ear.fails = read


@given(
    parsers.parse(
        '"{name}" raises an exception at the event {number:d} of each run, {times:d} times'
    )
)
def _raises_an_exception(hosts: Hosts, name: str, number: int, times: int) -> None:
    ear, raised = hosts.ears[name], dict[str, int]()

    def fails(event: Event) -> None:
        raised.setdefault(event.run_id, 0)
        if event.sequence == number and raised[event.run_id] < times:
            raised[event.run_id] += 1
            raise LookupError("it is down")

    ear.fails = fails


@given(parsers.parse('"{name}" hangs at its first event'))
def _hangs_at_its_first_event(hosts: Hosts, name: str) -> None:
    hosts.ears[name].fails = lambda _: hosts.release.wait(PATIENCE)


@given("a run that waits for approval, of which its listeners were told")
def _a_run_that_waits_of_which_its_listeners_were_told(hosts: Hosts) -> None:
    hosts.ask()
    hosts.deliver()


@given(
    parsers.parse(
        "a run that waits for approval, with a reminder after {remind:d} and an end after "
        "{end:d} seconds"
    )
)
def _a_run_that_waits_with_a_reminder(hosts: Hosts, remind: int, end: int) -> None:
    hosts.ask(remind_after=remind, expires_in=end)


@when(parsers.parse('another host comes with the listener "{name}" beside it'))
def _another_host_comes(hosts: Hosts, name: str) -> None:
    hosts.come(name)


@when("a run asks for approval, is approved and completes")
@when("another run does so too")
def _a_run_is_approved_and_completes(hosts: Hosts) -> None:
    hosts.whole()


@when("a run asks for approval, is approved and completes, with deliveries between")
def _a_run_is_approved_with_deliveries_between(hosts: Hosts) -> None:
    hosts.ask()
    for step in (hosts.approve, hosts.complete):
        hosts.deliver()
        step()
    hosts.deliver()


@when("a decision is refused")
def _a_decision_is_refused(hosts: Hosts, world: World) -> None:
    world.attempt(lambda: world.scoria.resume_run(world.run_id))
    assert world.error is not None
    hosts.deliver()


@when("its reviewer says yes")
def _its_reviewer_says_yes(hosts: Hosts) -> None:
    hosts.approve()


@when("its events are delivered")
def _its_events_are_delivered(hosts: Hosts) -> None:
    hosts.deliver()


@when(parsers.re(r"its events are delivered at each (?P<unit>second|hour) of the next .*"))
def _its_events_are_delivered_at_each(hosts: Hosts, world: World, unit: str) -> None:
    for _ in range(60 if unit == "second" else 72):
        world.clock.advance(**{f"{unit}s": 1})
        hosts.deliver()


@when(parsers.parse("its deliverer dies before the event {number:d}"))
def _its_deliverer_dies(hosts: Hosts, world: World, number: int) -> None:
    (name,), dying = hosts.ears, DyingStore(world.store)
    ear = hosts.ears[name]

    def dies(event: Event) -> None:
        if event.sequence == number:
            ear.told.pop()
            dying.is_dead = True
            raise Died

    ear.fails = dies
    host = hosts.come(name, store=cast(RunStore, dying))
    hosts.hosts.remove(host)
    with pytest.raises(Died):
        host.deliver_events()
    ear.fails = lambda _: None


@when(
    parsers.parse(
        '"{name}" is told by one caller, while a run asks for approval, is approved and completes'
    )
)
def _is_told_by_one_caller(hosts: Hosts, world: World, name: str) -> None:
    (host,) = hosts.hosts
    hosts.ask()
    begun = threading.Thread(target=host.deliver_events, args=(name,))
    begun.start()
    world.calls_before = 0
    hosts.approve()
    hosts.complete()
    for other in set(hosts.ears) - {name}:
        host.deliver_events(other)
    hosts.ears["meanwhile"] = attrs.evolve(hosts.ears["chat"], took=[*hosts.ears["chat"].took])
    # While the listener hangs, no other caller may claim its delivery of that run.
    while not hosts.ears[name].told:
        begun.join(0.01)
    host.deliver_events(name)
    hosts.ears["another"] = attrs.evolve(hosts.ears[name], told=[*hosts.ears[name].told])
    hosts.release.set()
    begun.join()


@when(parsers.parse("{count:d} runs are started, and 4 callers deliver their events at once"))
def _runs_are_started_and_callers_deliver(hosts: Hosts, count: int) -> None:
    (host,) = hosts.hosts
    for _ in range(count):
        hosts.ask()
    barrier = threading.Barrier(4, timeout=PATIENCE)

    def deliver(_: int) -> None:
        barrier.wait()
        host.deliver_events()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(deliver, range(4)))
    host.deliver_events()


@when(parsers.parse("4 callers run what is pending at once, twice"))
def _callers_run_what_is_pending(world: World) -> None:
    barrier = threading.Barrier(4, timeout=PATIENCE)

    def run_pending(_: int) -> None:
        for _ in range(2):
            barrier.wait()
            world.another_host.run_pending()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(run_pending, range(4)))


@then("each listener was told of every entry of its journal once, in its order")
def _each_listener_was_told(hosts: Hosts) -> None:
    for name in hosts.ears:
        hosts.took_all(name)


@then(parsers.parse('"{name}" was told of every entry of its journal once, in its order'))
@then(parsers.parse('"{name}" took every entry of each journal once, in its order'))
def _was_told_of_every_entry(hosts: Hosts, name: str) -> None:
    hosts.took_all(name)


@then(parsers.parse('"{name}" was told meanwhile of every entry of its journal once, in its order'))
def _was_told_meanwhile(hosts: Hosts, name: str) -> None:
    assert name == "chat"
    hosts.took_all("meanwhile")


@then(parsers.parse('another deliverer tells "{name}" of no event of that run'))
def _another_deliverer_tells_of_no_event(hosts: Hosts, name: str) -> None:
    assert len(hosts.ears["another"].told) == 1, f"{name} is told by one at a time"


@then("what was asked for is told with the tool, the reason and times, and without a payload")
def _what_was_asked_for_is_told(hosts: Hosts, world: World) -> None:
    (approval,) = world.detail.approvals
    for name, ear in hosts.ears.items():
        (event,) = [each for each in ear.took if each.type == "approval.requested"]
        facts = (event.tool_name, event.reason, event.requested_at, event.proposed_digest)
        asked = (approval.tool_name, approval.reason, approval.requested_at)
        assert facts == (*asked, approval.proposed_digest), name
        assert event.subject_id == approval.approval_id
        told = repr([attrs.asdict(each) for each in ear.took])
        for secret in (NOTE, ARGUMENTS["recipient"], "'amount'", "'sent'"):
            assert str(secret) not in told, "an event has no payload"


@then(parsers.parse('"{name}" was told of "{type_}" alone'))
def _was_told_alone(hosts: Hosts, name: str, type_: str) -> None:
    assert [each.type for each in hosts.ears[name].took] == [type_]


@then(parsers.parse('"{name}" found each entry that it was told of'))
def _found_each_entry(hosts: Hosts, name: str) -> None:
    assert hosts.ears[name].unread == [], "what is told can be read"


@then(parsers.parse('"{name}" was told of the events {first:d} to {last:d} of each run'))
def _was_told_of_the_events(hosts: Hosts, name: str, first: int, last: int) -> None:
    for run_id in hosts.run_ids:
        told = [each.sequence for _, each in hosts.ears[name].told if each.run_id == run_id]
        assert told == list(range(first, last + 1))


@then(
    parsers.parse(
        '"{name}" was told of the event {number:d} at 0, 5, 15 and 35 seconds, each time with the '
        "same id"
    )
)
def _was_told_of_the_event_at(hosts: Hosts, name: str, number: int) -> None:
    for run_id in hosts.run_ids:
        told = [
            (at, event.event_id)
            for at, event in hosts.ears[name].told
            if event.run_id == run_id and event.sequence == number
        ]
        begin = told[0][0]
        assert [(at - begin, each) for at, each in told] == [
            (seconds, f"{run_id}/{number}") for seconds in (0, 5, 15, 35)
        ]


@then(
    parsers.parse(
        '"{name}" was told of the event {number:d} exactly {times:d} times, and of no other'
    )
)
def _was_told_exactly(hosts: Hosts, name: str, number: int, times: int) -> None:
    assert [each.sequence for _, each in hosts.ears[name].told] == [number] * times


@then(parsers.parse('its store says that "{name}" was given up, and why'))
def _its_store_says_given_up(world: World, name: str) -> None:
    store = cast(OutboxStore, world.store)
    (given_up,) = store.list_deliveries(name, limit=9, given_up=True)
    told = (given_up.run_id, given_up.delivered, given_up.problem)
    assert told == (world.run_id, 0, "LookupError: it is down")
    assert [each.listener for each in store.list_deliveries("chat", limit=9)] == []


@then(parsers.parse('"{name}" was told at last of every entry of its journal, each in its order'))
def _was_told_at_last(hosts: Hosts, name: str) -> None:
    told = [each.event_id for _, each in hosts.ears[name].told]
    last = list(dict.fromkeys(told))
    assert last == [event_id for event_id, _ in hosts.journal_of(hosts.run_ids[0])]


@then(parsers.parse('"{name}" was told once of "{first}" and once of "{second}", in that order'))
def _was_told_once_of(hosts: Hosts, name: str, first: str, second: str) -> None:
    told = [each.type for each in hosts.ears[name].took if each.type in (first, second)]
    assert told == [first, second]
