"""The demo and its console as people work in them: a user, two reviewers and an operator."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import attrs
import pytest
from playwright.sync_api import Browser, Page, expect

from scoria_conformance.serving import served
from scoria_core import Scoria
from scoria_demo import HANDLERS, create_app
from scoria_memory import MemoryStore
from scoria_worker import Worker
from tests.support.browser import driven

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
    reviewer.locator("[name=arguments]").fill('{"reply": "Yes, within 30 days."}')
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


def test_one_turn_fails_and_one_is_cancelled(demo: Demo) -> None:
    """The page says why, or by whom."""
    user = demo.window("user-1")
    user.get_by_label("Ask for a refund").fill("A-99")
    user.get_by_role("button", name="Ask for a refund").click()
    expect(user.get_by_text("There is no such order in the books")).to_be_visible()
    user.get_by_role("link", name="Assistant", exact=True).click()
    user.get_by_role("button", name="Ask for a refund").click()
    user.get_by_role("button", name="Cancel it").click()
    user.get_by_role("link", name="Evidence of this run").click()
    expect(user.get_by_text("Cancelled by user-1").first).to_be_visible()
