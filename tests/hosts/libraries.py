"""The libraries that the hosts of `examples/` are written with."""

from importlib.util import find_spec

LIBRARIES = (
    *("a2wsgi", "django", "fastapi", "flask_wtf", "gunicorn", "psycopg", "uvicorn", "uvloop"),
    "whitenoise",
)
"""The modules that the extra `hosts` brings."""


def lacking() -> list[str]:
    """Return which of them are not installed."""
    return [each for each in LIBRARIES if find_spec(each) is None]
