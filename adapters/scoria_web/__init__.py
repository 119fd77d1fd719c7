"""For operators and for programs, as WSGI apps: pages, decisions and the calls of the facade."""

from scoria_web.api import api_app
from scoria_web.app import evidence_app
from scoria_web.decisions import decision_app
from scoria_web.links import DecisionLinks, link_app
from scoria_web.masking import secret_by_name
from scoria_web.scope import Scope

__all__ = [
    "DecisionLinks",
    "Scope",
    "api_app",
    "decision_app",
    "evidence_app",
    "link_app",
    "secret_by_name",
]
