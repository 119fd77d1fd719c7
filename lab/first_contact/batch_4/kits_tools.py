"""What the wrong kits and their scripts have in common; nothing here is wrong."""

import hashlib
import json
import sys
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import attrs

from lab.first_contact.wrong import Wrong
from scoria_core import Identity, NeedsApproval, RunSummary, Scoria, ScoriaError, Step, StepSpec
from scoria_core import history as history_module
from scoria_core.errors import DecisionRefused
from scoria_core.ports import Record
from scoria_core.testing import SettableClock
from scoria_memory import MemoryStore


def right() -> None:
    """Change nothing."""


def replace(old: Callable[..., Any], new: Callable[..., Any]) -> None:
    """Put a function in the place of another in every module of the kit that holds it."""
    for name, module in list(sys.modules.items()):
        if name.startswith("scoria_"):
            for attribute, value in list(vars(module).items()):
                if value is old:
                    setattr(module, attribute, new)


def replace_rule(subject: str, trigger: str, rule: Callable[..., str | None]) -> None:
    """Put another rule of the history in the place of the one for such entries."""
    rules = {**history_module._RULES, (subject, trigger): rule}
    history_module._RULES = MappingProxyType(rules)


def wrong_kit(name: str, clause: str, make: Any, show: Any) -> Wrong:
    """Return a wrong kit."""
    return Wrong(name, clause, "kit", make, show, right)


@attrs.define
class Asker:
    """A handler that gives one answer after the other, and keeps the steps that it was given.

    An answer that is an exception is raised; the last one is given again and again.
    """

    answers: list[Any]
    seen: list[Step] = attrs.field(factory=list)

    def __call__(self, step: Step, _: RunSummary) -> Any:
        """Give the next answer."""
        self.seen.append(step)
        answer = self.answers[min(len(self.seen), len(self.answers)) - 1]
        if isinstance(answer, Exception):
            raise answer
        return answer


@attrs.define
class World:
    """A kit over a store in memory, with one handler and a clock that stands still."""

    answers: list[Any]
    spec: StepSpec = attrs.field(factory=lambda: StepSpec("ask", "clerk"))
    options: dict[str, Any] = attrs.field(factory=dict)
    clock: SettableClock = attrs.field(factory=SettableClock)
    store: MemoryStore = attrs.field(factory=MemoryStore)
    asker: Asker = attrs.field(init=False)
    scoria: Scoria = attrs.field(init=False)
    run_id: str = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        """Start a run of one step."""
        self.asker = Asker(self.answers)
        self.scoria = self.opened(self.clock)
        self.run_id = self.scoria.start_run(
            WHO, root_role_id="clerk", initial_step=self.spec
        ).run_id

    def opened(self, clock: SettableClock) -> Scoria:
        """Return another facade over the same store."""
        return Scoria(self.store, handlers={"ask": self.asker}, clock=clock, **self.options)

    def ids(self) -> list[str]:
        """Return the ids of the requests that are pending."""
        return [each.approval_id for each in self.scoria.get_run(self.run_id).pending_approvals]

    def approve(self, approval_id: str | None = None, by: str = "ann", **more: Any) -> RunSummary:
        """Say yes; to the first that is pending, if no other is named."""
        named = approval_id or self.ids()[0]
        return self.scoria.approve(self.run_id, approval_id=named, decided_by=by, **more)

    def reject(self, approval_id: str | None = None, by: str = "ann", **more: Any) -> RunSummary:
        """Say no; to the first that is pending, if no other is named."""
        named = approval_id or self.ids()[0]
        return self.scoria.reject(self.run_id, approval_id=named, decided_by=by, **more)

    def resume(self) -> RunSummary:
        """Resume the run."""
        return self.scoria.resume_run(self.run_id)

    def approvals(self) -> list[Any]:
        """Return all requests of the run."""
        return [*self.scoria.get_run_detail(self.run_id).approvals]

    def statuses(self) -> list[str]:
        """Return what became of each request of the run."""
        return [str(each.status) for each in self.approvals()]

    def last_seen(self) -> Any:
        """Return the step as the handler was given it last."""
        return self.asker.seen[-1]


WHO = Identity("requester-1", "tenant-1", "session-1")


def request(**more: Any) -> NeedsApproval:
    """Return a request for approval."""
    asked = {"tool_name": "pay", "arguments": {"amount": 1}, "reason": "It is money", **more}
    return NeedsApproval(**asked)


def refusal(call: Callable[[], object], kind: type[ScoriaError] = ScoriaError) -> ScoriaError:
    """Return the error of this kind that a call is refused with; one that is not is a failure."""
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"was not refused with {kind.__name__}")


def rule_of(call: Callable[[], object]) -> str:
    """Return the rule by which a decision is refused."""
    error = refusal(call, DecisionRefused)
    assert isinstance(error, DecisionRefused)
    return error.rule


def works(call: Callable[[], Any]) -> Any:
    """Return what a call returns; a refusal is a failure."""
    try:
        return call()
    except ScoriaError as error:
        raise AssertionError(f"was refused: {error}") from error


def digest_of(value: object) -> str:
    """Return the digest of arguments as spec/forms.md has it, for plain ASCII ones."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def forged(store: MemoryStore, run_id: str, forge: Callable[[dict[str, Any]], None]) -> MemoryStore:
    """Return a store with the same run, each entry changed by `forge`, and all digests anew."""
    (run,) = store.read([run_id])
    previous = hashlib.sha256(f"scoria journal 1\n{run_id}".encode()).hexdigest()
    records: list[Record] = []
    for record in run.records:
        entry = json.loads(record.body)
        forge(entry)
        body = json.dumps(entry, separators=(",", ":"), ensure_ascii=False)
        previous = hashlib.sha256(f"{previous}\n{body}".encode()).hexdigest()
        records.append(Record(record.sequence, previous, body))
    copy = MemoryStore()
    copy.create(run.key, records, row=run.row)
    return copy
