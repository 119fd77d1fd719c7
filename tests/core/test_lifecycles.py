"""The four lifecycles are those of the contract, and nothing else decides what is legal."""

from enum import StrEnum
from itertools import product

import pytest

from scoria_core import lifecycles
from scoria_core.errors import TransitionRefused

# The tables of the contract as they are written there: trigger, from, to.
CONTRACT = {
    "run": """
        request_approval | running                               | waiting_for_approval
        resume           | waiting_for_approval                  | running
        reject           | waiting_for_approval                  | cancelled
        complete         | running                               | completed
        fail             | running                               | failed
        retry            | failed                                | running
        cancel           | running, waiting_for_approval, failed | cancelled
    """,
    "step": """
        claim            | queued                                        | running
        complete         | running                                       | completed
        fail             | running                                       | failed
        request_approval | running                                       | waiting_for_approval
        resume           | waiting_for_approval                          | queued
        release          | running                                       | queued
        retry            | failed                                        | queued
        cancel           | queued, running, waiting_for_approval, failed | cancelled
    """,
    "approval": """
        endorse  | pending | pending
        remind   | pending | pending
        approve  | pending | approved
        reject   | pending | rejected
        expire   | pending, approved | expired
        withdraw | pending | withdrawn
    """,
    "handoff": """
        start    | pending                  | running
        complete | running                  | completed
        fail     | running                  | failed
        release  | running                  | pending
        retry    | failed                   | pending
        cancel   | pending, running, failed | cancelled
    """,
}
INITIAL = {"run": "running", "step": "queued", "approval": "pending", "handoff": "pending"}
TERMINAL = {
    "run": {"completed", "cancelled"},
    "step": {"completed", "cancelled"},
    "approval": {"rejected", "expired", "withdrawn"},
    "handoff": {"completed", "cancelled"},
}
STATUSES: dict[str, type[StrEnum]] = {
    "run": lifecycles.RunStatus,
    "step": lifecycles.StepStatus,
    "approval": lifecycles.ApprovalStatus,
    "handoff": lifecycles.HandoffStatus,
}

subjects = pytest.mark.parametrize("subject", sorted(CONTRACT))


def contract(subject: str) -> dict[tuple[str, str], str]:
    """Read the table of a subject: (state, trigger) to state."""
    rows = (line.split("|") for line in CONTRACT[subject].strip().splitlines())
    return {
        (state.strip(), trigger.strip()): reached.strip()
        for trigger, sources, reached in rows
        for state in sources.split(",")
    }


def test_there_is_one_machine_for_each_subject() -> None:
    """The machines are those of the contract, no fewer and no more."""
    assert set(lifecycles.MACHINES) == set(CONTRACT)


@subjects
def test_the_table_is_that_of_the_contract(subject: str) -> None:
    """Every transition of the contract is declared, and no other."""
    assert lifecycles.transitions(subject) == contract(subject)


@subjects
def test_the_initial_state_is_that_of_the_contract(subject: str) -> None:
    """A subject starts where the contract says."""
    assert lifecycles.initial(subject) == INITIAL[subject]


@subjects
def test_no_transition_is_added_by_the_library(subject: str) -> None:
    """No machine has a `to_completed` or another trigger that the contract does not name."""
    named = {trigger for _, trigger in contract(subject)}
    assert set(lifecycles.MACHINES[subject].events) == set(lifecycles.triggers(subject)) == named


@subjects
def test_the_states_are_those_of_the_status(subject: str) -> None:
    """The machine and the status that callers see have the same states, in the same order."""
    assert lifecycles.states(subject) == tuple(STATUSES[subject])


@subjects
def test_a_terminal_state_leads_nowhere(subject: str) -> None:
    """The terminal states are those of the contract, and nothing leads out of them."""
    states = lifecycles.states(subject)
    assert {state for state in states if lifecycles.is_terminal(subject, state)} == TERMINAL[
        subject
    ]
    leaving = {source for source, _ in lifecycles.transitions(subject)}
    assert leaving == set(states) - TERMINAL[subject]


@subjects
def test_every_state_is_reachable(subject: str) -> None:
    """No state is declared that no run could ever be in."""
    reached, table = {lifecycles.initial(subject)}, lifecycles.transitions(subject)
    for _ in lifecycles.states(subject):
        reached |= {target for (source, _), target in table.items() if source in reached}
    assert reached == set(lifecycles.states(subject))


@pytest.mark.parametrize(
    ("subject", "state", "trigger"),
    [
        (subject, state, trigger)
        for subject in lifecycles.MACHINES
        for state, trigger in product(lifecycles.states(subject), lifecycles.triggers(subject))
    ],
)
def test_target_answers_as_the_machine_does(subject: str, state: str, trigger: str) -> None:
    """The look-up that decides leads where the machine leads, and refuses what it has not."""
    declared = lifecycles.MACHINES[subject].get_transitions(trigger, state)
    found = lifecycles.reached(subject, state, trigger)
    assert found == (declared[0].dest if declared else None)
    if declared:
        assert lifecycles.next_state(subject, "id-1", state, trigger) == declared[0].dest
        assert len(declared) == 1
        return
    with pytest.raises(TransitionRefused) as refusal:
        lifecycles.next_state(subject, "id-1", state, trigger)
    error = refusal.value
    assert (error.subject, error.subject_id, error.state, error.trigger) == (
        subject,
        "id-1",
        state,
        trigger,
    )
    assert type(error) is TransitionRefused
    assert str(error).startswith(f"{subject} id-1 is {state}, so {trigger} is refused; ")


@subjects
def test_what_is_created_is_in_its_first_state_and_comes_from_none(subject: str) -> None:
    """An entry without a trigger creates its subject, and one with a trigger moves it."""
    first = lifecycles.MACHINES[subject].initial
    assert lifecycles.reached(subject, None, None) == first
    assert lifecycles.reached(subject, first, None) is None
    for trigger in lifecycles.triggers(subject):
        assert lifecycles.reached(subject, None, trigger) is None


@subjects
def test_an_unknown_trigger_or_state_is_refused(subject: str) -> None:
    """What the machine has never heard of is refused like any other move."""
    with pytest.raises(TransitionRefused):
        lifecycles.next_state(subject, "id-1", lifecycles.initial(subject), "to_completed")
    with pytest.raises(TransitionRefused):
        lifecycles.next_state(subject, "id-1", "nonsense", lifecycles.triggers(subject)[0])


def test_every_event_has_a_name_of_its_own() -> None:
    """Creation and every trigger of every subject are told apart by their names in the journal."""
    named = [
        (subject, lifecycles.ENTRY_TYPES[subject, trigger])
        for subject in lifecycles.MACHINES
        for trigger in (None, *lifecycles.triggers(subject))
    ]
    assert len(set(named)) == len(named)
    assert all(name.startswith(f"{subject}_") for subject, name in named)


@subjects
def test_a_status_equals_its_plain_string(subject: str) -> None:
    """A host can compare a status with a str, and print it as one."""
    for status in STATUSES[subject]:
        assert status == str(status) == status.value
