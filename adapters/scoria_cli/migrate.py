"""`scoria migrate`: bring the schema of a PostgreSQL store forward."""

import click

from scoria_cli.console import out_line
from scoria_cli.options import FILE_SCHEMES, store_option
from scoria_core.errors import StoreUnavailable
from scoria_core.stores import checked_url, open_store, scheme_of, store_name


@click.command()
@store_option
def migrate(store: str) -> None:
    """Bring the schema of a PostgreSQL store forward, and say what was applied.

    Opening a store does the same. This is for those who let only a deployment change a schema.
    """
    scheme, store = scheme_of(store), checked_url(store)
    if scheme in ("memory", *FILE_SCHEMES):
        next_move = "there is nothing to migrate: it makes its tables with the first run"
        raise StoreUnavailable(store_name(store), "is not kept by PostgreSQL", next_move)
    if scheme != "postgresql":
        open_store(store).close()  # raises for a wrong URL; another store makes its schema itself
        return
    from scoria_postgres.connection import connected, named, translated
    from scoria_postgres.migrate import SCHEMA
    from scoria_postgres.migrate import migrate as apply

    name = named(store)
    with translated(name), connected(store) as connection:
        applied = apply(connection, name)
    told = f"applied {', '.join(map(str, applied))}" if applied else "up to date"
    out_line(f"{name}: schema {SCHEMA}, {told}")
