"""Every first-order change of the declared machines, and how one is made in this process."""

from collections.abc import Iterator
from itertools import product

import attrs

from scoria_core import lifecycles
from scoria_core.lifecycles import MACHINES, states, transitions, triggers

KINDS = ("removed", "redirected", "made legal")
"""What may be done to an entry of a table."""


@attrs.frozen
class Change:
    """One entry of one table, changed: (`state`, `trigger`) led to `declared`, now to `reached`.

    Either is None where there is no such transition.
    """

    subject: str
    state: str
    trigger: str
    declared: str | None
    reached: str | None

    @property
    def kind(self) -> str:
        """What is done to the transition."""
        if self.reached is None:
            return "removed"
        return "made legal" if self.declared is None else "redirected"

    @property
    def clause(self) -> str:
        """The tag of the scenarios that are about this entry."""
        return f"{self.subject.upper()}-{2 if self.declared is None else 1}"

    def __str__(self) -> str:
        move = f"{self.subject}: {self.state} -{self.trigger}->"
        if self.kind == "redirected":
            return f"{move} {self.declared} redirected to {self.reached}"
        return f"{move} {self.declared or self.reached} {self.kind}"

    def apply(self) -> None:
        """Change the machine, and the look-up table that was read from it, for this process."""
        machine = MACHINES[self.subject]
        if self.declared is not None:
            machine.remove_transition(self.trigger, self.state, self.declared)
        if self.reached is not None:
            machine.add_transition(self.trigger, self.state, self.reached)
        table = lifecycles._TABLES[self.subject]
        table.clear()
        table.update(transitions(self.subject))
        if table.get((self.state, self.trigger)) != self.reached:
            raise LookupError(f"the machine is unchanged: {self}")


def changes() -> Iterator[Change]:
    """Yield each transition removed and redirected, and each illegal pair made legal."""
    for subject in MACHINES:
        table = transitions(subject)
        for state, trigger in product(states(subject), triggers(subject)):
            declared = table.get((state, trigger))
            for reached in (None, *states(subject)):
                if reached != declared:
                    yield Change(subject, state, trigger, declared, reached)
