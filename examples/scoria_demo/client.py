"""The demo host over real HTTP, as its users' browsers speak to it."""

import re
from typing import Any

import attrs
import httpx

from scoria_conformance.host import Evidence, HostRefused, Turn


def connect(base_url: str) -> "DemoHost":
    """Return the demo host that serves at `base_url`."""
    return DemoHost(base_url.rstrip("/"))


@attrs.frozen
class DemoHost:
    """A `Host` that keeps the routes and forms of the demo."""

    base_url: str

    def sign_in(self, *, actor_id: str, tenant_id: str, reviewer: bool = False) -> "DemoSession":
        """Sign in at the login stub."""
        browser = self._browser()
        form = {"user_id": actor_id, "account_id": tenant_id}
        if reviewer:
            form["reviewer"] = "1"
        browser.post("/login", data={**form, "csrf_token": _token(browser)})
        return DemoSession(browser)

    def visit(self) -> "DemoSession":
        """Come without signing in."""
        return DemoSession(self._browser())

    def _browser(self) -> httpx.Client:
        headers = {"Accept": "application/json"}
        return httpx.Client(base_url=self.base_url, headers=headers, follow_redirects=True)


HTML = {"Accept": "text/html"}
"""Headers that request a page of the console, which it also has in JSON."""


@attrs.frozen
class DemoSession:
    """One browser, with its cookies."""

    browser: httpx.Client

    def start_turn(self, prompt: str) -> Turn:
        """Send the prompt form."""
        return _turn(self._send("/assistant/runs", prompt=prompt))

    def submit_draft(self, draft: str) -> tuple[Turn, Turn | None]:
        """Send the draft form, which lands on the run of the review where there is one."""
        landed = self._send("/assistant/drafts", draft_answer=draft)
        started = self.read(landed["last_scoria_run_id"])
        return started, None if landed["run_id"] == started.run_id else _turn(landed)

    def ask_refund(self, order: str, amount: int) -> Turn:
        """Send the refund form."""
        return _turn(self._send("/assistant/refunds", order=order, amount=str(amount)))

    def stored_run_id(self) -> str | None:
        """Return what the host's own session has as the latest run."""
        run_id: str | None = _json(self.browser.get("/"))["last_scoria_run_id"]
        return run_id

    def read(self, run_id: str) -> Turn:
        """Open the run in the host."""
        return _turn(self._get(run_id))

    def approve(self, run_id: str) -> None:
        """Open the request that is pending now, and press approve."""
        approval_id = self._get(run_id)["approval_id"]
        if approval_id is None:
            raise HostRefused("nothing is left to decide")
        address = f"/decisions/{run_id}/{approval_id}"
        shown = _hidden("token", self.browser.get(address, headers=HTML).text)
        if not shown:
            raise HostRefused("there is no form to decide with")
        sent = {"token": shown, "decision": "approve", "note": "ok"}
        answer = self.browser.post(address, data=sent, headers=HTML)
        if answer.is_error:
            raise HostRefused(f"{answer.status_code}: {answer.text}")

    def resume(self, run_id: str) -> None:
        """Press carry on."""
        self._send(f"/assistant/runs/{run_id}/resume")

    def cancel(self, run_id: str) -> None:
        """Press cancel."""
        self._send(f"/assistant/runs/{run_id}/cancel")

    def evidence(self, run_id: str) -> Evidence:
        """Open the evidence page."""
        answer = self.browser.get(f"/scoria/workflows/{run_id}", headers=HTML)
        return Evidence(answer.status_code, answer.text)

    def _get(self, run_id: str) -> dict[str, Any]:
        return _json(self.browser.get(f"/assistant/runs/{run_id}"))

    def _send(self, path: str, **form: str) -> dict[str, Any]:
        form["csrf_token"] = _token(self.browser)
        return _json(self.browser.post(path, data=form))


def _token(browser: httpx.Client) -> str:
    """Return what the forms of the host carry, so that no other site can post them."""
    return _hidden("csrf_token", browser.get("/login", headers=HTML).text)


def _hidden(name: str, page: str) -> str:
    """Return what the first form of a page carries under a name, or nothing."""
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    return found[1] if found else ""


def _json(answer: httpx.Response) -> dict[str, Any]:
    if not answer.headers["Content-Type"].startswith("application/json"):
        raise HostRefused(f"{answer.status_code}: {answer.text}")
    said: dict[str, Any] = answer.json()
    if answer.is_error:
        raise HostRefused(said["message"])
    return said


def _turn(said: dict[str, Any]) -> Turn:
    return Turn(said["run_id"], said["session_id"], said["status"])
