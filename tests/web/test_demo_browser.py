"""The demo and its console as people work in them: a user, two reviewers and an operator."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import attrs
import pytest
from playwright.sync_api import Browser, Page, expect

from scoria_conformance.serving import served
from scoria_core import RunSummary, Scoria, StepSpec
from scoria_core.testing import SettableClock
from scoria_demo import HANDLERS, create_app
from scoria_memory import MemoryStore
from scoria_worker import Worker
from tests.support import ROOT
from tests.support.browser import driven
from tests.support.external import missing

pytestmark = pytest.mark.slow

expect.set_options(timeout=20_000)
"""How many milliseconds a page has to say what it must; it is looked at all the while."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Start the browser once."""
    with driven() as started:
        yield started


@attrs.frozen
class Demo:
    """The demo as it is served, and the windows that people have of it."""

    browser: Browser
    address: str
    has_script: bool

    def window(self, name: str) -> Page:
        """Open a window of somebody's own, and sign in there."""
        page = self.browser.new_context(java_script_enabled=self.has_script).new_page()
        page.goto(self.address)
        page.get_by_role("button", name=name, exact=True).click()
        return page


@contextmanager
def working(scoria: Scoria) -> Iterator[None]:
    """Have a worker carry out what is queued."""
    worker = Worker(scoria, poll=0.05)
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        yield
    finally:
        worker.end()
        thread.join()


@pytest.fixture(params=[True, False], ids=["with JavaScript", "without"])
def demo(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Demo]:
    """Serve the demo over a store of its own, with a worker beside it."""
    with (
        Scoria(MemoryStore(), handlers=HANDLERS) as scoria,
        served(create_app(scoria)) as address,
        working(scoria),
    ):
        yield Demo(browser, address, request.param)
        for context in browser.contexts:
            context.close()


def turns(page: Page, status: str, has_script: bool) -> None:
    """See the page of a run turn into a status: by itself, or else by looking again and again."""
    told = re.compile(rf", {status} · ")
    if has_script:
        page.evaluate("window.wasNotReloaded = true")
        expect(page).to_have_title(told)
        assert page.evaluate("window.wasNotReloaded")
        return
    for _ in range(200):
        if told.search(page.title()):
            break
        page.reload()
    expect(page).to_have_title(told)


def ask(page: Page, field: str, text: str) -> None:
    """Fill in a form of the host and send it, then open the evidence of its run."""
    page.get_by_role("link", name="Assistant", exact=True).click()
    form = page.locator("form").filter(has_text=field)
    form.get_by_role("textbox").last.fill(text)
    form.get_by_role("button").click()
    page.get_by_role("link", name="Evidence of this run").click()


def open_first(page: Page, address: str) -> None:
    """Go from the console to the request that waits the longest."""
    page.goto(f"{address}/scoria/")
    page.get_by_role("link", name="Decide", exact=True).first.click()


def test_a_turn_from_the_prompt_to_its_end(demo: Demo) -> None:
    """It is found in the inbox, edited and approved there, and seen completed in another window."""
    user, reviewer = demo.window("user-1"), demo.window("reviewer-7")
    ask(user, "Ask for a reply", "May I return the blue kettle?")
    expect(user).to_have_title(re.compile("waiting_for_approval"))
    reviewer.get_by_role("link", name="Console").click()
    expect(reviewer).to_have_title(re.compile(r"^Waiting \(1\)"))
    expect(reviewer.get_by_role("table")).to_contain_text("May I return the blue kettle?")
    reviewer.get_by_role("link", name="Decide", exact=True).click()
    arguments = reviewer.get_by_role("group", name="Arguments")
    arguments.get_by_role("textbox").fill("Yes, within 30 days.")
    reviewer.get_by_role("button", name="Approve").click()
    expect(reviewer.get_by_text("Approved by reviewer-7")).to_be_visible()
    turns(user, "completed", demo.has_script)
    expect(user.get_by_text("Yes, within 30 days.").first).to_be_visible()


