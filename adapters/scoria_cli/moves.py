"""Error messages for the command line: the next move is a command, not a Python call."""

from collections.abc import Mapping
from types import MappingProxyType

import attrs

from scoria_core.errors import (
    ApprovalNotPending,
    ApprovalPending,
    InvalidIdentity,
    InvalidPayload,
    RunNotFound,
    RunNotResumable,
    ScoriaError,
    TransitionRefused,
    VersionConflict,
    safe_repr,
)
from scoria_core.lifecycles import RunStatus
from scoria_evidence.errors import ExportRefused

OPTIONS: Mapping[str, str] = MappingProxyType(
    {
        "actor_id": "--by",
        "after": "--after",
        "answer": "--answer",
        "arguments": "--arguments",
        "arguments_digest": "--digest",
        "assigned_to": "--assigned-to",
        "before": "--before",
        "decided_by": "--by",
        "lease": "--lease",
        "listener": "--name",
        "note": "--note",
        "reason": "--reason",
        "root_role_id": "--role",
        "secret": "SCORIA_NOTIFY_SECRET",
        "session_id": "--session",
        "tenant_id": "--tenant",
        "timeout": "--timeout",
        "tool_name": "--tool",
        "types": "--type",
        "url": "--to",
        "worker_id": "--name",
    }
)
"""The option that fills an argument of the facade."""

COMMAND_EXTRAS: Mapping[str, str] = MappingProxyType(
    {"demo": "demo", "migrate": "postgres", "notify": "notify", "verify": "conformance"}
)
"""The extra that a command needs beside `cli`."""

EXTRAS: Mapping[str, str] = MappingProxyType(
    {
        "click": "cli",
        "cloudevents": "notify",
        "duckdb": "duckdb",
        "flask": "demo",
        "httpcore": "notify",
        "httpx": "conformance",
        "hypothesis": "conformance",
        "jinja2": "web",
        "markupsafe": "web",
        "psycopg": "postgres",
        "psycopg_pool": "postgres",
        "pytest": "conformance",
        "pytest_bdd": "conformance",
        "rich": "cli",
        "standardwebhooks": "notify",
        "werkzeug": "web",
    }
)
"""The extra that brings a library."""


def told(error: ScoriaError) -> str:
    """Return the message of an error; it names commands instead of calls of the facade."""
    match error:
        case ExportRefused(file=file, problem=problem):
            named = () if file is None else ("--out", file)
            return " ".join(filter(None, (*named, problem)))
        case RunNotFound(run_id=run_id, is_session=True):
            find = f"find its runs with scoria runs list --session {safe_repr(run_id)}"
            return f"no run {safe_repr(run_id)}: that is a session_id, which groups runs; {find}"
        case RunNotFound(run_id=run_id):
            return f"no run {safe_repr(run_id)}; see which there are with scoria runs list"
        case VersionConflict(run_id=run_id):
            return f"run {run_id} was changed by another meanwhile; {_show(run_id)}, and try again"
        case InvalidIdentity(name=name, problem=problem):
            return f"{OPTIONS.get(name, name)} {problem}; pass an id"
        case InvalidPayload(path=path, problem=problem):
            return f"{OPTIONS.get(path, path)} {problem}"
        case TransitionRefused():
            return str(attrs.evolve(error, next_move=_next_move(error)))
    return str(error)


def missing(module: str | None, command: str = "") -> str:
    """Say which library is not installed, and which extra of the kit brings it."""
    top = (module or "a library").partition(".")[0]
    extra = COMMAND_EXTRAS.get(command) or EXTRAS.get(top)
    if extra is None:
        return f"{top} is not installed; install scoria-kit anew"
    return f"{top} is not installed; pip install 'scoria-kit[{extra}]'"


def _next_move(refused: TransitionRefused) -> str:
    run_id = refused.subject_id if refused.subject == "run" else "RUN_ID"
    match refused:
        case ApprovalPending():
            return f"decide it first with scoria runs approve {run_id}, or scoria runs reject"
        case RunNotResumable(state=RunStatus.RUNNING):
            return f"a worker or its host carries out its steps; {_show(run_id)}"
        case RunNotResumable(state=RunStatus.FAILED):
            return f"try its step again with scoria runs retry {run_id}"
        case RunNotResumable():
            return f"it has ended; {_show(run_id)}"
        case ApprovalNotPending(state="unknown"):
            return f"{_show(run_id)}, and take the id of an approval that is pending"
        case ApprovalNotPending(state="expired"):
            return f"let its step ask again with scoria runs resume {run_id}"
    return _show(run_id)


def _show(run_id: str) -> str:
    return f"see where it stands with scoria runs show {run_id}"
