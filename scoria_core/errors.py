"""Every refusal, as a fact: what was wrong with which input, and the next move.

    ScoriaError
     +-- InvalidIdentity          who: a missing, blank or other-typed id
     +-- InvalidPayload           what: not a JSON object, too large, or a name that is no name
     +-- InvalidHandoff           a required field of a handoff is missing or given twice
     +-- UnsafeProjectedContext   a handoff would carry runtime state or a secret
     +-- UnknownHandler           a handler that is no callable and names none
     +-- AsyncHandlerRefused      an async handler would block the event loop of its caller
     +-- RunNotFound              no such run in the view of the caller
     +-- TransitionRefused        the lifecycle has no such move from this state
     |    +-- RunNotResumable     ... and the move was to resume the run
     |    +-- ApprovalPending     ... because a person has yet to decide
     |    +-- ApprovalNotPending  ... because there is nothing to decide
     +-- DecisionRefused          this person may not decide this request
     +-- CloseRefused             a handler would close the store under its own step
     +-- IdempotencyConflict      a key used again with other arguments
     +-- VersionConflict          another caller appended first
     +-- StoreUnavailable         locked by another process, closed, down, unknown
     +-- StoreCorrupt             what is stored is not what was written
     +-- SchemaTooNew             written by a later version of the kit

Each class has a stable `code`; each instance has its facts as attributes, `field` (which
input, or None) and a one-line message. Every error is refused before anything is written,
except the store errors, whose docstrings say what is known.
"""

from datetime import datetime
from types import MappingProxyType
from typing import ClassVar

import attrs

from scoria_core.visible import visible_line


def safe_repr(value: object, limit: int = 80) -> str:
    """Return `repr(value)` as one short line in which every character is visible."""
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - a hostile __repr__ must not hide the error being told
        text = f"<{type(value).__name__}>"
    return visible_line(text, limit)


class ScoriaError(Exception):
    """The root of every error the kit raises on purpose."""

    code: ClassVar[str] = "scoria_error"

    @property
    def field(self) -> str | None:
        """Name the input that was refused, or None where no single input was."""
        return None

    @property
    def message(self) -> str:
        """Say what was wrong and what to do, with ids and names as they are."""
        return self.code

    def __str__(self) -> str:
        """Return the message as one line of what can be seen."""
        return visible_line(self.message)


@attrs.define
class InvalidIdentity(ScoriaError):
    """An id that says who acts, for whom or in which session is not usable."""

    code: ClassVar[str] = "invalid_identity"
    name: str
    problem: str
    next_move: str = (
        "pass a non-blank str, an int, a UUID, or an object or mapping with such an 'id'"
    )

    @property
    def field(self) -> str:
        """Name the id."""
        return self.name

    @property
    def message(self) -> str:
        """Name the id, what is wrong with it and what to do."""
        return f"{self.name} {self.problem}; {self.next_move}"


@attrs.define
class InvalidPayload(ScoriaError):
    """A value at `path` cannot be stored and read back equal."""

    code: ClassVar[str] = "invalid_payload"
    path: str
    problem: str

    @property
    def field(self) -> str:
        """Give the path of the value, from the name of the argument down."""
        return self.path

    @property
    def message(self) -> str:
        """Name the path and what is wrong there."""
        return f"{self.path} {self.problem}"


@attrs.define
class InvalidHandoff(ScoriaError):
    """A handoff lacks one of its required fields, names one twice, or has one of another type."""

    code: ClassVar[str] = "invalid_handoff"
    name: str
    problem: str

    @property
    def field(self) -> str:
        """Name the field of the handoff."""
        return self.name

    @property
    def message(self) -> str:
        """Name the field and what is wrong with it."""
        return f"{self.name} {self.problem}"


@attrs.define
class UnsafeProjectedContext(ScoriaError):
    """A key of a projected context names broad runtime state or a secret."""

    code: ClassVar[str] = "unsafe_projected_context"
    path: str
    key: str

    @property
    def field(self) -> str:
        """Give the path of the key."""
        return self.path

    @property
    def message(self) -> str:
        """Name the path, never the value."""
        return (
            f"{self.path} is broad runtime state or a secret ({self.key[:80]}); "
            "project only the facts the delegated role needs, under a narrower name"
        )


