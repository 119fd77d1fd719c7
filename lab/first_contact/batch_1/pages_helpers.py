"""What the scripts of the pages share: runs to show, and ways to ask."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import httpx

from lab.first_contact.wrong import HOST, Wrong
from scoria_core import NeedsApproval, Scoria, StepSpec
from scoria_memory import MemoryStore
from scoria_web import Scope, evidence_app
from scoria_web.app import _EvidenceApp

App = Callable[..., Iterable[bytes]]
MakePage = Callable[..., App]


def asked(
    app: App, path: str, method: str = "GET", headers: Mapping[str, str] | None = None
) -> httpx.Response:
    """Ask a page, mounted under /scoria."""
    transport = httpx.WSGITransport(app=app, script_name="/scoria")
    with httpx.Client(transport=transport, base_url="http://host.invalid") as client:
        return client.request(method, path, headers=headers)


def of(tenant_id: str) -> Callable[[Any], Scope]:
    """Return a scope of an operator of that tenant, whatever is asked."""
    return lambda environ: Scope(tenant_id=tenant_id, actor_id="op-1")


def kit(store: MemoryStore | None = None) -> Scoria:
    """Return a facade over a store in memory."""
    return Scoria(store or MemoryStore())


def started(scoria: Scoria, tenant_id: str = "acme", session_id: str = "chat", **more: Any) -> str:
    """Start a run that its host drives, and return its id."""
    who = scoria.identity(actor_id="user-1", tenant_id=tenant_id, session_id=session_id)
    return scoria.start_run(who, root_role_id="agent", **more).run_id


def asking(scoria: Scoria, reason: str = "It leaves the house", **arguments: Any) -> str:
    """Start a run that waits for approval, and return its id."""

    def ask(step: Any, run: Any) -> NeedsApproval:
        return NeedsApproval(tool_name="send", arguments=arguments, reason=reason)

    return started(scoria, initial_step=StepSpec("ask", "agent"), handlers={"ask": ask})


def handed(scoria: Scoria, handlers: Any = None, **more: Any) -> str:
    """Start a run with a handoff from planner to critic, and return its id."""
    who = scoria.identity(actor_id="user-1", tenant_id="acme", session_id="chat")
    given: dict[str, Any] = {
        "handoff_input": {"brief": "Review"},
        "projected_context": {"task": "policy"},
        **more,
    }
    return scoria.start_handoff_run(
        who,
        "critic",
        root_role_id="planner",
        delegated_kind="review",
        handlers=handlers,
        **given,
    ).run_id


def part(text: str, start: str, end: str = "</section>") -> str:
    """Return what of a page stands between two texts."""
    return text.partition(start)[2].partition(end)[0]


def _page_of(kind: type[_EvidenceApp], scoria: Scoria, scope: Any) -> App:
    return kind(scoria, scope, **HOST)


def _right(scoria: Scoria, scope: Any) -> App:
    return evidence_app(scoria, scope=scope, **HOST)


def wrong_page(name: str, clause: str, made: Any, show: Any) -> Wrong:
    """Return the wrong page that a class or a function makes; the right one is the kit's."""
    make = partial(_page_of, made) if isinstance(made, type) else made
    return Wrong(name, clause, "page", make, show, _right)
