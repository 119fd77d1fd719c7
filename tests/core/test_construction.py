"""A facade made of the wrong things says so when it is made, not at its first call."""

import datetime as datetime_module
import time
import uuid
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from scoria_core import Scoria
from scoria_core.errors import InvalidPayload
from scoria_core.system import SystemClock
from scoria_memory import MemoryStore
from scoria_web import Scope, evidence_app


class HalfAStore:
    """Serve as a store that somebody has begun to write."""

    capabilities = frozenset[str]()

    def create(self) -> None:
        """Do nothing."""

    def read(self) -> None:
        """Do nothing."""


class HasAValue:
    """Serve as a clock whose time is no method."""

    now = datetime(2026, 1, 1, tzinfo=datetime_module.UTC)


WRONG = {
    "a URL for a store": (
        {"store": "memory://"},
        "store is str, which lacks append, capabilities, close, count_runs",
    ),
    "no store": ({"store": None}, "store is NoneType, which lacks append, capabilities, close, "),
    "the class of a store": ({"store": MemoryStore}, "store is the class MemoryStore"),
    "half a store": (
        {"store": HalfAStore()},
        "store is HalfAStore, which lacks append, close, count_runs, list_due",
    ),
    "a function for a clock": ({"clock": time.time}, "clock is builtin_function_or_method, which"),
    "a module for a clock": ({"clock": datetime_module}, "clock is module, which lacks now"),
    "the class of a clock": ({"clock": SystemClock}, "clock is the class SystemClock"),
    "the class datetime": ({"clock": datetime}, "clock is the class datetime"),
    "a function for ids": ({"ids": uuid.uuid4}, "ids is function, which lacks new_id"),
    "an iterator for ids": ({"ids": iter(["1"])}, "ids is list_iterator, which lacks new_id"),
    "a value for a method": ({"clock": HasAValue()}, "clock is HasAValue, which lacks now"),
}


@pytest.mark.parametrize(("given", "said"), WRONG.values(), ids=WRONG)
def test_what_is_no_port_is_refused(given: dict[str, Any], said: str) -> None:
    """The refusal names the argument and what it lacks."""
    with pytest.raises(InvalidPayload) as refused:
        Scoria(**{"store": MemoryStore(), **given})
    assert str(refused.value).startswith(said)
    assert refused.value.field == next(iter(given))


def test_a_url_given_for_a_store_is_told_of_open() -> None:
    """Who hands over a URL learns the call that takes one."""
    url: Any = "memory://"
    with pytest.raises(InvalidPayload, match=r"; open a URL with Scoria\.open$"):
        Scoria(url)


def test_an_entry_point_that_gives_no_store_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A third party's opener that returns something else is told what that lacks."""
    monkeypatch.setattr("scoria_core.stores._opener", lambda *_: lambda _: None)
    with pytest.raises(InvalidPayload, match="store is NoneType, which lacks append, capabilities"):
        Scoria.open("other://")


@pytest.mark.parametrize(
    ("option", "near"),
    [("dispach", "dispatch"), ("handler", "handlers"), ("max_payload", "max_payload_bytes")],
)
def test_a_misspelt_option_names_the_nearest(tmp_path: Path, option: str, near: str) -> None:
    """The refusal names the option and the one that was meant, and no store is opened."""
    path = tmp_path / "a.sqlite"
    options: Any = {option: "thread"}
    with pytest.raises(TypeError) as refused:
        Scoria.open(f"sqlite:///{path}", **options)
    assert str(refused.value) == f"there is no option {option!r}; did you mean {near!r}?"
    assert not path.exists()


def test_an_option_like_no_other_is_told_which_there_are(tmp_path: Path) -> None:
    """Where none is near, all are named."""
    options: Any = {"zzz": 1}
    with pytest.raises(TypeError) as refused:
        Scoria.open(f"sqlite:///{tmp_path / 'a.sqlite'}", **options)
    said = str(refused.value)
    assert said.startswith("there is no option 'zzz'; there are clock, dispatch, handlers, ")


@pytest.mark.parametrize(
    ("scoria", "scope", "said"),
    [
        ("memory://", lambda _: None, "scoria is str; pass what Scoria.open returned"),
        (MemoryStore(), lambda _: None, "scoria is MemoryStore; pass what Scoria.open returned"),
        (
            Scoria(MemoryStore()),
            Scope("t", "a"),
            "scope is Scope; pass a callable that takes the WSGI environ",
        ),
        (
            Scoria(MemoryStore()),
            "acme",
            "scope is str; pass a callable that takes the WSGI environ",
        ),
    ],
)
def test_a_page_is_made_of_a_facade_and_a_scope(scoria: Any, scope: Any, said: str) -> None:
    """A page of something else is refused when it is mounted, not at its first request."""
    with pytest.raises(InvalidPayload) as refused:
        evidence_app(scoria, scope=scope)
    assert str(refused.value) == said
