"""The guide's host as a reader runs it: copied into a file, started by the command, clicked."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from html import unescape
from importlib.util import find_spec
from pathlib import Path

import attrs
import httpx
import pytest

from tests.support import ROOT
from tests.support.valid_html import faults

GUIDE = (ROOT / "docs" / "guide.md").read_text("utf-8")
HOST = "\n\n".join(
    re.findall(r"```python\n(.*?)```", GUIDE.partition("## The checklist")[0], re.DOTALL)
)
[START] = re.findall(r"```sh\n(flask .*)\n```", GUIDE)
[INSTALL] = re.findall(r"```sh\npip install (.*)\n```", GUIDE)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve the guide's host by the guide's command, on a free port."""
    directory = tmp_path_factory.mktemp("guide")
    (directory / "app.py").write_text(HOST, "utf-8")
    command = [sys.executable, "-m", *START.split(), "--port", "0"]
    log = directory / "log"
    with (
        log.open("w") as out,
        subprocess.Popen(
            command, cwd=directory, stdout=out, stderr=subprocess.PIPE, start_new_session=True
        ) as server,
    ):
        try:
            yield _printed_address(server)
        finally:
            os.killpg(server.pid, signal.SIGKILL)  # the one that watches, and the one that serves


def _printed_address(server: "subprocess.Popen[bytes]") -> str:
    assert server.stderr
    said, restarted = "", ""
    for line in server.stderr:
        said += line.decode()
        if found := re.search(r"Running on (http://\S+)", said):
            restarted = found[1]
        if "Debugger is active" in said and restarted:  # the process that serves has the app
            return restarted
    pytest.fail(f"{START} ended: {said}")


@attrs.define
class Browser:
    """A browser whose user follows links and presses buttons."""

    http: httpx.Client
    page: httpx.Response | None = None
    seen: list[str] = attrs.field(factory=list)

    def open(self, path: str) -> str:
        """Open a page and return it."""
        return self._kept(self.http.get(path))

    def press(self, label: str, **typed: str) -> str:
        """Press a button of the page in view, with what the user typed into its form."""
        assert self.page is not None
        [form] = [
            each
            for each in re.findall(r"<form.*?</form>", self.page.text, re.DOTALL)
            if f">{label}</button>" in each
        ]
        inputs = [_attributes(each) for each in re.findall(r"<input([^>]*)>", form)]
        values = {each["name"]: each.get("value", "") for each in inputs if "type" not in each}
        values |= {each["name"]: each["value"] for each in inputs if each.get("type") == "hidden"}
        assert set(typed) <= {each["name"] for each in inputs}
        button = re.findall(r"<button([^>]*)>" + label, form)[0]
        action = _attributes(button).get("formaction") or _attributes(form).get("action")
        target = self.page.url.join(action or "")
        return self._kept(self.http.post(target, data=values | typed))

    def _kept(self, answer: httpx.Response) -> str:
        self.page = answer
        self.seen.append(answer.text)
        return answer.text


def _attributes(tag: str) -> dict[str, str]:
    inside = tag.partition(">")[0]
    return {name: unescape(value) for name, value in re.findall(r'(\w+)="([^"]*)"', inside)}


@pytest.fixture
def browsers(address: str) -> Iterator[tuple[Browser, Browser]]:
    """Return the browsers of a user and of a reviewer of one account, signed in."""
    with (
        httpx.Client(base_url=address, follow_redirects=True) as first,
        httpx.Client(base_url=address, follow_redirects=True) as second,
    ):
        user, reviewer = Browser(first), Browser(second)
        assert "Sign in" in user.open("/")
        user.press("Sign in", user_id="user-1")
        reviewer.open("/")
        reviewer.press("Sign in", user_id="reviewer-7", reviewer="on")
        yield user, reviewer


def test_the_guide_can_be_clicked_through(
    browsers: tuple[Browser, Browser], tmp_path: Path
) -> None:
    """Ask, decide, resume and read the evidence, with two browsers and no other tool."""
    user, reviewer = browsers
    asked = user.press("Ask", order="A-99", amount="1250")
    assert "Run waiting_for_approval" in asked
    assert "A reviewer of this account decides" in asked
    assert ">Approve<" not in asked
    [path] = re.findall(r"/assistant/runs/[\w-]+", str(user.page and user.page.url))
    assert path in reviewer.open("/")
    shown = reviewer.open(path)
    assert '{"amount": "1250", "order": "A-99"}' in shown.replace("&#34;", '"')
    assert "The request is approved" in reviewer.press("Approve", note="seen the receipt")
    user.open(path)
    assert "Run completed" in user.press("Resume")
    [evidence] = re.findall(r'href="(/scoria/workflows/[^"]*)"', user.open(path))
    assert "seen the receipt" in user.open(evidence)
    user.open("/")
    assert "fits the policy" in user.press("Review")
    [evidence] = re.findall(r'href="(/scoria/workflows/[^"]*)"', user.seen[-1])
    assert "Delegated Evidence" in user.open(evidence)
    user.open("/")
    user.press("Ask")
    path = str(user.page and user.page.url.path)
    reviewer.open(path)
    assert "Run cancelled" in reviewer.press("Reject")
    assert "That was refused" in user.open("/assistant/runs/unknown")
    pages = {str(number): text for number, text in enumerate(user.seen + reviewer.seen)}
    assert faults(pages, tmp_path) == []


def test_the_guide_refuses_the_form_of_another_site(browsers: tuple[Browser, Browser]) -> None:
    """A form without the token of the session starts nothing."""
    user, _ = browsers
    before = user.open("/")
    answer = user.http.post("/assistant/runs", data={"order": "A-1", "amount": "1"})
    assert answer.status_code == 400
    assert user.open("/").count("/assistant/runs/") == before.count("/assistant/runs/")


def test_the_guide_installs_what_it_imports() -> None:
    """The line of pip names each distribution that the host imports from, or an extra of ours."""
    named = {"flask": "flask", "flask_wtf": "flask-wtf", "scoria_web": "'scoria-kit[web]'"}
    brought = {"scoria_core", "werkzeug", "jinja2"}  # by the extra `web`
    imported = {
        name.partition(".")[0] for name in re.findall(r"^(?:from|import) ([\w.]+)", HOST, re.M)
    }
    assert imported - brought - set(sys.stdlib_module_names) == set(named)
    assert sorted(INSTALL.split()) == sorted(named.values())
    assert all(find_spec(name) for name in imported)
