"""The journal notices tampering, refuses what cannot have happened, and holds the invariants."""

import signal
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from lab.model.invariants import Observed, breaches
from scoria_core import (
    Approval,
    Completed,
    Count,
    Failed,
    HandlerAnswer,
    Handlers,
    HandOff,
    Identity,
    JournalEntry,
    NeedsApproval,
    RunDetail,
    RunSummary,
    Scoria,
    ScoriaError,
    Step,
    StepSpec,
)
from scoria_core.errors import StoreCorrupt
from scoria_core.evidence import verified
from scoria_core.journal import _sha256, genesis, seal, unseal
from scoria_core.lifecycles import ENTRY_TYPES, MACHINES, triggers
from scoria_core.payloads import digest
from scoria_core.ports import Record
from scoria_core.run import Run
from scoria_memory import MemoryStore
from tests.support.stores import records_of

# --- the chain ---------------------------------------------------------------------------------


def ask(step: Step, _: RunSummary) -> HandlerAnswer:
    """Ask until it is approved, then complete."""
    if step.approval is not None and step.approval.status == "approved":
        return {"sent": step.approval.arguments}
    return NeedsApproval(tool_name="send", arguments={"to": ["all"]}, reason="goes out")


def hand_off(_: Step, __: RunSummary) -> HandOff:
    """Hand a review to the critic."""
    return HandOff(
        delegated_role_id="critic",
        delegated_kind="ask",
        handoff_input={"brief": "b"},
        projected_context={"task": "t"},
    )


HANDLERS: Handlers = {"hand_off": hand_off, "ask": ask}


def told_run(scoria: Scoria, identity: Identity) -> str:
    """Make a run whose journal has every subject in it, and return its id."""
    spec = StepSpec("hand_off", "planner", {"prompt": "grüße 🌋"})
    run = scoria.start_run(
        identity, root_role_id="planner", initial_step=spec, handlers=HANDLERS, metadata={"a": 1}
    )
    assert run.pending_approval is not None
    scoria.approve(
        run.run_id, approval_id=run.pending_approval.approval_id, decided_by="reviewer-7"
    )
    assert scoria.resume_run(run.run_id, handlers=HANDLERS).status == "completed"
    return run.run_id


@pytest.fixture
def journal(make_scoria_of: Callable[..., Scoria], identity: Identity) -> tuple[str, list[Record]]:
    """Return the id and the records of a run whose journal has every subject in it."""
    scoria = make_scoria_of("memory")
    run_id = told_run(scoria, identity)
    return run_id, records_of(scoria._runs.store, run_id)


@pytest.fixture
def foreign(make_scoria_of: Callable[..., Scoria]) -> list[Record]:
    """Return the records of another tenant's run that took the same course."""
    scoria = make_scoria_of("memory")
    told_run(scoria, Identity("user-1", "globex", "session-1"))
    run_id = told_run(scoria, Identity("user-1", "globex", "session-1"))
    return records_of(scoria._runs.store, run_id)


def noticed_at(run_id: str, records: Sequence[Record]) -> int:
    """Return the number of the entry that replay names."""
    with pytest.raises(StoreCorrupt) as corrupt:
        Run.replay(run_id, records)
    assert corrupt.value.run_id == run_id
    assert str(corrupt.value).startswith(f"entry {corrupt.value.sequence} of run {run_id} ")
    return corrupt.value.sequence


def replaced(records: Sequence[Record], number: int, **changes: Any) -> list[Record]:
    """Return `records` with some fields of one entry changed."""
    changed = attrs.evolve(records[number - 1], **changes)
    return [*records[: number - 1], changed, *records[number:]]


def test_an_untouched_journal_is_replayed(journal: tuple[str, list[Record]]) -> None:
    """Nothing is noticed where nothing was changed; otherwise no test of tampering means much."""
    run_id, records = journal
    run = Run.replay(run_id, records)
    assert run.status == "completed"
    assert [entry.digest for entry in run.journal] == [record.digest for record in records]
    assert {entry.subject for entry in run.journal} == {"run", "step", "approval", "handoff"}


def test_each_digest_builds_on_the_one_before(journal: tuple[str, list[Record]]) -> None:
    """The same entry sealed on another digest, or in another run, has another digest."""
    run_id, records = journal
    entries = list(unseal(run_id, records))
    previous = genesis(run_id)
    for entry, record in zip(entries, records, strict=True):
        assert seal(entry, previous) == (entry, record)
        assert seal(entry, genesis("another run"))[1].digest != record.digest
        previous = record.digest


