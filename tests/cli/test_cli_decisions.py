"""Decisions at the shell: edits, answers, digests and policies, and how each is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from scoria_core import Approval, NeedsApproval, Scoria, StepSpec
from tests.support.commands import scoria

PLANS = {"properties": {"plan": {"enum": ["refund", "voucher"]}}, "required": ["plan"]}
POLICY = """
def managers(approval, run, who, decision):
    return who.startswith("manager")

def breaks(*asked):
    return 1 / 0

nothing = None
"""
SHELL = Callable[..., "CompletedProcess[str]"]


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Return the URL of a store that several processes may use, with a policy beside it."""
    (tmp_path / "policy.py").write_text(POLICY)
    return f"sqlite:///{tmp_path / 'runs.db'}"


@pytest.fixture
def asks(url: str) -> Callable[..., str]:
    """Return what starts a run that makes requests, and returns its id."""

    def start(*requests: NeedsApproval) -> str:
        with Scoria.open(url, handlers={"ask": lambda *_: [*requests]}) as host:
            who = host.identity(actor_id="user-1", tenant_id="tenant-1", session_id="session-1")
            step = StepSpec("ask", "executor")
            return host.start_run(who, root_role_id="executor", initial_step=step).run_id

    return start


@pytest.fixture
def decide(url: str, tmp_path: Path) -> SHELL:
    """Return what decides on a run at the shell."""

    def call(decision: str, run_id: str, *options: str) -> "CompletedProcess[str]":
        return scoria("runs", decision, run_id, "--store", url, *options, cwd=tmp_path)

    return call


def request(tool_name: str = "pay", **more: object) -> NeedsApproval:
    """Return a request for approval."""
    return NeedsApproval(
        tool_name=tool_name,
        arguments={"amount": 1250},
        reason="over the limit",
        **more,  # type: ignore[arg-type]  # as each test says
    )


def decided(url: str, run_id: str) -> Approval:
    """Return what became of the first request of a run."""
    with Scoria.open(url) as host:
        return host.get_run_detail(run_id).approvals[0]


def test_a_file_says_what_is_approved_instead(
    url: str, asks: Callable[..., str], decide: SHELL, tmp_path: Path
) -> None:
    """The run shows what was proposed beside it, and is queued with --resume."""
    run_id = asks(request(may_edit=True))
    (tmp_path / "less.json").write_text('{"amount": 900}')
    said = decide("approve", run_id, "--by", "r-7", "--arguments", "less.json", "--resume")
    queued = "its step is queued for its host or a worker"
    told = f"run {run_id} is running: pay is approved, and {queued}\n"
    assert (said.stdout, said.stderr) == (told, "")
    assert decided(url, run_id).arguments == {"amount": 900}
    shown = scoria("runs", "show", run_id, "--store", url, cwd=tmp_path).stdout
    assert 'pay {"amount":900}' in shown
    assert 'proposed {"amount":1250}' in shown


def test_an_answer_is_given_as_json(url: str, asks: Callable[..., str], decide: SHELL) -> None:
    """What does not fit, or is no JSON object, is named by its option, and decides nothing."""
    run_id = asks(request(answer_schema=PLANS))
    for answer, told in (
        ('{"plan": "both"}', "answer.plan does not fit"),
        ("[1]", "is list; write a JSON object"),
        ("{", "is no JSON"),
        ('{"plan": "voucher", "plan": "refund"}', "the key 'plan' is there twice"),
    ):
        refused = decide("approve", run_id, "--by", "r-7", "--answer", answer)
        assert refused.returncode == 2
        assert told in refused.stderr
        assert len(refused.stderr.splitlines()) == 1
    assert decide("approve", run_id, "--by", "r-7").stderr.startswith("scoria: --answer is missing")
    assert decided(url, run_id).status == "pending"
    decide("approve", run_id, "--by", "r-7", "--answer", json.dumps({"plan": "voucher"}))
    assert decided(url, run_id).answer == {"plan": "voucher"}


def test_of_several_requests_one_must_be_named(
    url: str, asks: Callable[..., str], decide: SHELL
) -> None:
    """The refusal has the id and the tool of each that is pending."""
    run_id = asks(request("pay"), request("mail", on_reject="resume"))
    refused = decide("reject", run_id, "--by", "r-7")
    assert refused.returncode == 2
    with Scoria.open(url) as host:
        pay, mail = host.get_run(run_id).pending_approvals
    assert f"{pay.approval_id} (pay), {mail.approval_id} (mail)" in refused.stderr
    said = decide("reject", run_id, "--by", "r-7", "--approval", mail.approval_id)
    assert said.stdout == f"run {run_id} is waiting_for_approval: mail is rejected\n"


def test_a_policy_says_who_may_decide(url: str, asks: Callable[..., str], decide: SHELL) -> None:
    """One that is no callable is refused before anything is decided."""
    run_id = asks(request())
    for who, policy, told in (
        ("clerk-1", "policy:managers", "may_decide of the host says that 'clerk-1' may not"),
        ("manager-1", "policy:nothing", "--policy"),
        ("manager-1", "policy:breaks", "policy:breaks raised ZeroDivisionError"),
        ("manager-1", "no_such_module:policy", "cannot be used"),
    ):
        refused = decide("approve", run_id, "--by", who, "--policy", policy)
        assert refused.returncode == 2
        assert told in refused.stderr
    assert decided(url, run_id).status == "pending"
    decide("approve", run_id, "--by", "manager-1", "--policy", "policy:managers")
    assert decided(url, run_id).decided_by == "manager-1"


def test_what_was_seen_is_what_is_decided(
    url: str, asks: Callable[..., str], decide: SHELL
) -> None:
    """Another digest than that of the proposal is refused by the name of its option."""
    run_id = asks(request())
    refused = decide("approve", run_id, "--by", "r-7", "--digest", "sha256:0")
    assert refused.stderr.startswith("scoria: --digest is not the digest of what is proposed")
    digest = decided(url, run_id).proposed_digest
    assert decide("approve", run_id, "--by", "r-7", "--digest", digest).returncode == 0


def test_what_is_kept_is_shown_when_asked_for(
    url: str, asks: Callable[..., str], tmp_path: Path
) -> None:
    """Without --kept its size and digest are."""
    run_id = asks(request(keep={"messages": ["private"]}))
    show = ("runs", "show", run_id, "--store", url)
    assert "private" not in scoria(*show, cwd=tmp_path).stdout
    assert "kept 24 bytes, sha256:" in scoria(*show, cwd=tmp_path).stdout
    assert 'kept {"messages":["private"]}' in scoria(*show, "--kept", cwd=tmp_path).stdout


def test_a_decision_that_is_repeated_is_told_who_has_made_it(
    asks: Callable[..., str], decide: SHELL
) -> None:
    """Whoever repeats a call that was cut off sees whether it was stored."""
    run_id = asks(request())
    assert decide("approve", run_id, "--by", "r-7").returncode == 0
    again = decide("approve", run_id, "--by", "r-7")
    assert again.returncode == 2
    assert "is approved by 'r-7', so approve is refused" in again.stderr
    assert len(again.stderr.splitlines()) == 1
