"""Lifecycles that are wrong on purpose: one for each way the generated scenarios can fail.

`mutate-lifecycles` tries every such change; these stand for them in the matrix.
"""

from functools import partial

from lab.mutants.kit import put
from lab.mutants.lifecycles import Change
from lab.mutants.wrong import Catalogue
from scoria_core import lifecycles

breaks = Catalogue("kit", lambda change: change())

_BEGINS = {"run": "failed", "step": "failed", "approval": "expired", "handoff": "failed"}

_REMOVED = {
    "run": ("running", "cancel", "cancelled"),
    "step": ("queued", "cancel", "cancelled"),
    "approval": ("pending", "withdraw", "withdrawn"),
    "handoff": ("pending", "cancel", "cancelled"),
}

_MADE_LEGAL = {
    "run": ("completed", "cancel", "cancelled"),
    "step": ("completed", "retry", "queued"),
    "approval": ("approved", "reject", "rejected"),
    "handoff": ("completed", "cancel", "cancelled"),
}


def _article(subject: str) -> str:
    return f"An {subject}" if subject == "approval" else f"A {subject}"


def _begins(subject: str, state: str) -> None:
    put(lifecycles, _INITIAL={**lifecycles._INITIAL, subject: state})


for subject, state in _BEGINS.items():
    name, clause = f"{subject}: begins {state}", f"{subject.upper()}-1"
    breaks.add(name, clause, f"{_article(subject)} begins", partial(_begins, subject, state))

for subject, (state, trigger, reached) in _REMOVED.items():
    removed = Change(subject, state, trigger, reached, None)
    breaks.add(str(removed), removed.clause, f"{_article(subject)} moves", removed.apply)

for subject, (state, trigger, reached) in _MADE_LEGAL.items():
    legal = Change(subject, state, trigger, None, reached)
    breaks.add(str(legal), legal.clause, f"{_article(subject)} refuses", legal.apply)
