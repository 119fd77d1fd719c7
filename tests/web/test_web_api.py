"""The HTTP API: what each call does, what each problem says, and whose runs it is about."""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier
from typing import Any
from wsgiref.validate import validator

import attrs
import pytest
from openapi_spec_validator import validate
from werkzeug.exceptions import Forbidden
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client

from scoria_core import Completed, HandlerAnswer, NeedsApproval, Scoria, errors
from scoria_core.errors import InvalidPayload, ScoriaError, StoreCorrupt, StoreUnavailable
from scoria_core.model import RunSummary, Step
from scoria_core.ports import StoredRun
from scoria_core.testing import SettableClock
from scoria_memory import MemoryStore
from scoria_web import Scope, api_app, evidence_app
from scoria_web.calls import CALLS
from scoria_web.openapi import description
from scoria_web.problems import Problem, problem_of
from scoria_web.reading import MOST_SENT
from tests.support import ROOT

TENANT, OTHER = "acme", "globex"
OPERATOR = Scope(TENANT, "ada", may_decide=True, may_operate=True)
MOUNT = "/api"
NOBODY = "01900000-0000-7000-8000-000000000000"


def refund(step: Step, run: RunSummary) -> HandlerAnswer:  # noqa: ARG001 - the signature of a handler
    """Ask for what the input says, and be done with a yes."""
    if step.approval is None:
        asks = dict(step.input.get("asks", {}))
        arguments = asks.pop("arguments", {"amount": 1})
        if asks.pop("keeps", False):
            asks["keep"] = {"seen": "kept-text"}
        return NeedsApproval(tool_name="refund", arguments=arguments, reason="above", **asks)
    return Completed({"by": step.approval.decided_by, "kept": step.kept})


def fail(step: Step, run: RunSummary) -> HandlerAnswer:  # noqa: ARG001 - as above
    """Fail."""
    raise LookupError("<script>")


@attrs.define
class Api:
    """The API of a store as a program calls it, below one mount."""

    scoria: Scoria
    clock: SettableClock
    store: MemoryStore
    scope: Any = OPERATOR

    def open(self, method: str, path: str, **request: Any) -> Any:
        """Call through a server that checks WSGI on both sides."""
        app = api_app(self.scoria, scope=lambda _: self.scope, kinds=["refund", "fail", "echo"])
        mounted = DispatcherMiddleware(_elsewhere, {MOUNT: validator(app)})
        return Client(mounted).open(MOUNT + path, method=method, buffered=True, **request)

    def get(self, path: str, **request: Any) -> Any:
        """Read something."""
        return self.open("GET", path, **request)

    def post(self, path: str, body: object = None, **request: Any) -> Any:
        """Change something."""
        return self.open("POST", path, json={} if body is None else body, **request)

    def start(self, kind: str = "refund", key: str | None = None, **more: Any) -> Any:
        """Start a run of that kind."""
        headers = {} if key is None else {"Idempotency-Key": key}
        return self.post("/v1/runs", start(kind, **more), headers=headers)

    def waiting(self, **asks: Any) -> tuple[str, str]:
        """Start a run that waits, and return its id and that of its request."""
        run = self.start(input={"asks": asks}).json
        return run["run_id"], run["pending_approvals"][0]["approval_id"]


def _elsewhere(environ: Any, start_response: Any) -> list[bytes]:
    start_response("500 Elsewhere", [])
    return [environ["PATH_INFO"].encode()]


def start(kind: str = "refund", **more: Any) -> dict[str, Any]:
    """Return the body of a start."""
    step = {"kind": kind, "role_id": "executor", **more}
    return {"session_id": "s-1", "root_role_id": "executor", "initial_step": step}


def decide(run_id: str, approval_id: str, decision: str = "approve") -> str:
    """Return where a request is decided."""
    return f"/v1/runs/{run_id}/approvals/{approval_id}/{decision}"


def said(response: Any, status: int, code: str, field: str | None = None) -> str:
    """Return the detail of a problem, which is as RFC 9457 has it."""
    assert response.status_code == status, response.text
    assert response.mimetype == "application/problem+json"
    problem = response.json
    assert {*problem} == {field.name for field in attrs.fields(Problem)}
    assert (problem["status"], problem["code"], problem["field"]) == (status, code, field)
    assert problem["type"] == f"urn:scoria:{code}"
    assert problem["title"]
    assert problem["next_move"]
    assert "Traceback" not in response.text
    return str(problem["detail"])


