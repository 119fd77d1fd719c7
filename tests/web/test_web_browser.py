"""The evidence page in a real browser: drawn, readable on a phone, free of others' scripts."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from werkzeug.serving import make_server
from werkzeug.wrappers import Response

from scoria_core import NeedsApproval, RunSummary, Scoria, StepSpec
from scoria_memory import MemoryStore
from scoria_web import Scope, decision_app, evidence_app
from tests.support.browser import browse
from tests.support.pictures import GROUND, pixels_of

pytestmark = pytest.mark.slow

ATTACK = "<script>document.title='pwned'</script><img src=x onerror=\"document.title='pwned'\">"


def waiting_run(scoria: Scoria) -> RunSummary:
    """Start a run that waits for approval, with an attack in what a model wrote."""
    needs = NeedsApproval(
        tool_name="mail.send", arguments={ATTACK: ATTACK, "word": "W" * 4000}, reason=ATTACK
    )
    return scoria.start_run(
        scoria.identity(actor_id=f"actor {ATTACK}", tenant_id="t", session_id="s"),
        root_role_id="W" * 250,
        initial_step=StepSpec(kind="mail", role_id="executor"),
        handlers={"mail": lambda *_: needs},
    )


@contextmanager
def served(app: Any) -> Iterator[str]:
    """Serve an app, and give its address."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Serve the page of a run that waits for approval."""
    scoria = Scoria(MemoryStore())
    run = waiting_run(scoria)
    with served(evidence_app(scoria, scope=lambda _: Scope("t", "op-1"))) as base:
        yield f"{base}/workflows/{run.run_id}"


@pytest.mark.parametrize(("width", "height"), [(1200, 900), (390, 900)])
def test_the_page_is_drawn(address: str, tmp_path: Path, width: int, height: int) -> None:
    """A screenshot has its size, the colours of the style, words all the way down, and margins."""
    picture = tmp_path / "page.png"
    window = f"--window-size={width},{height}"
    browse(tmp_path / "profile", address, window, f"--screenshot={picture}")
    png = picture.read_bytes()
    assert len(png) > 10_000
    size, lines = pixels_of(png)
    assert (len(lines[0]) // size, len(lines)) == (width, height)
    # The ground is seen only if the policy let the style in, the margin only if nothing sticks out.
    assert lines[0][:3] == GROUND
    edges = [line[-size:][:3] for line in lines if len(set(line)) > 3]
    assert len(set(lines)) > height / 4
    assert edges.count(GROUND) > 0.99 * len(edges)


def test_what_a_model_wrote_does_not_run(address: str, tmp_path: Path) -> None:
    """The browser builds the page with its own title, and the attack as text."""
    page = browse(tmp_path / "profile", address, "--dump-dom")
    run_id = address.rsplit("/", 1)[1]
    title = re.search(r"<title>(.*?)</title>", page)
    assert title
    assert title[1] == f"Run …{run_id[-8:]}, waiting_for_approval · Scoria evidence"
    assert run_id in page
    assert "&lt;script&gt;document.title='pwned'&lt;/script&gt;" in page
    assert page.count("<script>") == 1  # that of the page
    assert not re.search(r"<(script [^>]|img)", page)


def test_the_page_follows_its_run_without_a_reload(tmp_path: Path) -> None:
    """The second look, which the script takes, finds the run cancelled; so does its reader."""
    scoria = Scoria(MemoryStore())
    run = waiting_run(scoria)
    app = evidence_app(scoria, scope=lambda _: Scope("t", "op-1"))
    looks: list[str] = []

    def changing(environ: Any, start_response: Any) -> Any:
        looks.append(environ.get("HTTP_IF_NONE_MATCH", ""))
        if len(looks) == 3:
            scoria.cancel_run(run.run_id, reason="seen without a reload")
        return app(environ, start_response)

    with served(changing) as base:
        address = f"{base}/workflows/{run.run_id}"
        page = browse(tmp_path / "profile", address, "--virtual-time-budget=9000", "--dump-dom")
    assert len(looks) >= 3
    assert all(looks[1:])
    assert "seen without a reload" in page
    assert "cancelled · Scoria evidence</title>" in page


def test_a_form_that_nobody_touched_approves_what_was_proposed(tmp_path: Path) -> None:
    """A real browser sends every kind of field; what it makes of each changes nothing."""
    scoria = Scoria(MemoryStore())
    facts = {
        "line": ' a\t"b" ',
        "text": "\n\nfirst\n last \n\n",
        "long": "W" * 4_000,
        "unseen": "a\r\n\u200b\x00\ufeff",
        "lines": ["a", " b", "é\u0301🌋"],
        "numbers": {"f": 1.0, "e": 1e22, "i": 2**70, "z": -0.0},
        "float": 1.0,
        "zero": -0.0,
        "large": 2**400,
        "small": 5e-324,
        "day": "2026-01-31",
        "mail": " grüße@exämple.org ",
        "yes": True,
        "choice": "b",
        "empty": "",
        "null": None,
        ATTACK: ATTACK,
    }
    text = {"type": "string"}
    properties = {
        "absent": text,
        "line": text,
        "day": {"type": "string", "format": "date"},
        "mail": {"type": "string", "format": "email"},
        "choice": {"enum": ["a", "b"]},
        "empty": text,
        "null": text,
        "float": {"type": "integer", "maximum": 0},
    }
    needs = NeedsApproval(
        tool_name="send", arguments=facts, reason="above", may_edit={"properties": properties}
    )
    run = scoria.start_run(
        scoria.identity(actor_id="a", tenant_id="t", session_id="s"),
        root_role_id="executor",
        initial_step=StepSpec(kind="mail", role_id="executor"),
        handlers={"mail": lambda *_: needs},
    )
    (asked,) = run.pending_approvals
    scope = Scope("t", "op-1", may_decide=True)
    app = decision_app(scoria, scope=lambda _: scope, secret="of no host, long enough")  # noqa: S106

    def pressing(environ: Any, start_response: Any) -> Any:
        """Give the page with a script that presses its button, which its policy would not run."""
        answer = Response.from_app(app, environ)
        del answer.headers["Content-Security-Policy"]
        answer.data += b"<script>document.querySelector('.yes')?.click()</script>"
        return answer(environ, start_response)

    with served(pressing) as base:
        address = f"{base}/{asked.run_id}/{asked.approval_id}"
        page = browse(tmp_path / "profile", address, "--virtual-time-budget=9000", "--dump-dom")
    (decided,) = scoria.get_run_detail(run.run_id).approvals
    assert "Approved by" in page
    assert decided.status == "approved"
    assert decided.arguments_digest == asked.proposed_digest