def test_a_changed_character_is_noticed(journal: tuple[str, list[Record]]) -> None:
    """Each character of each stored text is covered by the digest of its entry."""
    run_id, records = journal
    for record in records:
        for at, character in enumerate(record.body):
            other = "0" if character != "0" else "1"
            body = record.body[:at] + other + record.body[at + 1 :]
            tampered = replaced(records, record.sequence, body=body)
            assert noticed_at(run_id, tampered) == record.sequence


@pytest.mark.parametrize("body", ["", "{}", "null", "[]", "\ud800", "{", "\0"])
def test_a_replaced_text_is_noticed(journal: tuple[str, list[Record]], body: str) -> None:
    """A text that is no entry at all is noticed at its place, whatever it is."""
    run_id, records = journal
    for record in records:
        tampered = replaced(records, record.sequence, body=body)
        assert noticed_at(run_id, tampered) == record.sequence


@pytest.mark.parametrize("change", [str.upper, lambda _: "", lambda _: "0" * 64, lambda d: d[:-1]])
def test_a_changed_digest_is_noticed(
    journal: tuple[str, list[Record]], change: Callable[[str], str]
) -> None:
    """A digest that is not that of its entry is noticed at its place."""
    run_id, records = journal
    for record in records:
        tampered = replaced(records, record.sequence, digest=change(record.digest))
        assert noticed_at(run_id, tampered) == record.sequence


def test_a_removed_entry_is_noticed(journal: tuple[str, list[Record]]) -> None:
    """An entry that is missing before the last one is noticed, renumbered or not."""
    run_id, records = journal
    for number in range(1, len(records)):
        rest = [*records[: number - 1], *records[number:]]
        renumbered = [attrs.evolve(record, sequence=at) for at, record in enumerate(rest, 1)]
        assert noticed_at(run_id, rest) == number
        assert noticed_at(run_id, renumbered) == number


def test_swapped_entries_are_noticed(journal: tuple[str, list[Record]]) -> None:
    """Two entries in each other's place are noticed at the first of them, renumbered or not."""
    run_id, records = journal
    for first in range(1, len(records)):
        for second in range(first + 1, len(records) + 1):
            swapped = list(records)
            swapped[first - 1], swapped[second - 1] = records[second - 1], records[first - 1]
            renumbered = [attrs.evolve(record, sequence=at) for at, record in enumerate(swapped, 1)]
            assert noticed_at(run_id, swapped) == first
            assert noticed_at(run_id, renumbered) == first


def test_a_repeated_entry_is_noticed(journal: tuple[str, list[Record]]) -> None:
    """An entry that stands there twice is noticed at its second place."""
    run_id, records = journal
    for number in range(1, len(records) + 1):
        twice = [*records[:number], *records[number - 1 :]]
        assert noticed_at(run_id, twice) == number + 1


def test_a_renumbered_entry_is_noticed(journal: tuple[str, list[Record]]) -> None:
    """A number that is not the place of its entry is noticed there."""
    run_id, records = journal
    for number in range(1, len(records) + 1):
        for other in (0, -1, number + 1, number - 1):
            assert noticed_at(run_id, replaced(records, number, sequence=other)) == number


def test_an_entry_of_another_run_is_noticed(
    journal: tuple[str, list[Record]], foreign: list[Record]
) -> None:
    """An entry that another run has at the same place does not pass for one of this run."""
    run_id, records = journal
    assert [record.sequence for record in foreign] == [record.sequence for record in records]
    for number in range(1, len(records) + 1):
        mixed = [*records[: number - 1], foreign[number - 1], *records[number:]]
        assert noticed_at(run_id, mixed) == number


def test_a_whole_journal_under_another_id_is_noticed(journal: tuple[str, list[Record]]) -> None:
    """A journal cannot be handed to another run: the first entry builds on the run's own id."""
    _, records = journal
    assert noticed_at("another-run", records) == 1


def test_a_tail_that_is_missing_is_noticed_within_a_change(
    journal: tuple[str, list[Record]],
) -> None:
    """A journal cut short after a whole change is whole up to its end: compare the last digest."""
    run_id, records = journal
    whole, torn = [], []
    for length in range(1, len(records)):
        try:
            cut = Run.replay(run_id, records[:length])
        except StoreCorrupt as broken:
            torn.append(broken.sequence - length)
        else:
            assert cut.head_digest == records[length - 1].digest != records[-1].digest
            whole.append(cut.journal[-1].type)
    assert set(torn) == {1}, "the first entry that is missing is named"
    # What one commit stores is more than its last entry, so some cuts are taken for whole.
    assert {"handoff_started", "run_approval_requested", "approval_approved"} <= set(whole)
    assert not {"step_approval_requested", "approval_requested", "run_resumed"} & set(whole)


