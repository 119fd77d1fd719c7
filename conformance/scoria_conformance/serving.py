"""A host that is a WSGI app, served to its driver over real HTTP while a scenario runs."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from scoria_conformance.host import WSGIApp


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name it has there
        """Log nothing about a request; the output of the app itself is kept."""


@contextmanager
def served(app: WSGIApp) -> Iterator[str]:
    """Serve `app` on a free port of this machine, and give its base URL."""
    with make_server("127.0.0.1", 0, app, _Server, _Quiet) as server:
        # The interval at which the server looks whether to stop: `shutdown` waits for it.
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