@pytest.fixture
def api() -> Api:
    """Return the API of an empty store, whose host carries steps out at once."""
    clock, store = SettableClock(datetime.now(UTC)), MemoryStore()
    handlers: Mapping[str, Any] = {"refund": refund, "fail": fail, "echo": lambda s, _: s.input}
    return Api(Scoria(store, clock=clock, handlers=handlers), clock, store)


def test_a_run_is_started_read_decided_and_resumed(api: Api) -> None:
    """In the name of who is signed in, and at the address that the start tells."""
    begun = api.start(key="k-1")
    run = begun.json
    assert begun.status_code == 201
    assert begun.headers["Location"] == f"{MOUNT}/v1/runs/{run['run_id']}"
    assert (run["status"], run["tenant_id"], run["actor_id"]) == (
        "waiting_for_approval",
        TENANT,
        "ada",
    )
    asked = run["pending_approvals"][0]
    listed = api.get("/v1/approvals?tool_name=refund").json
    assert [each["approval_id"] for each in listed["items"]] == [asked["approval_id"]]
    assert listed["items"][0]["run"]["run_id"] == run["run_id"]
    body = {"note": "slip seen", "arguments_digest": asked["arguments_digest"]}
    assert api.post(decide(run["run_id"], asked["approval_id"]), body).status_code == 200
    done = api.post(f"/v1/runs/{run['run_id']}/resume")
    assert (done.status_code, done.json["status"]) == (200, "completed")
    detail = api.get(f"/v1/runs/{run['run_id']}/detail").json
    assert detail["steps"][0]["result"] == {"by": "ada", "kept": None}
    assert detail["approvals"][0]["note"] == "slip seen"
    assert detail["summary"] == api.get(f"/v1/runs/{run['run_id']}").json


def test_a_decision_edits_answers_rejects_and_resumes(api: Api) -> None:
    """As the request allows; one of several yeses leaves it pending."""
    ids = api.waiting(may_edit=True, answer_schema={"type": "object"})
    body = {"arguments": {"amount": 2}, "answer": {"ok": True}, "resume": True}
    assert api.post(decide(*ids), body).json["status"] == "running"
    (decided,) = api.scoria.get_run_detail(ids[0]).approvals
    assert (decided.arguments, decided.answer) == ({"amount": 2}, {"ok": True})
    ids = api.waiting()
    assert api.post(decide(*ids, "reject"), {"note": "no"}).json["status"] == "cancelled"
    ids = api.waiting(approvals_needed=2)
    yes = api.post(decide(*ids)).json
    assert yes["pending_approvals"][0]["endorsements"][0]["by"] == "ada"
    said(api.post(decide(*ids)), 403, "decision_refused", "decided_by")


def test_runs_are_retried_and_cancelled(api: Api) -> None:
    """By whoever may operate, and what is told of an error is its own text."""
    run = api.start("fail").json
    assert run["error"]["message"] == "<script>"
    assert api.post(f"/v1/runs/{run['run_id']}/retry").json["status"] == "failed"
    ended = api.post(f"/v1/runs/{run['run_id']}/cancel", {"reason": "over"})
    assert ended.json["status"] == "cancelled"
    assert api.scoria.get_run_detail(run["run_id"]).journal[-1].actor_id == "ada"
    again = api.post(f"/v1/runs/{run['run_id']}/cancel")
    said(again, 409, "transition_refused", "run_id")
    assert "start a new run" in again.json["next_move"]


def test_a_step_is_started_with_all_that_it_may_have(api: Api) -> None:
    """A retry policy, a time limit and the metadata of its run."""
    retry = {"max_attempts": 2.0, "delay": 5, "unless": ["ValueError"]}
    body = start("fail", retry=retry, time_limit=9.5, max_requests=3, input={"a": [1, None]})
    run = api.post("/v1/runs", body | {"metadata": {"m": 1}}).json
    step = api.get(f"/v1/runs/{run['run_id']}/detail").json["steps"][0]
    assert run["metadata"] == {"m": 1}
    assert step["input"] == {"a": [1, None]}
    assert (step["retry"]["unless"], step["retry"]["delay"]) == (["ValueError"], 5)
    assert (step["time_limit"], step["max_requests"], step["status"]) == (9.5, 3, "queued")


