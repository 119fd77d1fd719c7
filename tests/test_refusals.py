"""Every move that is not in a table is refused and changes nothing; every move that is, lands."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import product
from typing import Any

import attrs
import pytest

from scoria_core import (
    Completed,
    Failed,
    Identity,
    NeedsApproval,
    RunDetail,
    RunSummary,
    Scoria,
    Step,
    StepSpec,
)
from scoria_core.errors import ApprovalNotPending, RunNotResumable, TransitionRefused
from scoria_core.lifecycles import MACHINES, states, transitions, triggers
from scoria_core.payloads import digest

PAIRS = [
    (subject, state, trigger)
    for subject in MACHINES
    for state, trigger in product(states(subject), triggers(subject))
]
LEGAL = [pair for pair in PAIRS if pair[1:] in transitions(pair[0])]
ILLEGAL = [pair for pair in PAIRS if pair[1:] not in transitions(pair[0])]

NEEDS = NeedsApproval(tool_name="send", arguments={"to": "all"}, reason="goes out", expires_in=60)


@attrs.define
class Scene:
    """A stored run, of which one subject is in the state that a test asks for.

    Its one handler answers `answer`, or waits for `go` first where the scene says so, and counts
    how often it is called.
    """

    scoria: Scoria
    identity: Identity
    answer: Any = None
    calls: int = 0
    run_id: str = ""
    subject_id: str = ""
    entered: threading.Event = attrs.field(factory=threading.Event)
    go: threading.Event = attrs.field(factory=threading.Event)

    def handle(self, _: Step, run: RunSummary) -> Any:
        """Count the call and answer."""
        self.calls += 1
        self.run_id = run.run_id
        self.entered.set()
        assert self.go.wait(30)
        return self.answer

    def start(self, kind: str | None) -> None:
        """Start a run with a step of `kind`, or without any."""
        step = None if kind is None else StepSpec(kind, "executor", {"n": 1})
        run = self.scoria.start_run(
            self.identity, root_role_id="executor", initial_step=step, handlers=self.handlers
        )
        self.run_id = run.run_id

    def start_handoff(self, kind: str) -> None:
        """Start a run that hands off a step of `kind`."""
        run = self.scoria.start_handoff_run(
            self.identity,
            "critic",
            root_role_id="planner",
            delegated_kind=kind,
            handoff_input={"brief": "b"},
            projected_context={},
            handlers=self.handlers,
        )
        self.run_id = run.run_id

    @property
    def handlers(self) -> dict[str, Any]:
        """Serve steps of the kind `work`."""
        return {"work": self.handle}

    def detail(self) -> RunDetail:
        """Read everything about the run."""
        return self.scoria.get_run_detail(self.run_id)

    def approval_id(self) -> str:
        """Return the first request of the run, or an id that no request has."""
        approvals = self.detail().approvals
        return approvals[0].approval_id if approvals else "no-such-approval"

    def find(self, subject: str) -> str:
        """Return the id of the first such subject of the run."""
        detail = self.detail()
        ids = {
            "run": lambda: detail.summary.run_id,
            "step": lambda: detail.steps[0].step_id,
            "approval": lambda: detail.approvals[0].approval_id,
            "handoff": lambda: detail.delegated_handoffs[0].handoff_id,
        }
        return ids[subject]()

    def state(self, subject: str) -> str:
        """Return the state that a reader sees the first such subject in."""
        detail = self.detail()
        first = {
            "run": lambda: detail.summary,
            "step": lambda: detail.steps[0],
            "approval": lambda: detail.approvals[0],
            "handoff": lambda: detail.delegated_handoffs[0],
        }
        status: str = first[subject]().status
        return status


def _request(scene: Scene) -> None:
    scene.answer = NEEDS
    scene.start("work")


def _fail(scene: Scene) -> None:
    scene.answer = Failed("no")
    scene.start("work")


def _complete(scene: Scene) -> None:
    scene.answer = Completed({})
    scene.start("work")


def _cancel(scene: Scene) -> None:
    scene.start("unserved")
    scene.scoria.cancel_run(scene.run_id)


def _decide(scene: Scene, decision: Callable[..., RunSummary]) -> None:
    _request(scene)
    decision(scene.run_id, approval_id=scene.approval_id(), decided_by="reviewer-7")


def _expire(scene: Scene) -> None:
    _request(scene)
    scene.scoria._runs.clock.advance(seconds=61)
    scene.scoria.add_step(scene.run_id, StepSpec("unserved", "executor"))


def _withdraw(scene: Scene) -> None:
    _request(scene)
    scene.scoria.cancel_run(scene.run_id)


def _end_handoff(scene: Scene, answer: object) -> None:
    scene.answer = answer
    scene.start_handoff("work")


def _cancel_handoff(scene: Scene) -> None:
    scene.start_handoff("unserved")
    scene.scoria.cancel_run(scene.run_id)


REACH: dict[tuple[str, str], Callable[[Scene], None]] = {
    ("run", "running"): lambda scene: scene.start(None),
    ("run", "waiting_for_approval"): _request,
    ("run", "completed"): _complete,
    ("run", "failed"): _fail,
    ("run", "cancelled"): _cancel,
    ("step", "queued"): lambda scene: scene.start("unserved"),
    ("step", "waiting_for_approval"): _request,
    ("step", "completed"): _complete,
    ("step", "failed"): _fail,
    ("step", "cancelled"): _cancel,
    ("approval", "pending"): _request,
    ("approval", "approved"): lambda scene: _decide(scene, scene.scoria.approve),
    ("approval", "rejected"): lambda scene: _decide(scene, scene.scoria.reject),
    ("approval", "expired"): _expire,
    ("approval", "withdrawn"): _withdraw,
    ("handoff", "pending"): lambda scene: scene.start_handoff("unserved"),
    ("handoff", "completed"): lambda scene: _end_handoff(scene, None),
    ("handoff", "failed"): lambda scene: _end_handoff(scene, Failed("no")),
    ("handoff", "cancelled"): _cancel_handoff,
}
"""The public calls that bring a subject into each state."""

WHILE_HANDLED: dict[tuple[str, str], Callable[[Scene], None]] = {
    ("step", "running"): lambda scene: scene.start("work"),
    ("handoff", "running"): lambda scene: scene.start_handoff("work"),
}
"""States that last as long as a handler is at work."""


@contextmanager
def scene_of(scoria: Scoria, identity: Identity, subject: str, state: str) -> Iterator[Scene]:
    """Bring a new run to where its `subject` is in `state`, for as long as the block lasts."""
    scene = Scene(scoria, identity)
    if (subject, state) in REACH:
        scene.go.set()
        REACH[subject, state](scene)
        yield _found(scene, subject, state)
        return

    def work() -> None:
        # A handoff that a test moved by itself no longer mirrors its step, which cannot end then.
        with suppress(TransitionRefused):
            WHILE_HANDLED[subject, state](scene)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        assert scene.entered.wait(30)
        yield _found(scene, subject, state)
    finally:
        scene.go.set()
        worker.join(30)


def _found(scene: Scene, subject: str, state: str) -> Scene:
    assert scene.state(subject) == state
    scene.subject_id = scene.find(subject)
    return scene


FACTS = {
    ("step", "complete"): {"result": None},
    ("step", "fail"): {"error": {"type": "Failed", "message": "no", "details": None}},
    ("approval", "approve"): {"note": None, "arguments_digest": digest(NEEDS.arguments)},
    ("approval", "reject"): {"note": None, "arguments_digest": digest(NEEDS.arguments)},
}
"""What an entry must say besides its states."""

PUBLIC: dict[tuple[str, str], Callable[[Scene, Scoria], RunSummary]] = {
    ("run", "resume"): lambda scene, by: by.resume_run(scene.run_id),
    ("run", "reject"): lambda scene, by: by.reject(
        scene.run_id, approval_id=scene.approval_id(), decided_by="reviewer-7"
    ),
    ("run", "complete"): lambda scene, by: by.complete_run(scene.run_id),
    ("run", "retry"): lambda scene, by: by.retry_run(scene.run_id),
    ("run", "cancel"): lambda scene, by: by.cancel_run(scene.run_id),
    ("step", "resume"): lambda scene, by: by.resume_run(scene.run_id),
    ("step", "retry"): lambda scene, by: by.retry_run(scene.run_id),
    ("step", "cancel"): lambda scene, by: by.cancel_run(scene.run_id),
    ("approval", "approve"): lambda scene, by: by.approve(
        scene.run_id, approval_id=scene.subject_id, decided_by="reviewer-7"
    ),
    ("approval", "reject"): lambda scene, by: by.reject(
        scene.run_id, approval_id=scene.subject_id, decided_by="reviewer-7"
    ),
    ("approval", "withdraw"): lambda scene, by: by.cancel_run(scene.run_id),
    ("handoff", "retry"): lambda scene, by: by.retry_run(scene.run_id),
    ("handoff", "cancel"): lambda scene, by: by.cancel_run(scene.run_id),
}
"""The public call of a trigger, where there is one."""

REFUSED = [
    (subject, state, trigger)
    for subject, state, trigger in ILLEGAL
    # A run is cancelled whatever its decided approvals are; only a pending one is withdrawn.
    if (subject, trigger) in PUBLIC and trigger != "withdraw"
]
"""The moves that a public call is refused for."""

REFUSALS = {
    ("run", "resume"): RunNotResumable,
    ("step", "resume"): RunNotResumable,
    ("run", "reject"): ApprovalNotPending,
    ("approval", "approve"): ApprovalNotPending,
    ("approval", "reject"): ApprovalNotPending,
}
"""The kin of `TransitionRefused` that a public call raises."""


def move(scene: Scene, subject: str, trigger: str) -> None:
    """Move the stored subject as the facade does: decided on the run, appended at its version."""
    facts = FACTS.get((subject, trigger), {})
    scene.scoria._runs.change(
        scene.run_id, lambda change: change.move(subject, scene.subject_id, trigger, **facts)
    )


def stored(scene: Scene) -> tuple[Any, ...]:
    """Return everything there is about the run: as it is read, as it is stored, as it is listed."""
    store = scene.scoria._runs.store
    listing = scene.scoria.list_runs()
    return scene.detail(), tuple(store.read(scene.run_id)), listing, scene.calls


def test_every_state_has_its_scene() -> None:
    """No state of any machine is left out of these tests."""
    reachable = {(subject, state) for subject in MACHINES for state in states(subject)}
    assert set(REACH) | set(WHILE_HANDLED) == reachable
    assert not set(REACH) & set(WHILE_HANDLED)


@pytest.mark.parametrize(("subject", "state", "trigger"), ILLEGAL)
def test_a_move_that_is_not_in_the_table_changes_nothing(
    scoria: Scoria, identity: Identity, subject: str, state: str, trigger: str
) -> None:
    """The refusal says what was refused; the run, its journal and its digests stay as they are."""
    with scene_of(scoria, identity, subject, state) as scene:
        before = stored(scene)
        with pytest.raises(TransitionRefused) as refusal:
            move(scene, subject, trigger)
        error = refusal.value
        facts = (error.subject, error.subject_id, error.state, error.trigger)
        assert facts == (subject, scene.subject_id, state, trigger)
        assert stored(scene) == before


@pytest.mark.parametrize(("subject", "state", "trigger"), REFUSED)
def test_a_call_that_the_table_does_not_allow_changes_nothing(
    make_scoria: Callable[..., Scoria], identity: Identity, subject: str, state: str, trigger: str
) -> None:
    """The public call is refused in its own words, and no handler is called."""
    with scene_of(make_scoria(), identity, subject, state) as scene:
        before = stored(scene)
        with pytest.raises(TransitionRefused) as refusal:
            PUBLIC[subject, trigger](scene, make_scoria(handlers=scene.handlers))
        assert type(refusal.value) is REFUSALS.get((subject, trigger), TransitionRefused)
        assert refusal.value.state in (*states("run"), *states("approval"), "unknown")
        assert stored(scene) == before


@pytest.mark.parametrize(("subject", "state", "trigger"), LEGAL)
def test_a_move_that_is_in_the_table_lands(
    scoria: Scoria, identity: Identity, subject: str, state: str, trigger: str
) -> None:
    """The subject is in the declared state afterwards, by exactly one entry of the journal."""
    reached = transitions(subject)[state, trigger]
    with scene_of(scoria, identity, subject, state) as scene:
        before = scene.detail()
        move(scene, subject, trigger)
        after = scene.detail()
        assert scene.state(subject) == reached
        assert after.journal[:-1] == before.journal
        last = after.journal[-1]
        moved = (last.subject, last.subject_id, last.trigger, last.from_state, last.to_state)
        assert moved == (subject, scene.subject_id, trigger, state, reached)
        assert scene.calls == len({"work"} & {step.kind for step in after.steps})


@pytest.mark.parametrize(
    ("subject", "state", "trigger"), [pair for pair in LEGAL if (pair[0], pair[2]) in PUBLIC]
)
def test_a_call_that_the_table_allows_lands(
    make_scoria: Callable[..., Scoria], identity: Identity, subject: str, state: str, trigger: str
) -> None:
    """The public call moves the subject once, into the declared state."""
    with scene_of(make_scoria(), identity, subject, state) as scene:
        if trigger == "resume":
            scene.scoria.approve(
                scene.run_id, approval_id=scene.approval_id(), decided_by="reviewer-7"
            )
        before = scene.detail()
        PUBLIC[subject, trigger](scene, make_scoria())
        after = scene.detail()
        assert scene.state(subject) == transitions(subject)[state, trigger]
        assert after.journal[: len(before.journal)] == before.journal
        added = after.journal[len(before.journal) :]
        moved = [entry.trigger for entry in added if entry.subject_id == scene.subject_id]
        assert moved == [trigger]


@pytest.mark.parametrize("trigger", ["complete", "fail", "request_approval", "cancel", "release"])
def test_a_handler_whose_step_moved_on_is_too_late(
    scoria: Scoria, identity: Identity, trigger: str
) -> None:
    """What a handler answers after its step was moved by another is not recorded."""
    with scene_of(scoria, identity, "step", "running") as scene:
        move(scene, "step", trigger)
        before = scene.detail()
    assert scene.detail() == before
