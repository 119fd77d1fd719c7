"""What a person sees at a terminal, whatever a host or a model wrote, and however it is started."""

import ast
import io
import os
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TypeGuard

import attrs
import click
import pytest

import scoria_cli
import scoria_core
from scoria_cli.commands import run, scoria
from scoria_cli.console import INDENT, READER_IS_GONE, console, line
from scoria_cli.options import Amount, Whole
from scoria_core import Failed, Handler, HandOff, NeedsApproval, Scoria, StepSpec
from scoria_core.visible import visible_block
from tests.support.terminal import COLUMNS, COMMAND, on_a_terminal

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
    raise Breaks({text("error")!r})

def make():
    logging.getLogger("of the host").warning({text("logged")!r})
    return {{{name("queued")!r}: break_off}}

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

        def start(kind: str, handler: Handler | None) -> str:
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
        facts = (name("run"), name("tenant"), name("session"), name("actor"), name("role"), 0, None)
        database.execute(
            "INSERT INTO run VALUES (?, ?, ?, ?, ?, ?, ?, 'running', 0, NULL, NULL, 0, 1)", facts
        )
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

    def given(self, place: Place) -> list[str]:
        """Return the arguments with the ids that they name."""
        return [place.run_of(each) if "{" in each else each for each in self.arguments]


EXPORT = "an export to stdout"
OTHER = ["--approval", text("approval"), "--by", name("by")]
NAMED = ["--name", name("worker")]

TOLD = {
    "runs list": Told(["runs", "list", "--store", "{url}"], 0, "run"),
    "runs list of a tenant": Told(
        ["runs", "list", "--store", "{url}", "--tenant", name("tenant")], 0, "run"
    ),
    "inbox": Told(["inbox", "--store", "{url}"], 0, "tool actor"),
    "a place that no page named": Told(["inbox", "--after", text("place"), "--store", "{url}"], 2),
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
        ["evidence", "verify", "{waiting}", "--head", "0" * 64, "--store", "{url}"], 1
    ),
    "a damaged journal": Told(["evidence", "verify", name("run"), "--store", "{url}"], 1, "run"),
    EXPORT: Told(
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
        ["worker", "--once", "--handlers", "hands:make", "--store", "{url}", *NAMED],
        0,
        "worker queued logged",
    ),
    "handlers that could not be imported": Told(
        ["worker", "--handlers", "hands:broken", "--store", "{url}"], 2, "raised"
    ),
    "a machine that could not be imported": Told(["diagram", "hands:broken"], 2, "raised"),
    "a diagram that there is not": Told(["diagram", text("subject")], 2, "subject"),
    "a factory that raises": Told(["verify", "--jobs", "1", "hands:broken"], 2),
    "a store that is none": Told(["migrate", "--store", text("store")], 2),
    "a command that is none": Told([text("command")], 2, "command"),
}


@pytest.mark.parametrize("told", TOLD.values(), ids=TOLD)
def test_a_terminal_shows_what_is_there(told: Told, place: Place) -> None:
    """No text moves the cursor, hides another, reorders it or forges a line of the command."""
    shown = on_a_terminal(told.given(place), place.path)
    assert shown.code == told.code, shown.sent
    # How far `verify` is stands in a line that is erased when it has ended.
    known = {"draw", "linefeed", "carriage_return", "select_graphic_rendition"}
    assert shown.did <= known | ({"erase_in_line"} if told.given(place)[0] == "verify" else set())
    plain = re.sub(r"\x1b\[[0-9;]*m|\r\x1b\[K", "", shown.sent).replace("\r\n", "\n")
    assert visible_block(plain) == plain
    assert "\x1b[8m" not in shown.sent
    assert not [row for row in shown.rows if row.startswith(FORGED)]
    assert not [row for row in shown.rows if row.startswith("Traceback")]
    on_it = "".join(map(str.strip, shown.rows))
    assert [mark for mark in told.marks.split() if f"<{mark}\\" not in on_it] == []


FEW = [
    "runs list",
    "inbox",
    "a run that waits",
    "doctor",
    "what prune would take",
    "a worker",
    "a damaged journal",
]
"""Commands that print a table, lines, a verdict, rows and a log."""