@attrs.define
class UnknownHandler(ScoriaError):
    """A handler is neither a callable nor the name of one."""

    code: ClassVar[str] = "unknown_handler"
    kind: str
    problem: str

    @property
    def field(self) -> str:
        """Give the place of the handler among the handlers."""
        return f"handlers[{self.kind!r}]" if self.kind else "handlers"

    @property
    def message(self) -> str:
        """Name the handler and how to write one."""
        one = "a callable or 'package.module:function'"
        next_move = one if self.kind else "a mapping such as {'refund': send_refund}"
        return f"{self.field} {self.problem}; pass {next_move}"


@attrs.define
class AsyncHandlerRefused(ScoriaError):
    """An async handler was to run in a call that blocks a running event loop."""

    code: ClassVar[str] = "async_handler_refused"
    kind: str

    @property
    def field(self) -> str:
        """Give the place of the handler among the handlers."""
        return f"handlers[{self.kind!r}]"

    @property
    def message(self) -> str:
        """Name the handler, and the facade that awaits it."""
        return (
            f"{self.field} is async, and this call blocks the event loop that is running here; "
            "await the call of an AsyncScoria, or make this one in a thread: asyncio.to_thread"
        )


@attrs.define
class RunNotFound(ScoriaError):
    """No run with this id is visible to the caller; a run of another tenant is not either.

    `type_name` is the type of the value that was passed, if that cannot be an id.
    """

    code: ClassVar[str] = "run_not_found"
    run_id: str
    is_session: bool = False
    type_name: str | None = None

    @property
    def field(self) -> str:
        """Name the argument."""
        return "run_id"

    @property
    def message(self) -> str:
        """Point at the runs of the session where a session id was given for a run id."""
        if self.type_name is not None:
            return (
                f"run_id is {self.type_name}; "
                "pass the run_id that start_run returned, a str or UUID"
            )
        if self.is_session:
            return (
                f"no run {safe_repr(self.run_id)}: that is a session_id, which groups runs; "
                "find the run with list_runs_for_session and pass its run_id"
            )
        return f"no run {safe_repr(self.run_id)}; pass the run_id that start_run returned"


_ENDED = "it has ended; start a new run in the same session"
_NEXT_MOVES = MappingProxyType(
    {
        "waiting_for_approval": "once a person has decided with approve or reject, call resume_run",
        "failed": "retry_run runs its failed step again, cancel_run ends it",
        "completed": _ENDED,
        "cancelled": _ENDED,
    }
)
"""What can be done with a run in a state that has no other moves."""


@attrs.define
class TransitionRefused(ScoriaError):
    """`subject` cannot do `trigger` in its `state`; nothing was changed.

    `because` completes the sentence where the state alone does not explain the refusal.
    """

    code: ClassVar[str] = "transition_refused"
    subject: str
    subject_id: str
    state: str
    trigger: str
    because: str = ""
    next_move: str = attrs.field()

    @next_move.default
    def _default_next_move(self) -> str:
        unknown = "read the run with get_run and act on its status"
        return _NEXT_MOVES.get(self.state, unknown) if self.subject == "run" else unknown

    @property
    def field(self) -> str:
        """Name the id of what could not move."""
        return f"{self.subject}_id"

    @property
    def message(self) -> str:
        """Name what was refused, the state it is in, and what to do."""
        return (
            f"{self.subject} {self.subject_id} is {self.state}{self.because}, "
            f"so {self.trigger} is refused; {self.next_move}"
        )


@attrs.define
class RunNotResumable(TransitionRefused):
    """The run is not waiting for an approval that has been decided."""

    code: ClassVar[str] = "run_not_resumable"


@attrs.define
class ApprovalPending(TransitionRefused):
    """The run waits for a person who has not decided yet."""

    code: ClassVar[str] = "approval_pending"


@attrs.define
class ApprovalNotPending(TransitionRefused):
    """The approval named is not one that can be decided now: unknown, decided or expired.

    `decided_by` and `decided_at` say who decided and when, where somebody has: whoever repeats a
    call that was cut off sees whether it was stored.
    """

    code: ClassVar[str] = "approval_not_pending"
    decided_by: str | None = attrs.field(default=None, kw_only=True)
    decided_at: datetime | None = attrs.field(default=None, kw_only=True)

    @property
    def status(self) -> str:
        """What became of the approval, or "unknown"."""
        return self.state