# --- a chain that is whole, and tells what cannot have happened ----------------------------------


def resealed(run_id: str, entries: Iterable[JournalEntry]) -> list[Record]:
    """Seal `entries` into a chain that checks out, as a forger would."""
    records: list[Record] = []
    for entry in entries:
        previous = records[-1].digest if records else genesis(run_id)
        records.append(seal(entry, previous)[1])
    return records


def numbered(entries: Iterable[JournalEntry]) -> list[JournalEntry]:
    """Return `entries` numbered anew from 1."""
    return [attrs.evolve(entry, sequence=at) for at, entry in enumerate(entries, 1)]


def place_of(entries: Sequence[JournalEntry], event: str) -> int:
    """Return the number of the first entry of this type."""
    return next(entry.sequence for entry in entries if entry.type == event)


FORGED_FIELDS = [
    ("run_started", {"to_state": "completed"}),
    ("run_started", {"subject_id": "another-run"}),
    ("run_started", {"data": {}}),
    ("run_started", {"type": "run_completed"}),
    ("step_queued", {"to_state": "completed"}),
    ("step_queued", {"subject": "nothing"}),
    ("step_queued", {"data": {}}),
    ("step_claimed", {"subject_id": "no-such-step"}),
    ("step_claimed", {"trigger": "complete"}),
    ("step_claimed", {"trigger": "to_completed", "to_state": "completed"}),
    ("step_claimed", {"to_state": "completed"}),
    ("step_claimed", {"from_state": "failed"}),
    ("step_claimed", {"from_state": None}),
    ("step_claimed", {"sequence": 99}),
    ("step_claimed", {"type": "step_cancelled"}),
    ("step_completed", {"data": {}}),
    ("approval_approved", {"trigger": "nonsense"}),
    ("approval_approved", {"subject_id": "no-such-approval"}),
    ("handoff_started", {"trigger": "complete", "to_state": "completed"}),
    ("run_resumed", {"subject_id": "another-run"}),
    ("run_resumed", {"from_state": "failed"}),
    ("run_resumed", {"trigger": "retry"}),
]


@pytest.mark.parametrize(("event", "forged"), FORGED_FIELDS)
def test_a_forged_entry_is_refused(
    journal: tuple[str, list[Record]], event: str, forged: dict[str, Any]
) -> None:
    """An entry that no lifecycle allows is refused at its place, however well it is sealed."""
    run_id, records = journal
    entries = list(unseal(run_id, records))
    number = place_of(entries, event)
    entries[number - 1] = attrs.evolve(entries[number - 1], **forged)
    assert noticed_at(run_id, resealed(run_id, entries)) == number


def test_a_blank_actor_is_refused(journal: tuple[str, list[Record]]) -> None:
    """A run that nobody started is refused as corrupt, not as a caller's mistake."""
    run_id, records = journal
    first, *rest = unseal(run_id, records)
    facts = {**first.data, "identity": {**first.data["identity"], "actor_id": " "}}
    forged = resealed(run_id, [attrs.evolve(first, data=facts), *rest])
    assert noticed_at(run_id, forged) == 1


@pytest.mark.parametrize("body", ["null", "[]", "{}", "no json", '{"sequence":1}', "[" * 100_000])
def test_a_sealed_text_that_is_no_entry_is_refused(
    journal: tuple[str, list[Record]], body: str
) -> None:
    """A text with the right digest that is no journal entry is refused at its place."""
    run_id, records = journal
    forged = Record(2, _sha256(records[0].digest, body), body)
    assert noticed_at(run_id, [records[0], forged]) == 2


def test_a_sealed_text_with_another_number_is_refused(
    journal: tuple[str, list[Record]],
) -> None:
    """A text that says it is another entry is refused before it is asked what it does."""
    run_id, records = journal
    body = records[1].body.replace('"sequence":2', '"sequence":99', 1)
    forged = Record(2, _sha256(records[0].digest, body), body)
    with pytest.raises(StoreCorrupt, match="says it is entry 99") as corrupt:
        list(unseal(run_id, [records[0], forged]))
    assert corrupt.value.sequence == 2


def test_a_run_cannot_start_twice(journal: tuple[str, list[Record]]) -> None:
    """The facts of a run never change: a second start is refused."""
    run_id, records = journal
    entries = list(unseal(run_id, records))
    forged = numbered([entries[0], *entries])
    assert noticed_at(run_id, resealed(run_id, forged)) == 2