def in_a_pipe(
    arguments: list[str], cwd: Path, redirection: str = "", **environment: str
) -> subprocess.CompletedProcess[bytes]:
    """Run a command as a shell does that reads what it prints."""
    return subprocess.run(
        ["sh", "-c", f'exec "$@" {redirection}', "sh", *COMMAND, *arguments],
        cwd=cwd,
        env={**os.environ, "COLUMNS": str(COLUMNS), "LOGNAME": "me", **environment},
        capture_output=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        *((name, "ascii") for name in TOLD if name != EXPORT),
        *((name, "cp1252:strict") for name in FEW),
    ],
)
def test_what_the_locale_lacks_is_written_out(name: str, encoding: str, place: Place) -> None:
    """The exit code is the same, there is no traceback, and every mark is there."""
    told = TOLD[name]
    ran = in_a_pipe(told.given(place), place.path, PYTHONIOENCODING=encoding)
    said = (ran.stdout + ran.stderr).decode(encoding.partition(":")[0])
    assert ran.returncode == told.code, said
    assert not [row for row in said.splitlines() if row.startswith(("Traceback", "✓", "+"))]
    assert [mark for mark in told.marks.split() if f"<{mark}\\" not in said] == []


def test_a_mark_has_a_stand_in_where_the_locale_lacks_it(place: Place) -> None:
    """Without colour and without the character it still says what it says."""
    ran = in_a_pipe(TOLD["doctor"].given(place), place.path, PYTHONIOENCODING="ascii")
    marked = [row for row in ran.stdout.splitlines() if row[:1] not in b" 0123456789"]
    assert {row[:2] for row in marked} == {b"x "}


def test_serve_says_for_whom_in_one_line(place: Place) -> None:
    """The tenant is a name that a host chose."""
    asked = ["serve", "--store", place.url, "--tenant", name("tenant"), "--port", "0"]
    with subprocess.Popen([*COMMAND, *asked], cwd=place.path, stdout=subprocess.PIPE) as serving:
        assert serving.stdout is not None
        said = serving.stdout.readline().decode()
        serving.terminate()
    assert said.rstrip("\n").endswith("(stop with Ctrl-C)")
    assert visible_block(said) == said


def test_an_argument_that_is_no_text_in_the_locale_is_refused(place: Place) -> None:
    """Python gives its bytes as halves of surrogate pairs, which no store takes."""
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    asked = ["runs", "list", "--store", place.url, "--tenant", "Zoë"]
    ran = in_a_pipe(asked, place.path, **ascii_only)
    assert (ran.returncode, ran.stdout) == (2, b"")
    assert b"PYTHONUTF8=1" in ran.stderr
    assert ran.stderr.count(b"\n") == 1


