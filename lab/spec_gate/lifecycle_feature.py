"""The text of lifecycles.feature: made from the machines, committed, and compared with them.

What the suite runs is the committed text, so that a machine that changes fails it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product
from types import MappingProxyType

import attrs

from scoria_core.lifecycles import MACHINES, initial, states, transitions, triggers

FILE = "lifecycles.feature"

_HEAD = """\
# Made from scoria_core/lifecycles.py by `make spec`, not by hand.
@lifecycles
Feature: Lifecycles: what is declared happens, and nothing else does
  Every state of a run, step, approval and handoff meets every trigger of its lifecycle. A move
  that is declared lands by one entry of the journal; any other is refused and changes nothing.
"""

_NAMED = {"run": "A run", "step": "A step", "approval": "An approval", "handoff": "A handoff"}

_CALLS: Mapping[tuple[str, str], str] = MappingProxyType(
    {
        ("run", "resume"): "resume_run",
        ("run", "reject"): "reject",
        ("run", "complete"): "complete_run",
        ("run", "retry"): "retry_run",
        ("run", "cancel"): "cancel_run",
        ("step", "resume"): "resume_run",
        ("step", "retry"): "retry_run",
        ("step", "cancel"): "cancel_run",
        ("approval", "endorse"): "approve",
        ("approval", "approve"): "approve",
        ("approval", "reject"): "reject",
        ("approval", "withdraw"): "cancel_run",
        ("handoff", "retry"): "retry_run",
        ("handoff", "cancel"): "cancel_run",
    }
)
"""The public call that asks for a trigger, where there is one."""

_KIN = {
    "resume_run": "RunNotResumable",
    "approve": "ApprovalNotPending",
    "reject": "ApprovalNotPending",
}
"""What a public call is refused with where it is not TransitionRefused itself."""

_MOVE = """\
    Given a run {whose} "<state>"
    When the {subject} is told to <trigger>
    Then the {subject} is "<reached>" by one entry of the journal
    And no handler was called"""

_REFUSED_MOVE = """\
    Given a run {whose} "<state>"
    When the {subject} is told to <trigger>
    Then it is refused with "TransitionRefused"
    And the refusal names the subject, its state and the trigger
    And nothing changed
    And no handler was called
    And what is read, stored and listed is what it was"""

_CALL = """\
    Given a run {whose} "<state>"
    When the host calls <call> without a handler
    Then the {subject} was told to <trigger> once, and is "<reached>\""""

_REFUSED_CALL = """\
    Given a run {whose} "<state>"
    When the host calls <call> with its handlers
    Then it is refused with "<error>"
    And nothing changed
    And no handler was called
    And what is read, stored and listed is what it was"""

Row = Mapping[str, str]


@attrs.frozen
class Outline:
    """A scenario outline about one subject, with the rows of its examples."""

    subject: str
    clause: int
    name: str
    steps: str
    rows: Sequence[Row]

    def __str__(self) -> str:
        tag = f"@{self.subject.upper()}-{self.clause}"
        steps = self.steps.format(subject=self.subject, whose=_whose(self.subject))
        lines = [f"  {tag}", f"  Scenario Outline: {self.name}", steps, "", "    Examples:"]
        return "\n".join([*lines, *_table(self.rows)])


def lifecycle_feature() -> str:
    """Return the text of the feature, as the machines are declared now."""
    parts = [_HEAD]
    for subject in MACHINES:
        outlines = [_moves(subject), _refused_moves(subject), _calls(subject)]
        parts += [_beginning(subject), *map(str, outlines), str(_refused_calls(subject))]
        parts += map(str, _endorsements() if subject == "approval" else ())
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def lifecycle_feature_problems(text: str) -> Iterator[str]:
    """Yield a message for each transition in which `text` and the machines differ.

    Where they agree on every transition, yields one for any other difference from what is made.
    """
    wanted = lifecycle_feature()
    declared, found = set(_statements(wanted)), set(_statements(text))
    for statement in sorted(declared - found):
        yield f"{FILE} does not have {statement}"
    for statement in sorted(found - declared):
        yield f"{FILE} has {statement}, which no machine declares"
    if declared == found and text != wanted:
        yield f"{FILE} is not as it is made: run make spec"