def test_a_journal_cannot_begin_later(journal: tuple[str, list[Record]]) -> None:
    """A journal that does not begin with the start of its run is refused at its first entry."""
    run_id, records = journal
    entries = list(unseal(run_id, records))
    assert noticed_at(run_id, resealed(run_id, numbered(entries[1:]))) == 1
    completed = numbered([entries[-1]])
    assert noticed_at(run_id, resealed(run_id, completed)) == 1


def test_nothing_follows_the_end_of_a_run(journal: tuple[str, list[Record]]) -> None:
    """A completed run takes no further step."""
    run_id, records = journal
    entries = list(unseal(run_id, records))
    queued = attrs.evolve(entries[place_of(entries, "step_queued") - 1], subject_id="one-more")
    forged = numbered([*entries, queued])
    assert noticed_at(run_id, resealed(run_id, forged)) == len(records) + 1


def test_a_step_is_made_once(journal: tuple[str, list[Record]]) -> None:
    """A second creation of one step is refused."""
    run_id, records = journal
    entries = list(unseal(run_id, records))
    number = place_of(entries, "step_queued")
    forged = numbered([*entries[:number], entries[number - 1], *entries[number:]])
    assert noticed_at(run_id, resealed(run_id, forged)) == number + 1


def test_the_facade_refuses_a_tampered_run(
    make_scoria_of: Callable[..., Scoria], identity: Identity
) -> None:
    """Every call on a tampered run says which entry, and the runs beside it are served."""
    scoria = make_scoria_of("memory")
    run_id, other = told_run(scoria, identity), told_run(scoria, identity)
    records = scoria._runs.store._journals[run_id]  # type: ignore[attr-defined]
    records[2] = attrs.evolve(records[2], body=records[2].body.replace("step", "stEp"))
    calls: list[Callable[[], object]] = [
        lambda: scoria.get_run(run_id),
        lambda: scoria.get_run_detail(run_id),
        lambda: scoria.cancel_run(run_id),
        lambda: scoria.resume_run(run_id),
        lambda: scoria.for_tenant("acme").get_run(run_id),
        lambda: scoria.approve(run_id, approval_id="any", decided_by="reviewer-7"),
    ]
    for call in calls:
        with pytest.raises(StoreCorrupt) as corrupt:
            call()
        assert corrupt.value.sequence == 3
    assert [run.run_id for run in scoria.list_runs_for_session(identity.session_id)] == [other]


# --- the invariants, under random commands -----------------------------------------------------

EVENTS = {
    ENTRY_TYPES[subject, trigger] for subject in MACHINES for trigger in (None, *triggers(subject))
}
"""What the journal calls every creation and every transition of every lifecycle."""


def check_invariants(after: RunDetail, before: RunDetail | None = None) -> None:
    """Assert the invariants of the contract in a run, and in what a call made of it."""
    assert not breaches(Observed(after))
    if before is not None:
        assert not breaches(Observed(after, before))


class Stop(BaseException):
    """The process is told to end while a handler is at work."""


def stop(*_: object) -> None:
    """Be the signal handler of a process that is told to end."""
    raise Stop


SERVED = (
    "done",
    "fails",
    "breaks",
    "rubbish",
    "stops",
    "asks",
    "asks_soon",
    "asks_then_fails",
    "asks_two_people",
    "asks_twice_at_once",
    "hands_off",
    "adds",
    "cancels",
)
"""The kinds of step that a world has handlers for."""


def _request(step: Step, **more: Any) -> NeedsApproval:
    return NeedsApproval(
        tool_name="send", arguments={"step": step.step_id}, reason="goes out", **more
    )