def test_a_no_brings_it_back_with_what_was_said(demo: Demo) -> None:
    """The reply is drafted anew, and waits again."""
    user, reviewer = demo.window("user-1"), demo.window("reviewer-8")
    ask(user, "Ask for a reply", "Where is my parcel?")
    open_first(reviewer, demo.address)
    reviewer.get_by_label("Note").fill("Be kinder")
    reviewer.get_by_role("button", name="Reject").click()
    expect(reviewer.get_by_text("Rejected by reviewer-8")).to_be_visible()
    reviewer.goto(f"{demo.address}/scoria/")
    if not demo.has_script:
        for _ in range(200):
            if "Waiting (1)" in reviewer.title():
                break
            reviewer.reload()
    expect(reviewer.get_by_role("table")).to_contain_text("by tomorrow")
    open_first(reviewer, demo.address)
    expect(reviewer.get_by_text("Drafted anew, after reviewer-8 said: Be kinder")).to_be_visible()
    reviewer.get_by_role("button", name="Approve").click()
    turns(user, "completed", demo.has_script)


def test_two_reviewers_each_say_yes(demo: Demo) -> None:
    """The first yes leaves it waiting, and who gave it cannot give the second."""
    user = demo.window("user-1")
    ask(user, "Ask for a refund", "A-17")
    first, second = demo.window("reviewer-7"), demo.window("reviewer-8")
    for reviewer, told in ((first, "1 of 2"), (second, "2 of 2")):
        open_first(reviewer, demo.address)
        reviewer.get_by_role("button", name="Approve, as one of 2").click()
        expect(reviewer.get_by_text(told)).to_be_visible()
        if reviewer is first:
            reviewer.get_by_role("button", name="Approve, as one of 2").click()
            expect(reviewer.get_by_role("alert")).to_contain_text("another person's")
    turns(user, "completed", demo.has_script)


def test_a_handoff_is_followed_from_the_page_of_its_run(demo: Demo) -> None:
    """From what was handed on one gets to the step that it became."""
    user = demo.window("user-1")
    ask(user, "Submit a draft", "Our policy allows returns within 30 days.")
    turns(user, "completed", demo.has_script)
    delegated = user.get_by_role("region", name="Delegated")
    expect(delegated).to_contain_text("critic")
    delegated.get_by_role("link", name="step 2").click()
    expect(user.locator(":target")).to_contain_text("fits the policy")


@attrs.define
class Operator:
    """Somebody who counts the pages that a task takes, with the one that it begins on."""

    page: Page
    pages: int = 1

    @classmethod
    def begins(cls, demo: Demo) -> "Operator":
        """Begin where the console does."""
        operator = cls(demo.window("reviewer-7"))
        operator.page.get_by_role("link", name="Console").click()
        operator.page.on("framenavigated", lambda _: operator.turned())
        return operator

    def turned(self) -> None:
        """Count a page."""
        self.pages += 1


@attrs.frozen
class History:
    """What an operator looks for in what went on: two runs, and when a third was approved."""

    oldest: str
    failed: str
    approved_at: datetime


def history(scoria: Scoria, clock: SettableClock) -> History:
    """Have users ask day after day; all but what they ask on the last two days is decided."""
    runs: dict[tuple[int, int], RunSummary] = {}
    for day in range(14):
        for hour in range(9):
            clock.advance(hours=1)
            order = "A-99" if (day, hour) == (9, 4) else "A-19"
            facts = {"order": order, "amount": (80, 700, 1_250)[hour % 3]}
            kind = "approval" if hour % 2 else "refund"
            run = runs[day, hour] = scoria.start_run(
                scoria.identity(
                    actor_id=f"user-{hour}", tenant_id="account-1", session_id=f"day-{day}"
                ),
                root_role_id="executor",
                initial_step=StepSpec(kind, "executor", input=facts),
                metadata={"payload": {"prompt": f"Order {order}"}},
            )
            if run.pending_approval is not None and day < 12:
                for name in ("reviewer-8", "reviewer-9")[: run.pending_approval.approvals_needed]:
                    approval_id = run.pending_approval.approval_id
                    scoria.approve(run.run_id, approval_id=approval_id, decided_by=name)
                scoria.resume_run(run.run_id)
        clock.advance(hours=15)
    return History(runs[12, 2].run_id, runs[9, 4].run_id, runs[7, 3].created_at)


