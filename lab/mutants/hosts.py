"""Hosts that are wrong on purpose, each around the right one that the features speak to."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import attrs

from lab.mutants.wrong import Catalogue
from scoria_conformance.acts import TENANT
from scoria_conformance.host import Evidence, HostRefused, HostSession, InProcessHost, Turn
from scoria_core import RunSummary


def _installed(wrong: Callable[[Any, InProcessHost], HostSession]) -> None:
    """Have every session of the host be wrong."""

    def around(begin: Callable[..., HostSession]) -> Any:
        @wraps(begin)
        def begun(host: InProcessHost, **who: Any) -> HostSession:
            return wrong(begin(host, **who), host)

        return begun

    InProcessHost.sign_in = around(InProcessHost.sign_in)  # type: ignore[method-assign]
    InProcessHost.visit = around(InProcessHost.visit)  # type: ignore[method-assign]


breaks = Catalogue("host", _installed)


class Around:
    """A right session of `host`, but for what a mutant does in its stead."""

    def __init__(self, session: HostSession, host: InProcessHost) -> None:
        self.session: Any = session
        self.host = host

    def __getattr__(self, name: str) -> Any:
        return getattr(self.session, name)

    def unscoped(self) -> None:
        """Act in the tenant that the first user of the host is of, whoever this is."""
        if self.session.scope is not None:
            self.session.scope = {**self.session.scope, "tenant_id": TENANT}

    def waiting(self) -> list[RunSummary]:
        """Return every run of the tenant that waits for a decision."""
        runs = self.session._scoria.list_runs(limit=1000)
        return [run for run in runs if run.pending_approval is not None]


@breaks("HOST-1", "what is stored for")
class DoesNotStoreTheRunId(Around):
    def stored_run_id(self) -> str | None:
        return None


@breaks("HOST-1", "what is stored for")
class StoresTheSessionIdForTheRunId(Around):
    def stored_run_id(self) -> str | None:
        return str(self.session.session_id)


@breaks("HOST-2", "it also changed the run of")
class ReadsTheNewestRun(Around):
    def read(self, run_id: str) -> Turn:
        newest: Turn = self.session.read(self.host.scoria.list_runs(limit=1)[0].run_id)
        return attrs.evolve(newest, run_id=run_id)


@breaks("HOST-2", "completed")
class ShowsTheStatusItStartedWith(Around):
    def read(self, run_id: str) -> Turn:
        turn: Turn = self.session.read(run_id)
        return attrs.evolve(turn, status="waiting_for_approval")


@breaks("HOST-2", "does read to a run that never was")
class ReadsTheLatestRunWhereThereIsNone(Around):
    def read(self, run_id: str) -> Turn:
        turn: Turn
        try:
            turn = self.session.read(run_id)
        except HostRefused:
            turn = self.session.read(self.session.stored_run_id())
        return turn


@breaks("HOST-3", "does evidence to a run")
class ServesNoEvidencePage(Around):
    def evidence(self, run_id: str) -> Evidence:
        page: Evidence = self.session.evidence(run_id)
        return attrs.evolve(page, status_code=404)


@breaks("HOST-3", "does evidence to a run")
class ServesTheEvidenceOfNoRun(Around):
    def evidence(self, run_id: str) -> Evidence:
        page: Evidence = self.session.evidence(run_id)
        return attrs.evolve(page, text=page.text.replace(run_id, ""))


@breaks("HOST-3", "does evidence to a run")
class ServesTheEvidenceToTheUserOfTheRunAlone(Around):
    def evidence(self, run_id: str) -> Evidence:
        page: Evidence = self.session.evidence(run_id)
        if page.status_code == 200 and self.host.scoria.get_run(run_id).actor_id != self.actor_id:
            page = self.session.evidence("01900000-0000-7000-8000-000000000000")
        return page

    @property
    def actor_id(self) -> str:
        return str(self.session.scope["actor_id"])


@breaks("HOST-4", "does resume while it waits")
class ApprovesInOrderToResume(Around):
    def resume(self, run_id: str) -> None:
        try:
            self.session.resume(run_id)
        except HostRefused:
            self.session.approve(run_id)
            self.session.resume(run_id)


@breaks("HOST-4", "does resume while it waits")
class SaysThatItResumedWhatItDidNot(Around):
    def resume(self, run_id: str) -> None:
        try:
            self.session.resume(run_id)
        except HostRefused:
            return


@breaks("HOST-4", "does resume")
class ResumesTheLatestTurn(Around):
    def resume(self, _: str) -> None:
        self.session.resume(self.session.stored_run_id())


@breaks("HOST-9", "it also changed")
class ApprovesEveryTurnOfTheSessionAndResumesIt(Around):
    def resume(self, run_id: str) -> None:
        self.session.resume(run_id)
        for run in self.waiting():
            self.session.approve(run.run_id)
            self.session.resume(run.run_id)


@breaks("HOST-9", "it also changed")
class ApprovesEverythingThatWaits(Around):
    def approve(self, run_id: str) -> None:
        self.session.approve(run_id)
        for run in self.waiting():
            self.session.approve(run.run_id)


@breaks("HOST-9", "it also changed")
class ApprovesTheTurnsBeforeToo(Around):
    def approve(self, run_id: str) -> None:
        self.session.approve(run_id)
        approved = self.session.read(run_id)
        for run in self.waiting():
            if run.session_id == approved.session_id:
                self.session.approve(run.run_id)


@breaks("HOST-9", "it changed")
class ReadingCancelsWhatWaitsElsewhere(Around):
    def read(self, run_id: str) -> Turn:
        turn: Turn = self.session.read(run_id)
        for run in self.waiting():
            if run.session_id == turn.session_id and run.run_id < run_id:
                self.host.scoria.cancel_run(run.run_id)
        return turn


@breaks("HOST-10", "once it is completed")
class ASecondClickStartsANewRun(Around):
    def resume(self, run_id: str) -> None:
        try:
            self.session.resume(run_id)
        except HostRefused:
            if self.session.read(run_id).status != "completed":
                raise
            self.session.start_turn("again")


@breaks("HOST-10", "what is stored for")
class ASecondClickIsRefusedAndStartsANewRun(Around):
    def resume(self, run_id: str) -> None:
        try:
            self.session.resume(run_id)
        except HostRefused:
            if self.session.scope is not None:
                self.session.start_turn("again")
            raise


@breaks("HOST-5", "session")
class BeginsASessionPerTurn(Around):
    def start_turn(self, prompt: str) -> Turn:
        self.session.session_id += "x"
        turn: Turn = self.session.start_turn(prompt)
        return turn


@breaks("HOST-5", "The guide's checklist")
class AnotherTurnIsTheSameRun(Around):
    def start_turn(self, prompt: str) -> Turn:
        stored = self.session.stored_run_id()
        turn: Turn = self.session.read(stored) if stored else self.session.start_turn(prompt)
        return turn


@breaks("HOST-6", "does evidence to a run")
class ShowsTheEvidenceToEveryTenant(Around):
    def evidence(self, run_id: str) -> Evidence:
        self.unscoped()
        page: Evidence = self.session.evidence(run_id)
        return page


@breaks("HOST-6", "expected 403")
class SendsVisitorsAway(Around):
    def evidence(self, run_id: str) -> Evidence:
        page: Evidence = self.session.evidence(run_id)
        return attrs.evolve(page, status_code=404) if self.session.scope is None else page


@breaks("HOST-6", "for a run that never was")
class SaysThatThePageOfAnotherTenantIsNotForOne(Around):
    def evidence(self, run_id: str) -> Evidence:
        page: Evidence = self.session.evidence(run_id)
        there = page.status_code == 404 and self.host.scoria.list_runs(limit=1000)
        theirs = there and run_id in {run.run_id for run in there}
        return attrs.evolve(page, text=f"{page.text} Not yours.") if theirs else page


@breaks("HOST-6", "a visitor does evidence to a run")
class ShowsTheEvidenceToVisitors(Around):
    def evidence(self, run_id: str) -> Evidence:
        if self.session.scope is None:
            self.session.scope = {"tenant_id": TENANT, "actor_id": "visitor"}
        page: Evidence = self.session.evidence(run_id)
        return page


def _by_another_tenant(act: str) -> type[Around]:
    def does(self: Around, run_id: str) -> object:
        scope = self.session.scope
        self.unscoped()
        try:
            return getattr(self.session, act)(run_id)
        finally:
            self.session.scope = scope

    return type(f"another_tenant_{act}", (Around,), {act: does})


for _act in ("read", "approve", "resume"):
    breaks.add(
        f"another tenant does {_act}", "TENANT-1", f"does {_act} to a run", _by_another_tenant(_act)
    )


@breaks("TENANT-1", "a reviewer of another tenant does approve to a run")
class AnyReviewerApproves(Around):
    def approve(self, run_id: str) -> None:
        if not self.session.session_id.endswith("reviewer"):
            return self.session.approve(run_id)  # type: ignore[no-any-return]
        pending = self.host.scoria.get_run(run_id).pending_approval
        if pending is None:
            raise HostRefused("there is nothing to decide")
        approval_id, actor_id = pending.approval_id, self.session.scope["actor_id"]
        self.host.scoria.approve(run_id, approval_id=approval_id, decided_by=actor_id)
        return None


@breaks("TENANT-1", "for a run that never was")
class SaysThatARunIsOfAnotherTenant(Around):
    def read(self, run_id: str) -> Turn:
        try:
            turn: Turn = self.session.read(run_id)
        except HostRefused:
            if run_id in {run.run_id for run in self.host.scoria.list_runs(limit=1000)}:
                raise HostRefused("that run is of another tenant") from None
            raise
        return turn


@breaks("TENANT-1", "who is called as its user")
class KnowsUsersByTheirNameAlone(Around):
    def read(self, run_id: str) -> Turn:
        run = next((r for r in self.host.scoria.list_runs(limit=1000) if r.run_id == run_id), None)
        if run and self.session.scope and run.actor_id == self.session.scope["actor_id"]:
            self.session.scope = {**self.session.scope, "tenant_id": run.tenant_id}
        turn: Turn = self.session.read(run_id)
        return turn


class _LetsVisitorsIn(Around):
    def __init__(self, session: HostSession, host: InProcessHost) -> None:
        super().__init__(session, host)
        if self.session.scope is None:
            self.session.scope = {"tenant_id": TENANT, "actor_id": "anonymous"}


def _by_a_visitor(act: str) -> type[Around]:
    def does(self: Around, *given: str) -> object:
        return getattr(_LetsVisitorsIn(self.session, self.host), act)(*given)

    return type(f"visitor_{act}", (Around,), {act: does})


for _act in ("start_turn", "submit_draft", "read", "approve"):
    breaks.add(f"a visitor does {_act}", "HOST-8", f"a visitor does {_act}", _by_a_visitor(_act))


@breaks("HOST-11", "its page names")
class StartsEveryRunAsOneUser(Around):
    def start_turn(self, prompt: str) -> Turn:
        scope = self.session.scope
        self.session.scope = scope and {**scope, "actor_id": "ada-of-the-case"}
        turn: Turn = self.session.start_turn(prompt)
        self.session.scope = scope
        return turn


@breaks("HOST-11", "its page does not name who decided")
class DecidesAsTheSystem(Around):
    def approve(self, run_id: str) -> None:
        scope = self.session.scope
        self.session.scope = scope and {**scope, "actor_id": "system"}
        try:
            self.session.approve(run_id)
        finally:
            self.session.scope = scope


class _AsTheTenant(Around):
    """Has one session, and one latest run, for all whom `shared` takes for one."""

    latest: dict[str, str] = {}

    def shared(self) -> str:
        return str(self.session.scope["tenant_id"])


@breaks("HOST-12", "they have one session")
class HasOneSessionPerTenant(_AsTheTenant):
    def start_turn(self, prompt: str) -> Turn:
        self.session.session_id = self.shared() if self.session.scope else "visitor"
        turn: Turn = self.session.start_turn(prompt)
        return turn


@breaks("HOST-12", "they have one session")
class HasOneSessionPerName(_AsTheTenant):
    def start_turn(self, prompt: str) -> Turn:
        self.session.session_id = self.shared() if self.session.scope else "visitor"
        turn: Turn = self.session.start_turn(prompt)
        return turn

    def shared(self) -> str:
        return str(self.session.scope["actor_id"])


@breaks("HOST-12", "what is stored for")
class StoresTheLatestRunOfTheTenant(_AsTheTenant):
    def start_turn(self, prompt: str) -> Turn:
        turn: Turn = self.session.start_turn(prompt)
        self.latest[self.shared()] = turn.run_id
        return turn

    def stored_run_id(self) -> str | None:
        return self.latest.get(self.shared()) if self.session.scope else None


@breaks("HOST-7", "A draft branches into a bounded handoff")
class NeverHandsOff(Around):
    def submit_draft(self, draft: str) -> tuple[Turn, Turn | None]:
        return self.session.submit_draft(draft.replace("policy", ""))[0], None


@breaks("HOST-7", "A draft that needs no review starts one run")
class AlwaysHandsOff(Around):
    def submit_draft(self, draft: str) -> tuple[Turn, Turn | None]:
        turns: tuple[Turn, Turn | None] = self.session.submit_draft(f"{draft} policy")
        return turns


@breaks("HOST-7", "A draft branches into a bounded handoff")
class TheReviewIsTheRunOfTheDraft(Around):
    def submit_draft(self, draft: str) -> tuple[Turn, Turn | None]:
        turn, review = self.session.submit_draft(draft)
        return turn, review and turn


class _HandsOn(Around):
    """Hands on, with each draft, what else `more` finds."""

    def submit_draft(self, draft: str) -> tuple[Turn, Turn | None]:
        more = f" ({self.more()})" if "policy" in draft and self.session.scope else ""
        turns: tuple[Turn, Turn | None] = self.session.submit_draft(f"{draft}{more}")
        return turns

    def more(self) -> str:
        return ""


@breaks("HOST-13", "the session_id: it is handed on")
class HandsOnTheSession(_HandsOn):
    def more(self) -> str:
        return str(self.session.session_id)


@breaks("HOST-13", "the actor_id: it is handed on")
class HandsOnTheUser(_HandsOn):
    def more(self) -> str:
        return str(self.session.scope["actor_id"])


@breaks("HOST-13", "the prompt of another turn: it is handed on")
class HandsOnTheTurnsBefore(_HandsOn):
    def more(self) -> str:
        runs = self.session._scoria.list_runs_for_session(self.session.session_id)
        return " ".join(str(run.metadata) for run in runs)


@breaks("HOST-13", "the draft: it is not there")
class HandsOnHalfTheDraft(Around):
    def submit_draft(self, draft: str) -> tuple[Turn, Turn | None]:
        turns: tuple[Turn, Turn | None] = self.session.submit_draft(draft.partition("allows")[0])
        return turns
