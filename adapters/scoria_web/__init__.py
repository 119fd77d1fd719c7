"""The evidence page: what a run did and who decided, as a read-only WSGI app for operators."""

from scoria_web.app import evidence_app
from scoria_web.scope import Scope

__all__ = ["Scope", "evidence_app"]