@pytest.fixture
def busy(browser: Browser) -> Iterator[tuple[Demo, Scoria, History]]:
    """Serve the demo over a store in which a lot has happened."""
    clock = SettableClock()
    with Scoria(MemoryStore(), handlers=HANDLERS, clock=clock) as scoria:
        found = history(scoria, clock)
        with served(create_app(scoria)) as address:
            yield Demo(browser, address, has_script=False), scoria, found
            for context in browser.contexts:
                context.close()


def test_an_operator_does_each_task_within_four_pages(busy: tuple[Demo, Scoria, History]) -> None:
    """Deciding the oldest large refund, finding why a run failed, and who approved last week."""
    demo, scoria, found = busy

    decides = Operator.begins(demo)
    page = decides.page
    page.get_by_role("link", name="send_refund", exact=True).first.click()
    rows = page.get_by_role("row").filter(has_text="Decide").all()
    amounts = [int(re.findall(r'"amount": (\d+)', row.inner_text())[0]) for row in rows]
    large = next(row for row, amount in zip(rows, amounts, strict=True) if amount > 1_000)
    large.get_by_role("link", name="Decide", exact=True).click()
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_text("1 of 2")).to_be_visible()
    [asked] = scoria.get_run(found.oldest).pending_approvals
    assert [each.by for each in asked.endorsements] == ["reviewer-7"]
    assert decides.pages == 4

    explains = Operator.begins(demo)
    page = explains.page
    page.get_by_role("searchbox").fill(found.failed)
    page.get_by_role("button", name="Find").click()
    page.get_by_role("table").get_by_role("link").first.click()
    expect(page.get_by_text("There is no such order in the books").first).to_be_visible()
    assert explains.pages == 3

    looks_back = Operator.begins(demo)
    page = looks_back.page
    page.get_by_role("link", name=re.compile("^Completed")).click()
    page.get_by_text("Filter", exact=True).click()
    page.get_by_label("Actor").fill("user-3")
    page.get_by_label("Started since").fill(f"{found.approved_at:%Y-%m-%d}")
    page.get_by_role("button", name="Show").click()
    row = page.get_by_role("row").filter(has_text=f"{found.approved_at:%Y-%m-%d %H:%M}").first
    row.get_by_role("link").first.click()
    expect(page.get_by_text(re.compile("reviewer-8 approved")).first).to_be_visible()
    assert looks_back.pages == 4


AXE = ROOT / "tests/tools/node_modules/axe-core/axe.min.js"
LOOKS: list[dict[str, Any]] = [
    {"color_scheme": "light", "viewport": {"width": 1280, "height": 900}},
    {"color_scheme": "dark", "viewport": {"width": 390, "height": 844}},
]


@pytest.mark.parametrize("look", LOOKS, ids=["light and wide", "dark and on a phone"])
def test_axe_finds_no_barrier_on_any_page(
    busy: tuple[Demo, Scoria, History], look: dict[str, Any]
) -> None:
    """Lists, runs, an entry, a search, a request with its form, what is not there, and the demo."""
    if not AXE.exists():
        missing("axe-core", "npm install --prefix tests/tools")
    demo, scoria, found = busy
    page = demo.browser.new_context(**look).new_page()
    page.goto(demo.address)
    page.get_by_role("button", name="reviewer-7", exact=True).click()
    [asked] = scoria.get_run(found.oldest).pending_approvals
    decide = f"/decisions/{found.oldest}/{asked.approval_id}"
    lists = [f"/scoria/?list={name}" for name in ("failed", "completed", "cancelled", "all")]
    runs = [f"/scoria/workflows/{run_id}" for run_id in (found.oldest, found.failed)]
    rest = [f"{runs[0]}?entry=2", f"/scoria/search?q={found.failed}", decide, "/scoria/nothing"]
    barriers = []
    for path in ["/", "/scoria/", *lists, *runs, *rest]:
        answer = page.goto(demo.address + path)
        assert answer is not None
        assert answer.status == (404 if path.endswith("nothing") else 200), path
        page.evaluate(AXE.read_text("utf-8"))
        found_by_axe = page.evaluate("axe.run()")
        assert len(found_by_axe["passes"]) > 10, path
        for each in found_by_axe["violations"]:
            barriers.append((path, each["id"], each["nodes"][0]["html"][:200]))
    assert barriers == []