_DECISION_RULES = MappingProxyType(
    {
        "not_by": "the request says that {by} may not decide it; ask somebody else",
        "voted": "{by} has said yes to it already; the next yes must be another person's",
        "host": "may_decide of the host says that {by} may not; ask somebody who may",
        "handler": "a handler cannot decide; let a person decide, and read the decision from "
        "step.approvals",
    }
)


@attrs.define
class DecisionRefused(ScoriaError):
    """Who decides may not decide this request; nothing was changed.

    `rule` says why: "not_by" and "voted" are rules of the request, "host" is the host's
    `may_decide`, and "handler" refuses any decision that is made inside a handler's call.
    """

    code: ClassVar[str] = "decision_refused"
    approval_id: str
    decided_by: str
    rule: str

    @property
    def field(self) -> str:
        """Name the argument."""
        return "decided_by"

    @property
    def message(self) -> str:
        """Name the request, the rule and what to do."""
        because = _DECISION_RULES[self.rule].format(by=safe_repr(self.decided_by))
        return f"approval {self.approval_id} cannot be decided so: {because}"


@attrs.define
class CloseRefused(ScoriaError):
    """A handler called `close` on the facade that is running it."""

    code: ClassVar[str] = "close_refused"
    run_id: str
    step_id: str

    @property
    def message(self) -> str:
        """Name the step, and who can close."""
        return (
            f"close was called by the handler of step {self.step_id} of run {self.run_id}, whose "
            "answer is yet to be stored; call stop, return, and close where the facade was opened"
        )


@attrs.define
class IdempotencyConflict(ScoriaError):
    """The idempotency key belongs to a run that was started with other arguments."""

    code: ClassVar[str] = "idempotency_conflict"
    idempotency_key: str
    run_id: str

    @property
    def field(self) -> str:
        """Name the argument."""
        return "idempotency_key"

    @property
    def message(self) -> str:
        """Name the run that has the key."""
        return (
            f"idempotency_key {safe_repr(self.idempotency_key)} started run {self.run_id} "
            "with other arguments; repeat those exactly, or use a new key"
        )


@attrs.define
class VersionConflict(ScoriaError):
    """The run was not at the expected version; nothing was appended."""

    code: ClassVar[str] = "version_conflict"
    run_id: str
    expected: int
    actual: int

    @property
    def message(self) -> str:
        """Name both versions."""
        return (
            f"run {self.run_id} is at version {self.actual}, not {self.expected}; "
            "read it again and decide anew"
        )


@attrs.define
class StoreUnavailable(ScoriaError):
    """The store cannot be reached; a call in flight may or may not have been stored."""

    code: ClassVar[str] = "store_unavailable"
    store: str
    problem: str
    next_move: str = "check the store and call again"

    @property
    def field(self) -> str:
        """Name the argument that names the store."""
        return "store"

    @property
    def message(self) -> str:
        """Name the store, what is wrong with it and what to do."""
        return f"store {self.store} {self.problem}; {self.next_move}"


_RESTORE = "keep the store as it is and restore a copy made before"


@attrs.define
class StoreCorrupt(ScoriaError):
    """The store does not hold what was written, from entry `sequence` of `run_id` on.

    `sequence` is 0 if the store as a whole is damaged.
    """

    code: ClassVar[str] = "store_corrupt"
    run_id: str
    sequence: int
    problem: str
    next_move: str = _RESTORE

    @property
    def message(self) -> str:
        """Name the first entry that does not check out, and what to do."""
        where, next_move = self.run_id, self.next_move
        if self.sequence:
            where = f"entry {self.sequence} of run {self.run_id}"
        elif next_move == _RESTORE:  # a URL with the scheme of another store leads here as well
            next_move = f"if its URL is the right one, {next_move}"
        return f"{where} {self.problem}; {next_move}"


@attrs.define
class SchemaTooNew(ScoriaError):
    """The store was written by a later version of the kit; nothing was read or changed."""

    code: ClassVar[str] = "schema_too_new"
    store: str
    found: int
    supported: int

    @property
    def message(self) -> str:
        """Name both schema versions."""
        return (
            f"store {self.store} has schema {self.found}, this kit knows {self.supported}; "
            "upgrade scoria-kit"
        )
