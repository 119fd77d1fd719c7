"""A suite of a few scenarios, for what is wrong in one way: the whole one takes minutes."""

import sys
from collections.abc import Collection

import pytest

from scoria_conformance.catalogue import Case, chosen


def leave_out_all_but(scenarios: Collection[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `verify` demand and run the scenarios, or rows of their examples, with these names."""
    known = {name for case in chosen() for name in (case.name, case.scenario)}
    assert known >= {*scenarios}, {*scenarios} - known

    def some(*tags: str) -> tuple[Case, ...]:
        return tuple(case for case in chosen(*tags) if {case.name, case.scenario} & {*scenarios})

    # The package's `verify` is the function, and not the module that it is in.
    monkeypatch.setattr(sys.modules["scoria_conformance.verify"], "chosen", some)
