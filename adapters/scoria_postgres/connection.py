"""Where a URL leads, and what PostgreSQL says in the words of the port."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import PoolClosed, PoolTimeout

from scoria_core.errors import StoreCorrupt, StoreUnavailable, shown

CONNECT_TIMEOUT = 5
"""For how many seconds a new connection is waited for, where the URL does not say."""

SILENCE = 10
"""For how many seconds a server may be silent where the network does not say that it is gone."""


def conninfo(url: str) -> str:
    """Return what libpq connects by; `StoreUnavailable` where `url` cannot be read."""
    try:
        given = conninfo_to_dict(url)
    except psycopg.ProgrammingError as error:
        next_move = "write postgresql://USER@HOST/DATABASE"
        # What libpq says may quote a password.
        raise StoreUnavailable("postgresql://...", "cannot be read as a URL", next_move) from error
    assumed: dict[str, str | int] = {
        "connect_timeout": CONNECT_TIMEOUT,
        "application_name": "scoria",
        # Without these a call to a server that vanished would hang for a quarter of an hour.
        "tcp_user_timeout": SILENCE * 1000,
        "keepalives_idle": SILENCE // 2,
        "keepalives_interval": 1,
        "keepalives_count": SILENCE // 2,
    }
    return make_conninfo(url, **{name: assumed[name] for name in assumed.keys() - given.keys()})


def named(url: str) -> str:
    """Return the name of a store for messages: its host and database, without a password."""
    given = conninfo_to_dict(conninfo(url))
    return f"postgresql://{given.get('host') or ''}/{given.get('dbname') or ''}"


def connected(url: str) -> psycopg.Connection:
    """Return a new connection in autocommit mode; leaving its `with` closes it."""
    return psycopg.connect(conninfo(url), autocommit=True)


@contextmanager
def translated(name: str) -> Iterator[None]:
    """Raise what the port raises: `StoreUnavailable`, or `StoreCorrupt` for damaged data."""
    try:
        yield
    except (PoolClosed, PoolTimeout) as error:
        raise StoreUnavailable(name, f"gives no connection: {shown(error, 200)}") from error
    except (errors.DataCorrupted, errors.IndexCorrupted) as error:
        raise StoreCorrupt(f"store {name}", 0, f"cannot be read: {_said(error)}") from error
    except (errors.UndefinedTable, errors.UndefinedColumn) as error:
        next_move = "open it again, or call scoria migrate, to make its tables"
        raise StoreUnavailable(name, f"has lost its tables: {_said(error)}", next_move) from error
    except psycopg.Error as error:
        raise StoreUnavailable(name, f"does not answer: {_said(error)}") from error


def _said(error: psycopg.Error) -> str:
    return " ".join(str(error).split())[:300]