class World:
    """One facade, its handlers, and what they noticed."""

    def __init__(self, scoria: Scoria) -> None:
        self.scoria = scoria
        self.seen: list[tuple[Any, ...]] = []
        self.problems: list[AssertionError] = []
        self.handlers = {kind: self._noticing(getattr(self, kind)) for kind in SERVED}

    def _noticing(self, handler: Callable[[Step, RunSummary], object]) -> Any:
        def noticing(step: Step, run: RunSummary) -> object:
            self.seen.append((handler.__name__, step.step_id, step.attempt, step.approvals))
            try:
                self._check(step, run)
            except AssertionError as problem:
                # What a handler raises fails its step, so the test must be told another way.
                self.problems.append(problem)
            return handler(step, run)

        return noticing

    def _check(self, step: Step, run: RunSummary) -> None:
        stored = self.scoria.get_run_detail(run.run_id)
        assert step in stored.steps, "the claim is durable before the handler is entered"
        assert run == stored.summary
        check_invariants(stored)
        for approval in step.approvals:
            assert approval.status != "pending"
            assert approval.proposed_arguments == {"step": step.step_id}
            assert approval.arguments_digest == digest(approval.arguments)

    def done(self, step: Step, _: RunSummary) -> object:
        """Complete."""
        return Completed({"attempt": step.attempt})

    def fails(self, step: Step, _: RunSummary) -> object:
        """Fail at first, complete when retried."""
        return Failed("not yet", {"n": 1}) if step.attempt == 1 else None

    def breaks(self, _: Step, __: RunSummary) -> object:
        """Raise, whatever the attempt."""
        raise ValueError("broken")

    def rubbish(self, _: Step, __: RunSummary) -> object:
        """Answer what is no answer."""
        return 42

    def stops(self, step: Step, _: RunSummary) -> object:
        """Be interrupted at first, complete when claimed again."""
        if step.attempt == 1:
            signal.raise_signal(signal.SIGUSR1)
        return None

    def asks(self, step: Step, _: RunSummary, **more: Any) -> object:
        """Ask until approved."""
        if step.approval is not None and step.approval.status == "approved":
            return {"approved_by": step.approval.decided_by}
        return _request(step, **more)

    def asks_soon(self, step: Step, run: RunSummary) -> object:
        """Ask for an approval that expires."""
        return self.asks(step, run, expires_in=60)

    def asks_two_people(self, step: Step, run: RunSummary) -> object:
        """Ask two people, and remind them."""
        return self.asks(step, run, approvals_needed=2, remind_after=30, on_reject="resume")

    def asks_twice_at_once(self, step: Step, _: RunSummary) -> object:
        """Ask for two things at once, of which one may be edited and one expires."""
        if step.approvals:
            return {"decided": [each.status for each in step.approvals]}
        edited = _request(step, may_edit=True, on_reject="resume", keep=["so far"])
        return [edited, _request(step, expires_in=60)]

    def asks_then_fails(self, step: Step, run: RunSummary) -> object:
        """Fail once approved, and complete on that approval when retried."""
        answer = self.asks(step, run)
        return Failed("later") if isinstance(answer, dict) and step.attempt == 1 else answer

    def hands_off(self, step: Step, _: RunSummary) -> object:
        """Hand off to the kind that the input names."""
        return HandOff(
            delegated_role_id="critic",
            delegated_kind=step.input.get("next", "done"),
            handoff_input={},
            projected_context={"task": "t"},
            capability_tags=("read",),
        )

    def adds(self, step: Step, run: RunSummary) -> object:
        """Add a step to the run from within a handler."""
        kind = step.input.get("next", "done")
        if step.sequence < 4:
            self.scoria.add_step(run.run_id, StepSpec(kind, "executor"), handlers=self.handlers)
        return None

    def cancels(self, _: Step, run: RunSummary) -> object:
        """Cancel the run from within a handler; the answer comes too late."""
        self.scoria.cancel_run(run.run_id)
        return Completed({"late": True})


KINDS = st.sampled_from([*SERVED, "unserved"])
DELEGATED = st.sampled_from(["done", "fails", "stops", "asks_soon", "hands_off", "unserved"])
SPECS = st.builds(
    lambda kind, following: StepSpec(kind, "executor", {"next": following}), KINDS, KINDS
)
PICK = st.integers(0, 3)


def _since(run: RunDetail) -> datetime:
    return next(each.at for each in reversed(run.journal) if each.subject == "run")


@attrs.frozen
class Beginning:
    """What each example of some begins with, and how what still waits then `ends`."""

    asks: str
    delegated: str
    ends: str


BEGINNINGS = (
    Beginning("asks_two_people", "fails", "decided"),
    Beginning("asks_two_people", "done", "late"),
    Beginning("asks_soon", "stops", "late"),
    Beginning("asks_twice_at_once", "asks_soon", "cancelled"),
    Beginning("asks", "unserved", "cancelled"),
    Beginning("asks_then_fails", "hands_off", "decided"),
)
"""Examples resemble each other, so that what is drawn may never be: these are all begun with."""