def test_lists_are_narrowed_and_paged(api: Api) -> None:
    """By every filter of the facade, and no page skips or repeats a run."""
    ids = [api.start("echo").json["run_id"] for _ in range(5)]
    api.start("fail")
    for asked, count in {
        "status=failed": 1,
        "session_id=s-1": 6,
        "session_id=s-2": 0,
        "actor_id=ada&status=completed": 5,
        "root_role_id=nobody": 0,
        "created_after=2020-01-01T00:00:00Z": 6,
        "created_after=2999-01-01T00:00:00Z": 0,
    }.items():
        assert len(api.get(f"/v1/runs?{asked}").json["items"]) == count, asked
    seen, before = [], ""
    while before is not None:
        page = api.get(f"/v1/runs?status=completed&limit=2{before and f'&before={before}'}").json
        seen += [each["run_id"] for each in page["items"]]
        before = page["next"]
    assert seen == ids[::-1]
    counts = api.get("/v1/counts").json
    assert counts["runs"]["completed"] == {"number": 5, "is_exact": True}
    assert counts["approvals"] == {"number": 0, "is_exact": True}


def test_approvals_are_paged(api: Api) -> None:
    """From the longest waiting on."""
    waits = [api.waiting(assigned_to=["clerk-3"])[1] for _ in range(3)]
    first = api.get("/v1/approvals?limit=2&assigned_to=clerk-3").json
    rest = api.get(f"/v1/approvals?limit=2&after={first['next']}").json
    assert [each["approval_id"] for each in first["items"] + rest["items"]] == waits
    assert rest["next"] is None


def test_a_run_is_told_in_parts(api: Api) -> None:
    """Each of its lists after the same number; what steps keep is told on demand alone."""
    run_id, approval_id = api.waiting(keeps=True)
    whole = api.scoria.get_run_detail(run_id)
    parts, after = [], 0
    while after is not None:
        parts.append(api.get(f"/v1/runs/{run_id}/detail?after={after}&limit=3").json)
        after = parts[-1]["next"]
    told = [entry["sequence"] for part in parts for entry in part["journal"]]
    assert told == [entry.sequence for entry in whole.journal]
    assert len(parts) > 1
    assert [len(part["steps"]) for part in parts] == [1, *[0] * (len(parts) - 1)]
    assert parts[0]["approvals"][0]["approval_id"] == approval_id
    hidden, shown = (
        api.get(f"/v1/runs/{run_id}/detail?kept={kept}").text for kept in ("false", "true")
    )
    assert "kept-text" not in hidden
    assert shown.count("kept-text") == 2
    assert json.loads(hidden)["steps"][0]["kept"]["size"] == len('{"seen":"kept-text"}')


def test_the_same_key_starts_one_run(api: Api) -> None:
    """And another body with it is refused; another tenant's same key is another run."""
    first, again = api.start("echo", key="k"), api.start("echo", key="k")
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json["run_id"] == again.json["run_id"]
    refused = api.start("echo", key="k", input={"other": 1})
    assert first.json["run_id"] in said(refused, 422, "idempotency_conflict", "idempotency_key")
    api.scope = attrs.evolve(OPERATOR, tenant_id=OTHER)
    assert api.start("echo", key="k").json["run_id"] != first.json["run_id"]
    for key in ("", " ", "a\tb", "é", "k" * 256):
        said(api.start("echo", key=key), 400, "bad_idempotency_key", "Idempotency-Key")


def test_two_starts_with_one_key_at_once_are_one_run(api: Api) -> None:
    """Whichever comes first."""
    together = Barrier(2)

    def begin(_: int) -> Any:
        together.wait(10)
        return api.start("echo", key="raced").json["run_id"]

    with ThreadPoolExecutor(2) as threads:
        ids = [*threads.map(begin, range(2))]
    assert ids[0] == ids[1]
    assert [run.run_id for run in api.scoria.list_runs()] == ids[:1]


