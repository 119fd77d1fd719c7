"""A terminal that a command is run on, as a person has it."""

import fcntl
import io
import json
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pyte

COLUMNS = 60

COMMAND = [sys.executable, "-m", "scoria_cli"]


@attrs.frozen
class Shown:
    """What a terminal was sent, what it did, and what is on it in the end."""

    code: int
    sent: str
    did: set[str]
    rows: list[str]


def on_a_terminal(arguments: list[str], cwd: Path, **environment: str) -> Shown:
    """Run a command on a terminal that is narrow and long."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 2_000, COLUMNS, 0, 0))
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=cwd,
        env={**os.environ, "TERM": "xterm-256color", "LOGNAME": "me", **environment},
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    with os.fdopen(ours, "rb", buffering=0) as terminal:
        sent = b"".join(_read(terminal)).decode()
    screen = pyte.Screen(COLUMNS, 2_000)
    pyte.Stream(screen).feed(sent)
    did = io.StringIO()
    written_down: Any = pyte.DebugScreen(to=did)
    pyte.Stream(written_down).feed(sent)
    events = {json.loads(event)[0] for event in did.getvalue().splitlines()}
    rows = [row.rstrip() for row in screen.display]
    return Shown(process.wait(60), sent, events, rows)


def _read(terminal: io.FileIO) -> Iterator[bytes]:
    try:
        while data := terminal.read(65_536):
            yield data
    except OSError:  # how Linux says that the other end is closed
        return