class Commands(RuleBasedStateMachine):
    """Random commands to every world at once; all must answer alike and hold the invariants."""

    make_scoria_of: Callable[..., Scoria]
    make_clock: Callable[[], Any]
    schemes: tuple[str, ...]
    beginning: Beginning
    events: set[str]

    def __init__(self) -> None:
        super().__init__()
        self.clock = self.make_clock()
        self.worlds = [
            World(self.make_scoria_of(scheme, clock=self.clock)) for scheme in self.schemes
        ]
        self.runs: list[str] = []
        self.known: dict[str, RunDetail] = {}

    def teardown(self) -> None:
        """Bring what is there to an end, and close the stores of this example.

        What follows on something else is rare among random commands, and here it is certain.
        """
        try:
            while self._to_remind():
                self.remind()
            while self._to_endorse():
                self.endorse(0)
            for run_id in self._failed():
                self._retry(run_id)
            self.run_pending(None)
            match self.beginning.ends:
                case "cancelled":
                    for pick in range(len(self.runs)):
                        self.end(pick, "cancel_run")
                case "decided":
                    while self._pending():
                        self.decide(0, True, True, True)
                case "late":
                    self.wait(61)
                    self.run_pending(None)
        finally:
            for world in self.worlds:
                world.scoria.close()

    def do(self, command: Callable[[World], Any]) -> Any:
        """Give one command to every world, compare the answers, and check every run."""
        answers = [self._answer(world, command) for world in self.worlds]
        assert all(answer == answers[0] for answer in answers)
        assert all(world.seen == self.worlds[0].seen for world in self.worlds)
        assert not [problem for world in self.worlds for problem in world.problems]
        kind, value = answers[0]
        if kind == "answered" and isinstance(value, RunSummary) and value.run_id not in self.runs:
            self.runs.append(value.run_id)
        if kind == "refused":
            self._check_unchanged()
        self._check_runs()
        return value

    def _answer(self, world: World, command: Callable[[World], Any]) -> tuple[str, Any]:
        entered = len(world.seen)
        try:
            return "answered", command(world)
        except ScoriaError as error:
            assert len(world.seen) == entered, "a refused call calls no handler"
            return "refused", (type(error), str(error))
        except Stop:
            return "stopped", None

    def _check_unchanged(self) -> None:
        for world in self.worlds:
            listed = world.scoria.list_runs()
            assert {run.run_id for run in listed} == set(self.known)
            assert all(
                world.scoria.get_run_detail(run.run_id) == self.known[run.run_id] for run in listed
            )

    def _check_runs(self) -> None:
        self.runs = [run.run_id for run in reversed(self.worlds[0].scoria.list_runs())]
        for run_id in self.runs:
            detail, *others = (world.scoria.get_run_detail(run_id) for world in self.worlds)
            assert all(other == detail for other in others)
            if detail != self.known.get(run_id):
                check_invariants(detail, self.known.get(run_id))
            self.known[run_id] = detail
            self.events |= {entry.type for entry in detail.journal}
        for world in self.worlds:
            self._check_index(world.scoria)

    def _check_index(self, scoria: Scoria) -> None:
        """Check that each run is found by what its journal says, and by nothing else."""
        for run_id in self.runs:
            assert (
                verified(scoria._runs.store, run_id).version == self.known[run_id].summary.version
            )
        waiting = sorted(self.known.values(), key=lambda run: (_since(run), run.summary.run_id))
        asked = [each for run in waiting for each in run.summary.pending_approvals]
        found = scoria.list_approvals()
        assert [each.approval_id for each in found] == [each.approval_id for each in asked]
        assert all(each.run == self.known[each.run_id].summary for each in found)
        assert scoria.count_approvals() == Count(len(asked))
        counted = Counter(run.summary.status for run in self.known.values())
        assert {
            status: each.number for status, each in scoria.count_runs().items() if each.number
        } == counted

    def run_id(self, pick: int) -> str:
        """Pick one of the runs."""
        return self.runs[-1 - pick % len(self.runs)]

    def approval_id(self, pick: int) -> str:
        """Pick one of all requests of all runs, or one that nobody made."""
        made = [each.approval_id for run in self.runs for each in self.known[run].approvals]
        return [*made, "nobody-asked"][pick % (len(made) + 1)]

    @initialize(spec=SPECS)
    def begin(self, spec: StepSpec) -> None:
        """Begin with a run that waits for people, one that hands off, and one of any kind."""
        self.start(StepSpec(self.beginning.asks, "executor"), True, "s-1")
        self.start_handoff(self.beginning.delegated, False)
        self.start(spec, True, "s-1")

    @precondition(lambda self: len(self.runs) < 4)
    @rule(spec=st.none() | SPECS, served=st.booleans(), session=st.sampled_from(["s-1", "s-2"]))
    def start(self, spec: StepSpec | None, served: bool, session: str) -> None:
        """Start a run, with a first step or without."""
        identity = Identity("user-1", "acme", session)
        self.do(
            lambda world: world.scoria.start_run(
                identity,
                root_role_id="planner",
                initial_step=spec,
                handlers=world.handlers if served else None,
            )
        )

    @precondition(lambda self: len(self.runs) < 4)
    @rule(kind=DELEGATED, unsafe=st.booleans())
    def start_handoff(self, kind: str, unsafe: bool) -> None:
        """Start a run that hands off, now and then with a context that is refused."""
        self.do(
            lambda world: world.scoria.start_handoff_run(
                Identity("user-1", "acme", "s-1"),
                "critic",
                root_role_id="planner",
                delegated_kind=kind,
                handoff_input={"next": "done"},
                projected_context={"chatHistory": []} if unsafe else {},
                handlers=world.handlers,
            )
        )

    @rule(pick=PICK, spec=SPECS, served=st.booleans())
    def add_step(self, pick: int, spec: StepSpec, served: bool) -> None:
        """Add a step to a run."""
        run_id = self.run_id(pick)
        self.do(
            lambda world: world.scoria.add_step(
                run_id, spec, handlers=world.handlers if served else None
            )
        )

    @rule(pick=PICK, which=st.integers(0, 9), decision=st.sampled_from(["approve", "reject"]))
    def decide_any(self, pick: int, which: int, decision: str) -> None:
        """Decide any request on any run, mostly wrongly."""
        run_id, approval_id = self.run_id(pick), self.approval_id(which)
        self.do(
            lambda world: getattr(world.scoria, decision)(
                run_id, approval_id=approval_id, decided_by="reviewer-7", note="n"
            )
        )

    @precondition(lambda self: self._pending())
    @rule(pick=PICK, approves=st.booleans(), edits=st.booleans(), resume=st.booleans())
    def decide(self, pick: int, approves: bool, edits: bool, resume: bool) -> None:
        """Decide a request that is pending, each time as another person."""
        pending = self._pending()
        approval = pending[pick % len(pending)]
        options: dict[str, Any] = {
            "approval_id": approval.approval_id,
            "decided_by": f"reviewer-{len(approval.endorsements)}",
            "resume": resume,
        }
        if approves and edits and approval.may_edit:
            options["arguments"] = {"edited": pick}
        decision = "approve" if approves else "reject"
        decided = self.do(lambda world: getattr(world.scoria, decision)(approval.run_id, **options))
        assert isinstance(decided, RunSummary)
        is_endorsed = approves and len(approval.endorsements) + 1 < approval.approvals_needed
        left = [each.approval_id for each in decided.pending_approvals]
        assert (approval.approval_id in left) == is_endorsed

    def _pending(self) -> list[Approval]:
        return [each for run in self.known.values() for each in run.summary.pending_approvals]

    @rule(pick=PICK, served=st.booleans(), again=st.sampled_from(["resume_run", "retry_run"]))
    def go_on(self, pick: int, served: bool, again: str) -> None:
        """Resume or retry a run."""
        run_id = self.run_id(pick)
        self.do(
            lambda world: getattr(world.scoria, again)(
                run_id, handlers=world.handlers if served else None
            )
        )

    @precondition(lambda self: self._resumable())
    @rule(pick=PICK)
    def resume_decided(self, pick: int) -> None:
        """Resume a run whose request was decided, or has expired."""
        resumable = self._resumable()
        run_id = resumable[pick % len(resumable)]
        self.do(lambda world: world.scoria.resume_run(run_id, handlers=world.handlers))

    def _resumable(self) -> list[str]:
        return [
            run_id
            for run_id, run in self.known.items()
            if run.summary.status == "waiting_for_approval" and not run.summary.pending_approval
        ]

    @precondition(lambda self: any(each.expires_at is not None for each in self._pending()))
    @rule(records=st.booleans())
    def wait_too_long(self, records: bool) -> None:
        """Let the time of every request pass, and perhaps record that it has."""
        self.wait(61)
        if records:
            self.run_pending(None)

    @precondition(lambda self: self._to_remind())
    @rule()
    def remind(self) -> None:
        """Wait until the next reminder, and record it."""
        ends = min(
            each.requested_at + timedelta(seconds=each.remind_after or 0)
            for each in self._to_remind()
        )
        self.wait(max(0, (ends - self.clock.now()).total_seconds()))
        self.run_pending(None)

    def _to_remind(self) -> list[Approval]:
        asked = self._pending()
        return [each for each in asked if each.remind_after and each.reminded_at is None]

    @precondition(lambda self: self._to_endorse())
    @rule(pick=PICK)
    def endorse(self, pick: int) -> None:
        """Give a yes that is not yet enough."""
        pending, approval = self._pending(), self._to_endorse()[0]
        self.decide(pending.index(approval), True, False, pick % 2 == 0)

    def _to_endorse(self) -> list[Approval]:
        asked = self._pending()
        return [each for each in asked if len(each.endorsements) + 1 < each.approvals_needed]

    @precondition(lambda self: self._failed())
    @rule(pick=PICK)
    def retry_failed(self, pick: int) -> None:
        """Retry a run that failed."""
        self._retry(self._failed()[pick % len(self._failed())])

    def _retry(self, run_id: str) -> None:
        self.do(lambda world: world.scoria.retry_run(run_id, handlers=world.handlers))

    def _failed(self) -> list[str]:
        return [run for run in self.runs if self.known[run].summary.status == "failed"]

    @rule(pick=PICK, call=st.sampled_from(["cancel_run", "complete_run"]))
    def end(self, pick: int, call: str) -> None:
        """End a run, now and then."""
        run_id = self.run_id(pick)
        self.do(lambda world: getattr(world.scoria, call)(run_id))

    @rule(pick=st.none() | PICK)
    def run_pending(self, pick: int | None) -> None:
        """Carry out what is queued, of one run or of all."""
        run_id = None if pick is None else self.run_id(pick)
        self.do(lambda world: world.scoria.run_pending(run_id, handlers=world.handlers))

    @rule(seconds=st.sampled_from([1, 30, 61, 3600]))
    def wait(self, seconds: float) -> None:
        """Let time pass, perhaps beyond the time of a request; nothing is written by it."""
        versions = {run_id: detail.summary.version for run_id, detail in self.known.items()}
        self.clock.advance(seconds=seconds)
        self.do(lambda _: None)
        assert versions == {run: detail.summary.version for run, detail in self.known.items()}


