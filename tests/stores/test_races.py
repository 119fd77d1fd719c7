"""Of several callers at once exactly one gets on; the others are told, and nothing is lost."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from scoria_conformance.stored_runs import index_row, run_key
from scoria_core import Identity, NeedsApproval, RunSummary, Scoria, ScoriaError, Step, StepSpec
from scoria_core.errors import ApprovalNotPending, RunNotResumable, VersionConflict
from scoria_core.ports import Record, RunStore
from tests.support.stores import records_of

WORK = StepSpec("work", "executor")
IDENTITY = Identity("user-1", "acme", "session-1")


def race(*calls: Callable[[], Any]) -> list[Any]:
    """Make all calls at once; return what each returned, or the `ScoriaError` it raised."""
    barrier = threading.Barrier(len(calls))
    answers: list[Any] = [None] * len(calls)

    def run(index: int, call: Callable[[], Any]) -> None:
        barrier.wait(120)
        try:
            answers[index] = call()
        except ScoriaError as error:
            answers[index] = error

    threads = [threading.Thread(target=run, args=each) for each in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def kinds(answers: list[Any]) -> Counter[type]:
    """Count the answers by their type."""
    return Counter(type(answer) for answer in answers)


class Handler:
    """Asks once, then completes; counts how often it was entered, by run."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.done: Counter[str] = Counter()

    def __call__(self, step: Step, run: RunSummary) -> NeedsApproval | None:
        """Count the call, and ask where nothing was approved."""
        if step.approval is None:
            self.asked[run.run_id] += 1
            return NeedsApproval(tool_name="send", arguments={}, reason="goes out")
        self.done[run.run_id] += 1
        return None


@pytest.fixture(params=[20, pytest.param(60, marks=pytest.mark.slow)], ids="{} rounds".format)
def rounds(request: pytest.FixtureRequest) -> int:
    """Return how often a race is run."""
    return int(request.param)


@pytest.fixture
def handler() -> Handler:
    """Return a handler that asks once."""
    return Handler()


@pytest.fixture
def waiting(make_scoria: Callable[..., Scoria], handler: Handler) -> Callable[[], Any]:
    """Start runs that wait for approval, each with the id of its request."""
    scoria = make_scoria(handlers={"work": handler})

    def start() -> tuple[str, str]:
        run = scoria.start_run(IDENTITY, root_role_id="executor", initial_step=WORK)
        assert run.pending_approval is not None
        return run.run_id, run.pending_approval.approval_id

    return start


def test_two_resume_one_run(
    rounds: int, make_scoria: Callable[..., Scoria], waiting: Callable[[], Any], handler: Handler
) -> None:
    """The handler runs exactly once; who comes second is told that the run does not wait."""
    facades = [make_scoria(handlers={"work": handler}) for _ in range(2)]
    for _ in range(rounds):
        run_id, approval_id = waiting()
        facades[0].approve(run_id, approval_id=approval_id, decided_by="reviewer-7")
        answers = race(*(partial(facade.resume_run, run_id) for facade in facades))
        assert kinds(answers) == {RunSummary: 1, RunNotResumable: 1}
        assert handler.done[run_id] == 1
        assert facades[0].get_run(run_id).status == "completed"


@pytest.mark.parametrize(
    "decisions", [("approve", "approve"), ("approve", "reject"), ("reject", "reject")]
)
def test_two_decide_one_approval(
    rounds: int, scoria: Scoria, waiting: Callable[[], Any], decisions: tuple[str, str]
) -> None:
    """Exactly one decision is taken and stands; the other is refused."""
    for _ in range(rounds):
        run_id, approval_id = waiting()
        deciders = ["reviewer-7", "edsger"]
        calls = [
            partial(getattr(scoria, decision), run_id, approval_id=approval_id, decided_by=by)
            for decision, by in zip(decisions, deciders, strict=True)
        ]
        answers = race(*calls)
        assert kinds(answers) == {RunSummary: 1, ApprovalNotPending: 1}
        winner = next(at for at, answer in enumerate(answers) if isinstance(answer, RunSummary))
        approval = scoria.get_run_detail(run_id).approvals[0]
        expected = {"approve": "approved", "reject": "rejected"}[decisions[winner]]
        assert (approval.status, approval.decided_by) == (expected, deciders[winner])


def test_two_start_with_one_key(
    rounds: int, make_scoria: Callable[..., Scoria], handler: Handler
) -> None:
    """One run is started and its handler runs once; both callers get that run."""
    facades = [make_scoria(handlers={"work": handler}) for _ in range(2)]
    for number in range(rounds):
        start: dict[str, Any] = {
            "root_role_id": "executor",
            "initial_step": WORK,
            "idempotency_key": f"key-{number}",
        }
        answers = race(*(partial(facade.start_run, IDENTITY, **start) for facade in facades))
        assert kinds(answers) == {RunSummary: 2}
        assert answers[0].run_id == answers[1].run_id
        assert handler.asked[answers[0].run_id] == 1
    assert len(facades[0].list_runs(limit=1_000)) == rounds


