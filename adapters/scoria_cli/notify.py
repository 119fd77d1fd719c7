"""`scoria notify`: posts each event to a URL, until it is stopped."""

import logging
import os
from contextlib import closing
from datetime import UTC, datetime

import attrs
import click

from scoria_cli.console import out_line
from scoria_cli.options import Amount, existing_store, store_option, text
from scoria_core import Scoria
from scoria_core.delivering import checked_outbox
from scoria_core.errors import safe_repr
from scoria_core.ports import OutboxStore
from scoria_notify import Webhook
from scoria_notify.webhook import MAX_TIMEOUT
from scoria_worker import Worker

SECRET = "SCORIA_NOTIFY_SECRET"  # noqa: S105 - the name of the variable
"""The variable that holds the secret of the signature."""

PAGE = 1_000
"""How many deliveries are tried again at a time."""


@click.command()
@store_option
@click.option("--to", "url", metavar="URL", help="Where to post: https://HOST/PATH.")
@click.option(
    "--name", callback=text, help="What the store calls this listener.  [default: from --to]"
)
@click.option(
    "--type",
    "types",
    multiple=True,
    metavar="TYPE",
    help="Only these events, such as approval.requested.",
)
@click.option("--allow-inner", is_flag=True, help="Post to private addresses and http:// too.")
@click.option(
    "--timeout",
    default=10.0,
    show_default=True,
    type=Amount(most=MAX_TIMEOUT, is_above=True),
    help="Seconds that a post may take.",
)
@click.option(
    "--poll",
    default=1.0,
    show_default=True,
    type=Amount(0.01),
    help="Seconds to wait when there is nothing to tell.",
)
@click.option("--once", is_flag=True, help="Stop when all was told that can be now.")
@click.option("--again", is_flag=True, help="Try again what was given up, and stop.")
@click.option(
    "--forget", is_flag=True, help="Forget the listener and what it was not told, and stop."
)
def notify(
    store: str,
    url: str | None,
    name: str | None,
    types: tuple[str, ...],
    allow_inner: bool,
    timeout: float,
    poll: float,
    once: bool,
    again: bool,
    forget: bool,
) -> None:
    """Post what happens in a store to a URL, as signed CloudEvents.

    Begins with what is stored after the first start under a name. The signature is that of Standard
    Webhooks; its secret, whsec_ and base64, stands in SCORIA_NOTIFY_SECRET. Start as many as you
    like. With --name alone, --again and --forget are for any listener of the store.
    """
    if again or forget:
        if name is None:
            raise click.UsageError("Missing option '--name': which listener?")
        with closing(existing_store(store)) as opened:
            _administer(checked_outbox(opened), name, forget=forget)
        return
    if url is None:
        raise click.UsageError("Missing option '--to': where should events be posted?")
    secret = os.environ.get(SECRET, "")  # no option: others can see the arguments of a process
    webhook = Webhook(url, secret, types, allow_inner=allow_inner, timeout=timeout)
    listener = name or webhook.name
    logging.getLogger().setLevel(logging.INFO)
    with (
        closing(existing_store(store)) as opened,
        Scoria(opened, listeners={listener: webhook}) as scoria,
    ):
        out_line(f"notify {listener}: events from now on, or from where it was before")
        if once:
            out_line(f"notify {listener}: {scoria.deliver_events(listener)} events told")
            return
        try:
            Worker(scoria, poll=poll).tell(listener)
        except KeyboardInterrupt:
            out_line(f"notify {listener} stopped")


def _administer(store: OutboxStore, name: str, *, forget: bool) -> None:
    known = store.list_listeners()
    if name not in known:
        problem = f"there is no listener {safe_repr(name)}"
        raise click.BadParameter(f"{problem}; there are {', '.join(known) or 'none'}")
    if forget:
        store.remove_listener(name)
        out_line(f"listener {name} is forgotten")
        return
    count, now = 0, datetime.now(UTC)
    while given_up := store.list_deliveries(name, limit=PAGE, given_up=True):
        for each in given_up:
            count += store.settle_delivery(each, attrs.evolve(each, tries=0, next_try_at=now))
    out_line(f"listener {name}: {count} runs are tried again")
