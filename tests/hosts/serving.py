"""Runs the line of an example's README in a copy of its folder, and waits until it serves."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support import ROOT

EXAMPLES = ROOT / "examples"
STARTS = 60.0
"""For how many seconds a host may start; what is slower has not started."""


def line_of(example: str) -> str:
    """Return the line by which its README says that the host is run, once it is installed."""
    readme = (EXAMPLES / example / "README.md").read_text("utf-8")
    [line] = re.findall(r"```sh\n(.*SECRET_KEY=.*)\n```", readme)
    return str(line)


@contextmanager
def serving(example: str, folder: Path, **environment: str) -> Iterator[str]:
    """Copy an example to a folder that is empty, run its line there, and give its address."""
    for each in sorted((EXAMPLES / example).rglob("*")):
        if each.is_file() and each.suffix in (".py", ".html"):
            copy = folder / each.relative_to(EXAMPLES / example)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(each.read_bytes())
    programs, port = Path(sys.executable).parent, _free_port()
    told = {
        **os.environ,
        "PATH": f"{programs}:{os.environ['PATH']}",
        "GUNICORN_CMD_ARGS": f"--bind 127.0.0.1:{port}",
        "HOME": str(folder),  # gunicorn keeps its socket there
        "UVICORN_PORT": str(port),
        **environment,
    }
    log = folder / "log.txt"
    with (
        log.open("wb") as out,
        subprocess.Popen(
            ["bash", "-c", line_of(example)],
            cwd=folder,
            stdout=out,
            stderr=out,
            env=told,
            start_new_session=True,
        ) as server,
    ):
        try:
            _wait_for(server, port, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            os.killpg(server.pid, signal.SIGTERM)
            try:
                server.wait(30)
            finally:
                _kill(server.pid)


def _free_port() -> int:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port: int = bound.getsockname()[1]
        return port


def _wait_for(server: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    """Return when the host takes connections."""
    ends = time.monotonic() + STARTS
    while time.monotonic() < ends and server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"the host did not start: {log.read_text('utf-8')[-3_000:]}")


def _kill(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return
