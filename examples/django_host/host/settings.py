"""The settings of the host; Scoria keeps its tables in the same database as Django's."""

import os
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

SCORIA_STORE = os.environ["DATABASE_URL"]
_address, _, _query = SCORIA_STORE.partition("?")
# `pooler=transaction` is for Scoria: PostgreSQL's own library knows no such parameter.
_known = [each for each in _query.split("&") if each and each != "pooler=transaction"]
try:
    _database = conninfo_to_dict(f"{_address}?{'&'.join(_known)}")
except ProgrammingError:  # it may repeat the password
    _database = {}
if "dbname" not in _database:
    problem = "DATABASE_URL must be postgresql://USER@HOST/DATABASE, and name the database"
    raise ImproperlyConfigured(problem)
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": _database.pop("dbname"),
        "OPTIONS": _database,
        # A cursor belongs to a session, and such a pooler hands that to another client.
        "DISABLE_SERVER_SIDE_CURSORS": "pooler=transaction" in _query.split("&"),
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

SECRET_KEY = os.environ["SECRET_KEY"]  # one for all processes: each reads what another signed
ALLOWED_HOSTS = os.environ.get("ALLOWED_HOSTS", "127.0.0.1,localhost").split(",")

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "refunds",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "refunds.refusals.Refusals",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [Path(__file__).parent.parent / "templates"],
        "APP_DIRS": True,  # those of the admin
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
ROOT_URLCONF = "host.urls"
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
STATIC_URL = "static/"
WHITENOISE_USE_FINDERS = True  # the style of the admin, without `collectstatic`
TIME_ZONE = "UTC"
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,  # those of gunicorn and of Scoria
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": "INFO"},
}