def test_one_approves_while_another_cancels(
    rounds: int, make_scoria: Callable[..., Scoria], waiting: Callable[[], Any], handler: Handler
) -> None:
    """The run is cancelled either way; the approval came before it, or was refused."""
    scoria = make_scoria()
    for _ in range(rounds):
        run_id, approval_id = waiting()
        approved, cancelled = race(
            partial(scoria.approve, run_id, approval_id=approval_id, decided_by="reviewer-7"),
            partial(scoria.cancel_run, run_id),
        )
        assert isinstance(cancelled, RunSummary)
        detail = scoria.get_run_detail(run_id)
        assert detail.summary.status == "cancelled"
        if isinstance(approved, RunSummary):
            assert detail.approvals[0].status == "approved"
        else:
            assert isinstance(approved, ApprovalNotPending)
            assert detail.approvals[0].status == "withdrawn"
        assert handler.done[run_id] == 0


def test_one_resumes_while_another_cancels(
    rounds: int, make_scoria: Callable[..., Scoria], waiting: Callable[[], Any], handler: Handler
) -> None:
    """The handler runs once or never, and the run ends completed or cancelled, never between."""
    scoria = make_scoria(handlers={"work": handler})
    for _ in range(rounds):
        run_id, approval_id = waiting()
        scoria.approve(run_id, approval_id=approval_id, decided_by="reviewer-7")
        race(partial(scoria.resume_run, run_id), partial(scoria.cancel_run, run_id))
        detail = scoria.get_run_detail(run_id)
        assert detail.summary.status in ("completed", "cancelled")
        assert detail.steps[0].status == detail.summary.status.value
        assert handler.done[run_id] <= 1


def test_many_workers_carry_out_pending_steps_once(make_scoria: Callable[..., Scoria]) -> None:
    """Each queued step is claimed by one worker, whoever looks at it at the same time."""
    entered: Counter[str] = Counter()

    def counts(step: Step, _: RunSummary) -> None:
        entered[step.step_id] += 1

    scoria = make_scoria()
    for _ in range(50):
        scoria.start_run(IDENTITY, root_role_id="executor", initial_step=WORK)
    work = {"work": counts}
    answers = race(*[lambda: scoria.run_pending(handlers=work)] * 4)
    assert sum(len(answer) for answer in answers) == 50
    assert list(entered.values()) == [1] * 50
    assert {run.status for run in scoria.list_runs(limit=1_000)} == {"completed"}


def test_nothing_is_lost_under_many_writers(make_scoria: Callable[..., Scoria]) -> None:
    """Eight threads start and drive runs on one store; every run is whole, and all are listed."""
    scoria = make_scoria()

    def drive(worker: int) -> list[str]:
        runs = []
        for _ in range(20):
            identity = Identity("user-1", "acme", f"session-{worker}")
            run = scoria.start_run(identity, root_role_id="executor", initial_step=WORK)
            scoria.add_step(run.run_id, StepSpec("more", "executor"))
            done = scoria.run_pending(
                run.run_id, handlers={"work": lambda *_: None, "more": lambda *_: None}
            )
            assert [each.status for each in done] == ["completed"]
            runs.append(run.run_id)
        return runs

    answers = race(*(partial(drive, worker) for worker in range(8)))
    for worker, runs in enumerate(answers):
        listed = scoria.list_runs_for_session(f"session-{worker}")
        assert [run.run_id for run in reversed(listed)] == sorted(runs)
        assert {(run.status, run.version) for run in listed} == {("completed", 8)}
    assert len(scoria.list_runs(limit=1_000)) == 160


def test_nothing_is_lost_on_one_run(make_scoria: Callable[..., Scoria]) -> None:
    """Eight threads add steps to one run; each conflict is decided anew, and each step is there."""
    scoria = make_scoria()
    run = scoria.start_run(IDENTITY, root_role_id="executor")

    def add(worker: int) -> None:
        for number in range(10):
            scoria.add_step(run.run_id, StepSpec(f"{worker}-{number}", "executor"))

    answers = race(*(partial(add, worker) for worker in range(8)))
    assert answers == [None] * 8
    steps = scoria.get_run_detail(run.run_id).steps
    assert {step.kind for step in steps} == {f"{w}-{n}" for w in range(8) for n in range(10)}
    assert [step.sequence for step in steps] == list(range(1, 81))


class Unhurried(tuple[Record, ...]):
    """Records that let other threads get ahead while they are read."""

    __slots__ = ()

    def __iter__(self) -> Iterator[Record]:
        time.sleep(0.0005)
        return super().__iter__()


def test_one_version_is_appended_to_once(store: RunStore) -> None:
    """Of eight that append at one version the store lets exactly one; the rest store nothing."""
    store.create(run_key("r"), [Record(1, "d1", "b1")], row=index_row())
    for version in range(1, 51):
        calls = [
            partial(
                store.append,
                "r",
                Unhurried([Record(version + 1, f"d{worker}", f"b{worker}")]),
                expected_version=version,
                row=index_row(),
            )
            for worker in range(8)
        ]
        answers = race(*calls)
        assert kinds(answers) == {type(None): 1, VersionConflict: 7}
        assert records_of(store, "r")[-1].body == f"b{answers.index(None)}"
    assert [record.sequence for record in records_of(store, "r")] == list(range(1, 52))