def forged() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield a call of each method, which would pick another tenant in each way."""
    start_body = start("echo")
    yield "GET", f"/v1/runs?tenant_id={OTHER}", {}
    yield "GET", f"/v1/counts?tenant={OTHER}", {}
    yield "POST", f"/v1/runs?tenant_id={OTHER}", {"json": start_body}
    for name in ("tenant_id", "actor_id", "identity"):
        yield "POST", "/v1/runs", {"json": start_body | {name: OTHER}}
    step = start_body["initial_step"] | {"tenant_id": OTHER}
    yield "POST", "/v1/runs", {"json": start_body | {"initial_step": step}}


@pytest.mark.parametrize(("method", "path", "more"), [*forged()])
def test_a_query_or_a_body_that_names_a_tenant_is_refused(
    api: Api, method: str, path: str, more: dict[str, Any]
) -> None:
    """Nothing of it is silently left out."""
    response = api.open(method, path, **more)
    assert response.json["code"] == "invalid_payload"
    assert response.status_code == 422
    assert api.scoria.list_runs() == api.scoria.list_runs(limit=1)
    assert len(api.scoria.list_runs()) == 0


def test_another_tenants_runs_are_not_there(api: Api) -> None:
    """Whatever the path, the headers or the cookies say: as if there were no such run."""
    run_id, approval_id = api.waiting()
    api.scope = attrs.evolve(OPERATOR, tenant_id=OTHER)
    headers = {
        "X-Tenant-Id": TENANT,
        "Tenant": TENANT,
        "X-Forwarded-User": TENANT,
        "Cookie": f"tenant_id={TENANT}; tenant={TENANT}",
    }
    for call in CALLS:
        path = call.path.replace("<run_id>", run_id).replace("<approval_id>", approval_id)
        if "<run_id>" in call.path:
            more: dict[str, Any] = {"json": {}} if call.method == "POST" else {}
            response = api.open(call.method, path, headers=headers, **more)
            detail = said(response, 404, "run_not_found", "run_id")
            unknown = api.open(call.method, path.replace(run_id, NOBODY), headers=headers, **more)
            assert said(unknown, 404, "run_not_found", "run_id") == detail.replace(run_id, NOBODY)
    for path in ("/v1/runs", "/v1/approvals", "/v1/counts"):
        assert run_id not in (text := api.get(path, headers=headers).text)
        assert approval_id not in text
    said(api.get(f"/{TENANT}/v1/runs"), 404, "not_found")
    assert (
        api.scoria.get_run(run_id).version == api.scoria.for_tenant(TENANT).get_run(run_id).version
    )
    assert api.scoria.get_run(run_id).status == "waiting_for_approval"


def test_who_may_not_is_told_so(api: Api) -> None:
    """Each right by itself; a reader reads, and changes nothing."""
    run_id, approval_id = api.waiting(assigned_to=["clerk-3"])
    api.scope = Scope(TENANT, "ben")
    for name in ("resume", "retry", "cancel"):
        said(api.post(f"/v1/runs/{run_id}/{name}"), 403, "may_not_operate")
    said(api.start(), 403, "may_not_operate")
    for name in ("approve", "reject"):
        said(api.post(decide(run_id, approval_id, name)), 403, "may_not_decide")
    assert api.get(f"/v1/runs/{run_id}").status_code == 200
    api.scope = Scope(TENANT, "ben", may_decide=True, assignees=("clerk-4",))
    said(api.post(decide(run_id, approval_id)), 403, "not_assigned")
    said(api.post(decide(run_id, NOBODY)), 404, "approval_not_pending", "approval_id")
    said(api.post(f"/v1/runs/{run_id}/cancel"), 403, "may_not_operate")
    api.scope = Scope(TENANT, "ben", may_decide=True, assignees=("clerk-3",))
    assert api.post(decide(run_id, approval_id)).status_code == 200


@pytest.mark.parametrize("scope", [None, Forbidden(), "x", LookupError("of the host")])
def test_nobody_and_a_broken_scope_get_nothing(api: Api, scope: object) -> None:
    """Neither a login page nor what the host raised."""

    def raising(_: object) -> Any:
        if isinstance(scope, Exception):
            raise scope
        return scope

    client = Client(api_app(api.scoria, scope=raising))
    is_refused = scope is None or isinstance(scope, Forbidden)
    for path in ("/v1/runs", "/v1/openapi.json", "/nowhere"):
        response = client.get(path)
        said(response, 403 if is_refused else 500, "forbidden" if is_refused else "fault")
        assert "of the host" not in response.text


def test_a_decision_that_is_late_or_stale_is_refused(api: Api) -> None:
    """Replayed, on other arguments than were seen, expired, or edited where it may not be."""
    ids = api.waiting()
    stale = api.post(decide(*ids), {"arguments_digest": "sha256:0"})
    said(stale, 422, "invalid_payload", "arguments_digest")
    edited = api.post(decide(*ids), {"arguments": {"amount": 9}})
    said(edited, 422, "invalid_payload", "arguments")
    said(api.post(f"/v1/runs/{ids[0]}/resume"), 409, "approval_pending", "run_id")
    assert api.post(decide(*ids)).status_code == 200
    said(api.post(decide(*ids)), 409, "approval_not_pending", "approval_id")
    ids = api.waiting(expires_in=5)
    api.clock.advance(timedelta(seconds=6))
    said(api.post(decide(*ids)), 409, "approval_not_pending", "approval_id")
    said(api.post(f"/v1/runs/{api.start('echo').json['run_id']}/resume"), 409, *NOT_RESUMABLE)


NOT_RESUMABLE = ("run_not_resumable", "run_id")


def test_the_hosts_own_word_is_kept(api: Api) -> None:
    """`may_decide` of the facade is asked too, and what it raises is not told."""
    for answer, status, code in ((False, 403, "decision_refused"), (KeyError("x"), 500, "fault")):

        def may(*_: object, answer: Any = answer) -> bool:
            if isinstance(answer, Exception):
                raise answer
            return bool(answer)

        ids = api.waiting()
        api.scoria = Scoria(api.store, clock=api.clock, may_decide=may, handlers={"refund": refund})
        field = "decided_by" if status == 403 else None
        said(api.post(decide(*ids)), status, code, field)


@pytest.mark.parametrize(
    ("content_type", "data"),
    [
        ("application/x-www-form-urlencoded", b"decision=approve"),
        ("multipart/form-data; boundary=x", b"--x--"),
        ("text/plain", b"{}"),
        ("application/json; charset=utf-16", b"{}"),
        ("application/problem+json", b"{}"),
        ("", b"{}"),
    ],
)
def test_only_json_changes_anything(api: Api, content_type: str, data: bytes) -> None:
    """What a form of another site can send is refused, with or without a body."""
    ids = api.waiting()
    for path in (decide(*ids), f"/v1/runs/{ids[0]}/cancel", "/v1/runs"):
        for sent in (data, b""):
            headers = {"Content-Type": content_type} if content_type else {}
            response = api.open("POST", path, data=sent, headers=headers)
            said(response, 415, "not_json")
    other_site = {"Sec-Fetch-Site": "cross-site"}
    said(api.post(decide(*ids), headers=other_site), 403, "cross_site")
    assert api.scoria.get_run(ids[0]).status == "waiting_for_approval"


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"nonsense", b'{"a": 1, "a": 2}', b'{"note": NaN}', b"\xff\xfe{\x00}\x00"),
        *(b"[" * 100_000, b'{"note": ' + b"1" * 5_000 + b"}", b"\xef\xbb\xbf{}", b"{} {}"),
    ],
)
def test_a_body_that_is_no_json_is_refused(api: Api, body: bytes) -> None:
    """Nor is one in which two readers would find different things."""
    ids = api.waiting()
    response = api.open("POST", decide(*ids), data=body, content_type="application/json")
    said(response, 400, "bad_json")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ([], "body"),
        (None, "body"),
        ({}, "session_id"),
        (start() | {"session_id": 5}, "session_id"),
        (start() | {"session_id": {"id": "s-1"}}, "session_id"),
        (start() | {"session_id": " "}, "session_id"),
        (start() | {"session_id": "\ud800"}, "session_id"),
        (start() | {"root_role_id": None}, "root_role_id"),
        (start() | {"metadata": []}, "metadata"),
        (start() | {"initial_step": None}, "initial_step"),
        (start() | {"initial_step": {"kind": "echo"}}, "initial_step.role_id"),
        (start("other"), "initial_step.kind"),
        (start(["echo"]), "initial_step.kind"),  # type: ignore[arg-type]  # a wrong one
        (start(input=None), "initial_step.input"),
        (start(input={"x": 1e999}), None),
        (start(retry=True), "initial_step.retry"),
        (start(retry={"unless": "ValueError"}), "initial_step.retry.unless"),
        (start(retry={"unless": {"a": 1}}), "initial_step.retry.unless"),
        (start(retry={"delay": True}), "initial_step.retry.delay"),
        (start(retry={"more": 1}), "initial_step.retry.more"),
        (start(time_limit=0), "initial_step.time_limit"),
        (start(max_requests=1.5), "initial_step.max_requests"),
        (start() | {"<b>": 1}, "'<b>'"),
        (start(input={"deep": json.loads("[" * 200 + "]" * 200)}), None),
        (start(input={"large": "x" * 300_000}), "initial_step.input"),
    ],
)
def test_a_wrong_body_is_refused_by_the_name_of_what_is_wrong(
    api: Api, body: object, field: str | None
) -> None:
    """Before anything is stored."""
    data = json.dumps(body)
    response = api.open("POST", "/v1/runs", data=data, content_type="application/json")
    if field is None:
        assert response.status_code in (400, 422)
    else:
        said(response, 422, "invalid_payload", field)
    assert len(api.scoria.list_runs()) == 0


def test_a_body_is_bounded(api: Api) -> None:
    """Whether or not it says how long it is."""
    data = json.dumps({"reason": "x" * MOST_SENT}).encode()
    response = api.open("POST", "/v1/runs", data=data, content_type="application/json")
    said(response, 413, "too_large")
    told = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    app = api_app(api.scoria, scope=lambda _: OPERATOR)
    response = Client(app).post(
        "/v1/runs",
        data=data,
        content_type="application/json",
        environ_overrides={**told, "CONTENT_LENGTH": ""},
    )
    said(response, 413, "too_large")


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/v1/runs?limit=0", "limit"),
        ("/v1/runs?limit=201", "limit"),
        ("/v1/runs?limit=x", "limit"),
        ("/v1/runs?limit=%D9%A1", "limit"),
        ("/v1/runs?limit=1&limit=2", "limit"),
        ("/v1/runs?before=", "before"),
        (f"/v1/runs?before={'x' * 256}", "before"),
        ("/v1/runs?before=%00", "before"),
        ("/v1/runs?status=lost", "status"),
        ("/v1/runs?created_after=2026-01-01", "created_after"),
        ("/v1/runs?created_after=0001-01-01T00:00:00%2B23:00", "created_after"),
        ("/v1/runs?created_after=yesterday", "created_after"),
        ("/v1/runs?sesion_id=s-1", "'sesion_id'"),
        ("/v1/runs?session_id=%20", "session_id"),
        ("/v1/approvals?after=rubbish", "after"),
        ("/v1/approvals?after=", "after"),
        ("/v1/approvals?after=W10", "after"),
        (f"/v1/approvals?after={'x' * 9_999}", "after"),
        ("/v1/approvals?limit=1000", "limit"),
        (f"/v1/runs/{NOBODY}?x=1", "'x'"),
        (f"/v1/runs/{NOBODY}/detail?after=-1", "after"),
        (f"/v1/runs/{NOBODY}/detail?after=9999999999", "after"),
        (f"/v1/runs/{NOBODY}/detail?limit=201", "limit"),
        (f"/v1/runs/{NOBODY}/detail?kept=yes", "kept"),
    ],
)
def test_a_wrong_query_is_refused(api: Api, path: str, field: str) -> None:
    """By the name of what is wrong; nothing misspelt is left out in silence."""
    response = api.get(path)
    assert response.json["code"] in ("invalid_payload", "invalid_identity")
    said(response, 422, response.json["code"], field)


@pytest.mark.parametrize("call", [call for call in CALLS if call.method == "POST"])
def test_a_get_changes_nothing(api: Api, call: Any) -> None:
    """What changes something answers to POST alone; a start shares its address with the list."""
    run_id, approval_id = api.waiting()
    before = api.scoria.get_run(run_id).version
    path = call.path.replace("<run_id>", run_id).replace("<approval_id>", approval_id)
    for method in ("GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"):
        response = api.open(method, f"{path}?note=x" if method == "PUT" else path)
        if path == "/v1/runs" and method in ("GET", "HEAD"):
            continue
        assert response.status_code == 405
        assert "POST" in response.headers["Allow"]
        assert response.mimetype == "application/problem+json"
    assert api.scoria.get_run(run_id).version == before
    assert len(api.scoria.list_runs()) == 1


@pytest.mark.parametrize("path", ["", "/", "/v1", "/v2/runs", "/v1/runs/", "/v1//runs", "/v1/%2e"])
def test_nothing_is_at_other_addresses(api: Api, path: str) -> None:
    """And none of them leads elsewhere."""
    said(api.get(path), 404, "not_found")


def test_hostile_ids_are_not_there(api: Api) -> None:
    """Whatever is in an address, it is told as text that can be seen."""
    for run_id in ("<script>", "%00", "%F0%9F%92%A9", "%E2%80%AE", "x" * 2_000, "..", "%ff", " "):
        response = api.get(f"/v1/runs/{run_id}")
        assert response.status_code == 404
        assert response.text.isascii()
        assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_every_answer_is_json_that_no_browser_takes_for_a_page(api: Api) -> None:
    """In ASCII, with headers that keep it out of caches and frames."""
    run_id = api.start("echo", input={"text": "\u202e<script>é\u2028"}).json["run_id"]
    for path, kind in (
        (f"/v1/runs/{run_id}/detail", "application/json"),
        ("/nowhere", "application/problem+json"),
        ("/v1/openapi.json", "application/json"),
    ):
        response = api.get(path)
        assert response.headers["Content-Type"] == kind
        assert response.text.isascii()
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        policy = response.headers["Content-Security-Policy"]
        for forbidden in ("default-src", "base-uri", "form-action", "frame-ancestors"):
            assert f"{forbidden} 'none'" in policy
    assert api.get(f"/v1/runs/{run_id}/detail").json["steps"][0]["input"]["text"][0] == "\u202e"


def test_what_has_not_changed_is_not_sent_again(api: Api) -> None:
    """A program that follows a run asks with the tag of what it has."""
    run_id, approval_id = api.waiting()
    path = f"/v1/runs/{run_id}"
    tag = {"If-None-Match": api.get(path).headers["ETag"]}
    assert api.get(path, headers=tag).status_code == 304
    api.post(decide(run_id, approval_id))
    assert api.get(path, headers=tag).status_code == 200


class Broken(MemoryStore):
    """A store that answers every read with an error."""

    error: ScoriaError = StoreUnavailable("postgresql://user:pass@db/x", "does not answer")

    def read(self, run_ids: Sequence[str]) -> Sequence[StoredRun]:  # noqa: ARG002 - it answers none
        """Raise."""
        raise self.error


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Broken.error, 503, "store_unavailable"),
        (StoreCorrupt("run-1", 3, "is of pass@db"), 500, "store_corrupt"),
        (StoreCorrupt("pass@db", 0, "is damaged"), 500, "store_corrupt"),
        (errors.SchemaTooNew("pass@db", 9, 1), 500, "schema_too_new"),
        (RuntimeError("pass@db"), 500, "fault"),
    ],
)
def test_a_store_that_fails_is_told_without_its_secrets(
    error: ScoriaError, status: int, code: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The reason is in the log of the host."""
    store = Broken()
    store.error = error
    client = Client(api_app(Scoria(store), scope=lambda _: OPERATOR))
    with caplog.at_level(logging.WARNING, "scoria.web"):
        response = client.get("/v1/runs/run-1")
    said(response, status, code)
    assert "pass" not in response.text
    assert caplog.records
    assert response.headers.get("Retry-After") == ("5" if status == 503 else None)


