"""Drives the hosts of these examples for `scoria verify` (docs/verify-a-host.md)."""

import re
from html import unescape

import httpx

from scoria_conformance.host import Evidence, HostRefused, Turn


class Driver:
    """A host of these examples, at the address where it serves."""

    def __init__(self, base_url):
        """Use the host at this address, with or without a slash at the end."""
        self.base_url = base_url.rstrip("/")

    def sign_in(self, *, actor_id, tenant_id, reviewer=False):
        """Fill in the form of the login."""
        session = self.visit()
        decides = {"decides": "on"} if reviewer else {}
        session.send("/login", "/login", username=actor_id, account=tenant_id, **decides)
        return session

    def visit(self):
        """Come without signing in."""
        return Session(httpx.Client(base_url=self.base_url, timeout=30))


class Session:
    """One browser, with its cookies."""

    def __init__(self, browser):
        """Use a browser that knows the address."""
        self.browser = browser

    def start_turn(self, prompt):
        """Ask for a refund."""
        return self.read(self.send("/", "/refunds", order=prompt[:40], amount="12.50"))

    def submit_draft(self, draft):
        """Send a draft; return its run, and the run of its review or None."""
        landed = self.read(self.send("/", "/drafts", draft=draft))
        if "policy" not in draft:
            return landed, None
        return self.read(self.turns()[1]), landed

    def stored_run_id(self):
        """Read on the home page which run came last."""
        found = re.search(r'<li id="last">\s*<a href="[^"]*/workflows/([\w-]+)"', self.open("/"))
        return found and found[1]

    def read(self, run_id):
        """Read the status of the run from its evidence."""
        run = self.detail(run_id)["summary"]
        return Turn(run["run_id"], run["session_id"], run["status"])

    def approve(self, run_id):
        """Open the form of the request that waits, and press approve."""
        pending = self.detail(run_id)["summary"]["pending_approvals"]
        if not pending:
            raise HostRefused("nothing waits for a decision")
        page = f"/decisions/{run_id}/{pending[0]['approval_id']}"
        self.send(page, page, decision="approve")

    def resume(self, run_id):
        """Press the button that carries out what a decision has queued."""
        self.send("/", f"/runs/{run_id}/carry-on")

    def evidence(self, run_id):
        """Open the evidence page."""
        page = self.browser.get(f"/scoria/workflows/{run_id}")
        return Evidence(page.status_code, page.text)

    def detail(self, run_id):
        """Return what the evidence page shows, as JSON."""
        json = {"Accept": "application/json"}
        answer = self.browser.get(f"/scoria/workflows/{run_id}", headers=json)
        if answer.is_error:
            raise HostRefused(answer.text)
        return answer.json()

    def turns(self):
        """Return the ids of the runs of this session, the newest first."""
        return re.findall(r'<a href="[^"]*/workflows/([\w-]+)"', self.open("/"))

    def open(self, page):
        """Return a page of the host."""
        answer = self.browser.get(page)
        if answer.status_code != 200:
            raise HostRefused(f"{page}: {answer.status_code}")
        return answer.text

    def send(self, page, action, **typed):
        """Send a form of a page with its hidden fields; return the run that it leads to."""
        hidden = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', self.open(page))
        form = {name: unescape(value) for name, value in hidden} | typed
        answer = self.browser.post(action, data=form)
        if not answer.is_redirect:
            raise HostRefused(f"{action}: {answer.status_code}: {answer.text}")
        return answer.headers["Location"].rpartition("/")[2]
