"""A schema for each test directory, in the database that a URL names."""

import hashlib
from pathlib import Path
from urllib.parse import quote

from psycopg.sql import SQL, Identifier, Literal

from scoria_postgres.connection import connected, named, translated

_PREFIX = "scoria_scratch_"
_SCRATCHES = """SELECT nspname, obj_description(oid) FROM pg_namespace
    WHERE starts_with(nspname, %s) AND obj_description(oid) IS NOT NULL"""


def scratch(url: str, directory: Path) -> str:
    """Return the URL of an empty store that exists as long as `directory` does.

    The same directory gives the same store. The schemas of directories that are gone are dropped.
    """
    schema = _PREFIX + hashlib.sha256(str(directory).encode()).hexdigest()[:16]
    with translated(named(url)), connected(url) as connection:
        made = connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", [schema])
        if made.fetchone() is None:
            for old, of in connection.execute(_SCRATCHES, [_PREFIX]).fetchall():
                if not Path(of).exists():
                    connection.execute(
                        SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(Identifier(old))
                    )
            connection.execute(SQL("CREATE SCHEMA {}").format(Identifier(schema)))
            told = SQL("COMMENT ON SCHEMA {} IS {}")
            connection.execute(told.format(Identifier(schema), Literal(str(directory))))
    return f"{url}{'&' if '?' in url else '?'}options={quote(f'-csearch_path={schema}')}"
