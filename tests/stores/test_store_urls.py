"""URLs of stores: no message repeats a secret, and a file URL names the file that it says."""

import signal
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from scoria_cli.commands import run
from scoria_cli.options import existing_store
from scoria_conformance.target import Target
from scoria_core.errors import StoreUnavailable
from scoria_core.stores import checked_url, file_path, file_url, open_store, scratch_url, store_name

ODD = [
    "postgres://u:PASS/WORD@h/d",
    "postgres://u:1234/PASSWORD@h/d",
    "postgresql://u:1234?PASSWORD@h/d",
    "postgresql://u:PASSWORD#1@h/d",
    "postgresql://u:p@PASSWORD@h/d",
    "postgresql://u:PASSWORD@h:port/d",
    "POSTGRESQL://u:PASSWORD@h:PASSWORD/d",
    "postgresql+psycopg://u:PASSWORD@h/d",
    "host=h password=PASSWORD",
    "host=h password=PASSWORD://",
    "password=PASSWORD host=h://x",
    "sqlite://u:PASSWORD@h/x",
    "duckdb://user:PASSWORD@/x",
    "duckdb://PASSWORD@x",
    "duckdb:///x?password=PASSWORD",
    "sqlite:///x#PASSWORD",
    "sqlite:PASSWORD",
    "scheme-without-slashes:PASSWORD",
    "memory://u:PASSWORD@h",
    "memory://h?PASSWORD",
    "memory:PASSWORD",
    "mongodb://u:PASSWORD@h/d?password=PASSWORD",
    "mongodb://h/d;password=PASSWORD",
    "u:PASSWORD@h",
    "//u:PASSWORD@h/d",
    "PASSWORD",
]
"""URLs that no store opens, each with a secret."""

COMMANDS = {
    "runs list": ["runs", "list", "--store"],
    "evidence verify": ["evidence", "verify", "some-run", "--store"],
    "doctor": ["doctor", "--store"],
    "migrate": ["migrate", "--store"],
    "verify": ["verify", "--jobs", "1"],
    "worker": ["worker", "--handlers", "scripted:WORK", "--store"],
}


@pytest.mark.usefixtures("_as_a_process")  # a target may be imported from where the user stands
@pytest.mark.parametrize("url", ODD)
@pytest.mark.parametrize(
    "call",
    [open_store, existing_store, lambda url: Target(url).check()],
    ids=["open", "existing", "target"],
)
def test_a_url_that_is_refused_keeps_its_secret(
    url: str, call: Callable[[str], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The refusal names the scheme at most, and says what to do."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreUnavailable) as refused:
        call(url)
    assert "PASS" not in str(refused.value)
    assert "WORD" not in str(refused.value)
    assert "1234" not in str(refused.value)
    assert str(refused.value).isprintable()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("_as_a_process")
@pytest.mark.parametrize("url", ODD)
@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_prints_the_secret_of_a_url(
    command: str,
    url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each ends with an error and one line, which has nothing of the secret."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    assert run([*COMMANDS[command], url]) == 2
    told = "".join(capsys.readouterr())
    assert len(told.splitlines()) == 1
    assert "PASS" not in told
    assert "WORD" not in told
    assert "1234" not in told


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("postgresql://u:p@h/d", "postgresql://h/d"),
        (
            "postgresql://u:p%40ss@h:5432,[::1]:5433/d?sslpassword=p",
            "postgresql://h:5432,[::1]:5433/d",
        ),
        ("postgres://%2Fvar%2Frun/d", "postgres://%2Fvar%2Frun/d"),
        ("http://user:p@localhost:8000/scoria?token=p", "http://localhost:8000/scoria"),
        ("duckdb:////var/lib/scoria.duckdb", "duckdb:////var/lib/scoria.duckdb"),
        ("memory://", "memory://"),
        ("postgresql://u:p@w@h/d", "postgresql:..."),
        ("postgresql://u:pa/ss@h/d", "postgresql:..."),
        ("scheme:p", "scheme:..."),
        ("host=h password=p", "..."),
        ("", "..."),
        (None, "..."),
    ],
)
def test_a_store_has_a_name_without_secrets(url: object, name: str) -> None:
    """It is where the store is, without who may open it and how."""
    assert store_name(url) == name


@pytest.mark.parametrize(
    ("url", "checked"),
    [
        ("postgres://u:p@h/d?sslmode=require", "postgresql://u:p@h/d?sslmode=require"),
        ("POSTGRES://h/d", "postgresql://h/d"),
        ("Memory://", "memory://"),
        ("postgresql://h1:1,h2:2/d", "postgresql://h1:1,h2:2/d"),
        ("sqlite:///a@b.db", "sqlite:///a@b.db"),
    ],
)
def test_a_scheme_is_understood_as_others_write_it(url: str, checked: str) -> None:
    """`postgres://` is what many services hand out, and schemes have no case."""
    assert checked_url(url) == checked


def test_memory_is_opened_whatever_the_case_of_its_scheme() -> None:
    """As every other URL."""
    open_store("MEMORY://").close()


# --- files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///runs.db", "runs.db"),
        ("sqlite:////var/lib/runs.db", "/var/lib/runs.db"),
        ("sqlite:///my%20runs.db", "my runs.db"),
        ("sqlite:///my runs.db", "my runs.db"),
        ("sqlite:///a%3Fb%23c%25d.db", "a?b#c%d.db"),
        ("sqlite:///caf%C3%A9.db", "café.db"),
        ("sqlite:///café.db", "café.db"),
        ("sqlite:///%7E/runs.db", "~/runs.db"),
        ("sqlite:///./~/runs.db", "~/runs.db"),
        ("sqlite:///a+b.db", "a+b.db"),
    ],
)
def test_a_file_url_names_the_file_that_it_says(url: str, path: str) -> None:
    """What is percent-encoded is decoded, and all else is taken as it is."""
    assert file_path(url) == Path(path)


