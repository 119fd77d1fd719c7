"""The page of a run: its story, its lifecycle, and how much of a large run is on one page."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest
from werkzeug.test import Client

from scoria_core import (
    Completed,
    Failed,
    HandlerAnswer,
    HandOff,
    NeedsApproval,
    RunSummary,
    Scoria,
    Step,
    StepSpec,
)
from scoria_core.lifecycles import states, transitions
from scoria_core.testing import SettableClock
from scoria_memory import MemoryStore
from scoria_web import Scope, evidence_app
from scoria_web.app import MOST_BYTES
from scoria_web.story import WIDTH
from tests.web.test_web import links_of, words_of

TENANT = "acme"


@attrs.define
class Site:
    """The page over an empty store, with a clock that the test sets."""

    clock: SettableClock = attrs.field(
        factory=lambda: SettableClock(datetime(2026, 3, 1, 9, 30, tzinfo=UTC))
    )
    scoria: Scoria = attrs.field()

    @scoria.default
    def _scoria(self) -> Scoria:
        return Scoria(MemoryStore(), clock=self.clock)

    def start(self, handlers: Any, kind: str = "work", **more: Any) -> RunSummary:
        """Start a run whose first step is of this kind."""
        identity = self.scoria.identity(actor_id="user-1", tenant_id=TENANT, session_id="s")
        return self.scoria.start_run(
            identity,
            root_role_id="executor",
            initial_step=StepSpec(kind=kind, role_id="executor"),
            handlers=handlers,
            **more,
        )

    def open(self, path: str) -> str:
        """Return the markup of a page that is there."""
        answer = Client(evidence_app(self.scoria, scope=lambda _: Scope(TENANT, "op-1"))).get(path)
        assert answer.status_code == 200, answer.text
        return answer.text

    def run(self, run: RunSummary, query: str = "") -> str:
        """Return the markup of the page of a run."""
        return self.open(f"/workflows/{run.run_id}{query}")


@pytest.fixture
def site() -> Site:
    """Return a page over an empty store."""
    return Site()


def asks(**more: Any) -> NeedsApproval:
    """Return a request for approval."""
    return NeedsApproval(
        tool_name="send_refund",
        arguments={"order": "A-17", "amount": 1250},
        reason="over 1,000",
        **more,
    )


def story_of(markup: str) -> str:
    """Return the words of the story."""
    return words_of(
        markup[markup.index('<section id="story"') : markup.index('<section id="steps"')]
    )


def test_the_story_tells_each_event_in_words(site: Site) -> None:
    """Who asked, for what, who decided how long after, and how it ended."""
    run = site.start({"work": lambda step, _: Completed({"ok": 1}) if step.approval else asks()})
    (asked,) = run.pending_approvals
    site.clock.time += timedelta(minutes=3)
    site.scoria.approve(
        run.run_id, approval_id=asked.approval_id, decided_by="reviewer-7", note="slip seen"
    )
    site.scoria.resume_run(run.run_id, handlers={"work": lambda *_: {"sent": 1250}})
    story = story_of(site.run(run))
    told = [
        "user-1 started the run as executor",
        "step 1 work by executor ✓completed",
        'asked to send_refund {"order": "A-17", "amount": 1250} approval 1',
        "reviewer-7 approved: slip seen 3 min later",
        'completed with {"sent": 1250}',
        "The run completed",
    ]
    places = [story.find(each) for each in told]
    assert -1 not in places, story
    assert places == sorted(places)


def test_a_child_stands_under_its_parent(site: Site) -> None:
    """A handoff is told by the step that made it, and its child is a chapter within."""

    def hands_over(_: Step, __: RunSummary) -> HandlerAnswer:
        return HandOff(
            delegated_role_id="critic",
            delegated_kind="review",
            handoff_input={"text": "draft"},
            projected_context={},
        )

    run = site.start({"work": hands_over, "review": lambda *_: asks()})
    markup = site.run(run)
    assert "handed review to critic handoff 1" in story_of(markup)
    inner = re.search(r'<ol class="chapters">.*<ol class="chapters">(.*?)</ol>', markup, re.DOTALL)
    assert inner
    assert "review by critic" in words_of(inner[1])
    assert "was queued for step 1" in words_of(inner[1])


def test_waits_are_drawn_to_scale(site: Site) -> None:
    """A wait of three quarters of the run takes three quarters of the strip."""
    run = site.start({"work": lambda *_: asks()})
    (asked,) = run.pending_approvals
    site.clock.time += timedelta(minutes=30)
    site.scoria.approve(run.run_id, approval_id=asked.approval_id, decided_by="reviewer-7")
    site.scoria.resume_run(run.run_id)
    site.clock.time += timedelta(minutes=10)
    site.scoria.run_pending(run.run_id, handlers={"work": lambda *_: None})
    markup = site.run(run)
    spans = re.findall(r'<rect class="(\w+)" x="(\d+)" width="(\d+)"', markup)
    assert ("wait", "0", str(WIDTH * 3 // 4)) in spans
    assert ("idle", str(WIDTH * 3 // 4), str(WIDTH // 4)) in spans
    assert "waiting for approval for 30 min, queued for 10 min" in story_of(markup) or (
        "queued for 10 min" in story_of(markup) and "approval for 30 min" in story_of(markup)
    )


def test_the_drawing_is_that_of_the_machine_and_lights_the_path(site: Site) -> None:
    """Each state and each move of the declared lifecycle is drawn; those of the run are lit."""
    run = site.start({"work": lambda *_: Failed("no")})
    markup = site.run(run)
    drawn = set(re.findall(r'<g id="((?:state|move)-[^"]*)"', markup))
    moves = {f"move-{state}-{trigger}" for state, trigger in transitions("run")}
    assert drawn == {"state-start", "move-start", *moves} | {f"state-{s}" for s in states("run")}
    taken = set(re.findall(r'<g id="([^"]*)" class="edge taken"', markup))
    assert taken == {"move-start", "move-running-fail"}
    assert re.findall(r'<g id="([^"]*)" class="node lit bad"', markup) == ["state-failed"]
    assert "went through: running, failed" in markup


def test_many_steps_are_paged_and_each_link_leads_to_its_place(site: Site) -> None:
    """Following the links shows each step once; a link to a step leads to the page it is on."""
    identity = site.scoria.identity(actor_id="user-1", tenant_id=TENANT, session_id="s")
    run = site.scoria.start_run(identity, root_role_id="executor")
    for _ in range(70):
        site.scoria.add_step(run.run_id, StepSpec("note", "executor"))
    seen: list[int] = []
    path: str | None = f"/workflows/{run.run_id}"
    while path:
        markup = site.open(path)
        seen += map(int, re.findall(r'id="step-(\d+)"', markup))
        later = re.search(r'href="([^"#]*)#steps">Later steps', markup)
        path = later[1] if later else None
    assert seen == list(range(1, 71))
    last = site.run(run, "?entries_after=60")
    (link,) = {each for each in links_of(last) if each.endswith("#step-70")}
    assert 'id="step-70"' in site.open(link.partition("#")[0])


def test_no_page_of_a_run_is_too_large(site: Site) -> None:
    """Whatever was written in it; and each value is whole on the page of its entry."""
    unseen = "\u202e" * 60_000 + "the very end"
    identity = site.scoria.identity(
        actor_id="\u202e" * 250, tenant_id=TENANT, session_id="s", metadata={"m": unseen}
    )
    run = site.scoria.start_run(identity, root_role_id="\u2060" * 250, metadata={"m": unseen})
    for _ in range(40):
        site.scoria.add_step(run.run_id, StepSpec("\u200b" * 200, "\u2066" * 200, {"text": unseen}))
    size = 0
    for query in ("", "?steps_after=20", "?entries_after=30", "?steps_after=39&entries_after=39"):
        markup = site.run(run, query)
        size = max(size, len(markup.encode()))
        assert len(markup.encode()) <= MOST_BYTES
        assert "the very end" not in markup
    assert size > MOST_BYTES // 20
    (link,) = {each for each in links_of(site.run(run)) if each == "?entry=2"}
    assert "the very end" in site.run(run, link)


def test_an_entry_that_is_not_there_is_no_page(site: Site) -> None:
    """An entry before the first or after the last is 404, and a word is 400."""
    run = site.start({"work": lambda *_: None})
    client = Client(evidence_app(site.scoria, scope=lambda _: Scope(TENANT, "op-1")))
    for entry, status in {"0": 404, "999": 404, "x": 400, "-1": 400, "1": 200}.items():
        assert client.get(f"/workflows/{run.run_id}?entry={entry}").status_code == status


def test_what_was_kept_stays_hidden_on_the_page_of_its_entry(site: Site) -> None:
    """As on the page of the run, it is shown only where it was asked for."""
    run = site.start({"work": lambda *_: asks(keep={"text": "private"})})
    entry = next(e for e in site.scoria.get_run_detail(run.run_id).journal if "kept" in e.data)
    assert "private" not in site.run(run, f"?entry={entry.sequence}")
    assert "private" in site.run(run, f"?entry={entry.sequence}&kept=shown")
