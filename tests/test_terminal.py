"""What a person sees at a terminal, whatever a host or a model wrote, and however it is started."""

import fcntl
import io
import json
import os
import pty
import re
import sqlite3
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import attrs
import pyte
import pytest

from scoria_core import Failed, HandOff, NeedsApproval, Scoria, StepSpec
from scoria_core.visible import visible_block

COLUMNS = 60

FORGED = "✓ nothing is stuck"
SEEN = f"\u202e\u2066\u200b\xa0\u3000\ufdd0\U000e0041 [bold]:smile:[/bold] {'-' * 70} {FORGED}"
MOVES = f"\x1b[1A\x1b[2K\x1b[8m\x9b2J\x1b]0;title\x07\x08\r\n{FORGED}\n\x85{FORGED}\u2028{SEEN}"


def name(mark: str) -> str:
    """Return a hostile name; no name may have a control character."""
    return f"<{mark}{SEEN}{mark}>"


def text(mark: str) -> str:
    """Return a hostile text."""
    return f"<{mark}{MOVES}{mark}>"


class Breaks(Exception):
    """An error whose type has an odd name as well."""


Breaks.__name__ = Breaks.__qualname__ = text("type")


def ask(*_: object) -> NeedsApproval:
    """Ask, in words that forge."""
    arguments = {text("key"): text("value")}
    return NeedsApproval(tool_name=name("tool"), arguments=arguments, reason=text("reason"))


def break_off(*_: object) -> None:
    """Raise an error that forges."""
    raise Breaks(text("error"))


def fail(*_: object) -> Failed:
    """Fail for a reason that forges."""
    return Failed(text("failed"), details={text("detail"): text("details")})


def hand_off(*_: object) -> HandOff:
    """Hand on what forges."""
    return HandOff(
        delegated_role_id=name("delegated"),
        delegated_kind=name("kind"),
        handoff_input={text("input"): text("input")},
        projected_context={"task": text("context")},
        capability_tags=(name("tag"),),
    )


@attrs.frozen
class Place:
    """A directory with a hostile store, and the runs in it."""

    path: Path
    url: str
    waiting: str
    decided: str
    broken: str
    failed: str
    handed: str

    def run_of(self, text: str) -> str:
        """Fill in the ids that a command names."""
        return text.format(url=self.url, **attrs.asdict(self, filter=lambda a, _: a.name != "url"))


HANDLERS = f"""
import logging

class Breaks(Exception):
    pass

Breaks.__name__ = Breaks.__qualname__ = {text("type")!r}

def break_off(step, run):
    logging.getLogger("of the host").warning({text("logged")!r})
    raise Breaks({text("error")!r})

registry = {{{name("queued")!r}: break_off}}

def broken():
    raise LookupError({text("raised")!r})
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Make a store in which every text is hostile, one run of each fate, and one damaged."""
    path = tmp_path_factory.mktemp("place")
    (path / "hands.py").write_text(HANDLERS, "utf-8")
    url = f"sqlite:///{path / 'runs.db'}"
    with Scoria.open(url) as host:
        identity = host.identity(
            actor_id=name("actor"),
            tenant_id=name("tenant"),
            session_id=name("session"),
            metadata={text("metadata"): text("metadata")},
        )

        def start(kind: str, handler: Callable[..., object] | None) -> str:
            handlers = None if handler is None else {name(kind): handler}
            step = StepSpec(name(kind), name("role"), {text("input"): text("input")})
            return host.start_run(
                identity,
                root_role_id=name("root"),
                initial_step=step,
                metadata={text("metadata"): text("metadata")},
                handlers=handlers,
            ).run_id

        runs = {
            "waiting": start("ask", ask),
            "decided": start("ask", ask),
            "broken": start("break", break_off),
            "failed": start("fail", fail),
            "handed": start("hand", hand_off),
        }
        (pending,) = host.get_run_detail(runs["decided"]).approvals
        host.reject(
            runs["decided"],
            approval_id=pending.approval_id,
            decided_by=name("decider"),
            note=text("note"),
        )
        start("queued", None)
    with closing(sqlite3.connect(path / "runs.db")) as database, database:
        damaged = (name("run"), name("tenant"), name("session"), None, 1, None)
        database.execute("INSERT INTO run VALUES (?, ?, ?, ?, ?, ?)", damaged)
        database.execute(
            "INSERT INTO record VALUES (?, 1, ?, ?)", (name("run"), text("digest"), text("body"))
        )
    return Place(path, url, **runs)


@attrs.frozen
class Told:
    """A command, the code that it ends with, and the marks of the texts that it shows."""

    arguments: list[str]
    code: int
    marks: str = ""


