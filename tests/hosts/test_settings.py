"""The settings of the Django host: what it takes as the URL of its database."""

import runpy
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from tests.hosts.serving import EXAMPLES

SETTINGS = EXAMPLES / "django_host" / "host" / "settings.py"


def settings_with(url: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return what the settings say where the environment names a database by `url`."""
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("SECRET_KEY", "of a test")
    return runpy.run_path(str(SETTINGS))


@pytest.mark.parametrize(
    ("query", "options", "is_pooled"),
    [
        ("", {}, False),
        ("?pooler=transaction", {}, True),
        ("?sslmode=require&pooler=transaction", {"sslmode": "require"}, True),
        ("?connect_timeout=5", {"connect_timeout": "5"}, False),
    ],
)
def test_what_is_for_scoria_alone_does_not_reach_django(
    query: str, options: dict[str, str], is_pooled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scoria is told of a pooler; Django keeps no cursor in its sessions."""
    url = f"postgresql://ada:s3cret@db.example:6432/shop{query}"
    settings = settings_with(url, monkeypatch)
    database = settings["DATABASES"]["default"]
    server = {"user": "ada", "password": "s3cret", "host": "db.example", "port": "6432"}
    assert settings["SCORIA_STORE"] == url
    assert database["NAME"] == "shop"
    assert database["OPTIONS"] == {**server, **options}
    assert database["DISABLE_SERVER_SIDE_CURSORS"] is is_pooled


@pytest.mark.parametrize(
    "url",
    [
        *("", "sqlite:///s3cret.db", "postgresql://db.example", "postgresql://db.example/"),
        *("postgresql://ada:s3cret@h:?x", "postgresql://ada:s3cret@db.example/?pooler=transaction"),
    ],
)
def test_a_url_that_names_no_database_is_refused_in_a_sentence(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says how to write one, and repeats nothing of this one."""
    with pytest.raises(ImproperlyConfigured, match="postgresql://USER@HOST/DATABASE") as refused:
        settings_with(url, monkeypatch)
    assert "s3cret" not in str(refused.value)