def test_a_tilde_is_the_home_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a shell; a directory called ~ is nobody's wish."""
    monkeypatch.setenv("HOME", "/home/reviewer")
    assert file_path("sqlite:///~/my%20runs.db") == Path("/home/reviewer/my runs.db")
    with pytest.raises(StoreUnavailable, match="names no known home"):
        file_path("sqlite:///~nobody-of-that-name/runs.db")


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("sqlite://runs.db", "sqlite:///PATH with three slashes"),
        ("sqlite://u@h/runs.db", "sqlite:///PATH with three slashes"),
        ("sqlite:///runs.db?mode=ro", "%3F for a ?"),
        ("sqlite:///runs.db#old", "%23 for a #"),
        ("sqlite:///100%.db", "%25 for a %"),
        ("sqlite:///%zz.db", "%25 for a %"),
        ("sqlite:///%ff.db", "names no file"),
        ("sqlite:///a%00b.db", "names no file"),
        ("sqlite:///a%0Ab.db", "names no file"),
        ("sqlite:///runs/", "names no file"),
        ("sqlite:///", "names no file"),
        ("sqlite:///:memory:", "memory://"),
        ("sqlite:///\ud800", "names no file"),
    ],
)
def test_what_a_file_url_cannot_say_is_refused_with_words(url: str, told: str) -> None:
    """Nothing in it is ignored, or taken for a part of the name."""
    with pytest.raises(StoreUnavailable) as refused:
        file_path(url)
    assert told in str(refused.value)
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("scheme", ["duckdb", "sqlite"])
@pytest.mark.parametrize("name", ["my runs.db", "a?b#c%d.db", "~", "café.db", "100%25.db"])
def test_every_name_has_a_url(scheme: str, name: str, tmp_path: Path) -> None:
    """The store of the URL is in the file of that name, as is a scratch beside it."""
    url = file_url(scheme, tmp_path / name)
    assert file_path(url) == tmp_path / name
    with closing(open_store(url)):
        pass
    assert (tmp_path / name).exists()
    with closing(existing_store(url)):
        pass
    assert file_path(scratch_url(url, tmp_path / "other")) == tmp_path / "other" / name


@pytest.mark.parametrize(
    "url", ["sqlite:///my%20runs.db", "sqlite:///~/runs.db", "sqlite:////x/y.db"]
)
def test_a_store_that_is_not_there_is_named_by_its_path(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message shows where was looked, as the file system writes it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(StoreUnavailable, match="does not exist") as missing:
        existing_store(url)
    assert str(file_path(url)) in str(missing.value)
    assert list(tmp_path.iterdir()) == []
