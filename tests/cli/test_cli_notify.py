"""`scoria notify`, and what `scoria doctor` says of listeners."""

import json
import logging
import signal
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

import attrs
import pytest

import scoria_sqlite
from scoria_cli.commands import run
from scoria_core import Scoria
from scoria_core.ports import OutboxStore
from scoria_core.stores import file_path, file_url
from scoria_sqlite import SQLiteStore

SECRET = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"  # noqa: S105 - of nobody


@pytest.fixture(autouse=True)
def _commands_end_with_their_process() -> Iterator[None]:
    """Take back what a command does to its process, which ends with it otherwise."""
    level, on_stop = logging.getLogger().level, signal.getsignal(signal.SIGTERM)
    yield
    logging.getLogger().setLevel(level)
    signal.signal(signal.SIGTERM, on_stop)


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Return the URL of an empty store."""
    url = file_url("sqlite", tmp_path / "runs.db")
    Scoria.open(url).close()
    return url


@pytest.fixture
def posted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """Return what is posted to the receiver at `posted[0]`."""
    monkeypatch.setenv("SCORIA_NOTIFY_SECRET", SECRET)
    found: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            found.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        found.append(f"http://127.0.0.1:{server.server_port}/T0/SECRET")
        yield found
        server.shutdown()
        thread.join()


def start(url: str) -> str:
    """Start a run that its host drives."""
    with Scoria.open(url) as scoria:
        identity = scoria.identity(actor_id="user-1", tenant_id="acme", session_id="s")
        return scoria.start_run(identity, root_role_id="executor").run_id


def give_up(url: str, listener: str) -> None:
    """Give up what a listener was not told."""
    with Scoria.open(url) as scoria:
        store = cast(OutboxStore, scoria._runs.store)
        for each in store.list_deliveries(listener, limit=9):
            after = attrs.evolve(each, tries=20, next_try_at=None, problem="answered 500\x1b[2J")
            assert store.settle_delivery(each, after)


def test_what_happens_is_posted_from_the_first_start_on(
    url: str, posted: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """In order, and no line on the screen tells the path, which is often a secret."""
    start(url)
    command = ["notify", "--store", url, "--to", posted[0], "--allow-inner", "--once"]
    assert run(command) == 0
    run_id = start(url)
    assert run([*command, "--type", "run.started"]) == 0
    assert [each["id"] for each in posted[1:]] == [f"{run_id}/1"]
    assert posted[1]["type"] == "scoria.run.started"
    told = capsys.readouterr()
    assert "SECRET" not in told.out + told.err
    assert "1 events told" in told.out


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ([], "Missing option '--to'"),
        (["--to", "http://host.example/"], "--to must begin with https://"),
        (["--to", "host.example"], "--to"),
        (
            ["--to", "https://host.example/", "--type", "approval.requestd"],
            "--type has 'approval.requestd', which is no event type; did you mean",
        ),
        (["--to", "https://host.example/", "--type", ""], "--type has ''"),
        (["--to", "https://host.example/", "--timeout", "26"], "0<x<=25"),
        (["--to", "https://host.example/", "--timeout", "0"], "0<x<=25"),
        (["--again"], "Missing option '--name'"),
        (["--again", "--name", "nobody"], "there is no listener 'nobody'"),
    ],
)
def test_bad_usage_is_one_line(
    url: str,
    posted: list[Any],
    options: list[str],
    told: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It says which option, and nothing is written."""
    assert posted
    assert run(["notify", "--store", url, *options]) == 2
    said = capsys.readouterr().err
    assert told in said
    assert len(said.splitlines()) == 1
    with Scoria.open(url) as scoria:
        assert cast(OutboxStore, scoria._runs.store).list_listeners() == []


def test_a_secret_is_needed(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is posted unsigned."""
    monkeypatch.delenv("SCORIA_NOTIFY_SECRET", raising=False)
    assert run(["notify", "--store", url, "--to", "https://host.example/"]) == 2
    assert "SCORIA_NOTIFY_SECRET is no secret" in capsys.readouterr().err


def test_a_store_without_an_outbox_is_refused(
    url: str,
    posted: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The line says what kind of store it takes."""
    monkeypatch.setattr(scoria_sqlite, "open_store", lambda each: SQLiteStore(file_path(each)))
    assert run(["notify", "--store", url, "--to", posted[0], "--allow-inner"]) == 2
    assert "a store that declares outbox" in capsys.readouterr().err


def test_the_doctor_names_what_was_given_up_and_again_tries_it(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The next move that it prints works."""
    with Scoria.open(url, listeners={"mail": print}):
        pass
    run_id = start(url)
    give_up(url, "mail")
    assert run(["doctor", "--store", url, "--json"]) == 1
    finding, summary = map(json.loads, capsys.readouterr().out.splitlines())
    assert (finding["run_id"], finding["problem"]) == (run_id, "given_up")
    assert "is not told to mail from entry 1 on: answered 500" in finding["why"]
    assert "scoria notify --again --name mail" in finding["next_move"]
    assert summary["stuck"] == 1
    assert run(["doctor", "--store", url, "--tenant", "other", "--json"]) == 0
    capsys.readouterr()
    assert run(["notify", "--store", url, "--again", "--name", "mail"]) == 0
    assert "listener mail: 1 runs are tried again" in capsys.readouterr().out
    assert run(["doctor", "--store", url]) == 0
    told: list[str] = []
    with Scoria.open(url, listeners={"mail": lambda event: told.append(event.type)}) as scoria:
        scoria.deliver_events()
    assert told == ["run.started"]


def test_the_doctor_names_what_nobody_tells_and_forget_ends_it(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A listener that went away keeps no growing list for ever."""
    with Scoria.open(url, listeners={"mail": print}):
        pass
    start(url)
    assert run(["doctor", "--store", url, "--patience", "0"]) == 1
    said = capsys.readouterr().out
    assert "nobody tells it" in " ".join(said.split())
    assert run(["notify", "--store", url, "--forget", "--name", "mail"]) == 0
    capsys.readouterr()
    with Scoria.open(url) as scoria:
        assert cast(OutboxStore, scoria._runs.store).list_listeners() == []
