"""Changes of the kit that are wrong."""

from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import Any

import attrs

from lab.first_contact.batch_2.common import raised_kind
from lab.first_contact.batch_2.kit_tools import Still, replace, unchanged
from lab.first_contact.batch_2.page_tools import ask, facade, started, who
from lab.first_contact.wrong import Wrong
from scoria_core import Completed, Retry, Scoria, StepSpec, decisions, payloads, projection
from scoria_core import run as runs
from scoria_core import scoria as facades
from scoria_core.decisions import Change
from scoria_core.errors import InvalidPayload
from scoria_core.identity import checked_id
from scoria_core.lifecycles import RunStatus, StepStatus
from scoria_core.model import Approval, Step
from scoria_core.repository import RunRepository
from scoria_core.run import Run, RunFacts

Make = Callable[[], None]


def expires_after() -> None:
    """Makes a request expire after the moment of its `expires_at`, and not from it on."""
    plain = Run.as_of

    def as_of(self: Run, approval: Approval, now: datetime) -> Approval:
        latest = max(now, self.journal[-1].at)
        return approval if approval.expires_at == latest else plain(self, approval, now)

    Run.as_of = as_of  # type: ignore[method-assign]


def show_expires_after(make: Make) -> None:
    """A decision comes at the very moment of `expires_at`."""
    make()
    clock = Still()
    scoria = facade(clock)
    run_id = started(scoria, ask(expires_in=60))
    named = scoria.get_run(run_id).pending_approval.approval_id
    clock.at = scoria.get_run_detail(run_id).approvals[0].expires_at
    assert scoria.get_run_detail(run_id).approvals[0].status == "expired", "not expired in time"
    kind = raised_kind(lambda: scoria.approve(run_id, approval_id=named, decided_by="bob"))
    assert kind == "approval_not_pending", "approved at the moment that it expired"


def expires_by_clock() -> None:
    """Judges whether a request has expired by the clock of this machine alone."""

    def as_of(self: Run, approval: Approval, now: datetime) -> Approval:
        if approval.expires_at is None or approval.expires_at > now:
            return approval
        return plain(self, approval, now)

    plain = Run.as_of
    Run.as_of = as_of  # type: ignore[method-assign]


def show_expires_by_clock(make: Make) -> None:
    """A machine with a fast clock adds a step; one whose clock is behind looks."""
    make()
    behind, ahead = Still(), Still()
    scoria = facade(behind)
    other = Scoria(scoria._runs.store, clock=ahead)
    run_id = started(scoria, ask(expires_in=60))
    asked_again = StepSpec(kind="other", role_id="executor")
    ahead.move(59)
    other.add_step(run_id, asked_again)
    ahead.move(1)
    other.add_step(run_id, asked_again)
    latest = other.get_run_detail(run_id).journal[-1].at
    last = other.get_run_detail(run_id).approvals[0]
    assert last.status == "expired"
    assert latest >= last.expires_at
    # What was approved in time, and is seen by a machine that is behind, has expired too.
    run_id = started(scoria, ask(expires_in=120))
    named = scoria.get_run(run_id).pending_approval.approval_id
    scoria.approve(run_id, approval_id=named, decided_by="bob")
    ahead.move(200)
    other.add_step(run_id, asked_again)
    assert scoria.get_run_detail(run_id).approvals[0].status == "expired", "by its own clock"


def one_retry_more() -> None:
    """Counts retries and not attempts: one attempt more than `max_attempts`."""
    plain = Retry.delay_after

    def delay_after(self: Retry, attempt: int) -> timedelta | None:
        if attempt > self.max_attempts:
            return None
        return plain(attrs.evolve(self, max_attempts=self.max_attempts + 1), attempt)

    Retry.delay_after = delay_after  # type: ignore[method-assign]


def show_one_retry_more(make: Make) -> None:
    """A step that may be tried twice fails each time."""
    make()
    clock, calls = Still(), list[int]()
    scoria = facade(clock)

    def handler(step: Any, _: Any) -> None:
        calls.append(step.attempt)
        raise OSError("no network")

    spec = StepSpec(kind="work", role_id="executor", retry=Retry(max_attempts=2, delay=1.0))
    given = {"work": handler}
    run = scoria.start_run(who(), root_role_id="root", initial_step=spec, handlers=given)
    for _ in range(4):
        clock.move(1000)
        scoria.run_pending(handlers=given)
    assert calls == [1, 2], f"attempts {calls}"
    assert scoria.get_run(run.run_id).status == "failed"


def plain_letters() -> None:
    """Folds a key by small letters and underscores, without look-alike letters first."""
    plain = projection.snake_case

    def snake_case(key: str) -> str:
        return plain(key) if key.isascii() else projection._PUNCTUATION.sub("_", key).casefold()

    replace(plain, snake_case)