@pytest.fixture
def _stoppable() -> Iterator[None]:
    """Have a signal stop the process."""
    before = signal.signal(signal.SIGUSR1, stop)
    yield
    signal.signal(signal.SIGUSR1, before)


@pytest.mark.usefixtures("_stoppable")
@pytest.mark.parametrize(
    ("schemes", "examples"),
    [
        pytest.param(("memory",), 12, id="memory"),
        pytest.param(("memory", "duckdb", "sqlite"), 3, id="all", marks=pytest.mark.slow),
    ],
)
def test_random_commands_hold_the_invariants(
    make_scoria_of: Callable[..., Scoria],
    make_clock: Callable[[], Any],
    schemes: tuple[str, ...],
    examples: int,
) -> None:
    """Whatever is called in whatever order, the invariants hold and the stores agree."""
    events: set[str] = set()
    members = {
        "events": events,
        "make_scoria_of": staticmethod(make_scoria_of),
        "make_clock": staticmethod(make_clock),
        "schemes": schemes,
    }
    for beginning in BEGINNINGS:
        run_state_machine_as_test(
            type("Commands", (Commands,), {**members, "beginning": beginning}),
            settings=settings(
                max_examples=examples,
                stateful_step_count=25,
                deadline=None,
                derandomize=True,
                suppress_health_check=list(HealthCheck),
            ),
        )
    assert len(schemes) > 1 or events == EVENTS, "the commands leave some transition out"


def test_arguments_that_are_not_those_of_their_digest_are_corrupt() -> None:
    """A journal sealed anew over other arguments still has the digest that was decided on."""
    scoria = Scoria(MemoryStore())
    needs = NeedsApproval(tool_name="pay", arguments={"amount": 1}, reason="money")
    run = scoria.start_run(
        scoria.identity(actor_id="a", tenant_id="t", session_id="s"),
        root_role_id="r",
        initial_step=StepSpec("pay", "r"),
        handlers={"pay": lambda *_: needs},
    )
    records, previous = [], genesis(run.run_id)
    for entry in scoria.get_run_detail(run.run_id).journal:
        data = dict(entry.data)
        if entry.type == "approval_requested":
            data["arguments"] = {"amount": 999_999}
        sealed, record = seal(attrs.evolve(entry, data=data, digest=""), previous)
        previous = sealed.digest
        records.append(record)
    with pytest.raises(StoreCorrupt) as corrupt:
        Run.replay(run.run_id, records)
    assert corrupt.value.sequence == 5