def test_every_error_of_the_kit_is_mapped() -> None:
    """To a status of its own, the code of its class and something to do."""
    made = [
        errors.InvalidIdentity("session_id", "is blank"),
        errors.InvalidPayload("note", "is int"),
        errors.InvalidHandoff("role", "is missing"),
        errors.UnsafeProjectedContext("projected_context.x", "x"),
        errors.UnknownHandler("x", "is int"),
        errors.AsyncHandlerRefused("x"),
        errors.RunNotFound("r"),
        errors.TransitionRefused("run", "r", "completed", "cancel"),
        errors.RunNotResumable("run", "r", "running", "resume"),
        errors.ApprovalPending("run", "r", "waiting_for_approval", "resume"),
        errors.ApprovalNotPending("approval", "a", "approved", "approve"),
        errors.DecisionRefused("a", "ada", "host"),
        errors.CloseRefused("r", "s"),
        errors.IdempotencyConflict("k", "r"),
        errors.VersionConflict("r", 1, 2),
        errors.StoreUnavailable("memory://", "is closed"),
        errors.StoreCorrupt("r", 1, "is changed"),
        errors.SchemaTooNew("memory://", 2, 1),
    ]
    assert {type(each) for each in made} == {*_kinds(ScoriaError)}
    told = {type(each): problem_of(each) for each in made}
    for kind, problem in told.items():
        assert problem.code == kind.code
        assert problem.title
        assert problem.detail
        assert problem.next_move
    statuses = {kind.__name__: problem.status for kind, problem in told.items()}
    assert {name for name, status in statuses.items() if status >= 500} == {
        *("UnknownHandler", "AsyncHandlerRefused", "CloseRefused"),
        *("StoreUnavailable", "StoreCorrupt", "SchemaTooNew"),
    }


