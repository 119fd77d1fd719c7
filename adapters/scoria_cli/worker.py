"""`scoria worker`: carries out queued steps until it is stopped."""

import logging
import os
import socket
from collections.abc import Mapping
from typing import Any

import click

from scoria_cli.console import out_line
from scoria_cli.options import Amount, Whole, store_option
from scoria_core import Scoria
from scoria_core.dispatch import MAX_THREADS
from scoria_core.errors import safe_repr
from scoria_core.importing import named
from scoria_worker import Worker, stopping


@click.command()
@store_option
@click.option(
    "--handlers",
    "registry",
    metavar="MODULE:NAME",
    help="A mapping of step kinds to handlers, or a callable that returns one.",
)
@click.option(
    "--listeners",
    "told",
    metavar="MODULE:NAME",
    help="A mapping of names to listeners, or a callable that returns one.",
)
@click.option("--name", help="What the journal calls this worker.  [default: host:pid]")
@click.option(
    "--lease",
    default=60.0,
    show_default=True,
    type=Amount(0.1),
    help="Seconds after which a silent worker is dead.",
)
@click.option(
    "--max-attempts",
    default=3,
    show_default=True,
    type=Whole(),
    help="How often a step is tried whose workers die.",
)
@click.option(
    "--poll",
    default=1.0,
    show_default=True,
    type=Amount(0.01),
    help="Seconds to wait when nothing is due.",
)
@click.option(
    "--grace",
    default=30.0,
    show_default=True,
    type=Amount(),
    help="Seconds that steps at work have to end.",
)
@click.option(
    "--concurrency",
    default=1,
    show_default=True,
    type=Whole(most=MAX_THREADS),
    help="How many steps are carried out at once.",
)
@click.option(
    "--kinds",
    metavar="KIND,KIND",
    help="Only these kinds of the registry.  [default: all]",
)
@click.option("--once", is_flag=True, help="Stop when nothing is due.")
def worker(
    store: str,
    registry: str | None,
    told: str | None,
    name: str | None,
    lease: float,
    max_attempts: int,
    poll: float,
    grace: float,
    concurrency: int,
    kinds: str | None,
    once: bool,
) -> None:
    """Carry out queued steps, take over those of workers that have died, and tell listeners.

    Needs --handlers, --listeners or both. Start as many as you like on a store for several
    processes. SIGTERM lets the steps at work end, or gives them back to the queue after --grace.
    """
    if registry is None and told is None:
        raise click.UsageError("Missing option '--handlers' or '--listeners': what is it to do?")
    if registry is None and kinds is not None:
        raise click.UsageError("Missing option '--handlers': --kinds are of these.")
    logging.getLogger().setLevel(logging.INFO)
    handlers = _of_kinds(_mapping(registry, "--handlers", "step kinds to handlers"), kinds)
    listeners = _mapping(told, "--listeners", "names to listeners")
    worker_id = name or f"{socket.gethostname()}:{os.getpid()}"
    with Scoria.open(
        store,
        handlers=handlers,
        listeners=listeners,
        worker_id=worker_id,
        lease=lease,
        max_attempts=max_attempts,
    ) as scoria:
        process = Worker(scoria, poll=poll, concurrency=concurrency)
        work = [*handlers, *(f"tells {listener}" for listener in listeners)]
        out_line(f"worker {worker_id}: {', '.join(work)}")
        try:
            with stopping(process, grace):
                _work(process, once=once)
        finally:
            out_line(f"worker {worker_id} stopped; worked in {process.done} runs")


def _work(process: Worker, *, once: bool) -> None:
    if once:
        process.drain()
    else:
        process.run()


def _of_kinds(handlers: Mapping[str, Any], kinds: str | None) -> Mapping[str, Any]:
    """Return the handlers of the kinds that are named."""
    if kinds is None:
        return handlers
    named_kinds = [kind.strip() for kind in kinds.split(",")]
    for kind in named_kinds:
        if kind not in handlers:
            problem = f"the registry has no {safe_repr(kind)}; it has {', '.join(handlers)}"
            raise click.BadParameter(problem, param_hint="--kinds")
    return {kind: handlers[kind] for kind in named_kinds}


def _mapping(name: str | None, option: str, of_what: str) -> Mapping[str, Any]:
    """Import the mapping that an option names; without the option, the mapping is empty."""
    if name is None:
        return {}
    try:
        found = named(name)
        mapping: object = found() if callable(found) else found
    except (Exception, SystemExit) as error:
        problem = (
            f"{name} could not be imported: {safe_repr(error, 200)}; name a mapping as module:name"
        )
        raise click.BadParameter(problem, param_hint=option) from error
    if not isinstance(mapping, Mapping):
        problem = f"{name} is no mapping of {of_what}; name one as module:name"
        raise click.BadParameter(problem, param_hint=option)
    if not mapping:
        problem = f"{name} is empty: name a mapping of {of_what}, or leave the option out"
        raise click.BadParameter(problem, param_hint=option)
    return mapping
