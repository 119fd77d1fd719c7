"""The demo host over real HTTP, as its users' browsers speak to it."""

import re
from typing import Any

import attrs
import httpx

from scoria_conformance.host import Evidence, HostRefused, HostSession, Turn


def connect(base_url: str) -> "DemoHost":
    """Return the demo host that serves at `base_url`."""
    return DemoHost(base_url.rstrip("/"))


@attrs.frozen
class DemoHost:
    """A `Host` that keeps the routes and forms of the demo."""

    base_url: str

    def sign_in(self, *, actor_id: str, tenant_id: str, reviewer: bool = False) -> HostSession:
        """Sign in at the login stub."""
        browser = self._browser()
        form = {"user_id": actor_id, "account_id": tenant_id}
        if reviewer:
            form["reviewer"] = "1"
        browser.post("/login", data={**form, "csrf_token": _token(browser)})
        return DemoSession(browser)

    def visit(self) -> HostSession:
        """Come without signing in."""
        return DemoSession(self._browser())

    def _browser(self) -> httpx.Client:
        headers = {"Accept": "application/json"}
        return httpx.Client(base_url=self.base_url, headers=headers, follow_redirects=True)


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

    def stored_run_id(self) -> str | None:
        """Return what the host's own session has as the latest run."""
        run_id: str | None = _json(self.browser.get("/"))["last_scoria_run_id"]
        return run_id

    def read(self, run_id: str) -> Turn:
        """Open the run in the host."""
        return _turn(self._get(run_id))

    def approve(self, run_id: str) -> None:
        """Press approve, for what is pending now."""
        approval_id = self._get(run_id)["approval_id"]
        self._send(f"/assistant/runs/{run_id}/approve", approval_id=approval_id, note="ok")

    def resume(self, run_id: str) -> None:
        """Press resume."""
        self._send(f"/assistant/runs/{run_id}/resume")

    def evidence(self, run_id: str) -> Evidence:
        """Open the evidence page."""
        answer = self.browser.get(f"/scoria/workflows/{run_id}", headers={"Accept": "text/html"})
        return Evidence(answer.status_code, answer.text)

    def _get(self, run_id: str) -> dict[str, Any]:
        return _json(self.browser.get(f"/assistant/runs/{run_id}"))

    def _send(self, path: str, **form: str) -> dict[str, Any]:
        form["csrf_token"] = _token(self.browser)
        return _json(self.browser.post(path, data=form))


def _token(browser: httpx.Client) -> str:
    """Return what the forms of the host carry, so that no other site can post them."""
    page = browser.get("/login", headers={"Accept": "text/html"}).text
    found = re.search(r'name="csrf_token" value="([^"]*)"', page)
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
