"""Pages for operators, as WSGI apps: what a run did and who decided, and where people decide."""

from scoria_web.app import evidence_app
from scoria_web.decisions import decision_app
from scoria_web.links import DecisionLinks, link_app
from scoria_web.masking import secret_by_name
from scoria_web.scope import Scope

__all__ = [
    "DecisionLinks",
    "Scope",
    "decision_app",
    "evidence_app",
    "link_app",
    "secret_by_name",
]
