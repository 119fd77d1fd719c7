"""Many cases in one step: all are tried, and every one that fails is reported."""

from types import TracebackType

import attrs

from scoria_conformance.attribution import SuiteBroken
from scoria_core.errors import safe_repr

TOLD = 12
"""How many different failures are reported in full."""

VALUE = 160
"""How many characters of an expected or a seen value are shown."""


@attrs.define
class Cases:
    """The cases of one step, as a context manager that raises at its end if one of them failed."""

    tried: int = 0
    broken: list[str] = attrs.field(factory=list)

    def equal(self, case: str, expected: object, seen: object) -> bool:
        """Compare the expected with the seen value of a case; tell whether they are equal."""
        problem = f"expected {safe_repr(expected, VALUE)}, saw {safe_repr(seen, VALUE)}"
        return self.holds(case, "" if seen == expected else problem)

    def holds(self, case: str, problem: str) -> bool:
        """Note a case, and what is wrong with it; an empty `problem` says that it holds."""
        self.tried += 1
        if problem:
            self.broken.append(f"{case}: {problem}")
        return not problem

    def __enter__(self) -> "Cases":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        raised: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if raised is not None:
            if self.broken and isinstance(raised, Exception):
                self.broken.append(f"and then: {safe_repr(raised, VALUE)}")
                raise AssertionError(self._said()) from raised
            return
        if not self.tried:
            raise SuiteBroken("a step tried no case")
        if self.broken:
            raise AssertionError(self._said())

    def _said(self) -> str:
        # One cause often breaks many cases in the same way: report each message once.
        different = list(dict.fromkeys(self.broken))
        lines = [f"{len(self.broken)} of {self.tried} cases do not hold:", *different[:TOLD]]
        if len(different) > TOLD:
            lines.append(f"and {len(different) - TOLD} more")
        return "\n- ".join(lines)
