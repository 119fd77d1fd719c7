"""Kits that are wrong about what a person decides, or by which link."""

import time
from collections.abc import Callable
from datetime import timedelta
from functools import lru_cache
from urllib.parse import urlsplit

from werkzeug.test import Client

from lab.first_contact.batch_6.replacing import WHO, kit, replace
from scoria_core import Event, NeedsApproval, RunSummary, Scoria, Step, StepSpec, decisions
from scoria_core.conversion import evolve
from scoria_core.decisions import Decision
from scoria_core.errors import InvalidPayload
from scoria_core.model import Approval
from scoria_core.payloads import digest
from scoria_memory import MemoryStore
from scoria_web import DecisionLinks, link_app
from scoria_web.links import Link


def asks(step: Step, run: RunSummary) -> NeedsApproval:
    """Ask for what can be edited."""
    return NeedsApproval(
        tool_name="pay", arguments={"amount": 5, "express": 0}, reason="Much", may_edit=True
    )


def make_equal_edits() -> None:
    """An edit that Python takes for equal to what was proposed counts as none."""

    def edited(approval: Approval, decision: Decision) -> Approval:
        if approval.answer_schema is None and decision.answer is not None:
            raise InvalidPayload("answer", "is not asked for by this request; leave it out")
        if approval.answer_schema is not None and decision.answer is None:
            raise InvalidPayload("answer", "is missing; pass an object that fits answer_schema")
        answered = approval if decision.answer is None else evolve(approval, answer=decision.answer)
        if decision.arguments is None or decision.arguments == approval.proposed_arguments:
            return answered
        if approval.may_edit is False:
            problem = "cannot be edited in this request; approve them as they are, or reject it"
            raise InvalidPayload("arguments", problem)
        arguments = decision.arguments
        return evolve(answered, arguments=arguments, arguments_digest=digest(arguments))

    replace(decisions, "_edited", edited)


def show_equal_edits(make: Callable[[], None]) -> None:
    """Who approves False in place of 0 has approved False."""
    make()
    scoria = Scoria(MemoryStore(), handlers={"pay": asks})
    run = scoria.start_run(WHO, root_role_id="agent", initial_step=StepSpec("pay", "agent"))
    (asked,) = run.pending_approvals
    edit = {"amount": 5, "express": False}
    scoria.approve(run.run_id, approval_id=asked.approval_id, decided_by="eve", arguments=edit)
    (approval,) = scoria.get_run_detail(run.run_id).approvals
    assert approval.arguments["express"] is False


def make_links_read_once() -> None:
    """What a link says is kept, as to check its signature takes time; so is that it was in time."""
    read_once = lru_cache(maxsize=4096)(DecisionLinks.read)

    def read(self: DecisionLinks, token: str) -> Link | None:
        return read_once(self, token)

    replace(DecisionLinks, "read", read)


def show_links_read_once(make: Callable[[], None]) -> None:
    """A link that was opened in time shows nothing when it is too old."""
    make()
    links = DecisionLinks("https://host.example", "secret" * 4, good_for=timedelta(seconds=2))
    asked: list[Event] = []
    scoria = Scoria(MemoryStore(), handlers={"pay": asks}, listeners={"mail": asked.append})
    scoria.start_run(WHO, root_role_id="agent", initial_step=StepSpec("pay", "agent"))
    scoria.deliver_events()
    (event,) = [each for each in asked if each.type == "approval.requested"]
    client, place = Client(link_app(scoria, links=links)), urlsplit(links.link(event, "eve")).path
    in_time = client.get(place).status_code
    time.sleep(3.5)
    if in_time != 200:
        raise RuntimeError(in_time)
    assert client.get(place).status_code == 403


WRONG = (
    kit("edits-that-are-equal", "APPROVAL-19", make_equal_edits, show_equal_edits),
    kit("links-are-read-once", "LINK-2", make_links_read_once, show_links_read_once),
)
