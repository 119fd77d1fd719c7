"""Wraps the host under test: records each act, and checks the types of its answers.

The answers of a driver must have the exact types of `host`. An exception that would control the
suite fails the scenario; a host that refuses raises `HostRefused`.
"""

from collections.abc import Callable
from typing import Any, cast

import attrs

from scoria_conformance.host import Evidence, Host, HostRefused, HostSession, Turn
from scoria_conformance.observed import Call, Ledger, mistyped


@attrs.define(eq=False)
class ObservedHost:
    """A host under test, whose visitors are observed."""

    host: Host
    ledger: Ledger

    def sign_in(self, *, actor_id: str, tenant_id: str, reviewer: bool = False) -> HostSession:
        """Start a session for a user or a reviewer of a tenant."""
        who = {"actor_id": actor_id, "tenant_id": tenant_id, "reviewer": reviewer}
        call = Call("sign_in", (), who)
        session = self.ledger.made(call, lambda: self.host.sign_in(**who), HostRefused)  # type: ignore[arg-type]
        return ObservedSession(session, self.ledger)

    def visit(self) -> HostSession:
        """Start a session without signing in."""
        session = self.ledger.made(Call("visit", (), {}), self.host.visit, HostRefused)
        return ObservedSession(session, self.ledger)


@attrs.define(eq=False)
class ObservedSession:
    """One visitor of a host under test."""

    session: HostSession
    ledger: Ledger

    def start_turn(self, prompt: str) -> Turn:
        """Send the form that starts a run."""
        return cast(Turn, self._act("start_turn", _no_turn, prompt))

    def submit_draft(self, draft: str) -> tuple[Turn, Turn | None]:
        """Send a draft."""
        return cast(tuple[Turn, Turn | None], self._act("submit_draft", _no_two, draft))

    def stored_run_id(self) -> str | None:
        """Return what the host stored for the latest turn."""
        return cast(str | None, self._act("stored_run_id", _no_id))

    def read(self, run_id: str) -> Turn:
        """Return the run as the host shows it."""
        return cast(Turn, self._act("read", _no_turn, run_id))

    def approve(self, run_id: str) -> None:
        """Approve what the run waits for."""
        self._act("approve", lambda _: "", run_id)

    def resume(self, run_id: str) -> None:
        """Have the host resume the run."""
        self._act("resume", lambda _: "", run_id)

    def evidence(self, run_id: str) -> Evidence:
        """Open the evidence page of the run."""
        return cast(Evidence, self._act("evidence", _no_evidence, run_id))

    def _act(self, name: str, wrong: Callable[[Any], str], *arguments: str) -> Any:
        act = getattr(self.session, name)
        answer = self.ledger.made(Call(name, arguments, {}), lambda: act(*arguments), HostRefused)
        if problem := wrong(answer):
            raise self.ledger.breaks(f"{name} answered {problem}")
        return answer


def _no_turn(answer: Any) -> str:
    return mistyped(answer, Turn, run_id=str, session_id=str, status=str)


def _no_two(answer: Any) -> str:
    if type(answer) is not tuple or len(answer) != 2:
        return mistyped(answer, tuple) or "a tuple of another length than two"
    return _no_turn(answer[0]) or ("" if answer[1] is None else _no_turn(answer[1]))


def _no_id(answer: Any) -> str:
    return "" if answer is None else mistyped(answer, str)


def _no_evidence(answer: Any) -> str:
    return mistyped(answer, Evidence, status_code=int, text=str)