def _whose(subject: str) -> str:
    return "that is" if subject == "run" else f"whose {subject} is"


def _beginning(subject: str) -> str:
    begins = initial(subject)
    return "\n".join(
        [
            f"  @{subject.upper()}-1",
            f"  Scenario: {_NAMED[subject]} begins {begins}",
            f'    Given a run {_whose(subject)} "{begins}"',
            f'    Then the first entry about the {subject} has it "{begins}", from no state',
        ]
    )


def _moves(subject: str) -> Outline:
    name = f"{_NAMED[subject]} moves as its lifecycle declares"
    return Outline(subject, 1, name, _MOVE, list(_legal(subject)))


def _refused_moves(subject: str) -> Outline:
    name = f"{_NAMED[subject]} refuses what its lifecycle does not declare"
    return Outline(subject, 2, name, _REFUSED_MOVE, list(_illegal(subject)))


def _calls(subject: str) -> Outline:
    rows = [
        {**row, "call": "approve and resume_run" if call == "resume_run" else call}
        for row, call in _called(subject, _legal(subject))
        if row["trigger"] != "endorse"
    ]
    return Outline(subject, 1, f"{_NAMED[subject]} is moved by a call", _CALL, rows)


def _endorsements() -> Iterator[Outline]:
    """Return what `approve` does to a request that needs two people: the first yes endorses it."""
    for name, steps, clause, rows in (
        ("is endorsed by the first yes", _CALL, 1, _legal("approval")),
        ("is not endorsed out of place", _REFUSED_CALL, 2, _illegal("approval")),
    ):
        called = [
            {**row, "call": "approve", **({} if "reached" in row else {"error": _KIN["approve"]})}
            for row in rows
            if row["trigger"] == "endorse"
        ]
        whose = steps.replace("{whose}", "whose approval by two people is")
        if called:  # the trigger may be gone from the machine, which the table of moves then tells
            yield Outline("approval", clause, f"An approval by two people {name}", whose, called)


def _refused_calls(subject: str) -> Outline:
    rows = [
        {**row, "call": call, "error": _KIN.get(call, "TransitionRefused")}
        for row, call in _called(subject, _illegal(subject))
        # A run is cancelled whatever its decided approvals are; only a pending one is withdrawn.
        if row["trigger"] not in ("withdraw", "endorse")
    ]
    name = f"{_NAMED[subject]} is not moved by a call out of place"
    return Outline(subject, 2, name, _REFUSED_CALL, rows)


def _called(subject: str, rows: Iterable[Row]) -> Iterator[tuple[Row, str]]:
    for row in rows:
        if (subject, row["trigger"]) in _CALLS:
            yield row, _CALLS[subject, row["trigger"]]


def _legal(subject: str) -> Iterator[Row]:
    for (state, trigger), reached in transitions(subject).items():
        yield {"state": state, "trigger": trigger, "reached": reached}


def _illegal(subject: str) -> Iterator[Row]:
    for state, trigger in product(states(subject), triggers(subject)):
        if (state, trigger) not in transitions(subject):
            yield {"state": state, "trigger": trigger}


def _table(rows: Sequence[Row]) -> Iterator[str]:
    names = list(rows[0])
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in names}
    for row in ({name: name for name in names}, *rows):
        cells = " | ".join(row[name].ljust(widths[name]) for name in names)
        yield f"      | {cells} |"


def _statements(text: str) -> Iterator[str]:
    """Say what each row of examples claims, as `run: failed -cancel-> cancelled`."""
    subject, names = "", list[str]()
    for line in map(str.strip, text.splitlines()):
        if line.startswith("@"):
            subject, names = line.removeprefix("@").rpartition("-")[0].lower(), []
        elif line.startswith("Scenario:"):
            yield line.removeprefix("Scenario: ")
        elif line.startswith("|"):
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if names:
                yield _statement(subject, dict(zip(names, cells, strict=False)))
            names = names or cells


def _statement(subject: str, row: Row) -> str:
    reached = row.get("reached") or row.get("error") or "refused"
    by = f" by {row['call']}" if "call" in row else ""
    return f"{subject}: {row.get('state')} -{row.get('trigger')}-> {reached}{by}"
