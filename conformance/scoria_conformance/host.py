"""The interface of a host app for the suite, and a minimal host for stores without one."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Protocol

import attrs
import httpx

from scoria_core import (
    Completed,
    Event,
    Identity,
    NeedsApproval,
    RunSummary,
    Scoria,
    ScoriaError,
    Step,
    StepSpec,
)

WSGIApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
ScopeOf = Callable[[Mapping[str, Any]], Mapping[str, Any] | None]
PageFactory = Callable[[Scoria, ScopeOf], WSGIApp]
"""Makes the evidence page; the scope is the keyword arguments of a `Scope`, or None."""

MakeLink = Callable[[Event, str], str]
LinksFactory = Callable[[Scoria, str, timedelta], tuple[WSGIApp, MakeLink]]
"""Makes the app that links lead to, mounted at a URL, and the function that makes a link.

A link is valid for the time that is given.
"""

REVIEWED = "policy"
"""A draft with this word in it needs a bounded review, as in the guide."""


@attrs.frozen
class Turn:
    """A run as its host shows it."""

    run_id: str
    session_id: str
    status: str


@attrs.frozen
class Evidence:
    """The answer to a request for an evidence page."""

    status_code: int
    text: str


class HostSession(Protocol):
    """The actions of one visitor in one session of a host.

    If the host refuses a call, it raises `HostRefused`.
    """

    def start_turn(self, prompt: str) -> Turn:
        """Send the form that starts a run which waits for approval."""
        ...

    def submit_draft(self, draft: str) -> tuple[Turn, Turn | None]:
        """Send a draft; return its run, and the run of its review if it needs one."""
        ...

    def stored_run_id(self) -> str | None:
        """Return the run_id that the host stored for the latest turn."""
        ...

    def read(self, run_id: str) -> Turn:
        """Return the run as the host shows it."""
        ...

    def approve(self, run_id: str) -> None:
        """Approve the request that the run waits for; this may also queue its step."""
        ...

    def resume(self, run_id: str) -> None:
        """Have the host resume the run, or run the step that the decision has queued."""
        ...

    def evidence(self, run_id: str) -> Evidence:
        """Open the evidence page of the run."""
        ...


class Host(Protocol):
    """A host app that can be signed in to."""

    def sign_in(self, *, actor_id: str, tenant_id: str, reviewer: bool = False) -> HostSession:
        """Start a session of the host for a user or a reviewer of a tenant."""
        ...

    def visit(self) -> HostSession:
        """Start a session of the host without signing in."""
        ...


class HostRefused(Exception):
    """The host did not do what it was asked."""


@attrs.define
class InProcessHost:
    """The guide's host, as short as possible, to test a store without a host of its own."""

    scoria: Scoria
    page: PageFactory
    _sessions: int = 0

    def sign_in(self, *, actor_id: str, tenant_id: str, reviewer: bool = False) -> HostSession:
        """Start a session for a user; every user of this host may decide."""
        self._sessions += 1
        scope = {"tenant_id": tenant_id, "actor_id": actor_id}
        session_id = f"session-{self._sessions}-{'reviewer' if reviewer else 'user'}"
        return _InProcessSession(self, scope, session_id)

    def visit(self) -> HostSession:
        """Start a session without a user."""
        return _InProcessSession(self, None, "visitor")


@attrs.define
class _InProcessSession:
    host: InProcessHost
    scope: Mapping[str, str] | None
    session_id: str
    last_run_id: str | None = None

    @property
    def _scoria(self) -> Scoria:
        if self.scope is None:
            raise HostRefused("sign in first")
        return self.host.scoria.for_tenant(self.scope["tenant_id"])

    def start_turn(self, prompt: str) -> Turn:
        started = self._scoria.start_run(
            self._identity(),
            root_role_id="executor",
            initial_step=StepSpec(kind="approval", role_id="executor"),
            metadata={"payload": {"prompt": prompt}},
            handlers={"approval": _wait_for_approval},
        )
        self.last_run_id = started.run_id
        return _turn(started)

    def submit_draft(self, draft: str) -> tuple[Turn, Turn | None]:
        started = self._scoria.start_run(self._identity(), root_role_id="executor")
        if REVIEWED not in draft:
            return _turn(started), None
        review = self._scoria.start_handoff_run(
            self._identity(),
            "critic",
            root_role_id="planner",
            delegated_kind="review",
            handoff_input={"brief": "Review the draft answer for policy and accuracy"},
            projected_context={"task": "policy-and-accuracy review", "draft_answer": draft},
            handlers={"review": _review},
        )
        return _turn(started), _turn(review)

    def stored_run_id(self) -> str | None:
        return self.last_run_id

    def read(self, run_id: str) -> Turn:
        with _refusing():
            return _turn(self._scoria.get_run(run_id))

    def approve(self, run_id: str) -> None:
        with _refusing():
            pending = self._scoria.get_run(run_id).pending_approval
            if pending is None:
                raise HostRefused("there is nothing to decide")
            self._scoria.approve(
                run_id, approval_id=pending.approval_id, decided_by=self._identity().actor_id
            )

    def resume(self, run_id: str) -> None:
        with _refusing():
            self._scoria.resume_run(run_id, handlers={"approval": _wait_for_approval})

    def evidence(self, run_id: str) -> Evidence:
        app = self.host.page(self.host.scoria, lambda _: self.scope)
        return _opened(app, f"/workflows/{run_id}")

    def _identity(self) -> Identity:
        return Identity.from_session({**(self.scope or {}), "session_id": self.session_id})


@contextmanager
def _refusing() -> Iterator[None]:
    """Turn a refusal by the kit into one by the host."""
    try:
        yield
    except ScoriaError as error:
        raise HostRefused(str(error)) from error


def _opened(app: WSGIApp, path: str) -> Evidence:
    """Ask a WSGI app, mounted under /scoria, for a page."""
    transport = httpx.WSGITransport(app=app, script_name="/scoria")
    with httpx.Client(transport=transport, base_url="http://host.invalid") as client:
        answer = client.get(path)
    return Evidence(answer.status_code, answer.text)


def _turn(summary: RunSummary) -> Turn:
    return Turn(summary.run_id, summary.session_id, summary.status.value)


def _wait_for_approval(step: Step, run: RunSummary) -> Completed | NeedsApproval:
    if step.approval is not None and step.approval.status == "approved":
        return Completed({"sent": dict(step.approval.arguments)})
    arguments = {"prompt": run.metadata["payload"]["prompt"]}
    return NeedsApproval(tool_name="send_reply", arguments=arguments, reason="It leaves the house")


def _review(step: Step, _: RunSummary) -> Completed:
    return Completed({"verdict": "fits the policy", "brief": step.input["brief"]})
