"""Wrong on purpose: what the kit does with listeners and with time."""

from datetime import timedelta

from attrs import evolve

from lab.mutants.kit import catalogue, instead_of, put, replace, without
from scoria_core import delivering, events, repository

breaks = catalogue()


@breaks("EVENT-1", "once, in its order")
@instead_of(delivering.Deliverer._events)
def what_happened_last_is_told_first(right, self, claimed):
    return right(self, claimed)[::-1]


@breaks("EVENT-1", "Who comes later")
@instead_of(delivering.Deliverer._events)
def a_new_listener_is_told_all_there_was(right, self, claimed):
    return right(self, evolve(claimed, delivered=0))


@breaks("EVENT-1", "once, in its order")
@instead_of(delivering.Deliverer._events)
def only_what_happens_to_a_run_is_told(right, self, claimed):
    return [each for each in right(self, claimed) if each.subject == "run"]


@breaks("EVENT-2", "what is told can be read")
def what_is_told_is_not_stored_yet():
    deliverers = []

    def add_all(right, self):
        right(self)
        deliverers.append(self)

    def append(right, self, change, version):
        for event in events.events_after(change.run, version):
            for each in deliverers:
                for listener in each.listeners.values():
                    each._call(listener, event)
        right(self, change, version)

    replace(delivering.Deliverer.add_all, add_all)
    replace(repository.RunRepository._append, append)


@breaks("EVENT-3", "What a listener did not take")
@instead_of(delivering.settled)
def what_a_listener_did_not_take_is_left_out(right, claimed, delivered, problem, now):
    return right(claimed, delivered + bool(problem), None, now)


@breaks("EVENT-3", "What a listener did not take")
@instead_of(delivering.Deliverer._call)
def what_follows_is_told_though_its_turn_has_not_come(right, self, listener, event):
    try:
        right(self, listener, event)
    except LookupError:
        if event.type == "run.approval_requested" or event.sequence != 5:
            raise


@breaks("EVENT-3", "What a listener did not take")
def a_listener_that_is_down_is_asked_all_the_time():
    put(delivering, FIRST_WAIT=timedelta(seconds=1))


@breaks("EVENT-3", "is not asked for ever")
def a_listener_is_asked_for_ever():
    put(delivering, MAX_TRIES=25)


@breaks("EVENT-3", "What a process took with it")
@instead_of(delivering.Deliverer._tell)
def what_is_claimed_counts_as_told(right, self, claimed, now):
    self._store.settle_delivery(
        claimed, delivering.settled(claimed, claimed.version, None, self.runs.now())
    )
    return right(self, claimed, now)


@breaks("EVENT-4", "stops its deliverer")
@instead_of(delivering._problem)
def a_listener_that_raises_stops_all(right, error):
    raise error


@breaks("EVENT-5", "Two listeners are told")
@instead_of(events._of_request)
def the_reason_of_an_event_tells_the_arguments(right, event, approval):
    return right(event, evolve(approval, reason=str(approval.proposed_arguments)))


@breaks("EVENT-6", "Callers who deliver at once")
def a_claim_is_over_at_once():
    put(delivering, LEASE=timedelta(0))


breaks.add(
    "nobody is reminded",
    "EVENT-7",
    "A reminder and an expiry",
    without("approval", "remind"),
)
breaks.add(
    "what has expired is not recorded",
    "EVENT-7",
    "A reminder and an expiry",
    without("approval", "expire"),
)