def _kinds(kind: type[ScoriaError]) -> Iterator[type[ScoriaError]]:
    for each in kind.__subclasses__():
        if each.__module__ == "scoria_core.errors":
            yield each
            yield from _kinds(each)


def test_the_description_is_valid_and_the_one_that_is_kept(api: Api) -> None:
    """OpenAPI 3.1; what is served says where, and which kinds can be started."""
    kept = (ROOT / "docs" / "openapi.json").read_text("utf-8")
    assert kept == description(), "docs/openapi.json is stale; run make openapi"
    validate(json.loads(kept))
    served = api.get("/v1/openapi.json").json
    validate(served)
    assert served["servers"] == [{"url": MOUNT}]
    kind = served["components"]["schemas"]["FirstStep"]["properties"]["kind"]
    assert kind["enum"] == ["refund", "fail", "echo"]


def test_nothing_can_be_started_unless_the_host_names_it(api: Api) -> None:
    """By default no kind."""
    client = Client(api_app(api.scoria, scope=lambda _: OPERATOR))
    response = client.post("/v1/runs", json=start())
    said(response, 422, "invalid_payload", "initial_step.kind")


@pytest.mark.parametrize(
    ("kinds", "path"), [("refund", "kinds"), (5, "kinds"), ([""], "kinds[0]"), ([5], "kinds[0]")]
)
def test_what_the_host_passes_is_checked(api: Api, kinds: Any, path: str) -> None:
    """Where it is passed."""
    with pytest.raises(InvalidPayload) as refused:
        api_app(api.scoria, scope=lambda _: OPERATOR, kinds=kinds)
    assert refused.value.field == path
    with pytest.raises(InvalidPayload):
        api_app("memory://", scope=lambda _: OPERATOR)  # type: ignore[arg-type]
    with pytest.raises(InvalidPayload):
        api_app(api.scoria, scope=OPERATOR)  # type: ignore[arg-type]