def show_plain_letters(make: Make) -> None:
    """A key is written in letters of full width."""
    make()
    scoria = facade()
    wide = "".join(chr(ord(letter) + 0xFEE0) for letter in "password")
    kind = raised_kind(
        lambda: scoria.start_handoff_run(
            who(),
            "critic",
            root_role_id="planner",
            delegated_kind="review",
            handoff_input={},
            projected_context={"facts": [{wide: "hunter2"}]},
        )
    )
    assert kind == "unsafe_projected_context", f"a look-alike key was told {kind}"


def own_clock() -> None:
    """Stamps an entry with the clock of this machine, whatever the entry before it says."""

    def _change(self: RunRepository, run: Run, actor_id: str | None) -> Change:
        return Change(run, self.now(), self.ids.new_id, actor_id)

    RunRepository._change = _change  # type: ignore[method-assign]


def show_own_clock(make: Make) -> None:
    """A machine whose clock is behind goes on with a run of another."""
    make()
    ahead, behind = Still(), Still()
    ahead.move(60)
    scoria = facade(ahead)
    other = Scoria(scoria._runs.store, clock=behind)
    run_id = scoria.start_run(who(), root_role_id="root").run_id
    kind = raised_kind(lambda: other.cancel_run(run_id))
    assert kind is None, f"the other machine was told {kind}"
    times = [entry.at for entry in other.get_run_detail(run_id).journal]
    assert times == sorted(times), "an entry is earlier than the one before it"


def wide_views() -> None:
    """Makes a view of whatever tenant is asked for, from a view of another too."""
    plain = Scoria.for_tenant

    def for_tenant(self: Scoria, tenant_id: object) -> Scoria:
        wide = plain(self, self._runs.tenant_id) if self._runs.tenant_id else self
        if self._runs.tenant_id:
            wide._runs = attrs.evolve(self._runs, tenant_id=None)
            wide._scheduler = attrs.evolve(self._scheduler, runs=wide._runs)
        return plain(wide, checked_id(tenant_id, "tenant_id"))

    Scoria.for_tenant = for_tenant  # type: ignore[method-assign]


def show_wide_views(make: Make) -> None:
    """Code that was given a view of one tenant asks it for another."""
    make()
    scoria = facade()
    started(scoria, identity=who("other"))
    view = scoria.for_tenant("acme")
    kind = raised_kind(lambda: view.for_tenant("other").list_runs())
    assert kind == "invalid_identity", f"a view was turned into another: {kind}"


def overtaking() -> None:
    """Claims the first queued step that has a handler, past those that have none."""
    plain = decisions.claim_next

    def claim_next(change: Change, kinds: Collection[str], *more: Any) -> Step | None:
        run = change.run
        queued = [step for step in run.uncompleted_steps() if step.status == StepStatus.QUEUED]
        steps = [step for step in queued if step.kind in kinds]
        if not steps or steps[0] is queued[0] or run.status != RunStatus.RUNNING:
            return plain(change, kinds, *more)
        if run.active_step() is not None:
            return None
        lease = decisions.converter.unstructure(more[0] if more else decisions._LEASE)
        decisions._move_step(change, steps[0].step_id, "claim", lease=lease)
        return run.step_view(steps[0].step_id, change.at)

    replace(plain, claim_next)


def show_overtaking(make: Make) -> None:
    """The second step of a run has a handler, and the first has none yet."""
    make()
    scoria, calls = facade(), list[str]()

    def handler(step: Any, _: Any) -> None:
        calls.append(step.kind)

    first = StepSpec(kind="first", role_id="executor")
    run = scoria.start_run(who(), root_role_id="root", initial_step=first)
    second = StepSpec(kind="second", role_id="executor")
    raised_kind(lambda: scoria.add_step(run.run_id, second, handlers={"second": handler}))
    assert calls == [], "a later step overtook one that has no handler"
    assert [s.status for s in scoria.get_run_detail(run.run_id).steps] == ["queued", "queued"]


def lent() -> None:
    """Hands out what a run holds, and no copy of it."""

    def copied(value: Any) -> Any:
        return value

    runs.copied = copied  # type: ignore[attr-defined]


def show_lent(make: Make) -> None:
    """A host adds a key to the metadata that it was given."""
    make()
    scoria = facade()
    run_id = started(scoria, metadata={"channel": "web"})
    given = scoria.get_run(run_id).metadata
    given["added"] = True  # type: ignore[index]
    assert scoria.get_run(run_id).metadata == {"channel": "web"}, "it is in the run now"


