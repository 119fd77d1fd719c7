"""Hosts that are wrong on purpose, each around the right one that the features speak to."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import attrs

from lab.mutants.wrong import Catalogue
from scoria_conformance.host import Evidence, HostRefused, HostSession, InProcessHost, Turn


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


@breaks("HOST-1", "The guide's checklist")
class DoesNotStoreTheRunId(Around):
    def stored_run_id(self) -> str | None:
        return None


@breaks("HOST-1", "The guide's checklist")
class StoresTheSessionIdForTheRunId(Around):
    def stored_run_id(self) -> str | None:
        return str(self.session.session_id)


@breaks("HOST-2", "leaves the other waiting")
class ReadsTheNewestRun(Around):
    def read(self, run_id: str) -> Turn:
        newest: Turn = self.session.read(self.host.scoria.list_runs(limit=1)[0].run_id)
        return attrs.evolve(newest, run_id=run_id)


@breaks("HOST-2", "completed")
class ShowsTheStatusItStartedWith(Around):
    def read(self, run_id: str) -> Turn:
        turn: Turn = self.session.read(run_id)
        return attrs.evolve(turn, status="waiting_for_approval")


@breaks("HOST-3", "404 == 200")
class ServesNoEvidencePage(Around):
    def evidence(self, run_id: str) -> Evidence:
        page: Evidence = self.session.evidence(run_id)
        return attrs.evolve(page, status_code=404)


@breaks("HOST-3", "The guide's checklist")
class ServesTheEvidenceOfNoRun(Around):
    def evidence(self, run_id: str) -> Evidence:
        page: Evidence = self.session.evidence(run_id)
        return attrs.evolve(page, text=page.text.replace(run_id, ""))


@breaks("HOST-4", "DID NOT RAISE")
class ApprovesInOrderToResume(Around):
    def resume(self, run_id: str) -> None:
        try:
            self.session.resume(run_id)
        except HostRefused:
            self.session.approve(run_id)
            self.session.resume(run_id)


@breaks("HOST-4", "DID NOT RAISE")
class SaysThatItResumedWhatItDidNot(Around):
    def resume(self, run_id: str) -> None:
        try:
            self.session.resume(run_id)
        except HostRefused:
            return


@breaks("HOST-4", "leaves the other waiting")
class ResumesTheLatestTurn(Around):
    def resume(self, _: str) -> None:
        self.session.resume(self.session.stored_run_id())


@breaks("HOST-4", "leaves the other waiting")
class ApprovesEveryTurnOfTheSessionAndResumesIt(Around):
    def resume(self, run_id: str) -> None:
        self.session.resume(run_id)
        for run in self.host.scoria.list_runs():
            if run.pending_approval is not None:
                self.session.approve(run.run_id)
                self.session.resume(run.run_id)


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


@breaks("HOST-6", "Evidence")
class ShowsTheEvidenceToEveryTenant(Around):
    def evidence(self, run_id: str) -> Evidence:
        if self.session.scope is not None:
            self.session.scope = {"tenant_id": "tenant-1", "actor_id": "user-2"}
        page: Evidence = self.session.evidence(run_id)
        return page


@breaks("HOST-6", "== 403")
class ShowsTheEvidenceToVisitors(Around):
    def evidence(self, run_id: str) -> Evidence:
        if self.session.scope is None:
            self.session.scope = {"tenant_id": "tenant-1", "actor_id": "visitor"}
        page: Evidence = self.session.evidence(run_id)
        return page


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
