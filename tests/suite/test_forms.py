"""The forms that the suite finds: a page on which it finds none would pass without being tried."""

from scoria_cli.page import page
from scoria_conformance.forms import forms_of, sheets
from scoria_conformance.page_requests import Site
from scoria_conformance.steps.decision_forms import REVIEWER
from scoria_core import NeedsApproval, Scoria, StepSpec
from scoria_memory import MemoryStore


def test_the_form_of_our_page_is_found() -> None:
    """By whoever may decide, and by nobody else; it has a token that nobody fills in."""
    scoria = Scoria(MemoryStore())
    needs = NeedsApproval(tool_name="refund", arguments={"amount": 1}, reason="above")
    run = scoria.start_run(
        scoria.identity(actor_id="a", tenant_id=REVIEWER["tenant_id"], session_id="s"),
        root_role_id="executor",
        initial_step=StepSpec(kind="work", role_id="executor"),
        handlers={"work": lambda *_: needs},
    )
    site = Site(page, scoria)
    (sheet,) = sheets(site, REVIEWER, run.run_id)
    assert sheet.hidden == ("token",)
    assert [value for _, value in sheet.buttons] == ["approve", "reject"]
    assert sheets(site, {**REVIEWER, "may_decide": False}, run.run_id) == []


def test_a_form_is_read_as_a_browser_reads_it() -> None:
    """Fields and texts with what is in them, buttons apart, and none that has no name."""
    (form,) = forms_of(
        '<form method=POST action=/x><input type=hidden name=a value="1"><input type=checkbox'
        " name=b><textarea name=c>\n&lt;x&gt;</textarea><input value=d><button name=e value=f>"
        "<select name=h><option value=1>1<option value=2 selected>2<option value=3>3</select>"
        "<select name=i><option value=1>1<option value=2>2</select><select name=j></select>"
        "</form><input name=g>"
    )
    assert (form.action, form.method, form.hidden) == ("/x", "post", ["a"])
    assert form.fields == [("a", "1"), ("c", "<x>"), ("h", "2"), ("i", "1")]
    assert form.buttons == [("e", "f")]
