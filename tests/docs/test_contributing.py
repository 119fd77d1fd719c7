"""The drawing in CONTRIBUTING.md of the way of a call, held to the calls that are made."""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import pytest

from scoria_core import HandlerAnswer, NeedsApproval, RunSummary, Scoria, Step, StepSpec
from scoria_memory import MemoryStore
from tests.support import ROOT

PAGE = ROOT / "CONTRIBUTING.md"
DRAWN = PAGE.read_text("utf-8").partition("```text\n")[2].partition("```")[0].split("\n\n")


def asks(step: Step, _: RunSummary) -> HandlerAnswer:
    """Ask once, and be done."""
    asked = NeedsApproval(tool_name="refund", arguments={"amount": 12}, reason="Small refund")
    return asked if step.approval is None else {"done": True}


def called(call: Callable[[], object]) -> list[str]:
    """Return what Python functions a call enters, as the drawing names them."""
    names: list[str] = []

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and re.search(r"scoria_(core|memory)", frame.f_code.co_filename):
            name = frame.f_code.co_qualname.replace("MemoryStore.", "RunStore.")
            module = Path(frame.f_code.co_filename).stem
            names.append(name if "." in name else f"{module}.{name}")

    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(None)
    return names


@pytest.mark.parametrize("number", range(3), ids=["start_run", "approve", "resume_run"])
def test_the_way_of_a_call_is_as_it_is_drawn(number: int) -> None:
    """What is drawn is called, in that order; the entries that it names are in the journal."""
    store = MemoryStore()
    host, other = Scoria(store, handlers={"work": asks}), Scoria(store)
    who = host.identity(actor_id="user-1", tenant_id="tenant-1", session_id="session-1")
    started: list[RunSummary] = []

    def start() -> None:
        step = StepSpec("work", "worker")
        started.append(host.start_run(who, root_role_id="root", initial_step=step))

    def approve() -> None:
        approval = started[0].pending_approval
        assert approval is not None
        run_id = started[0].run_id
        other.approve(run_id, approval_id=approval.approval_id, decided_by="user-2")

    calls = [start, approve, lambda: host.resume_run(started[0].run_id)]
    entered = [called(call) for call in calls][number]
    drawn = re.findall(r"\b(?:[A-Z]\w+|decisions|handlers)\.[a-z_]+", DRAWN[number])
    assert len(drawn) > 5
    left = iter(entered)
    missing = [name for name in drawn if name not in left]
    assert not missing, f"after the others, {missing[0]} is not called"
    types = {entry.type for entry in host.get_run_detail(started[0].run_id).journal}
    named = set(re.findall(r"\b(?:run|step|approval)_[a-z_]+ed\b", DRAWN[number]))
    assert named
    assert named <= types
