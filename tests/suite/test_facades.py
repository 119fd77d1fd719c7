"""A store is verified through both facades."""

import pytest

from scoria_conformance import Status, verify
from scoria_conformance.facades import FACADES, AwaitedScoria, let_go
from scoria_core import Scoria
from scoria_memory import MemoryStore


def test_a_facade_is_awaited_from_outside() -> None:
    """Every public call of `Scoria` is one of `AsyncScoria`, whose threads are let go of."""
    facade = FACADES["async"](MemoryStore())
    identity = facade.identity(actor_id="a", tenant_id="t", session_id="s")
    run = facade.start_run(identity, root_role_id="r")
    assert facade.for_tenant("t").get_run(run.run_id) == run
    named = {name for name in vars(Scoria) if not name.startswith("_")} - {"open"}
    assert named <= vars(AwaitedScoria).keys()
    let_go(facade)
    facade.close()


@pytest.mark.slow
def test_the_memory_store_holds_through_both_facades() -> None:
    """The verdict says which one it was."""
    suite, page = "runtime-to-handoff", "scoria_cli.page:page"
    verdict = verify("memory://", suite=suite, page=page, facade="async")
    assert (verdict.status, verdict.target) == (Status.PASSED, "memory:// through AsyncScoria")
