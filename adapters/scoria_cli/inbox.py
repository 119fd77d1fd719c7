"""`scoria inbox`: what waits for a person, longest first."""

from typing import Any

import attrs
import click

from scoria_cli.console import err_next, out_json
from scoria_cli.options import (
    json_option,
    limit_option,
    open_existing,
    session_option,
    store_option,
    tenant_option,
    text,
)
from scoria_cli.showing import print_inbox
from scoria_core import ListedApproval
from scoria_core.conversion import converter


@click.command()
@store_option
@tenant_option
@click.option(
    "--assigned-to", metavar="ID", callback=text, help="Only requests that are assigned to them."
)
@click.option(
    "--tool", "tool_name", metavar="NAME", callback=text, help="Only requests to use this tool."
)
@session_option
@limit_option
@click.option("--after", metavar="PLACE", help="Go on where the page before says.")
@json_option
def inbox(
    store: str,
    tenant: str | None,
    session: str | None,
    limit: int,
    after: str | None,
    as_json: bool,
    **asked: Any,
) -> None:
    """List the requests that wait for a person, longest waiting first.

    With --json, a line for each with its fields and those of its run. Where there are more, the
    last line on stderr says how to go on, as JSON too. Decide with `scoria runs approve` or
    `reject`.
    """
    with open_existing(store, tenant) as scoria:
        page = scoria.list_approvals(session_id=session, limit=limit, after=after, **asked)
        if as_json:
            for each in page:
                out_json(_fields(each))
        else:
            print_inbox(page, scoria.count_approvals(session_id=session, **asked))
        err_next("--after", page.next, as_json=as_json)


def _fields(asked: ListedApproval) -> dict[str, Any]:
    """Return the fields of a request and of its run, without the requests of the run."""
    run = attrs.evolve(asked.run, pending_approvals=())
    fields: dict[str, Any] = converter.unstructure(attrs.evolve(asked, run=run))
    del fields["run"]["pending_approvals"]
    return fields
