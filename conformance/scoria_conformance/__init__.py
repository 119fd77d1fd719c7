"""The conformance suite: the features of `scoria_features`, bound to a store or a host."""

from scoria_conformance.clauses import Clause, ClauseSet, specification
from scoria_conformance.exclusions import Exclusions, ExclusionsRefused
from scoria_conformance.host import Evidence, Host, HostSession, Turn
from scoria_conformance.setting import SEED
from scoria_conformance.verdict import Check, Status, Verdict
from scoria_conformance.verify import SUITES, Progress, verify

__all__ = [
    "SEED",
    "SUITES",
    "Check",
    "Clause",
    "ClauseSet",
    "Evidence",
    "Exclusions",
    "ExclusionsRefused",
    "Host",
    "HostSession",
    "Progress",
    "Status",
    "Turn",
    "Verdict",
    "specification",
    "verify",
]