def loose_digest() -> None:
    """Compares two starts of one key by what they run, and not by who and what for."""

    def _with_digest(facts: RunFacts, arguments: Any) -> RunFacts:
        return (
            plain(facts, arguments)
            if facts.idempotency_key is None
            else attrs.evolve(
                facts, arguments_digest=plain(bare(facts), arguments).arguments_digest
            )
        )

    def bare(facts: RunFacts) -> RunFacts:
        return attrs.evolve(facts, identity=attrs.evolve(facts.identity, metadata={}), metadata={})

    plain = facades._with_digest
    replace(plain, _with_digest)


def show_loose_digest(make: Make) -> None:
    """A key is used again for a run with other metadata."""
    make()
    scoria = facade()
    started(scoria, metadata={"order": 1}, idempotency_key="k")
    kind = raised_kind(lambda: started(scoria, metadata={"order": 2}, idempotency_key="k"))
    assert kind == "idempotency_conflict", f"another request was told {kind}"


def in_characters() -> None:
    """Counts a payload by its characters, and not by its bytes."""
    plain = payloads.checked_payload

    def checked_payload(value: object, path: str, max_bytes: int = 256 * 1024) -> dict[str, Any]:
        try:
            return plain(value, path, max_bytes)
        except InvalidPayload:
            found = plain(value, path, 4 * max_bytes)
            if len(payloads.compact(found)) > max_bytes:
                raise
            return found

    replace(plain, checked_payload)


def show_in_characters(make: Make) -> None:
    """A payload has fewer characters than are allowed, and more bytes."""
    make()
    scoria = facade()
    metadata = {"text": "é" * 200_000}
    kind = raised_kind(lambda: scoria.start_run(who(), root_role_id="root", metadata=metadata))
    assert kind == "invalid_payload", f"400,000 bytes were told {kind}"


def none_drops() -> None:
    """Cancels the steps of a rejected run only from the one after the step that had asked."""

    def _cancel_steps(change: Change) -> None:
        is_reject = any('"trigger":"reject"' in record.body for record in change.records)
        if not is_reject:
            plain(change)
            return
        for step in list(change.run.uncompleted_steps()):
            if step.status != "queued":
                decisions._move_step(change, step.step_id, "cancel")

    plain = decisions._cancel_steps
    replace(plain, _cancel_steps)


def show_none_drops(make: Make) -> None:
    """A run has a step behind the one whose request is rejected."""
    make()
    scoria = facade()
    run_id = started(scoria)
    scoria.add_step(run_id, StepSpec(kind="other", role_id="executor"))
    named = scoria.get_run(run_id).pending_approval.approval_id
    kind = raised_kind(
        lambda: scoria.reject(run_id, approval_id=named, decided_by="bob", note="no")
    )
    assert kind is None, f"the rejection was told {kind}"
    states = [step.status for step in scoria.get_run_detail(run_id).steps]
    assert states == ["cancelled", "cancelled"], f"a cancelled run has open steps: {states}"


def stale_key() -> None:
    """Gives each attempt of a step a key of its own."""
    Step.idempotency_key = property(  # type: ignore[assignment, method-assign]
        lambda self: self.step_id if self.attempt < 2 else f"{self.step_id}:{self.attempt}"
    )


def show_stale_key(make: Make) -> None:
    """A step is tried again after its first attempt failed."""
    make()
    scoria, keys = facade(), list[str]()

    def handler(step: Any, _: Any) -> Any:
        keys.append(step.idempotency_key)
        if len(keys) == 1:
            raise OSError("no network")
        return Completed({})

    run_id = started(scoria, handler)
    scoria.retry_run(run_id, handlers={"work": handler})
    assert len(keys) == 2 and keys[0] == keys[1], "the second attempt has another key"


def _wrong(name: str, clause: str, make: Make, show: Callable[..., None]) -> Wrong:
    return Wrong(name, clause, "kit", make, show, unchanged)


WRONG: list[Wrong] = [
    _wrong("expires after its moment", "APPROVAL-11", expires_after, show_expires_after),
    _wrong("expires by this clock alone", "APPROVAL-18", expires_by_clock, show_expires_by_clock),
    _wrong("one retry more", "STEP-21", one_retry_more, show_one_retry_more),
    _wrong("look-alike letters let through", "HANDOFF-13", plain_letters, show_plain_letters),
    _wrong("entries by this clock alone", "JOURNAL-8", own_clock, show_own_clock),
    _wrong("views of any tenant", "TENANT-3", wide_views, show_wide_views),
    _wrong("later steps overtake", "STEP-8", overtaking, show_overtaking),
    _wrong("payloads lent", "READ-4", lent, show_lent),
    _wrong("digest without metadata", "RUN-17", loose_digest, show_loose_digest),
    _wrong("payloads counted in characters", "PAYLOAD-2", in_characters, show_in_characters),
    _wrong("rejection leaves later steps", "RUN-13", none_drops, show_none_drops),
    _wrong("a key for each attempt", "STEP-22", stale_key, show_stale_key),
]