OTHER = ["--approval", text("approval"), "--by", name("by")]
NAMED = ["--name", name("worker")]

TOLD = {
    "runs list": Told(["runs", "list", "--store", "{url}"], 0, "run"),
    "runs list of a tenant": Told(
        ["runs", "list", "--store", "{url}", "--tenant", name("tenant")], 0, "run"
    ),
    "a run that waits": Told(
        ["runs", "show", "{waiting}", "--store", "{url}"],
        0,
        "tenant session actor ask role tool key value reason",
    ),
    "a run that was decided": Told(
        ["runs", "show", "{decided}", "--store", "{url}"], 0, "decider note tool reason"
    ),
    "a run that broke": Told(["runs", "show", "{broken}", "--store", "{url}"], 0, "type error"),
    "a run that failed": Told(["runs", "show", "{failed}", "--store", "{url}"], 0, "failed"),
    "a run that was handed on": Told(
        ["runs", "show", "{handed}", "--store", "{url}"], 0, "role delegated kind"
    ),
    "a run that there is not": Told(
        ["runs", "show", text("missing"), "--store", "{url}"], 2, "missing"
    ),
    "an approval that there is not": Told(
        ["runs", "approve", "{waiting}", "--store", "{url}", *OTHER],
        2,
        "approval",
    ),
    "doctor": Told(["doctor", "--waiting", "0", "--store", "{url}"], 1, "run type error tool"),
    "a whole journal": Told(["evidence", "verify", "{waiting}", "--store", "{url}"], 0),
    "a journal that was cut": Told(
        ["evidence", "verify", "{waiting}", "--head", text("head"), "--store", "{url}"], 1, "head"
    ),
    "a damaged journal": Told(["evidence", "verify", name("run"), "--store", "{url}"], 1, "run"),
    "an export to the terminal": Told(
        ["evidence", "export", "--out", "-", "--store", "{url}", "--without", name("run")],
        0,
        "tenant session reason error note",
    ),
    "an export of a damaged run": Told(
        ["evidence", "export", "--out", name("out").replace("/", ""), "--store", "{url}"], 1, "run"
    ),
    "what prune would take": Told(
        ["evidence", "prune", "--dry-run", "--before", "2026-01-31", "--store", "{url}"], 1, "run"
    ),
    "a file that is not there": Told(["evidence", "verify-export", text("file")], 2, "file"),
    "a worker": Told(
        ["worker", "--once", "--handlers", "hands:registry", "--store", "{url}", *NAMED],
        0,
        "worker queued logged",
    ),
    "handlers that cannot be had": Told(
        ["worker", "--handlers", "hands:broken", "--store", "{url}"], 2, "raised"
    ),
    "a machine that cannot be had": Told(["diagram", "hands:broken"], 2, "raised"),
    "a diagram that there is not": Told(["diagram", text("subject")], 2, "subject"),
    "a factory that raises": Told(["verify", "hands:broken"], 2),
    "a store that is none": Told(["migrate", "--store", text("store")], 2, "store"),
    "a command that is none": Told([text("command")], 2, "command"),
}


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
        [sys.executable, "-m", "scoria_cli", *arguments],
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
    pyte.Stream(pyte.DebugScreen(to=did)).feed(sent)
    events = {json.loads(event)[0] for event in did.getvalue().splitlines()}
    rows = [row.rstrip() for row in screen.display]
    return Shown(process.wait(60), sent, events, rows)


def _read(terminal: io.FileIO) -> Iterator[bytes]:
    try:
        while data := terminal.read(65_536):
            yield data
    except OSError:  # how Linux says that the other end is closed
        return


@pytest.mark.parametrize("told", TOLD.values(), ids=TOLD)
def test_a_terminal_shows_what_is_there(told: Told, place: Place) -> None:
    """No text moves the cursor, hides another, reorders it or forges a line of the command."""
    arguments = [place.run_of(each) if "{" in each else each for each in told.arguments]
    shown = on_a_terminal(arguments, place.path)
    assert shown.code == told.code, shown.sent
    assert shown.did <= {"draw", "linefeed", "carriage_return", "select_graphic_rendition"}
    plain = re.sub(r"\x1b\[[0-9;]*m", "", shown.sent).replace("\r\n", "\n")
    assert visible_block(plain) == plain
    assert "\x1b[8m" not in shown.sent
    assert not [row for row in shown.rows if row.startswith(FORGED)]
    assert not [row for row in shown.rows if row.startswith("Traceback")]
    on_it = "".join(map(str.strip, shown.rows))
    assert [mark for mark in told.marks.split() if f"<{mark}\\" not in on_it] == []
