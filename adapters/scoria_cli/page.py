"""The pages of a store, as the suite sees them: the evidence, the decisions, and the links.

Nothing is masked: the suite looks for every text of a run, whatever its name.
"""

import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from werkzeug.middleware.dispatcher import DispatcherMiddleware

from scoria_core import Scoria
from scoria_web import DecisionLinks, Scope, decision_app, evidence_app, link_app

MOUNT = "/scoria"
"""Where the suite mounts the pages."""

DECISIONS = "/decisions"

SECRET = secrets.token_bytes()


def page(scoria: Scoria, scope_of: Any) -> Any:
    """Return the pages of `scoria`; `scope_of(environ)` gives the facts of a scope, or None."""

    def scope(environ: Mapping[str, Any]) -> Scope | None:
        facts = scope_of(environ)
        return None if facts is None else Scope(**facts)

    evidence = evidence_app(scoria, scope=scope, decisions=f"{MOUNT}{DECISIONS}", mask=None)
    decisions = decision_app(scoria, scope=scope, secret=SECRET, evidence=MOUNT, mask=None)
    return DispatcherMiddleware(evidence, {DECISIONS: decisions})


def links(scoria: Scoria, base_url: str, good_for: timedelta) -> tuple[Any, Any]:
    """Return the app of links, to be mounted at `base_url`, and the function that makes a link."""
    made = DecisionLinks(base_url, SECRET, good_for)
    return link_app(scoria, links=made, mask=None), made.link
