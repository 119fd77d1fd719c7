"""The spans of a run, made from its journal: of the run, its steps, its waits and its handoffs.

The ids are digests of facts in the journal, so every process makes the same span from an entry. No
payload is read: no argument, answer, note, reason, result or message of an error.
"""

import hashlib
from collections.abc import Iterator, Mapping
from datetime import datetime

import attrs

from scoria_core import (
    Approval,
    DelegatedHandoff,
    Event,
    JournalEntry,
    RunDetail,
    Step,
)
from scoria_core.errors import InvalidPayload
from scoria_core.facades import Facade, checked_facade, opened
from scoria_core.visible import visible_line

Attributes = Mapping[str, str | int]

MAX_TEXT = 200
"""How many characters of a name or an id are kept."""

_BEGINS = frozenset(
    {
        *("run_started", "run_retried", "step_claimed"),
        *("approval_requested", "handoff_requested", "handoff_retried"),
    }
)
_ENDS = frozenset(
    {
        *("run_completed", "run_failed", "run_cancelled", "run_rejected"),
        *("step_completed", "step_failed", "step_released", "step_cancelled"),
        *("step_approval_requested", "approval_approved", "approval_rejected"),
        *("approval_expired", "approval_withdrawn"),
        *("handoff_completed", "handoff_failed", "handoff_cancelled"),
    }
)


@attrs.frozen(kw_only=True)
class RunSpan:
    """A part of a run that ended with the journal entry that has this `sequence`.

    `subject` is a run, a step (one attempt, or the part of it between two pauses), an approval (the
    wait for it) or a handoff, and `outcome` is how it ended, such as `completed`. `error` is the
    type of the error that ended it, or None. The ids are those of OpenTelemetry: `parent_id` is
    None for the span of the run itself, and `links` are the waits after which a step went on.
    """

    span_id: int
    parent_id: int | None
    sequence: int
    subject: str
    name: str
    began_at: datetime
    ended_at: datetime
    outcome: str
    error: str | None
    attributes: Attributes
    links: tuple[int, ...] = ()

    @property
    def seconds(self) -> float:
        """How long it took."""
        return (self.ended_at - self.began_at).total_seconds()

    @property
    def is_recovery(self) -> bool:
        """Whether a step ended without an answer of its handler: it died, or was interrupted."""
        was_given_back = self.outcome == "released" and self.error is None
        return self.subject == "step" and (was_given_back or self.error == "LeaseExpired")


def trace_id_of(run_id: str) -> int:
    """Return the id of the trace of a run.

    It is a digest: samplers expect a random id, and some bits are the same in every UUID.
    """
    return _digest(16, run_id)


def run_span_id(run_id: str) -> int:
    """Return the id of the span of a run."""
    return _digest(8, run_id, "run")


def step_span_id(step: Step) -> int:
    """Return the id of the span of a step that is running."""
    asked = step.approvals[-1].approval_id if step.approvals else None
    return _digest(8, step.run_id, step.step_id, step.attempt, asked)


def spans_of(detail: RunDetail) -> Iterator[RunSpan]:
    """Yield the spans of a run that have ended, in the order in which they ended."""
    reading = _Reading(detail)
    for entry in detail.journal:
        reading.note(entry)
        if entry.type in _BEGINS:
            reading.begin(entry)
        elif entry.type in _ENDS and entry.subject_id in reading.begun:
            yield reading.end(entry)


def check_kind(value: object, kind: type, name: str) -> None:
    """Raise `InvalidPayload` naming the argument that is of another kind."""
    if not isinstance(value, kind):
        raise InvalidPayload(name, f"is {type(value).__name__}; pass a {kind.__name__}")


@attrs.define
class EndedSpans:
    """The spans that events ended, for a listener that receives the events one by one.

    A run is read once for several events of it in a row.
    """

    scoria: Facade = attrs.field(converter=checked_facade)
    _latest: tuple[str, int, Mapping[int, RunSpan]] = attrs.field(init=False, default=("", 0, {}))

    def by(self, event: Event) -> RunSpan | None:
        """Return the span that ended with this event, or None; raises as `get_run_detail` does."""
        run_id, version, spans = self._latest
        if run_id != event.run_id or version < event.sequence:
            detail = opened(self.scoria).inspect_run(event.run_id)
            spans = {span.sequence: span for span in spans_of(detail)}
            self._latest = event.run_id, detail.summary.version, spans
        return spans.get(event.sequence)


@attrs.frozen
class _Begun:
    """A span that has not ended."""

    span_id: int
    parent_id: int | None
    at: datetime
    name: str
    texts: Mapping[str, object]
    links: tuple[int, ...] = ()