def test_secrets_are_masked_in_every_answer(api: Api) -> None:
    """By name, or as the host says; and an edit that would lose one is refused."""
    arguments = {"amount": 1, "api_key": "sk-hidden"}
    run_id, approval_id = api.waiting(arguments=arguments, may_edit=True)
    page = Client(evidence_app(api.scoria, scope=lambda _: api.scope))
    as_json = {"Accept": "application/json"}
    told = [
        *(api.get(f"/v1/runs{path}").text for path in ("", f"/{run_id}", f"/{run_id}/detail")),
        api.get("/v1/approvals").text,
        api.start(input={"asks": {"arguments": arguments}}).text,
        *(page.get(path, headers=as_json).text for path in ("/", "/?list=all", "/search?q=s-1")),
        page.get(f"/workflows/{run_id}", headers=as_json).text,
    ]
    for text in told:
        assert "sk-hidden" not in text
        assert "api_key" in text
    edit = {"arguments": {"amount": 2}}
    said(api.post(decide(run_id, approval_id), edit), 403, "masked")
    assert api.scoria.get_run(run_id).status == "waiting_for_approval"
    assert api.post(decide(run_id, approval_id)).status_code == 200
    (decided,) = api.scoria.get_run_detail(run_id).approvals
    assert decided.arguments == arguments
    open_app = Client(api_app(api.scoria, scope=lambda _: OPERATOR, mask=None))
    assert "sk-hidden" in open_app.get(f"/v1/runs/{run_id}/detail").text
    broken = api_app(api.scoria, scope=lambda _: OPERATOR, mask=lambda _: None)  # type: ignore[arg-type,return-value]
    assert '"amount"' not in Client(broken).get("/v1/approvals").text


