"""A reference for requests for approval, and random stories that the kit is compared on.

A story is one run: its handler asks, people decide, time passes, the host goes on. After each call
the reference says what a reader must see. It follows spec/approvals.md, and uses nothing of the kit
except the values that handlers answer with.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from datetime import datetime, timedelta
from typing import Any

import attrs
from hypothesis import strategies as made_up

from scoria_conformance.world import KIND, World
from scoria_core import Completed, NeedsApproval, RunDetail, RunSummary, Scoria, Step, StepSpec
from scoria_core.errors import (
    ApprovalNotPending,
    ApprovalPending,
    DecisionRefused,
    InvalidPayload,
    RunNotResumable,
    ScoriaError,
    TransitionRefused,
)
from scoria_core.payloads import MAX_BYTES, digest

REQUESTER = "user-1"
PEOPLE = (REQUESTER, "ann", "bob", "cleo")

PROPOSED: dict[str, Any] = {"amount": 1, "to": ["a", "b"]}
LIMIT = {"properties": {"amount": {"type": "integer", "maximum": 10}}}
CHOICE = {"properties": {"choice": {"enum": ["keep", "drop"]}}, "required": ["choice"]}

SMALL = 4_000
"""The limit of bytes for a payload in a host that sets a small one."""

EDITS: Mapping[str, Any] = {
    "none": None,
    "in another order": {"to": ["a", "b"], "amount": 1},
    "of another type": {"amount": True, "to": ["a", "b"]},
    "a float": {"amount": 1.0, "to": ["a", "b"]},
    "in part": {"amount": 2},
    "beyond the limit": {"amount": 11, "to": ["a", "b"]},
    "large": {"amount": 2, "to": ["x" * SMALL]},
}
ANSWERS: Mapping[str, Any] = {
    "as asked": None,
    "none": None,
    "fits": {"choice": "drop", "why": [1]},
    "does not fit": {"choice": "both"},
}
NOTES: Mapping[str, str | None] = {"none": None, "short": "so be it", "long": "word " * 700}


@attrs.frozen
class Request:
    """A request, as a handler makes it."""

    may_edit: Any = False
    answer_schema: Any = None
    on_reject: Any = "cancel"
    approvals_needed: int = 1
    not_by: tuple[str, ...] = ()
    expires_in: int | None = None
    remind_after: int | None = None
    call_id: str | None = None
    keep: Any = None

    def made(self) -> NeedsApproval:
        """Return the request as a handler answers it."""
        said = attrs.asdict(self)
        return NeedsApproval(tool_name="pay", arguments={**PROPOSED}, reason="It asks", **said)


@attrs.frozen
class Ask:
    """The handler makes these requests; at most one of them has a value to keep."""

    requests: tuple[Request, ...]


@attrs.frozen
class Break:
    """The handler raises."""


@attrs.frozen
class Decide:
    """Somebody decides on a request by its number among the pending ones, or among all of them.

    If none is pending, the host lets the run go on instead.
    """

    number: int
    who: str
    trigger: str
    of_all: bool = False
    edit: str = "none"
    answer: str = "as asked"
    digest: str = "none"
    note: str = "none"
    resume: bool = False
    by_view: bool = False

    def others(self) -> "Iterator[Decide]":
        """Yield variants of this decision, mostly with one field changed."""
        yield from (attrs.evolve(self, who=each) for each in PEOPLE)
        yield from (attrs.evolve(self, edit=each) for each in EDITS)
        yield from (attrs.evolve(self, answer=each) for each in ANSWERS)
        yield from (attrs.evolve(self, digest=each) for each in ("edited", "nothing"))
        yield attrs.evolve(self, edit="in part", digest="edited")
        yield from (attrs.evolve(self, of_all=True, number=each) for each in range(6))
        yield attrs.evolve(self, trigger="reject" if self.trigger == "approve" else "approve")


@attrs.frozen
class Wait:
    """Time passes, and perhaps a worker looks at the run then."""

    seconds: int
    is_worked: bool = False


@attrs.frozen
class GoOn:
    """The host lets the run go on: `resume_run`, `retry_run`, `run_pending`, or what fits."""

    call: str


@attrs.frozen
class Agree:
    """People who are allowed to decide do so on all pending requests but the last `leaves`.

    They reject if `trigger` says so and a rejection does not end the run; otherwise they approve.
    """

    trigger: str = "approve"
    edit: str = "none"
    resume: bool = False
    leaves: int = 0


Call = Decide | Agree | Wait | GoOn


@attrs.frozen
class Story:
    """A run, and the calls that are made on it."""

    turns: Sequence[Ask | Break]
    calls: Sequence[Call]
    max_requests: int = 10
    barred: frozenset[tuple[str, str]] = frozenset()
    """The decisions that the host bars: an actor may not reject, or approve edited arguments."""
    is_small: bool = False
    is_queued: bool = False
    """The host has dispatch="queue": its workers run what is queued."""


def _often(usual: Any, times: int, *others: Any) -> made_up.SearchStrategy[Any]:
    """Draw what is usual so many times as often as each of the others."""
    return made_up.sampled_from([*[usual] * times, *others])


_ALONE = made_up.builds(
    Request,
    may_edit=_often(False, 2, True, {}, LIMIT),
    answer_schema=_often(None, 3, {}, CHOICE),
    on_reject=_often("resume", 2, "cancel"),
    expires_in=_often(None, 2, 30, 60),
    remind_after=_often(None, 1, 20),
    call_id=_often(None, 1, "call-1"),
    keep=_often(None, 2, {"messages": [1, 2]}, ["so far"]),
)
_BY_SEVERAL = made_up.builds(
    Request,
    on_reject=_often("resume", 1, "cancel"),
    approvals_needed=made_up.sampled_from([2, 3]),
    not_by=_often((), 2, ("requester",), ("ann",), ("requester", "bob")),
    expires_in=_often(None, 1, 60),
    remind_after=_often(None, 1, 20),
)


def _one_keeps(requests: list[Request]) -> tuple[Request, ...]:
    """Remove the value to keep from every request but the last that has one."""
    keeping = [number for number, each in enumerate(requests) if each.keep is not None]
    return tuple(
        attrs.evolve(each, keep=each.keep if number in keeping[-1:] else None)
        for number, each in enumerate(requests)
    )


_REQUESTS = _often(_ALONE, 2, _BY_SEVERAL).flatmap(lambda kind: kind)
_ASKS = made_up.builds(Ask, made_up.lists(_REQUESTS, min_size=1, max_size=3).map(_one_keeps))
_DECIDES = made_up.builds(
    Decide,
    number=made_up.integers(0, 4),
    who=made_up.sampled_from(PEOPLE),
    trigger=_often("approve", 3, "reject"),
    of_all=_often(False, 4, True),
    edit=_often("none", len(EDITS), *EDITS, "large"),
    answer=_often("as asked", 6, *ANSWERS),
    digest=_often("none", 4, "proposed", "edited", "nothing"),
    note=made_up.sampled_from([*NOTES]),
    resume=made_up.booleans(),
    by_view=made_up.booleans(),
)
_AGREES = made_up.builds(
    Agree,
    trigger=_often("approve", 1, "reject"),
    edit=_often("none", 1, "in part"),
    resume=made_up.booleans(),
    leaves=_often(0, 2, 1),
)
_WAITS = made_up.builds(Wait, made_up.sampled_from([10, 21, 61]), made_up.booleans())
_GOES_ON = made_up.builds(
    GoOn, _often("what fits", 5, "resume_run", "retry_run", "run_pending", "run_pending")
)
_CALLS = made_up.sampled_from(
    [*[_DECIDES] * 5, *[_AGREES] * 2, *[_WAITS] * 2, *[_GOES_ON] * 3]
).flatmap(lambda kind: kind)
STORIES: made_up.SearchStrategy[Story] = made_up.builds(
    Story,
    turns=made_up.lists(
        _often(_ASKS, 3, made_up.just(Break())).flatmap(lambda kind: kind), min_size=2, max_size=4
    ),
    calls=made_up.lists(_CALLS, min_size=4, max_size=12),
    max_requests=_often(3, 2, 2, 10),
    barred=made_up.just(frozenset[tuple[str, str]]())
    | made_up.frozensets(
        made_up.tuples(made_up.sampled_from(PEOPLE), made_up.sampled_from(["approve", "reject"])),
        min_size=1,
        max_size=1,
    ),
    is_small=made_up.booleans(),
    is_queued=_often(False, 2, True),
)


@attrs.define
class Asked:
    """A request as the reference has it."""

    request: Request
    requested_at: datetime
    status: str = "pending"
    arguments: Any = attrs.field(factory=lambda: {**PROPOSED})
    answer: Any = None
    note: str | None = None
    decided_by: str | None = None
    decided_at: datetime | None = None
    votes: list[tuple[str, datetime, str | None]] = attrs.field(factory=list)
    reminded_at: datetime | None = None

    def is_overdue(self, now: datetime) -> bool:
        """Tell whether it has expired by its time."""
        within = self.request.expires_in
        return within is not None and self.requested_at + timedelta(seconds=within) <= now


@attrs.define
class Reference:
    """The expected state of the one run of a story."""

    story: Story
    now: datetime
    earlier: list[Asked] = attrs.field(factory=list)
    latest: list[Asked] = attrs.field(factory=list)
    run: str = "running"
    step: str = "queued"
    kept: Any = None
    entered: list[tuple[Any, ...]] = attrs.field(factory=list)
    _turn: int = 0
    _in_vain: int = 0
    _expired_last: bool = False

    def status_of(self, asked: Asked) -> str:
        """Return the status of a request as a reader must see it now."""
        is_latest = any(each is asked for each in self.latest)
        unused = is_latest and self.step in ("waiting_for_approval", "queued", "failed")
        if asked.is_overdue(self.now) and (
            asked.status == "pending" or (asked.status == "approved" and unused)
        ):
            return "expired"
        return asked.status

    def seen(self) -> Mapping[str, Any]:
        """Return all that a reader must see."""
        return {
            "the run": self.run,
            "the step": self.step,
            "what is kept": self.kept,
            "the requests": [self._told(each) for each in (*self.earlier, *self.latest)],
            "the calls of the handler": self.entered,
        }

    def _told(self, asked: Asked) -> tuple[Any, ...]:
        return (
            self.status_of(asked),
            digest(asked.arguments),
            digest(PROPOSED),
            asked.answer,
            asked.note,
            asked.decided_by,
            asked.decided_at,
            asked.votes,
            asked.reminded_at,
            asked.request.may_edit,
            asked.request.answer_schema,
            asked.request.call_id,
        )

    @property
    def _pending(self) -> list[Asked]:
        return [each for each in self.latest if self.status_of(each) == "pending"]

    def _expire(self) -> None:
        """Record which requests have expired, as the next change of the run does."""
        for each in self.latest:
            if each.status == "pending" and self.status_of(each) == "expired":
                each.status, self._expired_last = "expired", True

    # The reasons to refuse a call: the kit must give one of them.

    def refusals_of(self, call: Decide) -> list[str]:
        """Return the reasons to refuse a decision; if there are none, it must succeed."""
        is_yes = call.trigger == "approve"
        is_too_large = is_yes and self.story.is_small and call.edit == "large"
        reasons = ["InvalidPayload arguments"] if is_too_large else []
        number = self.number_of(call)
        if number is None:
            return [*reasons, "ApprovalNotPending unknown None"]
        asked = self._made[number]
        if (status := self.status_of(asked)) != "pending":
            return [*reasons, f"ApprovalNotPending {status} {asked.decided_by}"]
        reasons += self._by_whom(call, asked)
        if call.digest == "nothing" or (call.digest == "edited" and _is_edit(call)):
            reasons.append("InvalidPayload arguments_digest")
        return [*reasons, *(_unfit(call, asked.request) if is_yes else ())]

    @property
    def _made(self) -> list[Asked]:
        return [*self.earlier, *self.latest]

    def number_of(self, call: Decide) -> int | None:
        """Return the index, among all requests, of the one that a decision names, or None."""
        among = [
            n
            for n, each in enumerate(self._made)
            if call.of_all or any(each is p for p in self._pending)
        ]
        if call.of_all:
            return call.number if call.number < len(among) else None
        return among[call.number % len(among)] if among else None

    def answer_of(self, call: Decide) -> Any:
        """Return the answer that is given with an approval."""
        number = self.number_of(call)
        if call.answer != "as asked" or number is None:
            return ANSWERS[call.answer]
        is_asked = self._made[number].request.answer_schema is not None
        return ANSWERS["fits"] if is_asked else None

    @property
    def is_asked(self) -> bool:
        """Whether a request is pending."""
        return bool(self._pending)

    def agreed(self, call: Agree) -> Iterator[Decide]:
        """Yield decisions by people who may decide, until only `leaves` requests are pending.

        The reference must record each one before the next is asked for.
        """
        while len(self._pending) > call.leaves:
            request = self._pending[0].request
            trigger = call.trigger if request.on_reject == "resume" else "approve"
            edit = call.edit if request.may_edit is not False else "none"
            says = (Decide(0, who, trigger, edit=edit, resume=call.resume) for who in PEOPLE)
            made = next((each for each in says if not self.refusals_of(each)), None)
            if made is None:
                return
            yield made

    def call_of(self, call: GoOn) -> str:
        """Return the name of the call that lets the run go on."""
        fits = {"waiting_for_approval": "resume_run", "failed": "retry_run"}
        return fits.get(self.run, "run_pending") if call.call == "what fits" else call.call

    def _by_whom(self, call: Decide, asked: Asked) -> Iterator[str]:
        barred = [REQUESTER if who == "requester" else who for who in asked.request.not_by]
        if call.who in barred:
            yield "DecisionRefused not_by"
        is_plain_yes = call.trigger == "approve" and not _is_edit(call)
        if (call.who, call.trigger) in self.story.barred and not is_plain_yes:
            yield "DecisionRefused host"
        if call.trigger == "approve" and call.who in [who for who, _, _ in asked.votes]:
            yield "DecisionRefused voted"

    def refusals_of_going_on(self, call: GoOn) -> list[str]:
        """Return the reasons to refuse the call that lets the run go on."""
        made = self.call_of(call)
        if made == "run_pending":
            return []
        if made == "retry_run":
            return [] if self.run == "failed" else ["TransitionRefused"]
        if self.run != "waiting_for_approval":
            return ["RunNotResumable"]
        return ["ApprovalPending"] if self._pending else []

    # The effects of a call that is not refused.

    def decide(self, call: Decide) -> None:
        """Record a decision."""
        asked, answer = self._made[self.number_of(call) or 0], self.answer_of(call)
        self._expire()
        note = NOTES[call.note]
        if call.trigger == "approve" and len(asked.votes) + 1 < asked.request.approvals_needed:
            asked.votes.append((call.who, self.now, note))
            return
        asked.status = "approved" if call.trigger == "approve" else "rejected"
        asked.decided_by, asked.decided_at, asked.note = call.who, self.now, note
        self._expired_last = False
        if call.trigger == "approve":
            self._in_vain = 0
            asked.answer = answer
            if EDITS[call.edit] is not None:
                asked.arguments = EDITS[call.edit]
        elif asked.request.on_reject == "cancel":
            for each in self._pending:
                each.status = "withdrawn"
            self.run = self.step = "cancelled"
            return
        if call.resume and not self._pending:
            self._queue()

    def go_on(self, call: GoOn) -> None:
        """Let the run go on."""
        made = self.call_of(call)
        if made == "run_pending":
            self._work()
            return
        if made == "retry_run":
            self._in_vain = 0
        self._expire()
        self._queue()
        if not self.story.is_queued:
            self.enter()

    def _queue(self) -> None:
        self._expire()
        self.run, self.step = "running", "queued"

    def _work(self) -> None:
        """Do what a worker does: expire or remind what is due, and run a step that is queued."""
        if self.run == "waiting_for_approval":
            self._expire()
            for each in self._pending:
                after = each.request.remind_after
                due = None if after is None else each.requested_at + timedelta(seconds=after)
                if due is not None and each.reminded_at is None and due <= self.now:
                    each.reminded_at = self.now
            if self._pending or not self._expired_last:
                return
            self._queue()
        if self.step == "queued":
            self.enter()

    def enter(self) -> None:
        """Claim the step and call its handler."""
        for each in self.latest:
            each.status = self.status_of(each)
        self.step = "running"
        self.entered.append((self.kept, [self._told(each) for each in self.latest]))
        turn = self.story.turns[self._turn] if self._turn < len(self.story.turns) else None
        self._turn += 1
        if turn is None:
            self.run = self.step = "completed"
        elif isinstance(turn, Break) or self._in_vain >= self.story.max_requests:
            self.run = self.step = "failed"
        else:
            self.earlier += self.latest
            self.latest = [Asked(each, self.now) for each in turn.requests]
            self.kept = next((each.keep for each in turn.requests if each.keep is not None), None)
            self._in_vain += len(self.latest)
            self._expired_last = False
            self.run = self.step = "waiting_for_approval"


def _is_edit(call: Decide) -> bool:
    edit = EDITS[call.edit]
    return edit is not None and digest(edit) != digest(PROPOSED)


def _unfit(call: Decide, request: Request) -> Iterator[str]:
    """Yield the reasons to refuse the edit or the answer of an approval."""
    if _is_edit(call) and request.may_edit is False:
        yield "InvalidPayload arguments"
    # JSON Schema takes 1.0 for an integer, but not true.
    if request.may_edit == LIMIT and call.edit in ("beyond the limit", "of another type"):
        yield "InvalidPayload arguments.amount"
    if call.answer == "as asked":
        return
    if (ANSWERS[call.answer] is None) != (request.answer_schema is None):
        yield "InvalidPayload answer"
    elif request.answer_schema == CHOICE and call.answer == "does not fit":
        yield "InvalidPayload answer.choice"


@attrs.define
class Telling:
    """Plays a story on the kit over the store of a world, and on the reference."""

    world: World
    story: Story
    reference: Reference = attrs.field(init=False)
    host: Scoria = attrs.field(init=False)
    run_id: str = ""
    ids: list[str] = attrs.field(factory=list)
    """The ids of the requests, in the order asked."""
    entered: list[tuple[Any, ...]] = attrs.field(factory=list)
    told: list[str] = attrs.field(factory=list)

    def __attrs_post_init__(self) -> None:
        self.reference = Reference(self.story, self.world.clock.now())
        self.host = self.world.facade(
            self.world.store,
            clock=self.world.clock,
            may_decide=self._may_decide,
            max_payload_bytes=SMALL if self.story.is_small else MAX_BYTES,
            dispatch="queue" if self.story.is_queued else "inline",
        )

    def tell(self) -> None:
        """Play it call by call; raise AssertionError if the kit and the reference differ."""
        self._start()
        for call in self._calls():
            self.told.append(str(call))
            match call:
                case Wait(seconds=seconds):
                    self.world.clock.advance(timedelta(seconds=seconds))
                    self.reference.now = self.world.clock.now()
                case Decide():
                    if not self.reference.refusals_of(call):
                        self._try_in_vain(call)
                    self._compare(call, self.reference.refusals_of(call), self._decide)
                case GoOn():
                    self._compare(call, self.reference.refusals_of_going_on(call), self._go_on)
            self._look()

    def _calls(self) -> Iterator[Call]:
        for call in self.story.calls:
            match call:
                case Agree():
                    yield from self.reference.agreed(call)
                case Wait(seconds=seconds, is_worked=True):
                    yield Wait(seconds)
                    yield GoOn("run_pending")
                case Decide(of_all=False) if not self.reference.is_asked:
                    yield GoOn("what fits")
                case _:
                    yield call

    def _start(self) -> None:
        self.told.append(f"{self.story}")
        started = self.host.start_run(
            self.world.identity(actor_id=REQUESTER),
            root_role_id="executor",
            initial_step=StepSpec(KIND, "executor", max_requests=self.story.max_requests),
            handlers={KIND: self._handle},
        )
        self.run_id = started.run_id
        if not self.story.is_queued:
            self.reference.enter()
        self._look()

    def _may_decide(self, approval: Any, _: RunSummary, who: str, decision: str) -> bool:
        _spoil(approval.arguments, approval.answer_schema, approval.may_edit)
        is_plain_yes = decision == "approve" and approval.arguments_digest == digest(PROPOSED)
        return is_plain_yes or (who, decision) not in self.story.barred

    def _handle(self, step: Step, _: RunSummary) -> Any:
        number = len(self.entered)
        self.entered.append((step.kept, [_told(each) for each in step.approvals]))
        for approval in step.approvals:
            _spoil(approval.arguments, approval.answer_schema, approval.may_edit, approval.answer)
        if number >= len(self.story.turns):
            return Completed()
        turn = self.story.turns[number]
        if isinstance(turn, Ask):
            return [each.made() for each in turn.requests]
        raise LookupError("the story says so")

    def _compare(
        self, call: Any, reasons: Sequence[str], make: Callable[[Any], Callable[[Any], None]]
    ) -> None:
        """Make the call; the kit must refuse it for one of the reasons, if there are any."""
        refused, follow = "", None
        try:
            follow = make(call)
        except ScoriaError as error:
            refused = _reason(error)
        assert refused in (reasons or [""]), self._differ("refused", reasons, refused)
        if follow is not None:
            follow(call)

    def _try_in_vain(self, call: Decide) -> None:
        """Before a decision that succeeds, try each similar one that must be refused."""
        for other in call.others():
            if reasons := self.reference.refusals_of(other):
                self.told.append(f"{other}, in vain")
                self._compare(other, reasons, self._decide)
                self.told.pop()

    def _decide(self, call: Decide) -> Callable[[Any], None]:
        host = self.host.for_tenant(self.world.identity().tenant_id) if call.by_view else self.host
        number = self.reference.number_of(call)
        edit = EDITS[call.edit]
        digests = {
            "proposed": digest(PROPOSED),
            "edited": digest(PROPOSED if edit is None else edit),
            "nothing": "sha256:0",
        }
        said: dict[str, Any] = {
            "approval_id": "never-made" if number is None else self.ids[number],
            "decided_by": call.who,
            "note": NOTES[call.note],
            "arguments_digest": digests.get(call.digest),
            "resume": call.resume,
        }
        if call.trigger == "reject":
            host.reject(self.run_id, **said)
        else:
            answer = self.reference.answer_of(call)
            host.approve(self.run_id, arguments=edit, answer=answer, **said)
        return self.reference.decide

    def _go_on(self, call: GoOn) -> Callable[[Any], None]:
        go_on = getattr(self.host, self.reference.call_of(call))
        go_on(self.run_id, handlers={KIND: self._handle})
        return self.reference.go_on

    def _look(self) -> None:
        detail = self.host.get_run_detail(self.run_id)
        self.ids = [each.approval_id for each in detail.approvals]
        seen, expected = self._seen(detail), self.reference.seen()
        for what, value in expected.items():
            assert seen[what] == value, self._differ(what, value, seen[what])
        pending = (
            [each.approval_id for each in detail.approvals if each.status == "pending"]
            if detail.summary.status == "waiting_for_approval"
            else []
        )
        found = [each.approval_id for each in detail.summary.pending_approvals]
        assert found == pending, self._differ("what is pending", pending, found)
        for each in (*detail.approvals, *detail.summary.pending_approvals):
            _spoil(each.arguments, each.proposed_arguments, each.answer_schema, each.may_edit)

    def _seen(self, detail: RunDetail) -> Mapping[str, Any]:
        (step,) = detail.steps
        return {
            "the run": str(detail.summary.status),
            "the step": str(step.status),
            "what is kept": step.kept,
            "the requests": [_told(each) for each in detail.approvals],
            "the calls of the handler": self.entered,
        }

    def _differ(self, what: str, expected: object, seen: object) -> str:
        calls = "\n".join(self.told)
        return f"{what}: expected {expected!a}, saw {seen!a}, after\n{calls}"


def _told(approval: Any) -> tuple[Any, ...]:
    answer, may_edit, answer_schema = deepcopy(
        (approval.answer, approval.may_edit, approval.answer_schema)
    )
    return (
        str(approval.status),
        approval.arguments_digest,
        approval.proposed_digest,
        answer,
        approval.note,
        approval.decided_by,
        approval.decided_at,
        [(each.by, each.at, each.note) for each in approval.endorsements],
        approval.reminded_at,
        may_edit,
        answer_schema,
        approval.call_id,
    )


def _spoil(*values: object) -> None:
    """Change values that were handed out, as careless code does; the stored run must not change."""
    for value in values:
        if isinstance(value, dict):
            value["spoiled"] = True


def _reason(error: ScoriaError) -> str:
    match error:
        case ApprovalNotPending():
            return f"ApprovalNotPending {error.state} {error.decided_by}"
        case DecisionRefused():
            return f"DecisionRefused {error.rule}"
        case InvalidPayload():
            return f"InvalidPayload {error.path}"
        case ApprovalPending() | RunNotResumable():
            return type(error).__name__
        case TransitionRefused():
            return "TransitionRefused"
    return type(error).__name__
