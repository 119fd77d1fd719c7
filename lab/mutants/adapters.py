"""Every mutant that is declared put through the features, between controls that must hold."""

from collections.abc import Callable, Collection, Sequence

import attrs
import pytest

from lab.mutants import stores, under_test
from lab.mutants.experiment import Experiment, Finding, Mutant
from lab.mutants.matrix import Matrix
from lab.mutants.stores.around import Around, installed, last
from lab.mutants.wrong import Wrong, judged

CATALOGUES = tuple(
    f"lab.mutants.{name}"
    for name in (
        *(f"stores.{kind}" for kind in stores.KINDS),
        *("pages", "kit.decision_forms", "kit.links", "hosts", "machines"),
        *("kit.identities", "kit.runs", "kit.steps", "kit.handoffs"),
        *("kit.approvals", "kit.decisions"),
        *("kit.records", "kit.listings", "kit.recovery", "kit.keeping", "kit.telling"),
    )
)
"""The modules that declare mutants."""

SLOW = 0.5
"""How many seconds a scenario may take that mutants of other clauses meet as well."""


class _ForgetsEverything(Around):
    def read(self, _: Sequence[str]) -> tuple[()]:
        return ()


CANARY = Wrong(
    "forgets everything",
    "STORE-7",
    "Records come back in the order of their sequence",
    "store",
    lambda: installed(_ForgetsEverything),
)
"""The mutant that must die: where it does not, nothing that is said of the others is true."""


@attrs.frozen
class Lasting:
    """No mutant: the right store that those go wrong in which outlive their process."""

    clause: str = ""

    def apply(self) -> None:
        """Put it under test."""
        last()

    def __str__(self) -> str:
        return "the right store that outlives its process"


LASTING = Lasting()


def try_all(
    mutants: Sequence[Wrong],
    tell: Callable[[Finding], None],
    target: str,
    page: str | None,
    *,
    own_clause: bool = False,
) -> Matrix:
    """Put each mutant through the features, against `target` and `page`; `tell` hears of each.

    With `own_clause` it meets only the scenarios of the clause that it breaks. The process is then
    used up, as by any experiment.
    """

    def told(finding: Finding) -> None:
        if finding.mutant in mutants:
            tell(finding)

    def meets(mutant: Mutant, item: pytest.Item) -> bool:
        if own_clause and isinstance(mutant, Wrong):
            return mutant.clause in item.keywords
        return _meets(mutant, item, _slow(experiment.canary))

    experiment = Experiment([LASTING, CANARY, *mutants], told, meets=meets, judged=judged)
    experiment.at_once *= 2  # a mutant may have a scenario wait for what never comes
    experiment.run(*under_test.put(target, page))
    found = {str(finding.mutant): finding for finding in experiment.findings}
    lasting, canary = found.get(str(LASTING)), found.get(str(CANARY))
    rows = [found[str(mutant)] for mutant in mutants if str(mutant) in found]
    return Matrix(experiment.canary, lasting, canary, rows)


def _meets(mutant: Mutant, item: pytest.Item, slow: Collection[str]) -> bool:
    if not isinstance(mutant, Wrong) or mutant.clause in item.keywords:
        return True
    return item.nodeid not in slow and mutant.meets(item.keywords)


def _slow(unchanged: Finding) -> Collection[str]:
    """Return the scenarios that only the mutants of their clauses meet, for time's sake."""
    return {met.node for met in unchanged.met if met.seconds > SLOW}