@attrs.define
class _Reading:
    """The state after the entries read so far; facts that never change come from `detail`."""

    detail: RunDetail
    begun: dict[str, _Begun] = attrs.field(factory=dict)
    _span_ids: dict[str, int] = attrs.field(factory=dict)
    _attempts: dict[str, int] = attrs.field(factory=dict)
    _asked: dict[str, list[str]] = attrs.field(factory=dict)
    _approved: set[str] = attrs.field(factory=set)
    _error: str | None = None
    _steps: Mapping[str, Step] = attrs.field(init=False)
    _approvals: Mapping[str, Approval] = attrs.field(init=False)
    _handoffs: Mapping[str, DelegatedHandoff] = attrs.field(init=False)
    _handoff_to: Mapping[str, str] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        handoffs = self.detail.delegated_handoffs
        self._steps = {each.step_id: each for each in self.detail.steps}
        self._approvals = {each.approval_id: each for each in self.detail.approvals}
        self._handoffs = {each.handoff_id: each for each in handoffs}
        self._handoff_to = {each.child_step_id: each.handoff_id for each in handoffs}

    def note(self, entry: JournalEntry) -> None:
        """Record what later spans need from an entry."""
        match entry.type:
            case "step_released" | "step_retried":
                self._attempts[entry.subject_id] = self._attempt(entry.subject_id) + 1
            case "step_approval_requested":
                self._asked[entry.subject_id] = []
            case "approval_requested":
                self._asked[entry.data["step_id"]].append(entry.subject_id)
            case "approval_approved":
                self._approved.add(entry.subject_id)
            case "approval_expired":
                self._approved.discard(entry.subject_id)
        if entry.subject == "step":
            error = entry.data.get("error")
            self._error = None if error is None else error["type"]

    def begin(self, entry: JournalEntry) -> None:
        """Begin the span of the entry's subject."""
        parts = {
            "run": self._run,
            "step": self._step,
            "approval": self._wait,
            "handoff": self._handoff,
        }
        begun = self.begun[entry.subject_id] = parts[entry.subject](entry)
        self._span_ids[entry.subject_id] = begun.span_id

    def end(self, entry: JournalEntry) -> RunSpan:
        """Return the span that the entry ends."""
        begun, run = self.begun.pop(entry.subject_id), self.detail.summary
        outcome = entry.type.removeprefix(f"{entry.subject}_")
        # A run and a handoff fail with their step, whose entry comes before theirs.
        has_failed = entry.subject == "step" or outcome == "failed"
        error = _shown(self._error) if has_failed and self._error is not None else None
        texts = {
            "scoria.run.id": run.run_id,
            "scoria.tenant.id": run.tenant_id,
            "gen_ai.conversation.id": run.session_id,
            **begun.texts,
            "scoria.outcome": outcome,
            "error.type": error,
        }
        return RunSpan(
            span_id=begun.span_id,
            parent_id=begun.parent_id,
            sequence=entry.sequence,
            subject=entry.subject,
            name=_shown(begun.name),
            began_at=begun.at,
            ended_at=entry.at,
            outcome=outcome,
            error=error,
            attributes={name: _plain(text) for name, text in texts.items() if text is not None},
            links=begun.links,
        )

    def _run(self, entry: JournalEntry) -> _Begun:
        run_id, role_id = entry.subject_id, self.detail.summary.root_role_id
        first = run_span_id(run_id)
        is_first = entry.trigger is None
        return _Begun(
            first if is_first else self._id(entry),
            None if is_first else first,
            entry.at,
            f"invoke_agent {role_id}",
            {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": role_id},
        )

    def _step(self, entry: JournalEntry) -> _Begun:
        step_id, run_id = entry.subject_id, self.detail.summary.run_id
        step, attempt = self._steps[step_id], self._attempt(step_id)
        asked = self._asked.get(step_id, [])
        lease = entry.data.get("lease") or {}
        name, tool = f"step {step.kind}", {}
        if len(asked) == 1 and asked[0] in self._approved:
            tool = self._tool(asked[0])
            name = f"execute_tool {tool['gen_ai.tool.name']}"
            tool["gen_ai.operation.name"] = "execute_tool"
        return _Begun(
            _digest(8, run_id, step_id, attempt, asked[-1] if asked else None),
            self._parent_of(step_id),
            entry.at,
            name,
            {
                "gen_ai.agent.name": step.role_id,
                "scoria.step.id": step_id,
                "scoria.step.kind": step.kind,
                "scoria.step.attempt": attempt,
                "scoria.worker.id": lease.get("worker_id"),
                **tool,
            },
            tuple(self._span_ids[each] for each in asked),
        )

    def _wait(self, entry: JournalEntry) -> _Begun:
        step_id, tool = entry.data["step_id"], self._tool(entry.subject_id)
        return _Begun(
            self._id(entry),
            self._parent_of(step_id),
            entry.at,
            f"wait_for_decision {tool['gen_ai.tool.name']}",
            {"scoria.step.id": step_id, "scoria.approval.id": entry.subject_id, **tool},
        )

    def _handoff(self, entry: JournalEntry) -> _Begun:
        handoff = self._handoffs[entry.subject_id]
        return _Begun(
            self._id(entry),
            self._span_ids[handoff.parent_step_id],
            entry.at,
            f"invoke_agent {handoff.delegated_role_id}",
            {
                "gen_ai.operation.name": "invoke_agent",
                "gen_ai.agent.name": handoff.delegated_role_id,
                "scoria.handoff.id": handoff.handoff_id,
                "scoria.step.kind": handoff.delegated_kind,
            },
        )

    def _tool(self, approval_id: str) -> dict[str, object]:
        approval = self._approvals[approval_id]
        return {"gen_ai.tool.name": approval.tool_name, "gen_ai.tool.call.id": approval.call_id}

    def _parent_of(self, step_id: str) -> int:
        """Return the parent span of a step: that of the handoff to it, or else of the run."""
        return self._span_ids[self._handoff_to.get(step_id, self.detail.summary.run_id)]

    def _attempt(self, step_id: str) -> int:
        return self._attempts.get(step_id, 1)

    def _id(self, entry: JournalEntry) -> int:
        return _digest(8, self.detail.summary.run_id, entry.subject_id, entry.sequence)


def _digest(size: int, *facts: object) -> int:
    text = "\n".join(map(str, ("scoria span 1", *facts)))
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "replace")).digest()[:size])


def _shown(text: object) -> str:
    return visible_line(text, MAX_TEXT)


def _plain(value: object) -> str | int:
    return value if isinstance(value, int) else _shown(value)