PAGES = {"/": 200, "/?list=all": 200, "/search?q=s-1": 200, "/?list=x": 400, "/nowhere": 404}


@pytest.mark.parametrize(("path", "status"), PAGES.items())
def test_each_page_of_the_console_is_json_for_a_program(api: Api, path: str, status: int) -> None:
    """And a page for anybody who does not ask for JSON first."""
    run_id, approval_id = api.waiting()
    client = Client(evidence_app(api.scoria, scope=lambda _: api.scope))
    told = client.get(path, headers={"Accept": "application/json"})
    assert (told.status_code, told.is_json) == (status, True)
    if status == 200:
        assert (run_id if path != "/" else approval_id) in told.text
    for accept in ("*/*", "", "text/html", "text/html, application/json;q=0.9", "image/png"):
        assert client.get(path, headers={"Accept": accept}).mimetype == "text/html"
    assert client.get(path).mimetype == "text/html"


def test_the_page_of_a_run_is_what_the_api_tells_of_it(api: Api) -> None:
    """By the same code, for the same tenant."""
    run_id, _ = api.waiting(keeps=True)
    client = Client(evidence_app(api.scoria, scope=lambda _: api.scope))
    as_json = {"Accept": "application/json"}
    page = client.get(f"/workflows/{run_id}", headers=as_json)
    assert page.json == api.get(f"/v1/runs/{run_id}/detail").json
    tag = {"If-None-Match": page.headers["ETag"]}
    assert client.get(f"/workflows/{run_id}", headers=as_json | tag).status_code == 304
    said(client.post(f"/workflows/{run_id}", headers=as_json), 405, "method_not_allowed")
    assert "kept-text" not in page.text
    listed: Any = client.get("/", headers=as_json).json
    assert listed["counts"]["waiting"] == {"number": 1, "is_exact": True}
    api.scope = attrs.evolve(OPERATOR, tenant_id=OTHER)
    said(client.get(f"/workflows/{run_id}", headers=as_json), 404, "run_not_found", "run_id")
    api.scope = None
    said(client.get("/", headers=as_json), 403, "forbidden")
