"""`scoria runs`: shows runs and decides, with the same checks as in a host."""

import getpass
from collections.abc import Callable
from typing import Any

import click

from scoria_cli.console import err_line, err_next, out_json, out_line
from scoria_cli.options import (
    Moment,
    existing_store,
    json_object,
    json_option,
    limit_option,
    open_existing,
    session_option,
    store_option,
    tenant_option,
    text,
)
from scoria_cli.showing import print_detail, print_list
from scoria_core import DamagedRun, RunSummary, Scoria
from scoria_core.conversion import converter
from scoria_core.errors import ApprovalNotPending, StoreCorrupt, safe_repr
from scoria_core.importing import named
from scoria_core.lifecycles import RunStatus
from scoria_core.visible import visible_line

QUEUED = "its step is queued for its host or a worker"
"""What follows a decision or a command by which a run goes on."""


def _login_name() -> str:
    """Return the login name of the user; a uid in a container may have none."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError) as error:
        raise click.UsageError("this user has no login name; say who decides with --by") from error


actor_option = click.option(
    "--by",
    "actor",
    default=_login_name,
    show_default="your login name",
    help="Who makes the change, as the journal names them.",
)


@click.group()
def runs() -> None:
    """List runs, show one, and decide on it."""


@runs.command("list")
@store_option
@tenant_option
@session_option
@click.option(
    "--status",
    type=click.Choice([status.value for status in RunStatus]),
    help="Only runs that stand so.",
)
@click.option("--role", callback=text, help="Only runs of this root role.")
@click.option("--actor", callback=text, help="Only runs that this actor started.")
@click.option(
    "--created-after", type=Moment(), metavar="DATE", help="Only runs that began after it, in UTC."
)
@limit_option
@click.option("--before", metavar="RUN_ID", help="Only older runs than this one.")
@json_option
def list_(
    store: str,
    tenant: str | None,
    session: str | None,
    role: str | None,
    actor: str | None,
    as_json: bool,
    **asked: Any,
) -> None:
    """List runs, newest first; with --json, a line for each with the fields of RunSummary.

    Where there are more, the last line on stderr says how to go on, as JSON too.
    """
    with open_existing(store, tenant) as scoria:
        page = scoria.list_runs_with_damaged(
            session_id=session, root_role_id=role, actor_id=actor, **asked
        )
        found = [each for each in page if isinstance(each, RunSummary)]
        if as_json:
            for run in found:
                out_json(converter.unstructure(run))
        else:
            print_list(found)
        for each in page:
            if isinstance(each, DamagedRun):
                err_line(f"scoria: {StoreCorrupt(each.run_id, each.sequence, each.problem)}")
        err_next("--before", page.next, as_json=as_json)


@runs.command()
@click.argument("run_id")
@store_option
@json_option
@click.option("--kept", is_flag=True, help="Print what steps keep, and not its size alone.")
def show(run_id: str, store: str, as_json: bool, kept: bool) -> None:
    """Show one run: its steps, approvals, handoffs and journal, with all that was given to them.

    With --json it has the fields of RunDetail.
    """
    with open_existing(store) as scoria:
        detail = scoria.get_run_detail(run_id)
    if as_json:
        out_json(converter.unstructure(detail))
    else:
        print_detail(detail, kept=kept)


def _decision(command: Callable[..., None]) -> Callable[..., None]:
    """Add the argument and the options that `approve` and `reject` have in common."""
    options = (
        click.argument("run_id"),
        store_option,
        actor_option,
        click.option("--approval", "approval_id", help="The request.  [default: the pending one]"),
        click.option("--note", help="Why, for the record."),
        click.option(
            "--digest", "arguments_digest", help="The digest of the arguments that you have seen."
        ),
        click.option(
            "--resume", is_flag=True, help="Queue the step, if no request is pending then."
        ),
        click.option(
            "--policy", metavar="MODULE:NAME", help="What says who may decide, as may_decide does."
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


@runs.command()
@_decision
@click.option(
    "--arguments",
    type=click.File(encoding="utf-8"),
    callback=json_object,
    help="A file of JSON to approve instead; - is stdin.",
)
@click.option("--answer", metavar="JSON", callback=json_object, help="The answer, an object.")
def approve(
    run_id: str, store: str, policy: str | None, approval_id: str | None, actor: str, **said: Any
) -> None:
    """Say yes to what RUN_ID waits for.

    It goes on with --resume, or when its host, or `runs resume`, says so.
    """
    with _deciding(store, policy) as scoria:
        named_id = approval_id or _asked(scoria, run_id, "approve")
        run = scoria.approve(run_id, approval_id=named_id, decided_by=actor, **said)
        _tell_decided(scoria, run, named_id)


@runs.command()
@_decision
def reject(
    run_id: str, store: str, policy: str | None, approval_id: str | None, actor: str, **said: Any
) -> None:
    """Say no to what RUN_ID waits for, which cancels the run unless the request says otherwise."""
    with _deciding(store, policy) as scoria:
        named_id = approval_id or _asked(scoria, run_id, "reject")
        run = scoria.reject(run_id, approval_id=named_id, decided_by=actor, **said)
        _tell_decided(scoria, run, named_id)


@runs.command()
@click.argument("run_id")
@store_option
@actor_option
@click.option("--reason", help="Why, for the record.")
def cancel(run_id: str, store: str, actor: str, reason: str | None) -> None:
    """End RUN_ID, whatever it waits for."""
    with open_existing(store) as scoria:
        _tell(scoria.cancel_run(run_id, reason=reason, actor_id=actor))


@runs.command()
@click.argument("run_id")
@store_option
@actor_option
def resume(run_id: str, store: str, actor: str) -> None:
    """Queue the step of RUN_ID that was decided on, for its host or a worker."""
    with open_existing(store) as scoria:
        _tell(scoria.resume_run(run_id, actor_id=actor), QUEUED)


@runs.command()
@click.argument("run_id")
@store_option
@actor_option
def retry(run_id: str, store: str, actor: str) -> None:
    """Queue the failed step of RUN_ID again, for its host or a worker."""
    with open_existing(store) as scoria:
        _tell(scoria.retry_run(run_id, actor_id=actor), QUEUED)


def _asking(name: str) -> Any:
    """Return the policy that `name` names; if it raises an error, the message names the policy."""
    policy = named(name)
    if not callable(policy):  # also None, which would mean no policy
        raise TypeError(f"it is {type(policy).__name__}")

    def may_decide(*asked: object) -> object:
        try:
            return policy(*asked)
        except Exception as error:
            problem = f"{name} raised {safe_repr(error, 200)}, and nothing was decided"
            raise click.BadParameter(problem, param_hint="--policy") from error

    return may_decide


def _deciding(store: str, policy: str | None) -> Scoria:
    opened = existing_store(store)
    if policy is None:
        return Scoria(opened)
    try:
        return Scoria(opened, may_decide=_asking(policy))
    except (Exception, SystemExit) as error:
        opened.close()
        problem = (
            f"{policy} cannot be used: {safe_repr(error, 200)}; name a callable as module:name"
        )
        raise click.BadParameter(problem, param_hint="--policy") from error


def _asked(scoria: Scoria, run_id: str, trigger: str) -> str:
    """Return the id of the only pending request or, if none is pending, of the only request.

    If it is not pending, the facade refuses the decision, and says why.
    """
    pending = scoria.get_run(run_id).pending_approvals
    if not pending:
        steps = scoria.get_run_detail(run_id).steps
        asked = [each for step in steps for each in step.approvals]
        if len(asked) == 1:
            return asked[0].approval_id
        raise ApprovalNotPending(
            "run",
            run_id,
            "without a pending request",
            trigger,
            next_move="see what was decided, and by whom, with scoria runs show",
        )
    if len(pending) > 1:
        ids = ", ".join(f"{each.approval_id} ({each.tool_name})" for each in pending)
        problem = f"run {run_id} waits for {len(pending)} decisions; name one of {ids}"
        raise click.BadParameter(visible_line(problem), param_hint="--approval")
    return pending[0].approval_id


def _tell(run: RunSummary, more: str = "") -> None:
    out_line(f"run {run.run_id} is {run.status}{more and f': {more}'}")


def _tell_decided(scoria: Scoria, run: RunSummary, approval_id: str) -> None:
    """Print what became of a request and of its run, and how the run goes on."""
    approvals = scoria.get_run_detail(run.run_id).approvals
    asked = next(each for each in approvals if each.approval_id == approval_id)
    more = f"{asked.tool_name} is {asked.status}"
    if run.status == RunStatus.RUNNING:
        more += f", and {QUEUED}"
    elif run.status == RunStatus.WAITING_FOR_APPROVAL and not run.pending_approvals:
        more += f"; go on with scoria runs resume {run.run_id}"
    _tell(run, more)
