"""How a mutant is declared: what it breaks, what must be said of it, and how it is made."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from importlib import import_module
from typing import Any, TypeVar

import attrs

from lab.mutants.experiment import Fate, Finding, Meeting, Mutant

Thing = TypeVar("Thing", bound=Callable[..., Any])

ENOUGH = 60
"""With how many scenarios broken a mutant need not be followed further."""


@attrs.frozen
class Wrong:
    """An adapter, a host or a part of the kit that is wrong on purpose.

    It breaks `clause`; a scenario of the clause must fail with `expected` in its name or in what
    it says. `kind` is what is wrong: a store, page, host, or the kit.
    """

    name: str
    clause: str
    expected: str
    kind: str
    change: Callable[[], object]

    def apply(self) -> None:
        """Make it wrong, in this process."""
        self.change()

    def __str__(self) -> str:
        return self.name

    def meets(self, tags: Collection[str]) -> bool:
        """Tell whether a scenario is put to it: those of its clause, and what its kind can break.

        The generated scenarios are for the lifecycles alone, those of the page for pages and
        hosts, and what is put to a store directly does not meet the kit.
        """
        if self.clause in tags:
            return True
        if self.kind in ("page", "host"):
            return "page" in tags or "host" in tags
        beside = {"lifecycles", "page"} if self.kind == "store" else {"lifecycles", "page", "store"}
        return beside.isdisjoint(tags)

    def judged(self, meetings: Iterable[Meeting]) -> Finding:
        """Tell what became of it: killed only for its own clause, and as expected."""
        met = list(until_enough(meetings))
        broke = [each.check for each in met if each.broke]
        fair = [each.check for each in met if each.killed]
        own = [check for check in fair if self.clause in check.clauses]
        told = [check for check in own if self.expected in f"{check.name}: {check.reason}"]
        for fate, checks in (
            (Fate.KILLED, told),
            (Fate.ELSEWHERE, [*own, *fair]),
            (Fate.UNKNOWN, broke),
        ):
            if checks:
                return Finding(self, fate, checks[0].name, checks[0].reason, tuple(met))
        return Finding(self, Fate.SURVIVED, met=tuple(met))


@attrs.frozen
class Catalogue:
    """The mutants of one kind. As a decorator it adds what it stands above, named as that is.

    `install` makes, of what was declared, the change of this process.
    """

    kind: str
    install: Callable[[Any], object]
    mutants: list[Wrong] = attrs.field(factory=list)

    def __call__(self, clause: str, expected: str) -> Callable[[Thing], Thing]:
        """Declare that what follows breaks `clause`, which a scenario tells with `expected`."""

        def add(thing: Thing) -> Thing:
            self.add(_in_words(thing.__name__), clause, expected, thing)
            return thing

        return add

    def add(self, name: str, clause: str, expected: str, thing: object) -> None:
        """Declare that `thing` breaks `clause`."""
        wrong = Wrong(name, clause, expected, self.kind, lambda: self.install(thing))
        self.mutants.append(wrong)


def declared(modules: Sequence[str]) -> list[Wrong]:
    """Return the mutants of the catalogues, named `breaks`, of these modules."""
    return [mutant for name in modules for mutant in import_module(name).breaks.mutants]


def judged(mutant: Mutant, meetings: Iterable[Meeting]) -> Finding:
    """Tell what became of any mutant; the unchanged code lives where all holds."""
    if isinstance(mutant, Wrong):
        return mutant.judged(meetings)
    met = tuple(meetings)
    for meeting in met:
        check = meeting.check
        if meeting.broke:
            return Finding(mutant, Fate.UNKNOWN, check.name, check.reason, met)
    return Finding(mutant, Fate.SURVIVED, met=met)


def until_enough(meetings: Iterable[Meeting]) -> Iterator[Meeting]:
    """Yield them until so many broke that the rest would tell no more; what matters most leads."""
    broke = 0
    for meeting in meetings:
        yield meeting
        broke += meeting.broke
        if broke >= ENOUGH:
            return


def _in_words(name: str) -> str:
    """Return the words of a name in CamelCase or, as they are, in snake_case."""
    if "_" in name:
        return name.replace("_", " ")
    return re.sub(r"(?<=.)([A-Z])", r" \1", name).lower()
