"""The evidence page of a store, as the suite and `scoria serve` use it."""

from collections.abc import Mapping
from typing import Any

from scoria_core import Scoria
from scoria_web import Scope, evidence_app


def page(scoria: Scoria, scope_of: Any) -> Any:
    """Return the page of `scoria`; `scope_of(environ)` gives the facts of a scope, or None."""

    def scope(environ: Mapping[str, Any]) -> Scope | None:
        facts = scope_of(environ)
        return None if facts is None else Scope(**facts)

    return evidence_app(scoria, scope=scope)
