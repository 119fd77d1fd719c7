"""The page on the console: its code mounts both apps, and its tables say what they do."""

import re
from typing import Any

from werkzeug.test import Client

from tests.support import ROOT

PAGE = (ROOT / "docs" / "console.md").read_text(encoding="utf-8")
MOUNTED, MASKING = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_a_mask_of_the_host_adds_to_the_names() -> None:
    """What the page masks by path is masked, with what is masked by name; the rest is shown."""
    made: dict[str, Any] = {}
    exec(compile(MOUNTED + MASKING, "console.md", "exec"), made)  # noqa: S102 - as below
    scoria, needs = made["scoria"], made["NeedsApproval"]
    facts = {"to": [{"iban": "GB33", "name": "Ann"}], "pin": "4711"}
    asked = needs(tool_name="pay", arguments=facts, reason="above", keep={"seen": "kept text"})
    run = scoria.start_run(
        scoria.identity(actor_id="user-1", tenant_id="acme", session_id="s-1"),
        root_role_id="executor",
        initial_step=made["StepSpec"](kind="work", role_id="executor"),
        handlers={"work": lambda *_: asked},
    )
    answer = Client(made["app"]).get(
        f"/workflows/{run.run_id}?kept=shown", environ_overrides={"REMOTE_USER": "ada"}
    )
    assert answer.status_code == 200
    assert "Ann" in answer.text
    assert not [text for text in ("GB33", "4711", "kept text") if text in answer.text]


def test_both_apps_are_mounted_as_the_page_says() -> None:
    """Who may decide is led from the inbox to the form, and who may not only looks."""
    made: dict[str, Any] = {}
    exec(compile(MOUNTED, "console.md", "exec"), made)  # noqa: S102 - the code of the page
    scoria, needs = made["scoria"], made["NeedsApproval"]
    run = scoria.start_run(
        scoria.identity(actor_id="user-1", tenant_id="acme", session_id="s-1"),
        root_role_id="executor",
        initial_step=made["StepSpec"](kind="work", role_id="executor"),
        handlers={"work": lambda *_: needs(tool_name="refund", arguments={}, reason="above")},
    )
    (asked,) = run.pending_approvals
    client = Client(made["app_of"](lambda *_: []))
    form = f"/decisions/{run.run_id}/{asked.approval_id}"
    shown = {
        who: client.get(
            f"/scoria/workflows/{run.run_id}", environ_overrides={"REMOTE_USER": who}
        ).text
        for who in ("ada", "ben")
    }
    assert form in shown["ada"]
    assert form not in shown["ben"]
    assert client.get("/scoria/").status_code == 403
    ada = {"environ_overrides": {"REMOTE_USER": "ada", "login.id": "1"}}
    (token,) = re.findall(r'name="token" value="([^"]+)"', client.get(form, **ada).text)
    data = {"decision": "approve", "token": token}
    assert client.post(form, data=data, environ_overrides={"REMOTE_USER": "ada"}).status_code == 403
    assert client.post(form, data=data, **ada).status_code == 303
    assert client.post(form, data=data, **ada).status_code == 409


def test_every_list_that_the_page_names_is_there() -> None:
    """And no other."""
    from scoria_web.lists import FILTERS, WAITING

    lists = re.findall(r"`\?list=(\w+)`", PAGE) + re.findall(r"`(\w+)`", _row("?list="))
    assert {*lists} >= {*FILTERS} - {WAITING, "failed"}
    assert {*re.findall(r"[?&](\w+)=", PAGE)} == {"list", "q", "entry"}.union(*FILTERS.values())


def _row(of: str) -> str:
    return next(line for line in PAGE.splitlines() if of in line)
