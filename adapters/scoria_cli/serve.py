"""`scoria serve`: the pages and the HTTP API of a store, for one tenant, on this machine."""

import logging
import secrets
import socket
from typing import TYPE_CHECKING

import click
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.serving import BaseWSGIServer, make_server
from werkzeug.utils import redirect

from scoria_cli.console import err_line, out_line
from scoria_cli.hosts import AllowedHosts, guarded, host_names, is_loopback
from scoria_cli.options import Whole, open_existing, store_option
from scoria_core import Scoria
from scoria_core.errors import InvalidIdentity
from scoria_web import Scope, api_app, decision_app, evidence_app

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

OPEN = (
    "warning: whoever reaches {host} reads the evidence of tenant {tenant}, without a login; "
    "names other than localhost and {host} need --allow-host"
)


@click.command()
@store_option
@click.option("--tenant", required=True, help="The tenant whose runs are shown.")
@click.option("--actor", default="operator", show_default=True, help="Who reads the page.")
@click.option(
    "--decide-as",
    metavar="NAME",
    help="Decide requests too, under this name, on this machine only.",
)
@click.option(
    "--start",
    "kinds",
    multiple=True,
    metavar="KIND",
    help="Let runs be started at /api whose first step is of this kind; needs --decide-as.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=8000, show_default=True, type=Whole(0, 65535))
@click.option(
    "--allow-host",
    "names",
    multiple=True,
    metavar="NAME",
    callback=host_names,
    help="Serve it also to who asks for it under this name.  [default: localhost and --host]",
)
def serve(
    store: str,
    tenant: str,
    actor: str,
    decide_as: str | None,
    kinds: tuple[str, ...],
    host: str,
    port: int,
    names: tuple[str, ...],
) -> None:
    """Serve the evidence page of one tenant, without a login.

    For an operator at this machine, and for programs at /api. In a host app, mount
    `scoria_web.evidence_app` and let the host say who reads; what is decided or started with
    --decide-as is queued for a worker.
    """
    if kinds and decide_as is None:
        raise click.UsageError("--start says what may be started; say by whom with --decide-as")
    if decide_as is not None and not is_loopback(host):
        raise click.UsageError("--decide-as is for this machine alone; leave --host out")
    scope = _scope(tenant, actor, decide_as)
    with open_existing(store) as scoria:
        app = DispatcherMiddleware(redirect("/scoria/"), _apps(scoria, scope, kinds))
        server = server_at(host, port, guarded(app, AllowedHosts.of(host, *names)))
        if not is_loopback(host):
            err_line(f"scoria: {OPEN.format(host=host, tenant=tenant)}")
        out_line(f"evidence of tenant {tenant}: {address(server)}/scoria/ (stop with Ctrl-C)")
        serve_until_stopped(server)


def _apps(scoria: Scoria, scope: Scope, kinds: tuple[str, ...]) -> dict[str, "WSGIApplication"]:
    """Return the apps by where they are mounted."""
    api = api_app(scoria, scope=lambda _: scope, kinds=kinds)
    if not scope.may_decide:
        return {"/scoria": evidence_app(scoria, scope=lambda _: scope), "/api": api}
    # A new secret at each start: a form from before a restart is refused, and opened again.
    secret = secrets.token_bytes()
    return {
        "/api": api,
        "/scoria": evidence_app(scoria, scope=lambda _: scope, decisions="/decisions"),
        "/decisions": decision_app(
            scoria, scope=lambda _: scope, secret=secret, evidence="/scoria"
        ),
    }


def _scope(tenant: str, actor: str, decide_as: str | None) -> Scope:
    try:
        return Scope(
            tenant_id=tenant,
            actor_id=actor if decide_as is None else decide_as,
            may_decide=decide_as is not None,
            may_operate=decide_as is not None,
        )
    except InvalidIdentity as error:
        option = "--tenant" if error.name == "tenant_id" else "--actor"
        option = "--decide-as" if option == "--actor" and decide_as is not None else option
        raise click.UsageError(f"{option} {error.problem}; pass an id") from error


def server_at(host: str, port: int, app: object) -> BaseWSGIServer:
    """Return a threaded server bound to the address; port 0 picks a free one."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    # Werkzeug exits the process if it cannot bind; a socket of our own raises instead.
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.create_server((host, port), family=family)
    free_port = bound.getsockname()[1]
    return make_server(host, free_port, app, threaded=True, fd=bound.detach())  # type: ignore[arg-type]  # any WSGI app


def address(server: BaseWSGIServer) -> str:
    """Return the base URL of a bound server."""
    host = f"[{server.host}]" if ":" in server.host else server.host
    return f"http://{host}:{server.port}"


def serve_until_stopped(server: BaseWSGIServer) -> None:
    """Serve until Ctrl-C."""
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        out_line("stopped")
    finally:
        server.server_close()
