"""`scoria demo`: walks the guide's checklist over real HTTP, on a throw-away store."""

import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from scoria_cli.console import console, line, out_line
from scoria_cli.hosts import AllowedHosts, guarded
from scoria_cli.options import Whole
from scoria_cli.serve import address, server_at
from scoria_core import Scoria
from scoria_core.stores import file_url
from scoria_demo import HANDLERS, connect, create_app, stock, walk
from scoria_worker import Worker


@click.command()
@click.option("--serve", is_flag=True, help="Leave the host and its console up after.")
@click.option("--port", default=0, type=Whole(0, 65535), help="0 picks a free one.")
def demo(serve: bool, port: int) -> int:
    """Walk the guide's checklist through the demo host, and print what was seen."""
    with tempfile.TemporaryDirectory(prefix="scoria-demo-") as directory:
        store = file_url("duckdb", Path(directory) / "scoria.duckdb")
        with Scoria.open(store, handlers=HANDLERS) as scoria, _serving(scoria, port) as url:
            code = _walk(url)
            if serve:
                stock(connect(url))
                _stay(url, scoria)
    return code


def _walk(url: str) -> int:
    out = console()
    out_line(f"The guide's checklist at {url}, on a throw-away DuckDB store")
    held = True
    for seen in walk(connect(url)):
        mark, style = ("✓", "green") if seen.holds else ("✗", "bold red")
        line(out, mark, style, seen.step, seen.saw)
        held = held and seen.holds
    out_line("It holds." if held else "It does not hold.")
    return 0 if held else 1


def _stay(url: str, scoria: Scoria) -> None:
    worker = Worker(scoria, poll=0.5)
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        out_line(f"The host is at {url}, its console at {url}/scoria/ (stop with Ctrl-C)")
        threading.Event().wait()
    except KeyboardInterrupt:
        out_line("stopped")
    finally:
        worker.end()
        thread.join()


@contextmanager
def _serving(scoria: Scoria, port: int) -> Iterator[str]:
    server = server_at("127.0.0.1", port, guarded(create_app(scoria), AllowedHosts.of()))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield address(server)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
