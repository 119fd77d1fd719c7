"""`scoria migrate`: bring the schema of a PostgreSQL store forward."""

import click

from scoria_cli.console import out_line
from scoria_cli.options import store_option
from scoria_core.errors import StoreUnavailable
from scoria_core.stores import open_store


@click.command()
@store_option
def migrate(store: str) -> None:
    """Bring the schema of a PostgreSQL store forward, and say what was applied.

    Opening a store does the same. This is for those who let only a deployment change a schema.
    """
    if store.partition("://")[0] in ("memory", "duckdb", "sqlite"):
        next_move = "there is nothing to migrate: it makes its tables with the first run"
        raise StoreUnavailable(store, "is not kept by PostgreSQL", next_move)
    if store.partition("://")[0] != "postgresql":
        open_store(store).close()  # says what is wrong with the URL, or has made its own schema
        return
    from scoria_postgres.connection import connected, named, translated
    from scoria_postgres.migrate import SCHEMA
    from scoria_postgres.migrate import migrate as apply

    name = named(store)
    with translated(name), connected(store) as connection:
        applied = apply(connection, name)
    told = f"applied {', '.join(map(str, applied))}" if applied else "up to date"
    out_line(f"{name}: schema {SCHEMA}, {told}")