@pytest.mark.parametrize("redirection", [">&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("name", FEW)
def test_a_closed_stream_changes_no_exit_code(name: str, redirection: str, place: Place) -> None:
    """What nobody can read is not written, and no file of the store takes its descriptor."""
    told = TOLD[name]
    ran = in_a_pipe(told.given(place), place.path, redirection)
    assert (ran.returncode, ran.stdout) == (told.code, b""), ran.stderr
    assert b"\nTraceback" not in b"\n" + ran.stderr


def with_a_reader_that_left(arguments: list[str], cwd: Path) -> tuple[int, str]:
    """Run a command whose stdout is a pipe that nobody reads; return its code and its stderr."""
    reads, writes = os.pipe()
    os.close(reads)
    with os.fdopen(writes, "wb") as pipe:
        ran = subprocess.run(
            [*COMMAND, *arguments],
            cwd=cwd,
            stdout=pipe,
            stderr=subprocess.PIPE,
            text=True,
            timeout=120,
            check=False,
        )
    return ran.returncode, ran.stderr


@pytest.mark.parametrize("name", FEW)
def test_a_reader_that_left_changes_no_exit_code(name: str, place: Place) -> None:
    """`| head -1` is no reason to say that it does not hold."""
    code, said = with_a_reader_that_left(TOLD[name].given(place), place.path)
    assert code == TOLD[name].code
    assert "Pipe" not in said
    assert not said.startswith("Traceback")


@pytest.mark.parametrize("arguments", [[], ["--help"], ["--version"], ["runs", "--help"]])
def test_a_reader_of_the_help_may_leave(arguments: list[str], place: Place) -> None:
    """Help is not what a command found out."""
    assert with_a_reader_that_left(arguments, place.path) == (0 if arguments else 2, "")


def test_an_export_that_nobody_reads_stops(place: Place) -> None:
    """Its rows are what it is for, so it ends as a Unix tool does that SIGPIPE ended."""
    arguments = TOLD[EXPORT].given(place)
    assert with_a_reader_that_left(arguments, place.path) == (READER_IS_GONE, "")


def test_a_device_without_room_is_named(place: Place) -> None:
    """An output that cannot be written is no verdict; nothing more is said at exit."""
    ran = in_a_pipe(["doctor", "--store", place.url], place.path, "> /dev/full")
    assert (ran.returncode, ran.stdout) == (2, b"")
    assert ran.stderr.splitlines() == [
        b"scoria: No space left on device: check the address, or the path, and try again"
    ]


def commands(group: click.Group, *path: str) -> Iterator[tuple[str, click.Command]]:
    """Yield every command below a group, with its words."""
    context = click.Context(group)
    for word in group.list_commands(context):
        command = group.get_command(context, word)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, *path, word)
        else:
            yield " ".join((*path, word)), command


NUMBERS = {
    f"{words} {option.opts[0]}": (words.split(), option)
    for words, command in commands(scoria)
    for option in command.params
    if isinstance(option.type, click.types.IntParamType | click.types.FloatParamType)
}
NO_NUMBERS = [
    "99999999999999999999",
    "9" * 5_000,
    "-99999999999999999999",
    "nan",
    "1e400",
    "٣",
    "",
    "0x",
]


@pytest.mark.usefixtures("_as_a_process")
@pytest.mark.parametrize("value", NO_NUMBERS, ids=lambda value: value[:8])
@pytest.mark.parametrize("option", NUMBERS)
def test_a_number_out_of_range_is_bad_usage(
    option: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever the option and the rubbish, it is one line that names the option."""
    words, parameter = NUMBERS[option]
    assert run([*words, f"{parameter.opts[0]}={value}"]) == 2
    said = capsys.readouterr().err
    assert parameter.opts[0] in said
    assert said.count("\n") == 1


def test_the_numbers_of_every_command_are_tried() -> None:
    """No option has a plain int or float, which takes what no call can."""
    assert len(NUMBERS) >= 12
    assert {type(option.type) for _, option in NUMBERS.values()} == {Amount, Whole}


def test_a_user_without_a_name_is_told_of_by(place: Place) -> None:
    """It is asked for only where somebody decides, and it can be given."""
    (place.path / "sitecustomize.py").write_text(
        "import getpass\ndef none():\n    raise KeyError('getpwuid(): uid not found: 4711')\n"
        "getpass.getuser = none\n"
    )
    nameless = {"PYTHONPATH": str(place.path)}
    shown = ["runs", "show", place.waiting, "--store", place.url]
    assert in_a_pipe(shown, place.path, **nameless).returncode == 0
    cancel = ["runs", "cancel", place.failed, "--store", place.url]
    refused = in_a_pipe(cancel, place.path, **nameless)
    assert refused.returncode == 2
    assert b"--by" in refused.stderr
    assert refused.stderr.count(b"\n") == 1


@pytest.mark.usefixtures("_as_a_process")
def test_a_mistake_of_ours_is_no_verdict(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An exception that nobody foresaw is 2: it could not be told."""

    def breaks(*_: object, **__: object) -> None:
        raise LookupError(text("mistake"))

    monkeypatch.setattr(scoria, "main", breaks)
    assert run(["doctor"]) == 2
    assert "please report it" in caplog.text
    assert visible_block(caplog.text) == caplog.text


def test_a_row_that_goes_on_with_a_line_is_indented(monkeypatch: pytest.MonkeyPatch) -> None:
    """A text that is as long as the terminal is wide cannot begin a row of its own."""
    written = io.StringIO()
    monkeypatch.setattr(written, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdout", written)
    monkeypatch.setenv("COLUMNS", "60")
    line(console(), "✗", "red", "-" * 58 + FORGED, "-" * 52 + FORGED)
    _, *more = re.sub(r"\x1b\[[0-9;]*m", "", written.getvalue()).splitlines()
    assert len(more) >= 2
    assert all(row.startswith(INDENT) and len(row) <= 60 for row in more)


def test_commands_print_in_one_way() -> None:
    """Only the console knows how to print, so that no text goes around the filter."""
    around = [
        f"{path.name}:{node.lineno}"
        for path in Path(scoria_cli.__file__).parent.glob("*.py")
        if path.name not in ("console.py", "streams.py", "__init__.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if is_a_way_to_print(node)
    ]
    assert around == []


PRINTING = {"echo", "secho", "echo_via_pager", "stdout", "stderr", "__stdout__", "__stderr__"}


def is_a_way_to_print(node: ast.AST) -> TypeGuard[ast.expr]:
    """Tell whether a node of a syntax tree can print past the console."""
    match node:
        case ast.Attribute(value=ast.Name("click"), attr=attr):
            return attr in PRINTING
        case ast.Attribute(value=ast.Name("sys"), attr="stderr" | "stdout"):
            return True
        case ast.Call(func=ast.Name("print" | "Text" | "Console")):
            return True
    return False


def test_library_logs_in_one_way() -> None:
    """Only `scoria_core.logs` makes a logger, so that no log line goes around the filter."""
    root = Path(scoria_core.__file__).parent.parent
    shipped = [root / "scoria_core", root / "adapters"]
    around = [
        str(path)
        for package in shipped
        for path in package.rglob("*.py")
        if re.search(r"getLogger\(__name__\)|getLogger\(\"scoria", path.read_text("utf-8"))
    ]
    assert around == []
